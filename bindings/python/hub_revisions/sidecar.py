"""Publishing the checkpoints of a trainer that cannot take a callback, by watching its folder.

A checkpoint is taken when it is complete: every weight is there, `trainer_state.json` is, which a
Trainer writes last, and nothing has happened to its files for a while. Freezing then proves that
nothing has happened since: one that rotation is deleting, or that is being saved again, is left
alone. Looking works on every file system, also where another machine writes.
"""

from __future__ import annotations

import json
import logging
import re
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from . import _core
from .checkpoint import INCOMPLETE_MARKER, read_trainer_state
from .pusher import RevisionPusher

logger = logging.getLogger("hub_revisions")

PATTERN = "checkpoint-*"
_STATE = "trainer_state.json"
_POLL_SECONDS = 1.0

Save = tuple[str, int | None]  # a folder's name and when it was saved, as in the jobs' records


@dataclass
class _Seen:
    fingerprint: str
    since: float  # monotonic seconds


class Sidecar:
    """Submits each checkpoint in `output_dir` to the pusher, once; also what was there before.

    What an earlier process has submitted is known from the spool. `pattern` names the folders.
    Without `needs_state` those of other trainers count, too; the step is then the last number in
    the folder's name, and a folder without one gives the revision its own name.
    """

    def __init__(
        self, pusher: RevisionPusher, *, pattern: str = PATTERN, needs_state: bool = True
    ) -> None:
        self._pusher = pusher
        self._pattern = pattern
        self._needs_state = needs_state
        self._quiet_period = float(pusher.settings["quiet_period"])
        chosen = ("contents", "ignore_patterns")
        self._selection = json.dumps({key: pusher.settings[key] for key in chosen})
        self._submitted: set[Save] = {
            (Path(record.directory).name, record.saved_ns) for record in pusher.status()
        }
        self._seen: dict[Path, _Seen] = {}
        self._told: dict[Path, str] = {}  # why a quiet checkpoint is not taken

    def look(self) -> set[Path]:
        """Submit what is complete; the checkpoints of which that is not known yet."""
        open_ones = dict(self._unsubmitted())
        for gone in self._seen.keys() - open_ones.keys():
            del self._seen[gone]
            self._told.pop(gone, None)
        return {path for path, save in open_ones.items() if not self._decide(path, save)}

    def incomplete(self) -> dict[Path, str]:
        """The checkpoints that were left out, and why."""
        return dict(self._told)

    def _unsubmitted(self) -> Iterator[tuple[Path, Save]]:
        for path in sorted(self._pusher.output_dir.glob(self._pattern)):
            save = (path.name, _core.saved_at(str(path)))
            # Without a time it is deleted, or not to be seen for the moment.
            if save[1] is not None and save not in self._submitted and path.is_dir():
                yield path, save

    def _decide(self, path: Path, save: Save) -> bool:
        """Submit the checkpoint if it is complete; whether it is known to be so or not."""
        fingerprint = _core.fingerprint(str(path))
        now = time.monotonic()
        seen = self._seen.get(path)
        if not fingerprint or seen is None or seen.fingerprint != fingerprint:
            self._seen[path] = _Seen(fingerprint, now)
            self._told.pop(path, None)
            return False
        if now - seen.since < self._quiet_period:
            return False
        problem = self._told.get(path) or self._problem(path)
        if not problem:
            return self._submit(path, save, fingerprint)
        if path not in self._told:
            self._told[path] = problem
            logger.warning("%s is left out until that changes: %s", path.name, problem)
        return True

    def _problem(self, path: Path) -> str:
        if (path / INCOMPLETE_MARKER).exists():
            return f"it holds {INCOMPLETE_MARKER}"
        if self._needs_state and not (path / _STATE).is_file():
            return f"it has no {_STATE}, which a Trainer writes last"
        return _core.check_complete(str(path), self._selection)

    def _submit(self, path: Path, save: Save, fingerprint: str) -> bool:
        step = read_trainer_state(path).step
        if step is None and (digits := re.findall(r"\d+", path.name)):
            step = int(digits[-1])
        revision = path.name if step is None else None
        try:
            self._pusher.submit(path, revision, step=step, fingerprint=fingerprint)
        except _core.HubRevisionError as error:
            if error.kind == "conflict":  # rotated away, or saved again
                self._seen.pop(path, None)
                return False
            self._told[path] = str(error)
            logger.error("%s: %s", path.name, error)
            return True
        self._submitted.add(save)
        logger.info("%s: taken", path.name)
        return True


def watch(sidecar: Sidecar, stop: threading.Event) -> None:
    """Look until `stop`."""
    while not stop.is_set():
        sidecar.look()
        stop.wait(_POLL_SECONDS)


def watch_once(sidecar: Sidecar, stop: threading.Event) -> None:
    """Look until it is known of each checkpoint that is there now whether it is complete."""
    waiting = sidecar.look()
    while waiting and not stop.wait(_POLL_SECONDS):
        waiting &= sidecar.look()
