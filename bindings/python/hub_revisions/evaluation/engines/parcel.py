"""Small files that come home as lines of a log: a compressed archive in base64, and a last word."""

from __future__ import annotations

import base64
import contextlib
import io
import json
import re
import tarfile
import zlib
from collections.abc import Sequence
from pathlib import Path, PurePosixPath

from ..staging import write_whole

MARK = "hub-revisions-parcel"
_MAX_BYTES = 16 * 1024 * 1024
_END = re.compile(r"end (\d{1,3}) (\d{1,12})")
_OWN_FILES = frozenset({"request.json", "done.json"})


def unpack(lines: Sequence[str], folder: Path, *, host: str) -> None:
    """Write the files in the lines ('data ...', then 'end CODE SECONDS') and `done.json`.

    Without a last line nothing is written. Files whose names lead outside, and all beyond 16 MiB,
    are left out: the lines come from a job's output. What cannot be read is no file.
    """
    ends = [match for line in lines if (match := _END.fullmatch(line))]
    if not ends:
        return
    data = "".join(line.removeprefix("data ") for line in lines if line.startswith("data "))
    # What cannot be read is missing among the results, which is told as that.
    with contextlib.suppress(ValueError, tarfile.TarError, zlib.error, EOFError, OSError):
        _extract(base64.b64decode(data), folder)
    word = {"exit_code": int(ends[-1][1]), "ended": int(ends[-1][2]), "host": host}
    write_whole(folder / "done.json", json.dumps(word) + "\n")


def _extract(packed: bytes, folder: Path) -> None:
    with tarfile.open(fileobj=io.BytesIO(packed), mode="r:gz") as archive:
        left = _MAX_BYTES
        for member in archive:
            path = PurePosixPath(member.name)
            source = archive.extractfile(member) if member.isreg() else None
            inside = not path.is_absolute() and ".." not in path.parts
            left -= member.size
            if source is None or not inside or path.name in _OWN_FILES or left < 0:
                continue
            target = folder / path
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(source.read())
