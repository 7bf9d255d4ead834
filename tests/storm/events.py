"""What `preload.cc` saw, and which stage of a job each event belongs to."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

STAGES = (
    "freezing",  # the checkpoint is being frozen, no job exists yet
    "frozen",  # the job exists since this moment
    "queued",
    "fixing",
    "hashing",
    "batch",
    "mid_put",
    "verify",  # an object is stored, but not verified
    "committed",  # the commit is made and the server may not have it
    "pushed_not_confirmed",
    "confirmed_not_freed",
)
ELSEWHERE = "elsewhere"  # while the run started, or nothing was left to do

SOCKET_OPS = ("connect", "send", "recv")
_JOB_ID = re.compile(r"\d{8}T\d{9}Z-[0-9a-f]{6}")
_BEGUN = re.compile(r"/_hub_revisions/(next/|tmp-)")  # no job yet
# Made in advance, whether anything is submitted or not.
_PREPARED = re.compile(r"/_hub_revisions/(next$|tmp-19700101T000000000Z-000000)")
_STAGE_OF_STATE = {
    "queued": "queued",
    "fixing": "fixing",
    "uploading": "hashing",
    "pushing": "committed",
    "confirming": "pushed_not_confirmed",
    "done": "confirmed_not_freed",
}


@dataclass(frozen=True)
class Event:
    """One call: `preload.cc` says what the fields hold."""

    op: str
    subject: str
    request: str
    answered: bool
    when: str

    @property
    def job(self) -> str | None:
        """The id of the job that it belongs to, if its subject tells."""
        found = _JOB_ID.search(self.subject)
        return found[0] if found else None

    @property
    def place(self) -> str:
        """The path below the job's folder, without the state; '' for the folder itself."""
        return _JOB_ID.split(self.subject.partition("#")[0])[-1].lstrip("/")


def read_events(path: Path) -> list[Event]:
    """The lines that `preload.cc` wrote."""
    events = []
    for line in path.read_text().splitlines():
        op, subject, request, answered, when = line.split("\t")
        events.append(Event(op, subject, request, answered == "1", when))
    return events


def stage_of(event: Event, state: str | None) -> str | None:
    """The stage that the event belongs to, when its job's record on disk says `state`.

    None if the event does not tell.
    """
    if event.op in SOCKET_OPS:
        return _stage_of_request(event)
    if _PREPARED.search(event.subject):
        return None
    if _BEGUN.search(event.subject):
        return "freezing"
    if event.job is None:
        return None
    if state is None:
        return "freezing"
    if event.op == "rename" and event.place == "":
        return "frozen"
    if event.subject.endswith("#fixing") and (event.op, event.when) != ("rename", "after"):
        return "queued"  # again, if the record is of an earlier start
    if state == "uploading":
        return _stage_of_upload(event)
    if state == "pushing" and event.subject.endswith("#confirming"):
        return "pushed_not_confirmed"
    return _STAGE_OF_STATE.get(state)


def _stage_of_upload(event: Event) -> str:
    if event.place.startswith(("git", "job.json")):
        return "committed"
    if event.request.startswith("PUT ") and not event.answered:
        return "mid_put"
    return "hashing"


def _stage_of_request(event: Event) -> str | None:
    method, _, path = event.request.partition(" ")
    if event.op == "connect" or not path:
        return None
    if method == "PUT":
        return "mid_put" if event.op == "send" else "verify"
    if path.endswith("/objects/batch"):
        return "batch"
    if path.endswith("/objects/verify"):
        return "verify"
    if path.endswith("/info/refs"):
        return "committed"
    if path.endswith("/git-receive-pack"):
        return "committed" if event.op == "send" else "pushed_not_confirmed"
    return "pushed_not_confirmed" if "/revision/" in path else "fixing"


def staged(trace: list[Event]) -> Iterator[tuple[str, Event]]:
    """Each event of an undisturbed run with each moment to be killed at, and the stage of that."""
    states: dict[str, str] = {}
    for event in trace:
        job = event.job or ""
        before = stage_of(replace(event, when="before"), states.get(job))
        if event.op == "rename" and event.place == "":
            states[job] = "queued"
        if event.op == "rename" and event.place == "job.json":
            states[job] = event.subject.rpartition("#")[2]
        after = stage_of(replace(event, when="after"), states.get(job))
        if before and event.op != "recv":
            yield before, replace(event, when="before")
        if before and event.op in ("write", "send"):
            yield before, replace(event, when="middle")
        if after:
            yield after, replace(event, when="after")


def states_on_disk(spool: Path) -> dict[str, str]:
    """The state of each job that has a record; unreadable ones are left out."""
    states = {}
    for path in spool.glob("*/job.json"):
        if _JOB_ID.fullmatch(path.parent.name):
            try:
                states[path.parent.name] = str(json.loads(path.read_bytes())["state"])
            except (ValueError, KeyError):
                continue
    return states


def has_begun(spool: Path) -> bool:
    """Whether a kill left half a submit, and not only what is prepared for the next."""
    return any(path.stat().st_size > 0 for path in spool.glob("next/*") if path.is_file()) or any(
        spool.glob("next/files/*")
    )


def stage_on_disk(spool: Path, states: Mapping[str, str], last_request: str) -> str:
    """The stage of the job that had come furthest, by what a kill at any time left.

    `last_request` is the last one that the hub answered, e.g. "PUT /a/b". A job that the run had
    not taken up again counts as what its record says.
    """
    reached = [_STAGE_OF_STATE[state] for job, state in states.items()
               if state in _STAGE_OF_STATE
               and (state != "done" or (spool / job / "files").exists())]  # fmt: skip
    if has_begun(spool):
        reached.append("freezing")
    if not reached:
        return ELSEWHERE
    stage = max(reached, key=STAGES.index)
    if stage == "hashing" and last_request:
        asked = _stage_of_request(Event("recv", "", last_request, True, ""))
        stage = asked if asked in ("batch", "verify") else stage
    return stage
