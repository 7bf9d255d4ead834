"""Evaluations as processes on this machine, a few at a time.

Threads of the engine start what is queued as soon as there is room. What runs is not ours: it goes
on when this process ends, keeps its time limit, and leaves its word in its folder, where a later
process finds it. What is still queued then is started by the next process that polls it.
"""

from __future__ import annotations

import contextlib
import json
import shutil
import signal
import threading
import time
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..._core import ConfigError
from ..contract import EvalRequest, Job, JobStatus, State, SubmitError, UnreachableError
from ..staging import job_folder, read_request, stage, write_whole
from ..verdict import read_done
from . import Surroundings
from .process import (
    KILL_AFTER,
    Started,
    read_started,
    signal_group,
    start,
    timed_out,
    wait,
    was_refused,
)

NAME = "local"
_ENDED = "ended"  # the engine's own last word, for what cannot leave one


@dataclass
class _Task:
    """A job of this process. `pid` is 0 until it runs; guarded by the engine's lock."""

    id: str
    request: EvalRequest
    pid: int = 0
    gpus: list[str] = field(default_factory=list)
    cancelled: bool = False


class LocalEngine:
    """See the module. Options: `max_parallel`, `gpus`."""

    name = NAME

    def __init__(self, options: Mapping[str, Any], surroundings: Surroundings) -> None:
        self._surroundings = surroundings
        self._all_gpus: tuple[str, ...] = tuple(options["gpus"])
        self._changed = threading.Condition()  # guards all below
        self._queue: deque[_Task] = deque()
        self._running: dict[str, _Task] = {}
        self._free_gpus = list(self._all_gpus)
        self._closed = False
        for number in range(options["max_parallel"]):
            name = f"hub-revisions-eval-{number}"
            threading.Thread(target=self._work, name=name, daemon=True).start()

    def probe(self) -> str | None:
        """Whether the programs that it needs are there."""
        missing = [name for name in ("bash", "timeout") if shutil.which(name) is None]
        return f"{' and '.join(missing)} cannot be found in PATH" if missing else None

    def submit(self, request: EvalRequest) -> Job:
        """Queue it."""
        try:
            stage(request)
        except ConfigError as error:
            raise SubmitError(str(error), retryable=False) from error
        except OSError as error:
            raise SubmitError(f"{request.out_dir}: {error.strerror}", retryable=True) from error
        return self._enqueue(request)

    def poll(self, jobs: Sequence[Job]) -> Mapping[str, JobStatus]:
        """From memory, else from the folders. What nobody has started is queued again."""
        found = {job.id: self._status(job) for job in jobs}
        return {id_: status for id_, status in found.items() if status is not None}

    def cancel(self, job: Job) -> None:
        """Take it from the queue, or end its process group."""
        with self._changed:
            if task := self._running.get(job.id):
                task.cancelled = True
                if task.pid:
                    signal_group(task.pid, signal.SIGTERM)
                    self._kill_later(task)
                return
            queued = [task for task in self._queue if task.id == job.id]
            for task in queued:
                self._queue.remove(task)
        if not queued and self._ended_status(job) is not None:
            return
        started = read_started(job.out_dir)
        if started is not None and not started.is_here:
            raise UnreachableError(f"it runs on {started.host}")
        _write_ended(job.out_dir, JobStatus(State.CANCELLED, reason="cancelled"))
        if started is not None:
            started.signal(signal.SIGTERM)
            later = threading.Timer(KILL_AFTER, started.signal, [signal.SIGKILL])
            later.daemon = True
            later.start()

    def find(self, key: str, attempt: int) -> Job | None:
        """By its folder, if all was written there."""
        folder = job_folder(self._surroundings.jobs, key, attempt)
        request = read_request(folder)
        if request is None:
            return None
        submitted = (folder / "request.json").stat().st_mtime
        return Job(NAME, _id(key, attempt), key, folder, submitted)

    def collect(self, job: Job) -> None:
        """Nothing: the files are here."""

    def close(self) -> None:
        """Start nothing more. What runs goes on."""
        with self._changed:
            self._closed = True
            self._queue.clear()
            self._changed.notify_all()

    def _enqueue(self, request: EvalRequest) -> Job:
        job = _id(request.key, request.attempt)
        with self._changed:
            if not any(task.id == job for task in (*self._queue, *self._running.values())):
                self._queue.append(_Task(job, request))
                self._changed.notify_all()
        return Job(NAME, job, request.key, request.out_dir, time.time())

    def _status(self, job: Job) -> JobStatus | None:
        with self._changed:
            if job.id in self._running:
                return JobStatus(State.RUNNING)
            if any(task.id == job.id for task in self._queue):
                return JobStatus(State.QUEUED)
        if ended := self._ended_status(job):
            return ended
        started = read_started(job.out_dir)
        if started is not None:
            return _status_of(started, job.out_dir)
        request = read_request(job.out_dir)
        if request is None:
            return None
        self._enqueue(request)
        return JobStatus(State.QUEUED)

    def _ended_status(self, job: Job) -> JobStatus | None:
        if ended := _read_ended(job.out_dir):
            return ended
        done = read_done(job.out_dir)
        if done is None:
            return None
        return JobStatus(State.FAILED if done.exit_code else State.SUCCEEDED, done.exit_code)

    def _work(self) -> None:
        """One of the threads that run jobs, one after the other."""
        while task := self._next():
            ended = self._run(task)
            with self._changed:
                if ended:
                    # Where that fails, on a full disk, `started` says that it has ended.
                    with contextlib.suppress(OSError):
                        _write_ended(task.request.out_dir, ended)
                del self._running[task.id]
                self._free_gpus += task.gpus
                self._changed.notify_all()

    def _next(self) -> _Task | None:
        """The oldest queued task, when the GPUs that it asks for are free; None at the end."""
        with self._changed:
            while not self._closed:
                if self._queue and self._queue[0].request.gpus <= len(self._free_gpus):
                    task = self._queue.popleft()
                    count = task.request.gpus
                    task.gpus, self._free_gpus = self._free_gpus[:count], self._free_gpus[count:]
                    self._running[task.id] = task
                    return task
                if self._queue and self._queue[0].request.gpus > len(self._all_gpus):
                    self._refuse(self._queue.popleft())
                    continue
                self._changed.wait()
            return None

    def _refuse(self, task: _Task) -> None:
        # It comes from an earlier process with another configuration.
        reason = f"it asks for {task.request.gpus} GPUs, options.gpus lists {len(self._all_gpus)}"
        with contextlib.suppress(OSError):  # it is queued again, and refused again
            _write_ended(task.request.out_dir, JobStatus(State.FAILED, reason=reason))

    def _run(self, task: _Task) -> JobStatus | None:
        """Run it to its end; how it ended, if its own word cannot say that."""
        request = task.request
        # An evaluator that asks for no GPU must not find the training's.
        environment = {
            **self._surroundings.environment,
            "CUDA_VISIBLE_DEVICES": ",".join(task.gpus),
            **request.env,
        }
        began = time.monotonic()
        try:
            process = start(request.out_dir, request.time_limit, environment)
        except OSError as error:
            reason = f"it could not be started: {error.strerror}"
            return JobStatus(State.FAILED, reason=reason, retryable=True)
        with self._changed:
            task.pid = process.pid
            if task.cancelled:
                signal_group(task.pid, signal.SIGTERM)
                self._kill_later(task)
        code = wait(process)
        with self._changed:
            task.pid = 0
        if task.cancelled:
            return JobStatus(State.CANCELLED, reason="cancelled")
        if timed_out(code, time.monotonic() - began, request.time_limit):
            return JobStatus(State.FAILED, code, _past_limit(request.time_limit))
        if was_refused(code) or read_done(request.out_dir) is not None:
            return None
        if code < 0:
            reason = f"it was killed by {signal.Signals(-code).name}"
            return JobStatus(State.FAILED, code, reason, retryable=True)
        return JobStatus(State.FAILED, code, f"its script ended with exit code {code}")

    def _kill_later(self, task: _Task) -> None:
        def kill() -> None:
            with self._changed:
                if task.pid:
                    signal_group(task.pid, signal.SIGKILL)

        later = threading.Timer(KILL_AFTER, kill)
        later.daemon = True
        later.start()


