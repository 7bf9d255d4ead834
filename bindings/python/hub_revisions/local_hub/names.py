"""Which repository, branch and tag names are accepted."""

from __future__ import annotations

import re
from dataclasses import dataclass

_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,95}")
_FORBIDDEN_IN_REF = re.compile(r"[\x00-\x20\x7f~^:?*\[\\]|\.\.|@\{|//|/\.")


@dataclass(frozen=True)
class RepoId:
    """`namespace/name` of a repository; both parts are valid, so both are safe as folder names."""

    namespace: str
    name: str

    def __str__(self) -> str:
        return f"{self.namespace}/{self.name}"


def is_valid_name(name: str) -> bool:
    """The Hub's rule for namespaces and repository names.

    1 to 96 letters, digits, `-`, `_`, `.`; no `-` or `.` at either end, no `--`, no `..`, no
    `.git` at the end (huggingface_hub `utils/_validators.py`). No such name can leave a folder.
    """
    return (
        _NAME.fullmatch(name) is not None
        and name[-1] not in "-."
        and "--" not in name
        and ".." not in name
        and not name.lower().endswith(".git")
    )


def is_valid_ref_name(name: str) -> bool:
    """git's own rule for what may follow `refs/heads/` (git check-ref-format)."""
    parts = name.split("/")
    return (
        bool(name)
        and _FORBIDDEN_IN_REF.search(name) is None
        and not name.startswith(("-", ".", "/"))
        and not name.endswith(("/", "."))
        and name != "@"
        and not any(part.endswith(".lock") for part in parts)
    )


def is_valid_path(path: str) -> bool:
    """Whether `path` may name a file in a commit: relative, without `.`, `..` or `.git` in it.

    `git update-index` skips such paths in silence, so they are refused before it sees them.
    """
    parts = path.split("/")
    return (
        not any(part.lower() in ("", ".", "..", ".git") for part in parts)
        and "\0" not in path
        and "\n" not in path
    )
