"""What `eval` and `watch-evals` share: waiting for evaluations, and telling of them."""

from __future__ import annotations

import math
import time
from argparse import ArgumentParser, ArgumentTypeError
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from ..evaluation.runner import EvaluationRunner, EvaluationStatus
from ..progress import progress_display
from ..text_table import Column
from .common import emit_json, message, show_table

_LOG_SECONDS = 30.0


def add_deadline(parser: ArgumentParser) -> None:
    """The option --deadline, as `deadline`."""
    parser.add_argument(
        "--deadline", type=_seconds, metavar="SECONDS", help="Longest wait. Default: no limit."
    )


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = math.nan
    if not seconds >= 0:
        raise ArgumentTypeError(f"'{text}' is no number of seconds")
    return seconds


def wait_for_all(runner: EvaluationRunner, timeout: float | None) -> bool:
    """Wait for all evaluations, showing progress; whether that was interrupted."""
    end = math.inf if timeout is None else time.monotonic() + timeout
    try:
        with progress_display(progress_bar=True, log_seconds=_LOG_SECONDS) as display:
            while not runner.wait(max(0.0, min(display.interval, end - time.monotonic()))):
                if time.monotonic() >= end:
                    return False
                statuses = runner.status()
                done = sum(status.recorded for status in statuses)
                display.show(_progress(statuses), done, len(statuses))
    except KeyboardInterrupt:
        return True
    return False


def _progress(statuses: Sequence[EvaluationStatus]) -> str:
    counts = Counter(status.state for status in statuses)
    return f"Evaluations: {', '.join(f'{count} {state}' for state, count in counts.items())}"


def all_done(statuses: Sequence[EvaluationStatus]) -> bool:
    """Whether each has a result, and that result is in the repository."""
    return all(status.state == "succeeded" and status.recorded for status in statuses)


def show_evaluations(statuses: Sequence[EvaluationStatus], folder: Path, *, as_json: bool) -> None:
    """What became of them; what is left can be gone on with in `folder`."""
    if as_json:
        emit_json({"evaluations": list(statuses)})
    else:
        show_table(
            [
                Column("revision"),
                Column("step", "right"),
                *map(Column, ("suite", "state", "job", "reason")),
            ],
            [
                (
                    status.revision,
                    "" if status.step is None else str(status.step),
                    status.suite,
                    _state(status),
                    status.job,
                    status.reason,
                )
                for status in statuses
            ],
        )
    left = sum(not status.recorded for status in statuses)
    if left:
        message(f"{left} are left; go on with: hub-revisions watch-evals {folder}")


def _state(status: EvaluationStatus) -> str:
    return status.state if status.recorded or not status.final else f"{status.state}, to record"
