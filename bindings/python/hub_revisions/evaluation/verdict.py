"""What became of a job, from its own word and the engine's: one table.

The job's word (`done.json`) wins, except over a cancellation. An engine that says COMPLETED of a
job that left no word lost it, or its files are not visible here (yet): that gets a grace period.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from .contract import JobStatus, State

GRACE_SECONDS = 60.0  # a network file system's caches
UNKNOWN_POLLS = 2  # so many answers without the job, before it counts as lost


@dataclass(frozen=True)
class Done:
    """The job's own last word. `ended` is unix seconds, `host` the machine's name."""

    exit_code: int
    ended: int
    host: str


@dataclass(frozen=True)
class Verdict:
    """`state` is final or not; `reason` says why it is not SUCCEEDED."""

    state: State
    reason: str = ""
    retryable: bool = False


def read_done(out_dir: Path) -> Done | None:
    """The job's last word; None while there is none. A torn one cannot be: it is renamed there."""
    try:
        item = json.loads((out_dir / "done.json").read_text(encoding="utf-8"))
        return Done(int(item["exit_code"]), int(item["ended"]), str(item["host"]))
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError) as error:
        return Done(-1, 0, f"done.json cannot be read: {error}")


def decide(
    done: Done | None,
    said: JobStatus | None,
    *,
    unknown_polls: int = 0,
    silent_seconds: float = 0,
) -> Verdict:
    """The verdict on one job.

    `said` is None where the engine does not know the job; `unknown_polls` counts how often in a row
    that was so. `silent_seconds`: how long the engine has said that it succeeded, without a word of
    the job's own.
    """
    if said is not None and said.state is State.CANCELLED:
        return Verdict(State.CANCELLED, said.reason or "cancelled")
    if done is not None:
        if done.exit_code == 0:
            return Verdict(State.SUCCEEDED)
        if done.exit_code == -1:
            return Verdict(State.LOST, done.host, retryable=True)
        # One that is preempted can still write its word.
        retryable = said is not None and said.retryable
        return Verdict(State.FAILED, f"exit code {done.exit_code}", retryable)
    if said is None:
        if unknown_polls < UNKNOWN_POLLS:
            return Verdict(State.RUNNING)
        return Verdict(State.LOST, "the engine does not know it any more", retryable=True)
    if said.state is State.SUCCEEDED:
        if silent_seconds < GRACE_SECONDS:
            return Verdict(State.RUNNING)
        return Verdict(
            State.LOST,
            "the engine says that it completed, but it left no done.json: its script never ran, or "
            "its folder is on a file system that is not shared",
            retryable=True,
        )
    return Verdict(said.state, said.reason, said.retryable)
