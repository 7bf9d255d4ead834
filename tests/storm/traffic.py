"""What was sent twice, by the hub's access log."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

_LINE = re.compile(r"(\S+ \S+) (\S+) (\S+) (\d+) (\d+)ms \S+")
_OBJECT = re.compile(r"/(.+)/objects/([0-9a-f]{64})/(\d+)")
_CUT = 400  # how the log names a request whose client went away


@dataclass(frozen=True)
class Answer:
    """One line of the log; times are unix seconds."""

    method: str
    path: str
    status: int
    begin: float
    end: float


@dataclass(frozen=True)
class Resent:
    """Bytes of objects that were uploaded again: though the server had them whole when the upload
    began; because an upload was cut; or while another upload of the same object was under way."""

    stored: int
    cut: int
    at_once: int


def read_log(path: Path, offset: int = 0) -> list[Answer]:
    """The lines from byte `offset` on, in the order in which the requests ended."""
    with path.open("rb") as file:
        file.seek(offset)
        lines = file.read().decode().splitlines()
    return [answer for line in lines if (answer := _parse(line)) is not None]


def _parse(line: str) -> Answer | None:
    found = _LINE.fullmatch(line)
    if found is None:
        return None
    when, method, path, status, took = found.groups()
    end = datetime.strptime(when, "%Y-%m-%d %H:%M:%S,%f").timestamp()
    return Answer(method, path, int(status), end - int(took) / 1000, end)


def count_resent(answers: list[Answer]) -> Resent:
    """Add up what was uploaded more than once."""
    stored: dict[str, float] = {}  # object -> since when the server has it
    cut: set[str] = set()
    sums = {"stored": 0, "cut": 0, "at_once": 0}
    for answer in answers:
        found = _OBJECT.fullmatch(answer.path)
        if answer.method != "PUT" or found is None:
            continue
        oid, size = found[2], int(found[3])
        if oid in stored:
            sums["stored" if answer.begin > stored[oid] else "at_once"] += size
        elif oid in cut:
            sums["cut"] += size
        if answer.status == 200:
            stored.setdefault(oid, answer.end)
        elif answer.status == _CUT:
            cut.add(oid)
    return Resent(**sums)