def _id(key: str, attempt: int) -> str:
    return f"{key}.{attempt}"


def _past_limit(time_limit: float) -> str:
    return f"it ran past its time limit of {time_limit} s"


def _status_of(started: Started, folder: Path) -> JobStatus:
    """About a process that an earlier one of ours has started."""
    if not started.is_here:
        return JobStatus(State.RUNNING, reason=f"it was started on {started.host}")
    if started.is_alive:
        return JobStatus(State.RUNNING)
    if done := read_done(folder):  # it ended since we looked
        return JobStatus(State.FAILED if done.exit_code else State.SUCCEEDED, done.exit_code)
    request = read_request(folder)
    if request and time.time() - started.began >= request.time_limit:
        return JobStatus(
            State.FAILED, reason=f"it was killed, or {_past_limit(request.time_limit)}"
        )
    return JobStatus(State.FAILED, reason="it was killed", retryable=True)


def _write_ended(folder: Path, status: JobStatus) -> None:
    fields = {
        "state": status.state.value,
        "exit_code": status.exit_code,
        "reason": status.reason,
        "retryable": status.retryable,
    }
    write_whole(folder / _ENDED, json.dumps(fields) + "\n")


def _read_ended(folder: Path) -> JobStatus | None:
    try:
        fields = json.loads((folder / _ENDED).read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    return JobStatus(**{**fields, "state": State(fields["state"])})
