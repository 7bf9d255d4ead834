"""Waiting for pushes: with a progress bar, a deadline, and an ear for Ctrl-C."""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from ._native import JobRecord
from .pusher import RevisionPusher
from .tables import format_bytes, stderr_console

if TYPE_CHECKING:
    from rich.console import Console

    from .evaluation.runner import EvaluationRunner

logger = logging.getLogger("hub_revisions")

_POLL_SECONDS = 0.2
_LOG_SECONDS = 10.0


def finish(pusher: RevisionPusher, *, progress_bar: bool) -> bool:
    """Wait at most `drain_timeout` seconds for every job, then close; False if jobs are left.

    With the setting `promote`, the best revision is promoted before; that waits at most
    `evaluation_timeout` seconds for evaluations, if it depends on them.

    Ctrl-C ends the waiting and nothing else: training is over, and what follows in the script is
    what its user waits for.
    """
    try:
        if not pusher.settings["offline"]:
            drain(pusher, pusher.settings["drain_timeout"], progress_bar=progress_bar)
        limit = pusher.settings["evaluation_timeout"]
        pusher.choose(lambda runner: wait_for_evaluations(runner, limit, progress_bar=progress_bar))
    except KeyboardInterrupt:
        logger.warning("interrupted while waiting")
    finally:
        done = pusher.close(0)
    if not done:
        logger.warning(
            "not everything is pushed; the rest is kept in %s, push it with: %s",
            pusher.spool,
            pusher.resume_command,
        )
    return done


def drain(pusher: RevisionPusher, timeout: float | None, *, progress_bar: bool) -> bool:
    """Wait for every job, showing progress; False if some are left after `timeout` seconds.

    The bar is drawn on stderr if that is a terminal; otherwise a line is logged now and then.
    Ctrl-C raises `KeyboardInterrupt`; the jobs go on until the pusher is closed.
    """
    if pusher.wait(timeout=0):
        return True
    deadline = None if timeout is None else time.monotonic() + timeout
    console = stderr_console()
    if progress_bar and console.is_terminal:
        return _drain_with_bar(pusher, deadline, console)
    return _drain_with_log(pusher, deadline)


def wait_for_evaluations(runner: EvaluationRunner, timeout: float, *, progress_bar: bool) -> bool:
    """Wait until all evaluations are recorded, showing how many; False if `timeout` passed first.

    Ctrl-C raises `KeyboardInterrupt`.
    """
    deadline = time.monotonic() + timeout
    console = stderr_console()
    if progress_bar and console.is_terminal:
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

        columns = (TextColumn("Evaluating revisions"), BarColumn(), MofNCompleteColumn())
        with Progress(*columns, console=console, transient=True) as bar:
            task = bar.add_task("", total=None)

            def show(done: int, total: int) -> None:
                bar.update(task, completed=done, total=total or None)

            return _wait_for_evaluations(runner, deadline, show, _POLL_SECONDS)

    def tell(done: int, total: int) -> None:
        logger.info("waiting for evaluations: %d of %d are done", done, total)

    return _wait_for_evaluations(runner, deadline, tell, _LOG_SECONDS)


def _wait_for_evaluations(
    runner: EvaluationRunner, deadline: float, show: Callable[[int, int], None], interval: float
) -> bool:
    while True:
        left_seconds = _left(deadline)
        ended = runner.wait(min(interval, left_seconds))
        status = runner.status()
        show(sum(one.recorded for one in status), len(status))
        if ended or left_seconds <= interval:
            return ended


def _drain_with_bar(pusher: RevisionPusher, deadline: float | None, console: Console) -> bool:
    from rich.progress import (
        BarColumn,
        DownloadColumn,
        Progress,
        TextColumn,
        TransferSpeedColumn,
    )

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        DownloadColumn(),
        TransferSpeedColumn(),
    )
    with Progress(*columns, console=console, transient=True) as bar:
        task = bar.add_task("Pushing revisions", total=None)
        while True:
            left_seconds = _left(deadline)
            ended = pusher.wait(timeout=min(_POLL_SECONDS, left_seconds))
            records = pusher.records()
            sent, total = _transferred(records)
            left = sum(not record.is_final for record in records)
            bar.update(
                task,
                completed=sent,
                total=total or None,
                description=f"Pushing {left} of {len(records)} revisions",
            )
            if ended or left_seconds <= _POLL_SECONDS:
                return ended


def _drain_with_log(pusher: RevisionPusher, deadline: float | None) -> bool:
    while True:
        records = pusher.records()
        sent, total = _transferred(records)
        logger.info(
            "waiting for %d of %d revisions: %s of %s are on the server",
            sum(not record.is_final for record in records),
            len(records),
            format_bytes(sent),
            format_bytes(total),
        )
        left_seconds = _left(deadline)
        ended = pusher.wait(timeout=min(_LOG_SECONDS, left_seconds))
        if ended or left_seconds <= _LOG_SECONDS:
            return ended


def _transferred(records: Sequence[JobRecord]) -> tuple[int, int]:
    total = sum(record.progress.bytes_total for record in records)
    there = sum(record.progress.bytes_sent + record.progress.bytes_present for record in records)
    return min(there, total), total  # what was sent twice counts twice


def _left(deadline: float | None) -> float:
    return math.inf if deadline is None else max(0.0, deadline - time.monotonic())
