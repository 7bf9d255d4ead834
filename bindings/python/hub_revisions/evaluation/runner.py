"""Evaluates every revision that is added, behind training: the thread, and what others see."""

from __future__ import annotations

import json
import logging
import os
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .._native import config_error
from ..settings import Config
from . import recording
from .config import EvaluationConfig, load_config
from .contract import Engine
from .engines import Surroundings, make_engine
from .environment import allowed_environment
from .evaluations import Evaluation, Evaluations, Setup
from .ledger import Ledger
from .pace import Pace
from .parts import Parts
from .turns import OnResults, RepositoryOf, Turns

logger = logging.getLogger("hub_revisions")

FOLDER = "evaluations"  # below the spool
_CLOSE_SECONDS = 60.0
_MAX_RETRIES = 2


@dataclass(frozen=True)
class EvaluationStatus:
    """How far one evaluation is.

    `state`: waiting (not handed to the engine), queued, running, or how its last attempt ended:
    succeeded, failed, cancelled, lost. `final`: nothing more happens to it. `recorded`: the
    repository knows all about it. `reason` says why it waits or did not succeed.
    """

    key: str
    repo_id: str
    revision: str
    commit: str
    step: int | None
    suite: str
    engine: str
    state: str
    attempt: int
    job: str
    reason: str
    url: str
    final: bool
    recorded: bool


