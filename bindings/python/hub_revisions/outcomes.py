"""What becomes of each revision: one line in the log, and the hook `on_outcome`."""

from __future__ import annotations

import json
import logging
import os
import re
import subprocess
import threading
from collections.abc import Callable, Sequence
from typing import Any

from . import _core
from ._native import JobRecord, config_error, decode_job, to_json
from .credentials import TOKEN_VARIABLES

logger = logging.getLogger("hub_revisions")

Hook = Callable[[JobRecord], object]
OnOutcome = Hook | Sequence[str] | str | None

_HOOK_TIMEOUT_SECONDS = 60.0
_SLICE_SECONDS = 0.25
_CLOSE_TIMEOUT_SECONDS = 10.0
# Two refusals for the same reason differ in what the server's support asks for.
_REQUEST_ID = re.compile(r"request id [^\s)]+")
_ADDRESS = re.compile(r"(https?://)([^/?#\\\s]*).*", re.DOTALL | re.IGNORECASE)
_SKIPPED = "skipped"


class EventLog:
    """One line per event, with its facts in the record's attribute `hub_revisions`.

    A bad token fails the first check and every job in the same words: that is told once.
    """

    def __init__(self) -> None:
        self._told: set[str] = set()

    def problem(self, reason: str, record: JobRecord | None = None) -> None:
        """Log an error, unless the same was logged before."""
        same = _REQUEST_ID.sub("", reason)
        if same not in self._told:
            self._told.add(same)
            text = f"{record.revision}: {reason}" if record else reason
            logger.error("%s", text, extra=_facts(record))

    def outcome(self, record: JobRecord) -> None:
        """Log what became of a job."""
        if record.state == "done":
            text = (
                f"pushed to {record.repo_id} as {record.commit[:12]} in {record.push_seconds:.1f} s"
            )
            logger.info("%s: %s", record.revision, text, extra=_facts(record))
            for warning in record.warnings:
                logger.warning("%s: %s", record.revision, warning, extra=_facts(record))
        elif record.state == "failed":
            self.problem(record.error.message if record.error else "failed", record)
        else:
            reason = f": {record.error.message}" if record.error else ""
            level = logging.WARNING if record.state in (_SKIPPED, "dropped") else logging.INFO
            logger.log(
                level, "%s: %s%s", record.revision, record.state, reason, extra=_facts(record)
            )


class OutcomeThread:
    """Waits, without holding the GIL, for jobs to end; then logs them and runs the hooks.

    `follow` is ours and raises nothing; `hook` is the user's.
    """

    def __init__(
        self,
        worker: _core.Worker,
        events: EventLog,
        hook: Hook | None,
        follow: Hook | None = None,
    ) -> None:
        self._events = events
        self._hook = hook
        self._follow = follow
        self._seen = 0
        self._stop = threading.Event()
        # The thread alone holds the worker: once it has ended, the worker's threads may, too.
        self._thread = threading.Thread(
            target=self._run, args=(worker,), name="hub-revisions", daemon=True
        )
        self._thread.start()

    def close(self) -> None:
        """Tell what has ended until now, and end; a hook that hangs is left behind."""
        self._stop.set()
        self._thread.join(_CLOSE_TIMEOUT_SECONDS)

    def _run(self, worker: _core.Worker) -> None:
        while True:
            stopping = self._stop.is_set()
            ended = worker.wait_for_outcomes(self._seen, 0 if stopping else _SLICE_SECONDS)
            self._seen += len(ended)
            for job in ended:
                self._tell(worker, job)
            if stopping and not ended:
                return
            if not ended:
                # After the worker was closed nothing is waited for there.
                self._stop.wait(0.01)

    def _tell(self, worker: _core.Worker, job: str) -> None:
        record = decode_job(worker.record(job))
        if record is None or not (record.is_final or record.state == _SKIPPED):
            return  # it is tried again already
        self._events.outcome(record)
        if self._follow is not None:
            self._follow(record)
        if self._hook is None or record.state == _SKIPPED:
            return
        try:
            self._hook(record)
        except Exception as error:
            self._events.problem(f"the hook 'on_outcome' failed: {type(error).__name__}: {error}")


def make_hook(on_outcome: OnOutcome) -> Hook | None:
    """The function that the setting stands for. Raises `ConfigError`."""
    if on_outcome is None or on_outcome == "" or callable(on_outcome):
        return on_outcome or None  # type: ignore[return-value]
    if isinstance(on_outcome, str):
        if not on_outcome.startswith(("http://", "https://")):
            raise config_error("'on_outcome' must be a list of words or a URL of http or https")
        return lambda record: _post(on_outcome, record)
    words = list(on_outcome)
    if not words:
        raise config_error("'on_outcome' must name a command")
    return lambda record: _run_command(words, record)


def shown_hook(on_outcome: Any) -> Any:
    """The setting as it may be shown: the address of a webhook is often its password.

    Of an address, also of one in a command's words, scheme and host are left.
    """
    if isinstance(on_outcome, str):
        return _ADDRESS.sub(
            lambda address: f"{address[1]}{address[2].rpartition('@')[2]}/...", on_outcome
        )
    return [shown_hook(word) for word in on_outcome] if on_outcome else on_outcome


def outcome_json(record: JobRecord) -> str:
    """What a command and a webhook are told of a job."""
    facts = json.loads(to_json(record))
    for key in ("settings", "progress", "excluded"):
        del facts[key]
    return json.dumps(facts)


def _facts(record: JobRecord | None) -> dict[str, Any]:
    if record is None:
        return {}
    facts = {
        "job": record.id,
        "revision": record.revision,
        "repo_id": record.repo_id,
        "state": record.state,
        "step": record.step,
        "commit": record.commit,
        "attempts": record.attempts,
        "bytes_total": record.bytes_total,
        "bytes_sent": record.bytes_sent,
        "push_seconds": record.push_seconds,
        "error": record.error.kind if record.error else None,
    }
    return {"hub_revisions": facts}


def _run_command(words: Sequence[str], record: JobRecord) -> None:
    environment = {k: v for k, v in os.environ.items() if k not in TOKEN_VARIABLES}
    # Python's own errors repeat all of the words.
    try:
        ended = subprocess.run(
            words,
            input=outcome_json(record),
            text=True,
            check=False,
            timeout=_HOOK_TIMEOUT_SECONDS,
            env=environment,
            stdout=subprocess.DEVNULL,
        )
    except subprocess.TimeoutExpired:
        raise TimeoutError(f"{words[0]} had not ended after {_HOOK_TIMEOUT_SECONDS:g} s") from None
    if ended.returncode != 0:
        raise RuntimeError(f"{words[0]} ended with status {ended.returncode}")


def _post(url: str, record: JobRecord) -> None:
    import http.client  # slow to load, and few have a webhook
    import urllib.request

    try:
        request = urllib.request.Request(  # noqa: S310 - the scheme was checked
            url,
            data=outcome_json(record).encode(),
            headers={"Content-Type": "application/json"},
            method="POST",
        )
        with urllib.request.urlopen(request, timeout=_HOOK_TIMEOUT_SECONDS):  # noqa: S310
            pass
    except (http.client.InvalidURL, ValueError):  # they repeat a part of it
        raise config_error("it is no address that can be asked") from None
