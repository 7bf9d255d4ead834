"""What the runner and the engines agree on.

An engine starts a job and knows the scheduler's word about it; the truth is the file `done.json`,
which the job itself writes last (Slurm says COMPLETED of a job whose script never ran). So a job is
a folder on a file system that both sides see:

    request.json   what is to be done, without secrets
    argv0          the command, its words separated by NUL
    run.sh         runs it there, forwards signals, and writes done.json by a rename
    done.json      {"exit_code", "ended", "host"}: written last
    stdout.log, stderr.log   what the command printed

Engines are called from the runner's thread alone, never from the training's.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from typing import Protocol


class State(str, Enum):
    """An engine's word about a job. LOST: it knows no such job (any more)."""

    QUEUED = "queued"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"
    LOST = "lost"

    @property
    def is_final(self) -> bool:
        return self not in (State.QUEUED, State.RUNNING)


@dataclass(frozen=True)
class EvalRequest:
    """One attempt to evaluate one commit with one suite.

    `key` is valid as a Slurm name, a label of HF Jobs and a Kubernetes name. `argv` has no
    placeholders left. `out_dir` is absolute, exists, and is this attempt's alone. `env` is added to
    the allowed part of the environment; it holds no secrets. Times are seconds.
    """

    key: str
    attempt: int
    repo_id: str
    revision: str
    commit: str
    step: int | None
    suite: str
    argv: tuple[str, ...]
    out_dir: Path
    env: Mapping[str, str] = field(default_factory=dict)
    time_limit: int = 3600
    gpus: int = 0
    cpus: int = 1


@dataclass(frozen=True)
class Job:
    """What an engine started. `id` is the scheduler's; `extra` is the engine's own memory."""

    engine: str
    id: str
    key: str
    out_dir: Path
    submitted: float  # unix seconds
    extra: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class JobStatus:
    """`retryable`: it failed for a reason that lies in the machine, not in the evaluation."""

    state: State
    exit_code: int | None = None
    reason: str = ""
    url: str = ""
    retryable: bool = False


class SubmitError(Exception):
    """The engine did not take the job. `retryable`: it may, later."""

    def __init__(self, message: str, *, retryable: bool) -> None:
        super().__init__(message)
        self.retryable = retryable


class UnreachableError(Exception):
    """The engine cannot be asked now. Says nothing about any job: what was known stays known."""


class Engine(Protocol):
    """Where evaluations run."""

    name: str

    def probe(self) -> str | None:
        """Why it cannot be used, or None. Takes 2 seconds at most and raises nothing."""

    def submit(self, request: EvalRequest) -> Job:
        """Start the job staged in `request.out_dir`. 30 s at most. Raises `SubmitError`."""

    def poll(self, jobs: Sequence[Job]) -> Mapping[str, JobStatus]:
        """By job id, in one question. A job that is not in the answer is unknown to the engine.

        Raises `UnreachableError`.
        """

    def cancel(self, job: Job) -> None:
        """Stop it. Of one that has ended or is unknown: nothing. Raises `UnreachableError`."""

    def find(self, key: str, attempt: int) -> Job | None:
        """The job of an attempt that was submitted, if a crash kept its id from the ledger."""

    def collect(self, job: Job) -> None:
        """Bring the job's files into `job.out_dir`, where the engine shares no file system."""

    def close(self) -> None:
        """Give up threads and connections; jobs go on where they can."""
