"""Waiting for pushes: with a progress bar, a deadline, and an ear for Ctrl-C."""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING

from ._native import JobRecord
from .progress import progress_display
from .pusher import RevisionPusher
from .tables import format_bytes

if TYPE_CHECKING:
    from .evaluation.runner import EvaluationRunner, EvaluationStatus

logger = logging.getLogger("hub_revisions")

_LOG_SECONDS = 10.0
_BUSY = ("fixing", "uploading", "pushing", "confirming")


def finish(pusher: RevisionPusher, *, progress_bar: bool) -> bool:
    """Wait at most `drain_timeout` seconds for every job, then close; False if jobs are left.

    With the setting `promote`, the best revision is promoted before; that waits at most
    `evaluation_timeout` seconds for evaluations, if it depends on them.

    Ctrl-C ends the waiting and nothing else: training is over, and what follows in the script is
    what its user waits for.
    """
    try:
        if pusher.settings["mode"] != "spool":
            drain(pusher, pusher.settings["drain_timeout"], progress_bar=progress_bar)
        limit = pusher.settings["evaluation_timeout"]
        pusher.choose(lambda runner: wait_for_evaluations(runner, limit, progress_bar=progress_bar))
    except KeyboardInterrupt:
        logger.warning("interrupted while waiting")
    finally:
        done = pusher.close(0)
    if not done:
        tell_what_is_left(pusher)
    return done


def tell_what_is_left(pusher: RevisionPusher) -> None:
    """One line of a closed pusher: how much is left in its spool, and what pushes it."""
    left = sum(not record.is_final for record in pusher.status())
    spooled = pusher.settings["mode"] == "spool"
    logger.warning(
        "%d %s in %s; %s: %s",
        left,
        "checkpoint waits" if left == 1 else "checkpoints wait",
        pusher.spool,
        "where there is network, push them with" if spooled else "push them with",
        pusher.resume_command,
    )


def drain(pusher: RevisionPusher, timeout: float | None, *, progress_bar: bool) -> bool:
    """Wait for every job, showing progress; False if some are left after `timeout` seconds.

    Ctrl-C raises `KeyboardInterrupt`; the jobs go on until the pusher is closed.
    """
    if pusher.wait(timeout=0):
        return True
    deadline = math.inf if timeout is None else time.monotonic() + timeout
    with progress_display(progress_bar=progress_bar, log_seconds=_LOG_SECONDS) as display:
        while True:
            display.show(*_pushing(pusher.records()))
            left_seconds = max(0.0, deadline - time.monotonic())
            ended = pusher.wait(timeout=min(display.interval, left_seconds))
            if ended or left_seconds <= display.interval:
                return ended


def wait_for_evaluations(runner: EvaluationRunner, timeout: float, *, progress_bar: bool) -> bool:
    """Wait until all evaluations are recorded, showing how many; False if `timeout` passed first.

    Ctrl-C raises `KeyboardInterrupt`.
    """
    deadline = time.monotonic() + timeout
    with progress_display(progress_bar=progress_bar, log_seconds=_LOG_SECONDS) as display:
        while True:
            display.show(*_evaluating(runner.status()))
            left_seconds = max(0.0, deadline - time.monotonic())
            ended = runner.wait(min(display.interval, left_seconds))
            if ended or left_seconds <= display.interval:
                return ended


def _pushing(records: Sequence[JobRecord]) -> tuple[str, int, int]:
    """What a display shows of jobs."""
    sent, total = _transferred(records)
    waiting = [record for record in records if not record.is_final]
    text = (
        f"waiting for {len(waiting)} of {len(records)} revisions: "
        f"{format_bytes(sent)} of {format_bytes(total)} are on the server"
    )
    rate = sum(record.progress.bytes_per_second or 0 for record in waiting)
    if rate:
        text += f", {format_bytes(rate)}/s"
    busy = [record.revision for record in waiting if record.state in _BUSY]
    return f"{text}; now {', '.join(busy)}" if busy else text, sent, total


def _evaluating(statuses: Sequence[EvaluationStatus]) -> tuple[str, int, int]:
    """What a display shows of evaluations."""
    done = sum(one.recorded for one in statuses)
    text = f"waiting for evaluations: {done} of {len(statuses)} are done"
    return text, done, len(statuses)


def _transferred(records: Sequence[JobRecord]) -> tuple[int, int]:
    total = sum(record.progress.bytes_total for record in records)
    there = sum(record.progress.bytes_sent + record.progress.bytes_present for record in records)
    return min(there, total), total  # what was sent twice counts twice
