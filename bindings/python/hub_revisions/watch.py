"""Telling what goes wrong behind training: each thing once, in the log, or as an exception."""

from __future__ import annotations

import logging
import re
import time

from ._native import failure
from .pusher import RevisionPusher

logger = logging.getLogger("hub_revisions")

# Two refusals for the same reason differ in what the server's support asks for.
_REQUEST_ID = re.compile(r"request id [^\s)]+")
_PREFLIGHT_POLL_SECONDS = 0.2
_FAILURE_POLL_SECONDS = 2.0


class Watch:
    """Looks at a pusher from the training thread, seldom enough to cost nothing.

    `raises`: raise what is found instead of logging it (the setting `on_error`).
    """

    def __init__(self, raises: bool) -> None:
        self.raises = raises
        self._logged: set[str] = set()
        self._pending: set[str] = set()  # jobs whose end was not seen yet
        self._preflight_known = True
        self._next_poll = 0.0

    def start(self, pusher: RevisionPusher) -> None:
        """Have token, repository and write access checked in the background."""
        self.raises = pusher.settings["on_error"] == "raise"
        self._logged.clear()
        self._pending = {record.id for record in pusher.status() if not record.is_final}
        self._next_poll = 0.0
        self._preflight_known = bool(pusher.settings["offline"])
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
        """Report the jobs that have failed and were not reported yet."""
        # Asking for each job's end costs microseconds; reading all records of a long training does
        # not, so that is done only when one has ended.
        ended = {job for job in self._pending if pusher.wait(job, timeout=0)}
        if not ended:
            return
        for record in pusher.records():
            if record.id in ended:
                self._pending.discard(record.id)
                if record.state == "failed" and record.error:
                    self.report(failure(record.error.message, record.error.kind), record.revision)

    def report(self, error: Exception, revision: str = "") -> None:
        """Raise it, or log it unless the same was logged before.

        A bad token fails the preflight and every job in the same words: one line says it all, and
        the table at the end lists each job.
        """
        if self.raises:
            raise error
        reason = str(error) or type(error).__name__
        same = _REQUEST_ID.sub("", reason)
        if same not in self._logged:
            self._logged.add(same)
            logger.error("%s", f"{revision}: {reason}" if revision else reason)
