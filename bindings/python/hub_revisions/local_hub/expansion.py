"""How many paths a tree spells out.

A few trees that contain one another can stand for billions of files, which git would list one by
one. They are counted here before anything lists them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from .git import Git

MAX_PATHS = 500_000
MAX_DEPTH = 100
_FOLDER = b"40000"
_ID_BYTES = 20


@dataclass(frozen=True)
class _Tree:
    entries: int
    folders: Counter[str]


def is_too_large(git: Git, roots: Iterable[str]) -> bool:
    """Whether one of these trees holds more than `MAX_PATHS` paths or is deeper than `MAX_DEPTH`.

    Reads each tree once, however often it appears.
    """
    wanted = set(roots)
    known: dict[str, _Tree] = {}
    missing = set(wanted)
    for _ in range(MAX_DEPTH):
        if not missing:
            return any(_paths(root, known) > MAX_PATHS for root in wanted)
        read = {id: _parse(content) for id, content in git.contents(missing)}
        known |= read
        missing = {id for tree in read.values() for id in tree.folders} - known.keys()
    return True


def _paths(root: str, known: dict[str, _Tree]) -> int:
    """The number of paths below `root`, level by level; counting ends above `MAX_PATHS`."""
    total = 0
    level = Counter({root: 1})
    for _ in range(MAX_DEPTH):
        below: Counter[str] = Counter()
        for id, times in level.items():
            tree = known.get(id)
            if tree is None:
                continue  # not there: git itself refuses such a push
            total += times * tree.entries
            for folder, count in tree.folders.items():
                below[folder] += times * count
        if not below or total > MAX_PATHS:
            return total
        level = below
    return MAX_PATHS + 1


def _parse(content: bytes) -> _Tree:
    """Read a tree: `mode name NUL id`, again and again."""
    entries = 0
    folders: Counter[str] = Counter()
    at = 0
    while (end := content.find(b"\0", at)) >= 0:
        id = content[end + 1 : end + 1 + _ID_BYTES].hex()
        if content.startswith(_FOLDER + b" ", at):
            folders[id] += 1
        entries += 1
        at = end + 1 + _ID_BYTES
    return _Tree(entries, folders)
