"""The work of the runner, in turns: skip, poll, submit, record. Single-threaded; time is given."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence

from .._core import HubRevisionError
from ..results.types import Result
from . import recording
from .contract import State
from .evaluations import Evaluation
from .outcome import ended_without
from .pace import Backoff
from .parts import Parts
from .polling import Polling
from .submission import Submission

logger = logging.getLogger("hub_revisions")

RepositoryOf = Callable[[str], recording.Repository]
OnResults = Callable[[Sequence[Result]], object]


class Turns:
    """Moves evaluations on, one turn after the other.

    `repository_of` opens a repository by its name. `on_results` is told of results once the
    repository has them.
    """

    def __init__(
        self, parts: Parts, repository_of: RepositoryOf, on_results: OnResults | None = None
    ) -> None:
        self._parts = parts
        self._repository_of = repository_of
        self._on_results = on_results
        self._submission = Submission(parts)
        self._polling = Polling(parts)
        self._polls = Backoff(parts.pace)
        self._reads = Backoff(parts.pace)
        self._records = Backoff(parts.pace)
        self._succeeded: dict[str, dict[str, Result]] = {}  # by repository, then by key

    @property
    def pause(self) -> float:
        """The longest pause between turns, in seconds."""
        return self._parts.pace.longest

    def turn(self, now: float) -> float | None:
        """Do what can be done now; when the next turn is due, None if nothing is left to do.

        `now` and the answer are unix seconds.
        """
        table = self._parts.evaluations
        self._skip_known(now)
        self._skip_over_full(now)
        if any(e.job for e in table.open) and now >= self._polls.due:
            self._polls.later(now)
            self._look_for_added([e for e in table.open if e.job])
            if self._polling.poll([e for e in table.open if e.job], now):
                self._polls.soon(now)
        if self._submission.submit([e for e in table.open if _is_waiting(e)], now):
            self._polls.soon(now)
        self._record(now)
        return self._next(now)

    def _skip_known(self, now: float) -> None:
        """End those whose commit was evaluated before, by whomever; the repository tells."""
        new = [e for e in self._parts.evaluations.open if not e.known_checked]
        if not new or now < self._reads.due:
            return
        for evaluation in new:
            repo_id = evaluation.repo_id
            if repo_id not in self._succeeded:
                try:
                    found = recording.succeeded(self._repository_of(repo_id))
                    self._succeeded[repo_id] = {result.key: result for result in found}
                except HubRevisionError as error:
                    # While the Hub cannot be read, no evaluator could read it either.
                    self._parts.events.problem(f"evaluations wait: {error}")
                    self._reads.later(now)
                    return
            evaluation.known_checked = True
            result = self._succeeded[repo_id].get(evaluation.key)
            if result and not evaluation.intended:
                self._parts.evaluations.known(evaluation, result)
        self._reads.reset()

    def _look_for_added(self, running: list[Evaluation]) -> None:
        """End those of a webhook whose results were added to the repository meanwhile."""
        away = [e for e in running if e.setup.config.engine == "webhook"]
        for repo_id in {evaluation.repo_id for evaluation in away}:
            try:
                found = recording.succeeded(self._repository_of(repo_id))
            except HubRevisionError as error:
                self._parts.events.problem(f"results cannot be looked for: {error}")
                continue
            added = {(result.commit, result.suite): result for result in found}
            for evaluation in away:
                result = added.get((evaluation.commit, evaluation.suite.name))
                if result and evaluation.repo_id == repo_id:
                    self._parts.evaluations.known(evaluation, result)

    def _skip_over_full(self, now: float) -> None:
        """Skip the oldest that have not started where they are more than the limit."""
        setup = self._parts.evaluations.setup
        limit = setup.config.max_pending if setup else None
        if limit is None or len(self._unstarted()) <= limit:
            return
        self._polling.look_at(self._unstarted())  # some may have started since the last poll
        waiting = self._unstarted()
        newest = waiting[-1].commit if waiting else ""
        for evaluation in waiting[: max(0, len(waiting) - limit)]:
            if evaluation.commit == newest or not self._polling.cancel(evaluation):
                return
            reason = f"skipped, since more than {limit} evaluations waited (max_pending)"
            logger.warning("%s of %s: %s", evaluation.suite.name, evaluation.revision, reason)
            result = ended_without(evaluation, "cancelled", reason, now)
            self._parts.evaluations.end(evaluation, result, final=True)

    def _unstarted(self) -> list[Evaluation]:
        return [e for e in self._parts.evaluations.open if _has_not_started(e)]

    def _record(self, now: float) -> None:
        """One commit for each repository that knows less than it should."""
        behind: dict[str, list[Evaluation]] = {}
        for evaluation in self._parts.evaluations.all.values():
            if recording.needs_recording(evaluation):
                behind.setdefault(evaluation.repo_id, []).append(evaluation)
        if not behind or now < self._records.due:
            return
        for repo_id, evaluations in behind.items():
            try:
                results = recording.record(self._repository_of(repo_id), evaluations)
            except HubRevisionError as error:
                self._parts.events.problem(f"results could not be recorded, and will be: {error}")
                self._records.later(now)
                return
            for evaluation in evaluations:
                if evaluation.unrecorded:
                    self._parts.evaluations.recorded(evaluation)
            self._tell(results)
        self._records.reset()

    def _tell(self, results: list[Result]) -> None:
        if not results or self._on_results is None:
            return
        try:
            self._on_results(results)
        except Exception as error:
            self._parts.events.problem(
                f"what was to follow an evaluation failed: {type(error).__name__}: {error}"
            )

    def _next(self, now: float) -> float | None:
        due = []
        for evaluation in self._parts.evaluations.all.values():
            if recording.needs_recording(evaluation):
                due.append(self._records.due)
            if evaluation.final:
                continue
            if evaluation.job:
                due.append(self._polls.due)
            elif evaluation.known_checked:
                due.append(self._submission.due(evaluation))
            else:
                due.append(self._reads.due)
        return max(now, min(due)) if due else None


def _is_waiting(evaluation: Evaluation) -> bool:
    return evaluation.job is None and evaluation.known_checked


def _has_not_started(evaluation: Evaluation) -> bool:
    if evaluation.job is None:
        return True
    return evaluation.said is None or evaluation.said.state is State.QUEUED
