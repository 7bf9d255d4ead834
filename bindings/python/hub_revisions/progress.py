"""Progress for whoever waits: a line redrawn in place on a terminal, else a log line now and then.

Both go to stderr; the library writes nothing to stdout.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol, TextIO

from .text_table import terminal_width

ERASE_LINE = "\r\x1b[K"
_REDRAW_SECONDS = 0.2
_BAR_CELLS = 30

logger = logging.getLogger("hub_revisions")


class Display(Protocol):
    """Where progress is shown; `interval` is how many seconds should pass between two looks."""

    interval: float

    def show(self, text: str, done: float, total: float) -> None:
        """One sentence; `done` of `total` is what the bar shows. A total of 0 is unknown."""


@contextmanager
def progress_display(*, progress_bar: bool, log_seconds: float) -> Iterator[Display]:
    """A bar if one is wanted and stderr is a terminal, else log lines."""
    if not (progress_bar and sys.stderr.isatty()):
        yield _Log(log_seconds)
        return
    bar = _Bar(sys.stderr)
    try:
        yield bar
    finally:
        bar.erase()


class _Log:
    def __init__(self, interval: float) -> None:
        self.interval = interval

    def show(self, text: str, done: float, total: float) -> None:
        logger.info("%s", text)


class _Bar:
    """Leaves the cursor behind the line, so that what others write is never overwritten."""

    interval = _REDRAW_SECONDS

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def show(self, text: str, done: float, total: float) -> None:
        line = f"{_bar(done, total)}  {text}"
        width = terminal_width(self._stream)  # now: windows are resized
        self._write(ERASE_LINE + (line if width is None else line[: width - 1]))

    def erase(self) -> None:
        self._write(ERASE_LINE)

    def _write(self, text: str) -> None:
        self._stream.write(text)
        self._stream.flush()


def _bar(done: float, total: float) -> str:
    filled = round(_BAR_CELLS * min(1.0, done / total)) if total else 0
    return f"[{'#' * filled}{'-' * (_BAR_CELLS - filled)}]"
