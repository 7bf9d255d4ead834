"""Asking the engines about what runs, and judging what has ended."""

from __future__ import annotations

import logging
from collections.abc import Mapping

from ..results.types import listed
from .contract import Engine, Job, JobStatus, State, UnreachableError
from .evaluations import Evaluation
from .outcome import result_of
from .parts import Parts
from .verdict import GRACE_SECONDS, Done, Verdict, decide, read_done

logger = logging.getLogger("hub_revisions")

Answer = Mapping[str, JobStatus] | None  # None: the engine cannot be asked now
_Group = list[tuple[Evaluation, Job]]


class Polling:
    """Polls each engine in one question, and ends what has ended."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts

    def poll(self, running: list[Evaluation], now: float) -> bool:
        """Ask about these; whether one has ended."""
        ended = False
        for engine, group in self._by_engine(running):
            answer = self._ask(engine, [job for _, job in group])
            for evaluation, job in group:
                ended |= self._judge(engine, evaluation, job, answer, now)
        return ended

    def look_at(self, evaluations: list[Evaluation]) -> None:
        """Ask about these without judging them."""
        for engine, group in self._by_engine(evaluations):
            answer = self._ask(engine, [job for _, job in group]) or {}
            for evaluation, job in group:
                evaluation.said = answer.get(job.id, evaluation.said)

    def cancel(self, evaluation: Evaluation) -> bool:
        """Cancel its job, if it has one; False if the engine cannot be reached."""
        if evaluation.job is None:
            return True
        try:
            self._parts.engine_of(evaluation.setup).cancel(evaluation.job)
        except UnreachableError as error:
            self._parts.events.problem(f"an evaluation cannot be cancelled: {error}")
            return False
        return True

    def _by_engine(self, evaluations: list[Evaluation]) -> list[tuple[Engine, _Group]]:
        groups: dict[int, tuple[Engine, _Group]] = {}
        for evaluation in evaluations:
            if evaluation.job:
                engine = self._parts.engine_of(evaluation.setup)
                group = groups.setdefault(id(engine), (engine, []))[1]
                group.append((evaluation, evaluation.job))
        return list(groups.values())

    def _ask(self, engine: Engine, jobs: list[Job]) -> Answer:
        try:
            return engine.poll(jobs)
        except UnreachableError as error:
            self._parts.events.problem(f"the state of evaluations is unknown: {error}")
            return None

    def _judge(
        self, engine: Engine, evaluation: Evaluation, job: Job, answer: Answer, now: float
    ) -> bool:
        """Apply an answer to one; whether it has ended."""
        said = None
        if answer is not None:
            said = answer.get(job.id)
            evaluation.unknown_polls = 0 if said else evaluation.unknown_polls + 1
            evaluation.said = said or evaluation.said
        try:
            done = self._last_word(engine, job, said)
        except UnreachableError as error:
            self._parts.events.problem(f"results of evaluations cannot be fetched: {error}")
            return False
        disagreed = _disagreed_seconds(evaluation, done, said, now)
        if done is not None and disagreed is not None and disagreed < GRACE_SECONDS:
            return False
        verdict = decide(
            done,
            said,
            unknown_polls=evaluation.unknown_polls if answer is not None else 0,
            silent_seconds=disagreed or 0.0,
        )
        if not verdict.state.is_final and answer is not None:
            verdict = _overdue(evaluation, job, said, now) or verdict
        if not verdict.state.is_final:
            return False
        # A job that counts as failed may still sit in a queue, or run.
        if done is None and verdict.state is not State.CANCELLED and not self.cancel(evaluation):
            return False
        self._end(evaluation, job, verdict, said, now)
        return True

    def _last_word(self, engine: Engine, job: Job, said: JobStatus | None) -> Done | None:
        done = read_done(job.out_dir)
        if done is None and said is not None and said.state.is_final:
            engine.collect(job)
            done = read_done(job.out_dir)
        return done

    def _end(
        self,
        evaluation: Evaluation,
        job: Job,
        verdict: Verdict,
        said: JobStatus | None,
        now: float,
    ) -> None:
        result = result_of(evaluation, job, verdict, said, now, self._parts.secrets)
        again = verdict.retryable and evaluation.tries < evaluation.setup.config.attempts
        self._parts.evaluations.end(evaluation, result, final=not again)
        name = f"{evaluation.suite.name} of {evaluation.revision}"
        if result.outcome == "succeeded":
            logger.info("%s: %s", name, listed(result.metrics))
        else:
            more = "; it is tried again" if again else f" (see {job.out_dir})"
            logger.warning("%s: %s: %s%s", name, result.outcome, result.reason, more)


def _disagreed_seconds(
    evaluation: Evaluation, done: Done | None, said: JobStatus | None, now: float
) -> float | None:
    """How long job and engine have disagreed; None if they do not.

    The engine may see a success before the job's word is visible here; and a failure's reason, a
    cancellation or a time limit, after it.
    """
    if done is None:
        disagree = said is not None and said.state is State.SUCCEEDED
    else:
        disagree = done.exit_code != 0 and said is not None and not said.state.is_final
    if not disagree:
        evaluation.disagree_since = None
        return None
    if evaluation.disagree_since is None:
        evaluation.disagree_since = now
    return now - evaluation.disagree_since


def _overdue(
    evaluation: Evaluation, job: Job, said: JobStatus | None, now: float
) -> Verdict | None:
    """The verdict on one that takes too long, None if it does not.

    Time in which nobody looked does not count: what waited in a process that has ended, waits for
    the next one to start it.
    """
    if evaluation.seen_since is None:
        evaluation.seen_since = now
    waited = now - max(job.submitted, evaluation.seen_since)
    limit = evaluation.setup.config.queue_limit
    if said is not None and said.state is State.QUEUED and waited > limit:
        return Verdict(State.FAILED, f"it did not start within {limit:.0f} s (queue_limit)")
    total = evaluation.deadline - job.submitted
    if waited > total:
        reason = f"it did not end within {total:.0f} s (queue_limit and time_limit)"
        return Verdict(State.FAILED, reason)
    return None
