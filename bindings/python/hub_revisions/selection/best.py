"""Which revision is the best, and making it `main`: read from the repository itself."""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from .._native import Contents, Promotion, Revision, failure
from ..repository import Repository
from ..results.types import Mode
from ..settings import Config
from .candidates import gather
from .choice import choose
from .decision import Decision, Excluded, read_decisions
from .promotion import promote_revision
from .rule import Normalize, Rule, Source, make_rule


@dataclass(frozen=True)
class BestRevision:
    """The revision that a rule names, and who did not take part.

    `metric` is what was compared, `value` its value (of several metrics, the weighted score).
    `skipped`: revisions that were left out; `excluded` also says why. `provisional` says why the
    answer may still change; it is empty once it is final.
    """

    revision: str
    commit: str
    step: int | None
    metric: str
    value: float
    skipped: tuple[str, ...]
    excluded: tuple[Excluded, ...] = ()
    provisional: tuple[str, ...] = ()


def list_revisions(
    repo_id: str, config: Config = None, *, token: str | None = None, **settings: Any
) -> list[Revision]:
    """Every branch of the repository but the records of evaluations; ours by step.

    Fetches commits and small files, no weights. Settings as for `RevisionPusher`. Raises
    `HubRevisionError` if the repository cannot be read.
    """
    return list(Repository(repo_id, config, token=token, **settings).read().revisions)


def best_revision(
    repo_id: str,
    metric: str = "",
    mode: Mode | None = None,
    config: Config = None,
    *,
    weights: str = "",
    require: Iterable[str] = (),
    normalize: Normalize | None = None,
    baseline: str = "",
    tolerance: float = 0.0,
    within_se: float | None = None,
    source: Source | None = None,
    suite: str = "",
    fingerprints: Iterable[str] = (),
    allow_partial: bool = False,
    token: str | None = None,
    **settings: Any,
) -> BestRevision:
    """The best revision, by a metric (`eval_loss` if none is given) or several.

    `metric` is a name, or a pattern that one name matches, perhaps with ':min' or ':max' behind it;
    the direction may be left out where the evaluator tells it or the name does. The others narrow
    the choice, see `selection.rule`. Between equal values the earlier step wins, less training for
    the same, unless `pick` has named the other one before. Revisions without such a number are left
    out, with the reason.

    Raises `ConfigError` if the rule cannot be applied, naming the metrics that are recorded if this
    is none of them, and `HubRevisionError` of kind "not_found" if no revision is eligible.
    """
    rule = make_rule(
        metric if metric or weights else "eval_loss",
        mode,
        weights=weights,
        require=require,
        normalize=normalize,
        baseline=baseline,
        tolerance=tolerance,
        within_se=within_se,
        source=source,
        suite=suite,
        fingerprints=fingerprints,
        allow_partial=allow_partial,
    )
    return best_of(decide(rule, Repository(repo_id, config, token=token, **settings).read()))


def decide(rule: Rule, contents: Contents) -> Decision:
    """What a rule says now about a repository as it was read; what it said before stays on a tie.

    Raises `ConfigError` if the rule cannot be applied.
    """
    candidates = gather(contents.repo_id, contents.revisions, contents.records)
    current = read_decisions(contents.records).current(rule.text)
    return choose(rule, candidates, now=time.time(), current=current)


def best_of(decision: Decision) -> BestRevision:
    """A decision's winner. Raises `HubRevisionError`, saying why, if it has none."""
    winner = decision.winner
    if winner is None:
        reasons = "; ".join(f"{one.revision}: {one.reason}" for one in decision.excluded[:10])
        more = f" and {len(decision.excluded) - 10} more" if len(decision.excluded) > 10 else ""
        raise failure(
            f"no revision of {decision.repo_id} is eligible for '{decision.rule}': {reasons}{more}",
            "not_found",
        )
    keys = [criterion.key for criterion in decision.criteria]
    return BestRevision(
        revision=winner.revision,
        commit=winner.commit,
        step=winner.step,
        metric=keys[0] if len(keys) == 1 else decision.rule,
        value=winner.score,
        skipped=tuple(one.revision for one in decision.excluded),
        excluded=decision.excluded,
        provisional=decision.provisional,
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

    Its card is completed with what is known of the revision (`selection.promotion`); with the
    setting `card` "off" it is not. A branch that is so already is left alone (`changed` is false).
    Raises `HubRevisionError`, of kind "conflict" if somebody else moved the branch meanwhile.
    """
    return promote_revision(Repository(repo_id, config, token=token, **settings), revision, branch)
