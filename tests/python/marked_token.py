"""A token that is recognised wherever it turns up: whole or in part, plain or as Basic has it."""

from __future__ import annotations

import base64
import re
import subprocess
from pathlib import Path

TOKEN = "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"
BASIC = base64.b64encode(f"hf_user:{TOKEN}".encode()).decode()

# A leak may be cut off anywhere. The first letters say nothing that is secret.
_PART = 8
_BASIC_PART = 12


def _parts(text: str, begin: int, length: int) -> list[str]:
    return [text[at : at + length] for at in range(begin, len(text) - length + 1)]


_ANY = re.compile(
    "|".join(
        [*_parts(TOKEN, 3, _PART), *map(re.escape, _parts(BASIC.rstrip("="), 15, _BASIC_PART))]
    ).encode()
)


def assert_clean(data: bytes | str, where: str) -> None:
    """Fail if some of the token is in there, without showing more of it than that."""
    raw = data.encode(errors="surrogateescape") if isinstance(data, str) else data
    if found := _ANY.search(raw):
        around = raw[max(0, found.start() - 120) : found.start()]
        raise AssertionError(f"the token is in {where}, after {around!r}")


def assert_clean_tree(root: Path, *but: str) -> int:
    """The same for the names and contents of all files under a folder; how many there were."""
    files = [path for path in root.rglob("*") if path.is_file() and path.name not in but]
    for path in files:
        assert_clean(str(path), "a file's name")
        assert_clean(path.read_bytes(), str(path))
    return len(files)


def assert_clean_repository(path: Path) -> int:
    """The same for every object of a git repository, which are compressed on disk."""
    objects = subprocess.run(
        ["git", "-C", str(path), "cat-file", "--batch", "--batch-all-objects"],
        capture_output=True,
        check=True,
    ).stdout
    assert_clean(objects, str(path))
    return len(objects)
