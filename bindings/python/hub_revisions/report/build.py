"""Puts a report together from what the repository and the spool remember. No clock, no network."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from .._native import JobRecord, Revision
from ..address import has_pages
from ..results.types import Result
from ..selection.candidates import Candidate, Candidates, gather
from ..selection.decision import Decision, read_decisions
from .data import Attempt, Push, ReportData, Row, State
from .series import make_series


def build_report(
    repo_id: str,
    revisions: Sequence[Revision],
    records: Mapping[str, str] | None = None,
    *,
    endpoint: str = "",
    tags: Mapping[str, str] | None = None,
    decision: Decision | None = None,
    jobs: Sequence[JobRecord] = (),
    first: str = "",
) -> ReportData:
    """Put a report together.

    `revisions` are the repository's branches, `records` the files of its branch `evaluations` (path
    -> text), `tags` names with their commits, `jobs` the records of a spool. `decision` is what to
    report, by default the last one on record. `first` is the metric to begin with, if it is not
    the decision's.
    """
    recorded = read_decisions(records or {})
    if decision is None and recorded.decisions:
        decision = recorded.decisions[-1]
    all_of_them = gather(repo_id, revisions, records or {})
    candidates = all_of_them.candidates
    series = make_series(candidates, decision, first)
    measured = {point.revision for one in series for point in one.points if point.value is not None}
    names = _names(revisions, tags or {})
    branches = {branch.revision: branch for branch in revisions if branch.managed}
    rows = [
        _row(one, branches[one.revision], decision, one.revision in measured, names)
        for one in candidates
    ]
    return ReportData(
        repo_id=repo_id,
        endpoint=endpoint.rstrip("/") if has_pages(endpoint, repo_id) else "",
        revisions=tuple(rows),
        series=tuple(series),
        decision=decision,
        since=_since(candidates, decision),
        attempts=tuple(_attempts(all_of_them)),
        pushes=tuple(_push(job) for job in sorted(jobs, key=lambda job: (job.created_ms, job.id))),
        problems=(*all_of_them.problems, *recorded.problems),
    )


def _names(revisions: Sequence[Revision], tags: Mapping[str, str]) -> dict[str, list[str]]:
    """What else leads to a commit: pointers, branches that were made equal to it, tags."""
    found: dict[str, list[str]] = {}
    for branch in revisions:
        if branch.pointer_to:
            found.setdefault(branch.commit, []).append(branch.revision)
        elif branch.promoted and branch.parents:
            found.setdefault(branch.parents[-1], []).append(branch.revision)
    for tag, commit in tags.items():
        found.setdefault(commit, []).append(tag)
    return found


def _row(
    candidate: Candidate,
    branch: Revision,
    decision: Decision | None,
    measured: bool,
    names: Mapping[str, Sequence[str]],
) -> Row:
    state, reason = _state(candidate, decision, measured)
    return Row(
        revision=candidate.revision,
        commit=candidate.commit,
        step=candidate.step,
        epoch=branch.epoch,
        time=branch.time,
        size=branch.size,
        state=state,
        reason=reason,
        names=tuple(sorted(names.get(candidate.commit, ()))),
    )


def _state(candidate: Candidate, decision: Decision | None, measured: bool) -> tuple[State, str]:
    if decision is not None and decision.winner and decision.winner.commit == candidate.commit:
        return "best", decision.why
    if candidate.pending:
        return "waiting", f"{candidate.pending[-1].suite} on {candidate.pending[-1].engine}"
    for excluded in decision.excluded if decision else ():
        if excluded.commit == candidate.commit:
            return "left out", excluded.reason
    if candidate.attempts and all(one.outcome != "succeeded" for one in candidate.attempts):
        return "failed", candidate.attempts[-1].reason
    return ("measured", "") if measured else ("no numbers", "")


def _since(candidates: Sequence[Candidate], decision: Decision | None) -> int:
    if decision is None:
        return 0
    known = {one.commit for one in decision.scored} | {one.commit for one in decision.excluded}
    return sum(candidate.commit not in known for candidate in candidates)


def _attempts(all_of_them: Candidates) -> list[Attempt]:
    gave_nothing = [
        (result, result.reason)
        for candidate in all_of_them.candidates
        for result in candidate.attempts
        if result.outcome != "succeeded"
    ]
    gave_nothing += [
        (result, result.reason or f"no revision is at {result.commit[:10]} any more")
        for result in all_of_them.unplaced
    ]
    gave_nothing.sort(key=lambda item: (item[0].finished, item[0].key, item[0].attempt))
    return [_attempt(result, reason) for result, reason in gave_nothing]


def _attempt(result: Result, reason: str) -> Attempt:
    return Attempt(
        revision=result.revision,
        commit=result.commit,
        suite=result.suite,
        attempt=result.attempt,
        outcome=result.outcome,
        reason=reason,
        engine=result.engine,
        job=result.job,
        url=result.url,
        finished=result.finished,
    )


def _push(job: JobRecord) -> Push:
    alive = max(0.0, (job.updated_ms - job.created_ms) / 1000)
    return Push(
        revision=job.revision,
        state=job.state,
        created_ms=job.created_ms,
        stall_ms=job.freeze_ms,
        queued_seconds=max(0.0, alive - job.push_seconds),
        push_seconds=job.push_seconds,
        bytes_total=job.bytes_total,
        bytes_sent=job.bytes_sent,
        bytes_present=job.bytes_present,
        attempts=job.attempts,
        retries=job.progress.retries,
        error=job.error.message if job.error else job.progress.last_error,
    )
