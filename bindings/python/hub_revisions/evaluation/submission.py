"""Handing evaluations to their engines: each attempt once, and patiently."""

from __future__ import annotations

import logging
from dataclasses import replace

from .contract import Engine, EvalRequest, Job, SubmitError, UnreachableError
from .evaluations import Evaluation
from .outcome import ended_without
from .pace import Backoff
from .parts import Parts
from .placeholders import expand, facts
from .redaction import one_sentence
from .staging import make_job_folder

logger = logging.getLogger("hub_revisions")


class Submission:
    """Submits what waits. An engine that does not answer is left alone for a while."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._backoffs: dict[int, Backoff] = {}  # by engine
        self._usable: set[int] = set()  # engines

    def due(self, evaluation: Evaluation) -> float:
        """When its engine may be tried."""
        return self._backoff(self._parts.engine_of(evaluation.setup)).due

    def submit(self, waiting: list[Evaluation], now: float) -> bool:
        """Submit these, oldest first; whether one was."""
        submitted = False
        for evaluation in waiting:
            engine = self._parts.engine_of(evaluation.setup)
            if now < self._backoff(engine).due:
                continue
            try:
                self._check(engine)
                job = self._start(engine, evaluation, now)
            except (SubmitError, UnreachableError, OSError) as error:
                self._refused(engine, evaluation, error, now)
                continue
            self._parts.evaluations.submitted(evaluation, job)
            self._backoff(engine).reset()
            submitted = True
        return submitted

    def _check(self, engine: Engine) -> None:
        if id(engine) in self._usable:
            return
        if problem := engine.probe():
            raise SubmitError(problem, retryable=True)
        self._usable.add(id(engine))

    def _start(self, engine: Engine, evaluation: Evaluation, now: float) -> Job:
        if not evaluation.intended:
            self._parts.evaluations.intend(evaluation, now)
        # An earlier process, or a call that timed out, may have submitted it.
        elif job := engine.find(evaluation.key, evaluation.attempt):
            return job
        return engine.submit(self._request(evaluation))

    def _request(self, evaluation: Evaluation) -> EvalRequest:
        config, suite = evaluation.setup.config, evaluation.suite
        out_dir = make_job_folder(self._parts.jobs, evaluation.key, evaluation.attempt)
        request = EvalRequest(
            key=evaluation.key,
            attempt=evaluation.attempt,
            repo_id=evaluation.repo_id,
            revision=evaluation.revision,
            commit=evaluation.commit,
            step=evaluation.step,
            suite=suite.name,
            argv=suite.command,
            out_dir=out_dir,
            env=suite.env,
            time_limit=suite.time_limit,
            gpus=suite.gpus,
            cpus=suite.cpus,
        )
        values = facts(request) | {"endpoint": evaluation.setup.endpoint}
        values |= config.places(out_dir)
        return replace(request, argv=expand(suite.command, values))

    def _refused(
        self, engine: Engine, evaluation: Evaluation, error: Exception, now: float
    ) -> None:
        text = one_sentence(str(error), *self._parts.secrets)
        if isinstance(error, SubmitError) and not error.retryable:
            result = ended_without(evaluation, "failed", f"it was not accepted: {text}", now)
            self._parts.evaluations.end(evaluation, result, final=True)
            logger.warning(
                "%s of %s: %s", evaluation.suite.name, evaluation.revision, result.reason
            )
            return
        self._usable.discard(id(engine))
        self._backoff(engine).later(now)
        self._parts.events.problem(f"evaluations cannot be submitted and wait: {text}")
        evaluation.problem = text
        if evaluation.refused_since is None:
            evaluation.refused_since = now
        refused = now - evaluation.refused_since
        if refused > evaluation.setup.config.queue_limit:
            reason = f"it could not be submitted for {refused:.0f} s (queue_limit): {text}"
            result = ended_without(evaluation, "failed", reason, now)
            self._parts.evaluations.end(evaluation, result, final=True)

    def _backoff(self, engine: Engine) -> Backoff:
        return self._backoffs.setdefault(id(engine), Backoff(self._parts.pace))
