"""What was asked of the engines and what came of it: `ledger.jsonl`, lines that are only added.

A line is on disk before the next thing is done, so that after a crash nothing is started twice and
no result is lost. One process at a time may write.
"""

from __future__ import annotations

import errno
import fcntl
import json
import logging
import os
import weakref
from collections.abc import Mapping
from pathlib import Path
from typing import IO, Any

from .._native import config_error

logger = logging.getLogger("hub_revisions")

Event = Mapping[str, Any]

_LEDGER = "ledger.jsonl"
_LOCK = "lock"


# Of this process; a fork's copies would keep others out after we have ended.
_held: weakref.WeakSet[Ledger] = weakref.WeakSet()


class Ledger:
    """The ledger in `folder`, held by this process until `close`.

    `events` are the lines that were there. Raises `ConfigError` if another process holds it.
    """

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        folder.chmod(0o700)
        self._lock = _lock(folder)
        path = folder / _LEDGER
        try:
            self.events = read_events(folder)
            self._file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
            # What a crash left of a last line goes, so that the next one begins a line.
            os.ftruncate(self._file, path.read_bytes().rfind(b"\n") + 1)
        except BaseException:
            self._lock.close()
            raise
        _held.add(self)

    def append(self, event: Event) -> None:
        """Add a line, and have it on disk. Raises `OSError`; then there is none of it."""
        line = json.dumps(event, allow_nan=False).encode() + b"\n"
        before = os.fstat(self._file).st_size
        try:
            os.write(self._file, line)
            if os.fstat(self._file).st_size != before + len(line):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            os.fsync(self._file)
        except OSError:
            os.ftruncate(self._file, before)
            raise

    def close(self) -> None:
        """Let others have it."""
        _held.discard(self)
        os.close(self._file)
        self._lock.close()


def _let_go_in_fork() -> None:
    for ledger in list(_held):
        ledger.close()


os.register_at_fork(after_in_child=_let_go_in_fork)


def read_events(folder: Path) -> list[Event]:
    """The lines of a ledger, also of one that another process holds; none if there is no ledger."""
    path = folder / _LEDGER
    if not path.exists():
        return []
    lines = path.read_bytes().split(b"\n")
    events = []
    for number, line in enumerate(lines[:-1], 1):  # what has no line break was torn
        try:
            event = json.loads(line)
            events.append(event)
        except ValueError:
            logger.warning("%s: line %d cannot be read and is left out", path, number)
    return events


def _lock(folder: Path) -> IO[str]:
    file = (folder / _LOCK).open("a+", encoding="utf-8")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        file.seek(0)
        holder = file.read().strip() or "another process"
        file.close()
        raise config_error(
            f"the evaluations in {folder} are looked after by {holder}; "
            "wait for it or stop it, then try again"
        ) from None
    except OSError as error:
        file.close()
        raise config_error(
            f"{folder / _LOCK} cannot be locked ({error.strerror}); choose a folder on another "
            "file system"
        ) from error
    file.truncate(0)
    file.write(f"process {os.getpid()} on {os.uname().nodename}")
    file.flush()
    return file
