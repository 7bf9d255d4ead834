"""The settings that say what becomes of revisions once they are pushed, checked.

Every training makes a plan; what carries it out, `choosing` and `evaluation`, is loaded by those
that have asked for something.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

from ._core import ConfigError
from ._native import config_error
from .repository import check_model_branch
from .retention import Retention
from .selection.rule import Rule, make_rule
from .settings import Config

if TYPE_CHECKING:
    from .evaluation.config import EvaluationConfig
    from .prune import Purge

DEFAULT_METRIC = "eval_loss"

T = TypeVar("T")


@dataclass(frozen=True)
class Plan:
    """The settings that say what becomes of pushed revisions, checked."""

    evaluate: EvaluationConfig | None
    rule: Rule
    promote: str
    pointers: tuple[str, ...]
    retention: Retention
    purge: Purge

    @property
    def wanted(self) -> bool:
        """Whether there is anything to do."""
        return bool(self.evaluate or self.promote or self.pointers or str(self.retention))

    @property
    def needs_best(self) -> bool:
        """Whether the best one so far matters during training."""
        return "best" in self.pointers or self.retention.keep_best is not None


def make_plan(settings: Mapping[str, Any]) -> Plan:
    """The plan in these settings; those that are missing count as their defaults.

    Raises `ConfigError` naming the setting, the key and what is wrong with it.
    """
    limits = dict(settings.get("retention") or {})
    purges = limits.pop("purge_lfs", False)
    if not isinstance(purges, bool):
        raise config_error(f"'retention': purge_lfs must be true or false, not {purges!r}")
    evaluate, promote = settings.get("evaluate"), settings.get("promote") or ""
    check_model_branch(promote)
    return Plan(
        evaluate=_evaluation(evaluate) if evaluate else None,
        rule=_rule(settings.get("pick") or DEFAULT_METRIC),
        promote=promote,
        pointers=tuple(settings.get("pointers") or ()),
        retention=_called("retention", Retention, limits),
        purge="purge" if purges else "keep",
    )


def _evaluation(config: Config) -> EvaluationConfig:
    from .evaluation.config import load_config

    return load_config(config)


def _rule(pick: str | Mapping[str, Any]) -> Rule:
    if isinstance(pick, Mapping):
        return _called("pick", make_rule, dict(pick))
    return make_rule(pick)


def _called(setting: str, function: Callable[..., T], arguments: dict[str, Any]) -> T:
    known = [*inspect.signature(function).parameters]
    for key in arguments:
        if key not in known:
            raise config_error(f"'{setting}' has an unknown key '{key}'; it has {', '.join(known)}")
    try:
        return function(**arguments)
    except ConfigError as error:
        raise config_error(f"'{setting}': {error}") from error
    except (TypeError, AttributeError, ValueError) as error:
        raise config_error(f"'{setting}' holds a value of a wrong type: {error}") from error
