"""The worker as a Python object: checkpoints in, revisions out, with or without a Trainer."""

from __future__ import annotations

import atexit
import logging
import os
import weakref
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

from . import _core
from ._native import JobRecord, Promotion, config_error, decode_job, decode_jobs, decode_spool
from .checkpoint import numbers_of, read_trainer_state
from .credentials import Token, find_token
from .outcomes import EventLog, OnOutcome, OutcomeThread, make_hook
from .plan import Plan, make_plan
from .repository import check_model_branch
from .settings import Config, Effective, resolve, spool_path

if TYPE_CHECKING:
    from .choosing import Choosing
    from .evaluation.runner import EvaluationRunner

logger = logging.getLogger("hub_revisions")


class RevisionPusher:
    """Publishes checkpoint folders as revisions, in the background.

        with RevisionPusher("out", repo_id="me/model") as pusher:
            pusher.submit("out/checkpoint-100")

    `output_dir` is the folder that the spool lives in and whose README.md is the trainer's card;
    further settings are those of `configs/schema.json`, and win over `config` (a JSON file or a
    dictionary), `training_args` and the environment. Any thread may call any method. In a forked
    child each raises `ConfigError`, but `close`, which does nothing there. `on_outcome` is told of
    each job that has ended, on a thread of its own: a function that takes its `JobRecord`, or what
    the setting of that name may be. `frozen_parameters` names weights that training leaves as they
    are, as far as that is known: they are sent once, where it is otherwise seen from the second
    revision on; see the setting `frozen_tensors`.

    Left as a context manager without an error, it waits for the pushes, chooses (see `choose`) and
    closes.

    Raises `ConfigError` for a wrong setting, or if another process has the spool. A process that
    ends without `close` leaves what is pending in the spool for `hub-revisions sync`.
    """

    def __init__(
        self,
        output_dir: str | os.PathLike[str] = ".",
        config: Config = None,
        *,
        token: str | None = None,
        training_args: Any = None,
        on_outcome: OnOutcome = None,
        frozen_parameters: Sequence[str] | None = None,
        **settings: Any,
    ) -> None:
        self.output_dir = Path(output_dir).absolute()
        if on_outcome is not None and not callable(on_outcome):
            settings["on_outcome"] = on_outcome
        self.settings: Effective = resolve(
            settings, config, training_args=training_args, output_dir=self.output_dir
        )
        self.token: Token = find_token(token, training_args)
        hook = on_outcome if callable(on_outcome) else make_hook(self.settings["on_outcome"])
        plan = make_plan(self.settings.values)
        self._pid = os.getpid()
        self._last: list[JobRecord] = []
        # As an earlier process left them; the worker takes up what can still be pushed.
        self._earlier = {
            record.id: record.updated_ms
            for record in decode_spool(_core.read_spool(self.spool)).records
            if record.is_final
        }
        # The Hub may have moved since an earlier process left its jobs. Only who says so here and
        # now means it for them, too; otherwise they keep their endpoint, and this token its own.
        said = self.settings.origins["endpoint"] in ("keyword argument", "HF_ENDPOINT")
        endpoint = self.settings["endpoint"] if said else ""
        self._worker: _core.Worker | None = _core.Worker(
            self.settings.to_json(),
            self.token.value,
            str(self.output_dir),
            endpoint,
            None if frozen_parameters is None else list(frozen_parameters),
        )
        # The worker outlives training where a process ends without closing it. Waiting for pushes
        # then would look like a hang; in a search there is no other end to wait at.
        self.exit_timeout = 0.0
        self.events = EventLog()
        self.choosing: Choosing | None = None
        if plan.wanted and self.settings["mode"] != "spool":
            self.choosing = self._make_choosing(plan)
        follow = self._follow if self.choosing else None
        self._outcomes = OutcomeThread(self._worker, self.events, hook, follow)
        self._exit_hook = _close_at_exit(self)

    def _make_choosing(self, plan: Plan) -> Choosing:
        # Here, since evaluations and selection take as long to load as all the rest.
        from .choosing import Choosing

        try:
            choosing = Choosing(
                plan, self.settings, self.token, self.spool, self.events, self._being_pushed
            )
        except BaseException:
            self._open.close(0)
            self._worker = None
            raise
        # What an earlier process has pushed, and perhaps not lived to have evaluated.
        choosing.pushed(self.status())
        return choosing

    def _follow(self, record: JobRecord) -> None:
        if self.choosing:
            self.choosing.pushed([record])

    def _being_pushed(self) -> set[str]:
        return {record.revision for record in self.status() if not record.is_final}

    @property
    def owned(self) -> bool:
        """Whether this process may use it: true but in a forked child (a DataLoader's worker)."""
        return self._pid == os.getpid()

    @property
    def closed(self) -> bool:
        """Whether `close` was called."""
        return self._worker is None

    @property
    def spool(self) -> str:
        """The spool's folder."""
        return str(spool_path(self.output_dir, self.settings["spool_dir"]))

    @property
    def resume_command(self) -> str:
        """The command line that pushes what is left in the spool."""
        extra = f" --spool-dir {self.spool}" if self.settings["spool_dir"] else ""
        return f"hub-revisions sync {self.output_dir}{extra}"

    def preflight(self) -> None:
        """Check token, repository and write access in the background; see `preflight_result`."""
        self._open.preflight()

    def preflight_result(self) -> str | None:
        """None while the check runs or if none was started; '' if all is well; else the error."""
        return self._open.preflight_result()

    def submit(
        self,
        directory: str | os.PathLike[str],
        revision: str | None = None,
        *,
        step: int | None = None,
        epoch: float | None = None,
        tokens: int | None = None,
        run: str = "",
        metrics: Mapping[str, Any] | None = None,
        eos_token_id: int | None = None,
        fingerprint: str = "",
    ) -> str:
        """Freeze a checkpoint and queue it; the job's id. Takes milliseconds, and no network.

        The folder may be deleted or changed by renaming afterwards. `revision` overrides the
        template. Step, epoch, tokens (input tokens seen so far) and metrics are read from the
        folder's `trainer_state.json` if step, epoch or metrics are not given;
        `eos_token_id` not given is read from its tokenizer. Raises `InvalidCheckpointError` for a
        folder that is missing, empty or unreadable, `ConfigError` for an invalid revision. With a
        `fingerprint` of the folder (see `_core`), an error of kind conflict if something has
        happened to it since.
        """
        check_model_branch(revision or "")
        if step is None or epoch is None or metrics is None:
            state = read_trainer_state(Path(directory))
            step = state.step if step is None else step
            epoch = state.epoch if epoch is None else epoch
            tokens = state.tokens if tokens is None else tokens
            metrics = state.metrics if metrics is None else metrics
        if revision is None and step is None:
            raise config_error(
                f"{Path(directory).absolute()}: no revision given, and no trainer_state.json to "
                "take the step from; give the revision's name"
            )
        return self._open.submit(
            os.fspath(directory),
            revision or "",
            step,
            epoch,
            tokens,
            run,
            numbers_of(metrics),
            eos_token_id,
            fingerprint,
        )

    def take_up_new(self) -> list[JobRecord]:
        """With the mode 'sync': what another process has submitted since the last look.

        Also tries again what failed for want of a server, each job after `retry_max_delay` seconds.
        """
        return [
            record for job in self._open.take_up_new() if (record := self.record(job)) is not None
        ]

    def wait(self, job: str | None = None, timeout: float | None = None) -> bool:
        """Wait until the job, or all of them, have ended; False if `timeout` seconds passed first.

        Ended is not done: see `status`. Ctrl-C raises `KeyboardInterrupt` and harms nothing. With
        the mode 'spool' nothing is waited for, so it answers at once.
        """
        if self._worker is None:
            return all(r.is_final for r in self._last if job in (None, r.id))
        return self._open.wait(job or "", timeout)

    def status(self) -> list[JobRecord]:
        """All jobs in the spool, oldest first; after `close`, as they were then."""
        return self._last if self._worker is None else decode_jobs(self._open.status())

    def record(self, job: str) -> JobRecord | None:
        """One job as in `status`; None if the spool does not have it."""
        if self._worker is None:
            return next((record for record in self._last if record.id == job), None)
        return decode_job(self._open.record(job))

    def records(self) -> list[JobRecord]:
        """The jobs of this session: those submitted here, and those left by an earlier process."""
        return [
            record
            for record in self.status()
            if not record.is_final or self._earlier.get(record.id) != record.updated_ms
        ]

    def cancel(self, job: str | None = None) -> bool:
        """Cancel a pending job, or all of them; False if there was none."""
        return self._open.cancel(job or "")

    def choose(self, wait: Callable[[EvaluationRunner], bool] | None = None) -> Promotion | None:
        """Pick the best of what is pushed and promote it, as the settings say; None if nothing was.

        The end of a training, after `wait`. If the choice depends on evaluations, they are waited
        for: at most `evaluation_timeout` seconds, or as `wait` does. Failures are logged.
        """
        if self.choosing is None:
            return None
        self.choosing.pushed(self.status())
        limit = self.settings["evaluation_timeout"]
        return self.choosing.conclude(wait or (lambda runner: runner.wait(limit)))

    def close(self, timeout: float | None = None) -> bool:
        """Wait at most `timeout` seconds (default: the setting `drain_timeout`), then stop.

        False if jobs are left; they stay in the spool, like all of them with the mode 'spool'.
        May be called again. Ctrl-C stops the waiting, not the closing.
        """
        worker = self._worker
        if worker is None or not self.owned:
            return True
        try:
            self.wait(timeout=self.settings["drain_timeout"] if timeout is None else timeout)
        finally:
            done = worker.close(0)
            self._outcomes.close()
            self._last = decode_jobs(worker.status())
            self._worker = None  # its end releases the spool
            if self.choosing:
                self.choosing.close()
            atexit.unregister(self._exit_hook)
        return done

    @property
    def _open(self) -> _core.Worker:
        if self._worker is None:
            raise config_error("the pusher is closed; make a new one")
        if not self.owned:
            raise config_error(
                f"this pusher belongs to process {self._pid}, of which this one is a fork; "
                "make one of its own here, with another 'output_dir' or 'spool_dir'"
            )
        return self._worker

    def __enter__(self) -> RevisionPusher:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        # A failing script should fail now, not after the pushes; they stay in the spool.
        try:
            if not kind and self.choosing and self.wait(timeout=self.settings["drain_timeout"]):
                self.choose()
        finally:
            self.close(0 if kind else None)


def _close_at_exit(pusher: RevisionPusher) -> Any:
    reference = weakref.ref(pusher)

    def close() -> None:
        pusher = reference()
        if pusher is None or not pusher.owned:
            return
        try:
            done = pusher.close(pusher.exit_timeout)
        except KeyboardInterrupt:
            done = False
        if not done:
            logger.warning(
                "checkpoints are waiting in %s; push them with: %s",
                pusher.spool,
                pusher.resume_command,
            )

    atexit.register(close)
    return close
