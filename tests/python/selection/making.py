"""Revisions, results and answers, made in one line each."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from typing import Any

from hub_revisions import Revision
from hub_revisions.results.store import Pending, pending_file, result_file
from hub_revisions.results.types import Metric, Result
from hub_revisions.selection.candidates import gather
from hub_revisions.selection.choice import choose
from hub_revisions.selection.decision import Decision
from hub_revisions.selection.rule import make_rule

REPO = "me/model"
NOW = 1_000_000.0


def commit_of(name: str) -> str:
    return hashlib.sha1(name.encode()).hexdigest()


def revision(name: str, step: int | None = None, **changes: Any) -> Revision:
    """A revision; metrics of the trainer as `metrics={...}`."""
    values: dict[str, Any] = {
        "revision": name,
        "commit": commit_of(name),
        "published_as": name,
        "title": name,
        "time": 0,
        "step": step,
        "epoch": None,
        "tokens": None,
        "metrics": {},
        "fixes": (),
        "content_digest": "",
        "promoted": "",
        "parents": (),
        "files": (),
    }
    return Revision(**values | changes)


def result(of: str, *metrics: Metric, suite: str = "bench", **changes: Any) -> Result:
    """An evaluation of the revision `of`, which succeeded unless `changes` say otherwise."""
    values: dict[str, Any] = {
        "key": f"ev-{commit_of(of)[:12]}-{suite}",
        "commit": commit_of(of),
        "revision": of,
        "step": None,
        "suite": suite,
        "outcome": "succeeded",
        "metrics": metrics,
    }
    return Result(**values | changes)


def pending(of: str, suite: str = "bench", **changes: Any) -> Pending:
    values: dict[str, Any] = {
        "key": f"ev-{commit_of(of)[:12]}-{suite}",
        "commit": commit_of(of),
        "revision": of,
        "step": None,
        "suite": suite,
        "engine": "local",
        "job": "1",
        "submitted": NOW - 10,
        "deadline": NOW + 10,
    }
    return Pending(**values | changes)


def records(*stored: Result | Pending) -> dict[str, str]:
    """The branch `evaluations` with these."""
    return dict(
        result_file(item) if isinstance(item, Result) else pending_file(item) for item in stored
    )


def decide(
    revisions: Iterable[Revision],
    stored: Mapping[str, str] | None = None,
    metric: str = "",
    *,
    current: str = "",
    now: float = NOW,
    **rule: Any,
) -> Decision:
    """The decision of a rule about a repository with these revisions and records."""
    return choose(
        make_rule(metric, **rule), gather(REPO, revisions, stored or {}), now=now, current=current
    )


def winner(decision: Decision) -> str:
    assert decision.winner is not None, decision.excluded
    return decision.winner.revision


def reasons(decision: Decision) -> dict[str, str]:
    return {one.revision: one.reason for one in decision.excluded}
