"""Deleting revisions that nobody needs, and the large files that only they referred to."""

from __future__ import annotations

import json
import time
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from . import _core
from ._native import Contents
from .repository import Repository
from .results.store import read_records
from .retention import Fate, Retention, holds
from .selection.decision import Decision

Purge = Literal["keep", "purge"]
"""What becomes of large files that no commit refers to any more."""
Mode = Literal["plan", "apply"]
"""`plan` tells what `apply` would do, and changes nothing."""


@dataclass(frozen=True)
class Pruned:
    """What became of one revision: `deleted`, `gone` (it was not there any more) or `kept`.

    With the mode `plan`: what would become of it.
    """

    revision: str
    commit: str
    step: int | None
    verdict: Literal["deleted", "gone", "kept"]
    reason: str


@dataclass(frozen=True)
class FreedFiles:
    """The large files that were deleted for good; all zero unless that was asked for.

    `young_objects` and `young_bytes` are those of no commit that were sent less than a day ago:
    they may be of a push under way, and stay until a later time. `problem` says why not all that
    could be freed was.
    """

    objects: int = 0
    bytes: int = 0
    young_objects: int = 0
    young_bytes: int = 0
    problem: str = ""


@dataclass(frozen=True)
class PruneReport:
    """What `prune` did, or with the mode `plan` would do, to each revision of the repository."""

    repo_id: str
    mode: Mode
    revisions: tuple[Pruned, ...]
    files: FreedFiles

    @property
    def deleted(self) -> tuple[str, ...]:
        """The revisions that are deleted."""
        return tuple(one.revision for one in self.revisions if one.verdict == "deleted")


def prune(
    repository: Repository,
    contents: Contents,
    retention: Retention,
    *,
    ranking: Sequence[str] = (),
    held: Mapping[str, str] | None = None,
    purge: Purge = "keep",
    mode: Mode = "plan",
) -> PruneReport:
    """Delete the revisions that `retention` does not keep.

    `contents` is what the repository holds, `ranking` names the revisions with a score, best first.
    Kept in any case is what another branch or tag points to, what was promoted, what is being
    evaluated, the last revision of all, what somebody changed since `contents` was read, and what
    `held` names, with the reason. Results of evaluations stay.

    With `purge`, large files that no commit of any branch or tag refers to are deleted for good.
    That includes those that an earlier call left which was cut off, once they are a day old.

    Raises `HubRevisionError`; what was deleted until then is, and calling it again does the rest.
    """
    candidates = [revision for revision in contents.revisions if revision.managed]
    stays = {**holds(contents), **being_evaluated(contents), **(held or {})}
    fates = retention.fates(candidates, ranking, stays)
    verdicts, files = _ask_worker(repository, [fate for fate in fates if fate.goes], purge, mode)
    return PruneReport(
        contents.repo_id, mode, tuple(_pruned(fate, verdicts) for fate in fates), files
    )


def ranking_of(decision: Decision) -> list[str]:
    """The revisions with a score, the winner first: a rule may prefer a slightly lower score."""
    names = [scored.revision for scored in decision.scored]
    first = [decision.winner.revision] if decision.winner else []
    return first + [name for name in names if name not in first]


def apply_retention(
    repository: Repository,
    retention: Retention,
    ranking: Sequence[str],
    busy: Collection[str],
    purge: Purge = "keep",
) -> PruneReport:
    """`prune` while a training goes on.

    `busy` names the revisions that are still to be pushed, or pushed and still to be handed to an
    evaluation. While there are any, the newest one that arrived stays too: the server tells a push
    that it has a file already, and until its commit has arrived nothing else says that the file is
    needed.
    """
    contents = repository.read()
    held = dict.fromkeys(busy, "it is still to be pushed or evaluated")
    candidates = [revision for revision in contents.revisions if revision.managed]
    if busy and candidates:
        newest = max(candidates, key=lambda revision: (revision.time, revision.step or 0))
        held.setdefault(newest.revision, "a push under way may share its files")
    return prune(
        repository, contents, retention, ranking=ranking, held=held, purge=purge, mode="apply"
    )


def being_evaluated(contents: Contents, now: float | None = None) -> dict[str, str]:
    """The revisions of which a result is expected, with the reason. `now` is in unix seconds."""
    at = time.time() if now is None else now
    pending = [item for item in read_records(contents.records).pending if at <= item.deadline]
    return {
        revision.revision: f"it is being evaluated: {item.suite} on {item.engine}"
        for item in pending
        for revision in contents.revisions
        if item.commit == revision.commit
    }


def _ask_worker(
    repository: Repository, goers: Iterable[Fate], purge: Purge, mode: Mode
) -> tuple[dict[str, tuple[str, str]], FreedFiles]:
    """Verdict and reason by revision, and what became of the files."""
    wanted = [{"revision": fate.revision, "commit": fate.commit} for fate in goers]
    if not wanted and purge == "keep":
        return {}, FreedFiles()
    answer = json.loads(
        _core.prune(
            repository.settings.to_json(),
            repository.token.value,
            json.dumps({"revisions": wanted, "purge": purge, "mode": mode}),
        )
    )
    verdicts = {one["revision"]: (one["verdict"], one["reason"]) for one in answer["revisions"]}
    return verdicts, FreedFiles(**answer["files"])


def _pruned(fate: Fate, verdicts: Mapping[str, tuple[str, str]]) -> Pruned:
    verdict, reason = verdicts.get(fate.revision, ("kept", ""))
    return Pruned(fate.revision, fate.commit, fate.step, verdict, reason or fate.reason)  # type: ignore[arg-type]
