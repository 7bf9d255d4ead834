"""Which revision is the best, and making it `main`: read from the repository itself."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Literal

from . import _core
from ._native import Promotion, Revision, config_error, decode_promotion, decode_revisions
from .credentials import find_token
from .settings import Config, resolve


@dataclass(frozen=True)
class BestRevision:
    """The revision with the best value of a metric, and who did not take part.

    `skipped`: managed revisions without that metric, or with a value that is not finite.
    """

    revision: str
    commit: str
    step: int | None
    metric: str
    value: float
    skipped: tuple[str, ...]


def list_revisions(
    repo_id: str, config: Config = None, *, token: str | None = None, **settings: Any
) -> list[Revision]:
    """Every branch of the repository, those of hub-revisions by step.

    Fetches commits and small files, no weights. Settings as for `RevisionPusher`. Raises
    `HubRevisionError` if the repository cannot be read.
    """
    effective = resolve({**settings, "repo_id": repo_id}, config)
    return decode_revisions(_core.list_revisions(effective.to_json(), find_token(token).value))


def best_revision(
    repo_id: str,
    metric: str = "eval_loss",
    mode: Literal["min", "max"] = "min",
    config: Config = None,
    *,
    token: str | None = None,
    **settings: Any,
) -> BestRevision:
    """The revision whose recorded `metric` is smallest (`mode="min"`) or largest (`"max"`).

    Between equal values the earlier step wins: less training for the same. Raises `ConfigError`
    naming the metrics that are recorded if no revision has this one.
    """
    revisions = list_revisions(repo_id, config, token=token, **settings)
    return choose(revisions, repo_id, metric, mode)


def choose(
    revisions: list[Revision], repo_id: str, metric: str, mode: Literal["min", "max"]
) -> BestRevision:
    """`best_revision` among revisions that were read before. `repo_id` is for the errors."""
    if mode not in ("min", "max"):
        raise config_error(f"mode must be 'min' or 'max', not '{mode}'")
    managed = [revision for revision in revisions if revision.managed]
    if not managed:
        raise config_error(f"{repo_id} has no revisions that hub-revisions made")
    measured = [r for r in managed if math.isfinite(r.metrics.get(metric, math.nan))]
    if not measured:
        known = ", ".join(sorted({name for revision in managed for name in revision.metrics}))
        raise config_error(
            f"no revision of {repo_id} has a finite '{metric}'; "
            f"{f'recorded are: {known}' if known else 'no metrics are recorded'}"
        )
    sign = 1 if mode == "min" else -1

    def rank(revision: Revision) -> tuple[float, float, str]:
        step = math.inf if revision.step is None else revision.step
        return sign * revision.metrics[metric], step, revision.revision

    best = min(measured, key=rank)
    names = {revision.revision for revision in measured}
    return BestRevision(
        revision=best.revision,
        commit=best.commit,
        step=best.step,
        metric=metric,
        value=best.metrics[metric],
        skipped=tuple(r.revision for r in managed if r.revision not in names),
    )


def promote(
    repo_id: str,
    revision: str,
    branch: str = "main",
    config: Config = None,
    *,
    token: str | None = None,
    **settings: Any,
) -> Promotion:
    """Make `branch` equal to `revision` by one new commit on top of it; no weights are sent.

    A branch that is equal already is left alone (`changed` is false). Raises `HubRevisionError`, of
    kind "conflict" if somebody else moved the branch meanwhile.
    """
    effective = resolve({**settings, "repo_id": repo_id}, config)
    return decode_promotion(
        _core.promote(effective.to_json(), find_token(token).value, revision, branch)
    )
