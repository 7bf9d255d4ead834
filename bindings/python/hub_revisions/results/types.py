"""What an evaluation found out about one commit."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from .._native import config_error

Mode = Literal["min", "max"]

# How an evaluation ended. Only `succeeded` has metrics that count. `lost`: the engine forgot it,
# and it left no word.
Outcome = Literal["succeeded", "failed", "cancelled", "lost"]
OUTCOMES: tuple[Outcome, ...] = ("succeeded", "failed", "cancelled", "lost")

SCHEMA = "hub-revisions-result/1"

# As in the schema of evaluations: a suite's name is part of paths in the repository.
SUITE_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_LISTED = 4


@dataclass(frozen=True)
class Metric:
    """One number.

    `key` is `task@shots/metric[filter]`, with the parts that apply: 'gsm8k@5/exact_match',
    'heldout/loss'. `value` is None where what the evaluator wrote is no finite number; `problem`
    then says what it was. `stderr` is the standard error and `n` the number of samples, where
    known. `partial`: not all samples were evaluated. `mode`: which direction is good, where the
    evaluator says so. Two metrics are comparable only if their fingerprints are equal: it stands
    for task version, shots, prompts and harness version; "" where the evaluator tells nothing.
    `benchmark` is 'dataset id#task id' where this is the number of a benchmark that is registered
    on the Hub; the evaluation's configuration says so.
    """

    key: str
    value: float | None
    stderr: float | None = None
    n: int | None = None
    partial: bool = False
    mode: Mode | None = None
    fingerprint: str = ""
    problem: str = ""
    benchmark: str = ""

    def __str__(self) -> str:
        if self.value is None:
            return f"{self.key} {self.problem or 'has no value'}"
        error = "" if self.stderr is None else f" ±{self.stderr:.2g}"
        return f"{self.key}={self.value:.6g}{error}{' (partial)' if self.partial else ''}"


def listed(metrics: Sequence[Metric]) -> str:
    """The first metrics, in one line."""
    more = f" and {len(metrics) - _LISTED} more" if len(metrics) > _LISTED else ""
    return f"{', '.join(map(str, metrics[:_LISTED]))}{more}"


@dataclass(frozen=True)
class Result:
    """One attempt to evaluate one commit with one suite; as it is stored in the repository.

    `key` identifies the evaluation (repository, commit, suite and its configuration), `attempt`
    counts from 1. `revision` and `step` are labels: the commit is what was evaluated. `reason` says
    why it did not succeed. `format` is the form of the evaluator's file (`results.formats`),
    `engine` and `job` say where it ran, `url` leads there. Times are unix seconds.
    """

    key: str
    commit: str
    revision: str
    step: int | None
    suite: str
    outcome: Outcome
    attempt: int = 1
    reason: str = ""
    format: str = ""
    engine: str = ""
    job: str = ""
    url: str = ""
    started: int = 0
    finished: int = 0
    metrics: tuple[Metric, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """The stored form; fields that say nothing are left out."""
        fields = {"schema": SCHEMA, **_without_defaults(self)}
        fields["metrics"] = [_without_defaults(metric) for metric in self.metrics]
        return fields

    @classmethod
    def from_json(cls, item: Any) -> Result:
        """Read the stored form. Raises `ConfigError` saying what is wrong with it."""
        if not isinstance(item, Mapping) or item.get("schema") != SCHEMA:
            raise config_error(f"is no result: its 'schema' is not '{SCHEMA}'")
        try:
            fields = {name: item[name] for name in cls.__dataclass_fields__ if name in item}
            fields["metrics"] = tuple(
                Metric(**{n: m[n] for n in Metric.__dataclass_fields__ if n in m})
                for m in item["metrics"]
            )
            result = cls(**fields)
        except (KeyError, TypeError) as error:
            raise config_error(f"is a damaged result: {error}") from error
        _check(result)
        return result


def _without_defaults(value: Any) -> dict[str, Any]:
    always = ("value", "step")
    return {
        name: getattr(value, name)
        for name, field in value.__dataclass_fields__.items()
        if name in always or getattr(value, name) != field.default
    }


def _check(result: Result) -> None:
    texts = (
        *(result.key, result.commit, result.revision, result.suite, result.reason),
        *(result.format, result.engine, result.job, result.url),
    )
    whole = (result.started, result.finished, result.attempt)
    well = (
        all(isinstance(text, str) for text in texts)
        and len(result.commit) == 40
        and result.outcome in OUTCOMES
        and all(isinstance(number, int) for number in whole)
        and (result.step is None or isinstance(result.step, int))
        and all(is_metric(metric) for metric in result.metrics)
    )
    if not well:
        raise config_error("is a damaged result: a field has the wrong type")
    if not SUITE_NAME.fullmatch(result.suite):
        raise config_error(f"is a damaged result: no suite is called {result.suite[:70]!r}")


def is_metric(metric: Metric) -> bool:
    """Whether its fields have the types that they should: it was read from somewhere."""
    # Written out, since a repository may hold a hundred thousand of them.
    return (
        isinstance(metric.key, str)
        and isinstance(metric.fingerprint, str)
        and isinstance(metric.problem, str)
        and isinstance(metric.benchmark, str)
        and isinstance(metric.partial, bool)
        and metric.mode in (None, "min", "max")
        and (metric.value is None or is_number(metric.value))
        and (metric.stderr is None or is_number(metric.stderr))
        and (metric.n is None or is_number(metric.n))
    )


def is_number(value: object) -> bool:
    """Whether it is a finite number that a float holds."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    # Above that, an integer is no float any more.
    return math.isfinite(value) if isinstance(value, float) else abs(value) < 2**53
