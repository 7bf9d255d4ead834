"""Telling what goes wrong behind training: each thing once, in the log, or as an exception."""

from __future__ import annotations

import time

from ._native import failure
from .outcomes import EventLog
from .pusher import RevisionPusher

_PREFLIGHT_POLL_SECONDS = 0.2
_FAILURE_POLL_SECONDS = 2.0


class Watch:
    """Looks at a pusher from the training thread, seldom enough to cost nothing.

    `raises`: raise what is found instead of logging it (the setting `on_error`).
    """

    def __init__(self, raises: bool) -> None:
        self.raises = raises
        self._events = EventLog()
        self._pending: set[str] = set()  # jobs whose end was not seen yet
        self._preflight_known = True
        self._next_poll = 0.0

    def start(self, pusher: RevisionPusher) -> None:
        """Have token, repository and write access checked in the background."""
        self.raises = pusher.settings["on_error"] == "raise"
        self._events = pusher.events
        self._pending = {record.id for record in pusher.status() if not record.is_final}
        self._next_poll = 0.0
        self._preflight_known = pusher.settings["mode"] == "spool"
        if not self._preflight_known:
            pusher.preflight()

    def add(self, job: str) -> None:
        """Look after a job that was just submitted."""
        self._pending.add(job)

    def poll(self, pusher: RevisionPusher) -> None:
        """Report what failed since the last look; called after every step, mostly a no-op."""
        now = time.monotonic()
        if now < self._next_poll:
            return
        self._next_poll = now + (
            _FAILURE_POLL_SECONDS if self._preflight_known else _PREFLIGHT_POLL_SECONDS
        )
        if not self._preflight_known:
            result = pusher.preflight_result()
            self._preflight_known = result is not None
            if result:
                self.report(failure(result, "config"))
        self.report_failures(pusher)

    def report_failures(self, pusher: RevisionPusher) -> None:
        """Raise, if that is wanted, for a job that has failed; the pusher's own thread logs it."""
        # One job at a time, since this is the training thread's: all records of a long training
        # take a tenth of a second to read.
        ended = [job for job in self._pending if pusher.wait(job, timeout=0)]
        for job in ended:
            self._pending.discard(job)
            record = pusher.record(job) if self.raises else None
            if record and record.state == "failed" and record.error:
                raise failure(record.error.message, record.error.kind)

    def report(self, error: Exception) -> None:
        """Raise it, or log it unless the same was logged before."""
        if self.raises:
            raise error
        self._events.problem(str(error) or type(error).__name__)
