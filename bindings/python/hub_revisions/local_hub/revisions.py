"""A repository's revisions and records, read from its bare repository for the page that shows them.

What `plugin/pipeline/contents.cc` does for clients, here without a fetch.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

from .._native import Contents, Revision, RevisionFile
from ..results.store import BRANCH
from .files import BlobEntry, list_tree
from .names import RepoId
from .repos import Repository

_HEADS = "refs/heads/"
_INTEGER = re.compile(r"-?[0-9]{1,18}")
_FIELDS = (
    "%(objectname)", "%(parent)", "%(refname:strip=2)", "%(committerdate:unix)", "%(contents)",
)  # fmt: skip
_KEPT_TREES = 2000
MAX_RECORD_BYTES = 1 << 20


def read_contents(repository: Repository) -> Contents:
    """Everything that the branches and tags remember, as clients get it."""
    revisions = [
        _revision(repository, branch)
        for branch in _branches(repository)
        if branch["revision"] != BRANCH
    ]
    revisions.sort(key=lambda one: (-1 if one.step is None else one.step, one.revision))
    tags = {tag.name: tag.commit for tag in repository.refs("refs/tags/")}
    commit = repository.git.commit_id(_HEADS + BRANCH) or ""
    records = _records(repository, commit) if commit else {}
    return Contents(str(repository.id), tuple(revisions), tags, records, commit)


def _revision(repository: Repository, branch: Mapping[str, Any]) -> Revision:
    message = branch["message"]
    return Revision(
        revision=branch["revision"],
        commit=branch["commit"],
        parents=branch["parents"],
        time=branch["time"],
        title=message.partition("\n")[0],
        files=_files(repository.path, repository.id, branch["commit"]),
        **_parse_message(message),
    )


def _branches(repository: Repository) -> list[dict[str, Any]]:
    # Neither a commit's message nor a name can hold a NUL.
    form = "%00".join(_FIELDS) + "%00"
    output = repository.git.run("for-each-ref", f"--format={form}", _HEADS)
    texts = output.decode("utf-8", "replace").split("\0")
    rows = [texts[i : i + len(_FIELDS)] for i in range(0, len(texts) - 1, len(_FIELDS))]
    return [
        {
            "commit": commit.strip(),
            "parents": tuple(parents.split()),
            "revision": name,
            "time": int(seconds or 0),
            "message": message,
        }
        for commit, parents, name, seconds, message in rows
    ]


def _parse_message(message: str) -> dict[str, Any]:
    """The facts in a revision's trailers, its last paragraph (`plugin/pipeline/message.cc`)."""
    trailers: list[tuple[str, str]] = []
    for line in message.rstrip("\n").rpartition("\n\n")[2].split("\n"):
        key, colon, value = line.partition(": ")
        if colon:
            trailers.append((key, value))
    last = dict(trailers)
    metrics = {}
    for key, value in trailers:
        name, equals, number = value.rpartition("=")
        if key == "Metric" and equals and (parsed := _number(number)) is not None:
            metrics[name] = parsed
    step, tokens = last.get("Step", ""), last.get("Tokens", "")
    return {
        "published_as": last.get("Hub-Revision", ""),
        "step": int(step) if _INTEGER.fullmatch(step) else None,
        "epoch": _number(last.get("Epoch", "")),
        "tokens": int(tokens) if _INTEGER.fullmatch(tokens) else None,
        "metrics": metrics,
        "fixes": tuple(value for key, value in trailers if key == "Fix"),
        "content_digest": last.get("Content-Digest", ""),
        "promoted": last.get("Promoted-Revision", ""),
    }


def _number(text: str) -> float | None:
    try:
        value = float(text)
    except ValueError:
        return None
    return value if math.isfinite(value) else None


@lru_cache(maxsize=_KEPT_TREES)
def _files(path: Path, id: RepoId, commit: str) -> tuple[RevisionFile, ...]:
    """The files of a commit; a commit never changes, so that only new ones are looked at."""
    entries = list_tree(Repository(id, path), commit, "", recursive=True)
    return tuple(_file(entry) for entry in entries if isinstance(entry, BlobEntry))


def _file(entry: BlobEntry) -> RevisionFile:
    if entry.pointer is None:
        return RevisionFile(path=entry.path, size=entry.size, oid="")
    return RevisionFile(path=entry.path, size=entry.pointer.size, oid=entry.pointer.oid)


def _records(repository: Repository, commit: str) -> dict[str, str]:
    small = [
        entry
        for entry in list_tree(repository, commit, "", recursive=True)
        if isinstance(entry, BlobEntry) and entry.size <= MAX_RECORD_BYTES
    ]
    texts = dict(repository.git.contents(dict.fromkeys(entry.id for entry in small)))
    return {entry.path: texts[entry.id].decode("utf-8", "replace") for entry in small}