class EvaluationRunner:
    """Evaluates what is added: submits, polls, and writes results to the repository.

    `spool` is the folder in which the ledger and the jobs' folders live, as `evaluations`.
    `evaluate` is the configuration (a JSON file or a dictionary); None goes on with the one that
    the ledger has. `settings` (of `configs/schema.json`; the ledger keeps them) and `token` are
    those of the push: evaluators read from the same Hub.
    `on_results` is called on the runner's thread with results, once the repository has them.

    Raises `ConfigError` for a wrong configuration, and if another process has the ledger. After
    that nothing is raised: what goes wrong is logged once, by the logger `hub_revisions`, and tried
    again. What an earlier process left is taken up at once.
    """

    def __init__(
        self,
        spool: str | os.PathLike[str],
        evaluate: Config | EvaluationConfig = None,
        settings: Mapping[str, Any] | None = None,
        token: str = "",
        *,
        on_results: OnResults | None = None,
        open_repository: RepositoryOf | None = None,
        pace: Pace | None = None,
    ) -> None:
        self._folder = Path(spool).absolute() / FOLDER
        self._token = token
        if evaluate is not None and not isinstance(evaluate, EvaluationConfig):
            evaluate = load_config(evaluate)
        self._ledger = Ledger(self._folder)
        try:
            self._evaluations = Evaluations(self._ledger)
            if evaluate is not None:
                self._evaluations.configure(evaluate, settings or {})
            if self._evaluations.setup is None:
                raise config_error(f"{self._folder} holds no evaluations to go on with")
            self._setup = self._evaluations.setup
            self._engines: dict[str, Engine] = {}
            self._engine_of(self._setup)  # it may refuse its options
        except BaseException:
            self._ledger.close()
            raise
        self._repositories: dict[str, recording.Repository] = {}
        self._open = open_repository or self._open_repository
        parts = Parts(
            self._evaluations,
            self._engine_of,
            self._folder / "jobs",
            pace or Pace.of(self._setup.config.engine),
            self._secrets(),
        )
        self._turns = Turns(parts, self._repository_of, on_results)
        self._events = parts.events
        self._pid = os.getpid()
        self._changed = threading.Condition()  # guards the four below
        self._added: list[tuple[str, str, str, int | None]] = []
        self._closing = False
        self._ended = False
        self._status = self._look()
        self._thread = threading.Thread(target=self._run, name="hub-revisions-eval", daemon=True)
        self._thread.start()

    @property
    def folder(self) -> Path:
        """Where the ledger and the jobs' folders are."""
        return self._folder

    @property
    def config(self) -> EvaluationConfig:
        """The configuration for what is added."""
        return self._setup.config

    def probe(self) -> str | None:
        """Why the engine cannot be used, or None. Takes some seconds at most."""
        return self._engine_of(self._setup).probe()

    def add(self, repo_id: str, revision: str, commit: str, step: int | None) -> None:
        """Have a pushed commit evaluated with every suite. Costs microseconds; raises nothing.

        Only for confirmed pushes, with the repository's full name. What has succeeded before, here
        or by what the repository says, is not done again; what has failed is.
        """
        with self._changed:
            self._added.append((repo_id, revision, commit, step))
            self._changed.notify_all()

    def status(self) -> tuple[EvaluationStatus, ...]:
        """All evaluations of the ledger, oldest first. What was just added may be missing."""
        with self._changed:
            return self._status

    def wait(self, timeout: float | None = None) -> bool:
        """Wait until all have ended and the repository knows; False if seconds passed first."""
        with self._changed:
            return self._changed.wait_for(
                lambda: self._ended or (not self._added and all(s.recorded for s in self._status)),
                timeout,
            )

    def close(self, timeout: float = _CLOSE_SECONDS) -> bool:
        """Submit what was added, and stop; evaluations go on where they run.

        False if some have not ended: `hub-revisions watch-evals` goes on with them. Does not wait
        for them, and at most `timeout` seconds for an engine or a Hub that does not answer.
        """
        if self._pid != os.getpid():  # a fork has no thread, and nothing of its own
            return True
        with self._changed:
            self._closing = True
            self._changed.notify_all()
        self._thread.join(timeout)
        return all(status.recorded for status in self.status())

    def _run(self) -> None:
        try:
            while self._turn():
                pass
        finally:
            for engine in self._engines.values():
                engine.close()
            self._ledger.close()
            with self._changed:
                self._ended = True
                self._changed.notify_all()

    def _turn(self) -> bool:
        """One turn, and the pause after it; False if it was the last one."""
        with self._changed:
            added, closing = list(self._added), self._closing
        taken = 0
        due: float | None
        try:
            for item in added:
                self._evaluations.add(*item, time.time())
                taken += 1
            due = self._turns.turn(time.time())
        except Exception as error:
            # A full disk, or a mistake of ours: training goes on, and so do we.
            self._events.problem(f"evaluations are held up: {type(error).__name__}: {error}")
            due = time.time() + self._turns.pause
        status = self._look()
        with self._changed:
            del self._added[:taken]
            self._status = status
            self._changed.notify_all()
            if not self._closing and len(self._added) == len(added) - taken:
                self._changed.wait(None if due is None else max(0.0, due - time.time()))
        return not closing

    def _look(self) -> tuple[EvaluationStatus, ...]:
        return tuple(_status(evaluation) for evaluation in self._evaluations.all.values())

    def _engine_of(self, setup: Setup) -> Engine:
        config = setup.config
        given = [config.engine, config.options, config.pass_env, config.pass_token, setup.endpoint]
        name = json.dumps(given, sort_keys=True)
        if name not in self._engines:
            environment = allowed_environment(
                os.environ,
                pass_env=config.pass_env,
                endpoint=setup.endpoint,
                token=self._token if config.pass_token else "",
            )
            asked = (*config.pass_env, *(["HF_TOKEN"] if config.pass_token else []))
            surroundings = Surroundings(
                self._folder / "jobs",
                environment,
                setup.endpoint,
                self._token,
                {name: environment[name] for name in asked if name in environment},
            )
            self._engines[name] = make_engine(config.engine, config.options, surroundings)
        return self._engines[name]

    def _repository_of(self, repo_id: str) -> recording.Repository:
        if repo_id not in self._repositories:
            self._repositories[repo_id] = self._open(repo_id)
        return self._repositories[repo_id]

    def _open_repository(self, repo_id: str) -> recording.Repository:
        from ..repository import Repository

        # What is not answered soon is tried again in a later turn; nothing else waits for it.
        settings = dict(self._setup.settings)
        settings["max_retries"] = min(_MAX_RETRIES, settings.get("max_retries", _MAX_RETRIES))
        return Repository(repo_id, settings, token=self._token or None)

    def _secrets(self) -> tuple[str, ...]:
        names = self._setup.config.pass_env
        return tuple(filter(None, (self._token, *(os.environ.get(name, "") for name in names))))


def _status(evaluation: Evaluation) -> EvaluationStatus:
    ended, said, job = evaluation.ended, evaluation.said, evaluation.job
    state, reason = "waiting", evaluation.problem
    if evaluation.final and ended:
        state, reason = ended.outcome, ended.reason
    elif job:
        state, reason = (said.state.value, said.reason) if said else ("queued", "")
    return EvaluationStatus(
        key=evaluation.key,
        repo_id=evaluation.repo_id,
        revision=evaluation.revision,
        commit=evaluation.commit,
        step=evaluation.step,
        suite=evaluation.suite.name,
        engine=job.engine if job else evaluation.setup.config.engine,
        state=state,
        attempt=evaluation.attempt,
        job=job.id if job else (ended.job if ended else ""),
        reason=reason,
        url=said.url if said else (ended.url if ended else ""),
        final=evaluation.final,
        recorded=evaluation.final and not recording.needs_recording(evaluation),
    )
