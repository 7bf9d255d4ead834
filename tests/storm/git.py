"""A bare repository, read with git itself."""

from __future__ import annotations

import hashlib
import re
import subprocess
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

_POINTER = re.compile(
    rb"version https://git-lfs.github.com/spec/v1\noid sha256:([0-9a-f]{64})\nsize (\d+)\n"
)
_TIME = re.compile(rb"^(author|committer) (.*) \d+ \+0000$", re.M)
_REVISION = re.compile(rb"^Hub-Revision: (.*)$", re.M)


@dataclass(frozen=True)
class Branch:
    """What a branch points to; `files` are (mode, id, path) of its whole tree."""

    commit: str
    commit_object: bytes
    tree: str
    files: tuple[tuple[str, str, str], ...]


class BareRepository:
    """Reads one repository of the hub. Each call looks again."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def branches(self) -> dict[str, Branch]:
        """All branches but `main`, which the hub makes."""
        names = self._git("for-each-ref", "--format=%(refname:short)", "refs/heads").decode()
        return {name: self._branch(name) for name in names.split() if name != "main"}

    def commits_by_revision(self) -> Counter[str]:
        """How many commits of each revision the repository was ever sent."""
        objects = self._git(
            "cat-file", "--batch-all-objects", "--batch-check=%(objectname) %(objecttype)"
        )
        found: Counter[str] = Counter()
        for line in objects.decode().splitlines():
            name, kind = line.split()
            if kind == "commit":
                revision = _REVISION.search(self._git("cat-file", "commit", name))
                if revision:
                    found[revision[1].decode()] += 1
        return found

    def commit_id(self, commit_object: bytes, unix_seconds: int) -> str:
        """The id that the commit has when it is made at that time."""
        at = str(unix_seconds).encode()
        text = _TIME.sub(rb"\g<1> \g<2> " + at + b" +0000", commit_object)
        return self._git("hash-object", "-t", "commit", "--stdin", stdin=text).decode().strip()

    def pointers(self, branch: Branch) -> dict[str, tuple[str, int]]:
        """Path -> SHA-256 and size of the branch's LFS objects."""
        found = {}
        for _, blob, path in branch.files:
            pointer = _POINTER.fullmatch(self._git("cat-file", "blob", blob))
            if pointer:
                found[path] = (pointer[1].decode(), int(pointer[2]))
        return found

    def object_path(self, oid: str) -> Path:
        """Where the hub keeps LFS object `oid`, if it has it."""
        return self.path / "lfs" / "objects" / oid[:2] / oid[2:4] / oid

    def stored_sha256(self, oid: str) -> str:
        """The SHA-256 of the bytes that the hub holds as object `oid`; '' if it has none."""
        try:
            return hashlib.sha256(self.object_path(oid).read_bytes()).hexdigest()
        except FileNotFoundError:
            return ""

    def _branch(self, name: str) -> Branch:
        ref = f"refs/heads/{name}"
        lines = self._git(
            "ls-tree", "-r", "-z", "--format=%(objectmode) %(objectname) %(path)", ref
        )
        files = (line.split(" ", 2) for line in lines.decode().split("\0") if line)
        return Branch(
            self._git("rev-parse", ref).decode().strip(),
            self._git("cat-file", "commit", ref),
            self._git("rev-parse", f"{ref}^{{tree}}").decode().strip(),
            tuple((mode, blob, path) for mode, blob, path in files),
        )

    def _git(self, *arguments: str, stdin: bytes = b"") -> bytes:
        return subprocess.run(
            ["git", "-C", str(self.path), *arguments],
            input=stdin, stdout=subprocess.PIPE, check=True,
        ).stdout  # fmt: skip
