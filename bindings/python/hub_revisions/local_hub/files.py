"""What lies in a commit: files and directories as the REST API describes them (1.3)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from .errors import entry_not_found
from .git import GitError
from .names import is_valid_path
from .pointer import MAX_POINTER_BYTES, Pointer, parse_pointer
from .repos import Repository


@dataclass(frozen=True)
class BlobEntry:
    """A file: `size` is that of the blob, `pointer` is set when it is an LFS file."""

    path: str
    id: str
    size: int
    pointer: Pointer | None

    def to_json(self) -> dict[str, Any]:
        entry: dict[str, Any] = {"type": "file", "oid": self.id, "path": self.path}
        entry["size"] = self.size
        if self.pointer is not None:
            entry["size"] = self.pointer.size
            entry["lfs"] = {
                "oid": self.pointer.oid,
                "size": self.pointer.size,
                "pointerSize": self.size,
            }
        return entry

    def sibling(self, with_blobs: bool) -> dict[str, Any]:
        """The form used in a repository's info."""
        entry: dict[str, Any] = {"rfilename": self.path}
        if with_blobs:
            entry |= {"size": self.size, "blobId": self.id}
            if self.pointer is not None:
                entry["size"] = self.pointer.size
                entry["lfs"] = {
                    "sha256": self.pointer.oid,
                    "size": self.pointer.size,
                    "pointerSize": self.size,
                }
        return entry


@dataclass(frozen=True)
class TreeEntry:
    """A directory."""

    path: str
    id: str

    def to_json(self) -> dict[str, Any]:
        return {"type": "directory", "oid": self.id, "size": 0, "path": self.path}


Entry = BlobEntry | TreeEntry


def list_tree(repository: Repository, commit: str, path: str, *, recursive: bool) -> list[Entry]:
    """The entries of directory `path` ("" is the root), with all below it when `recursive`.

    Raises `HubError` 404 EntryNotFound when there is no such directory.
    """
    options = ["-r", "-t"] if recursive else []
    try:
        output = repository.git.run("ls-tree", "-z", "-l", *options, f"{commit}:{path}")
    except GitError as error:
        raise entry_not_found(f'"{path}" does not exist on "{commit}"', commit) from error
    prefix = f"{path}/" if path else ""
    return _parse(repository, output, prefix)


def find_paths(repository: Repository, commit: str, paths: Iterable[str]) -> list[Entry]:
    """The entries at exactly these paths, files or directories; missing ones are left out."""
    wanted = [path for path in (path.strip("/") for path in paths) if is_valid_path(path)]
    if not wanted:
        return []
    literal = repository.git.with_environment({"GIT_LITERAL_PATHSPECS": "1"})
    return _parse(repository, literal.run("ls-tree", "-z", "-l", commit, "--", *wanted), "")


def find_file(repository: Repository, commit: str, path: str) -> BlobEntry:
    """The file at `path`. Raises `HubError` 404 EntryNotFound."""
    for entry in find_paths(repository, commit, [path]):
        if isinstance(entry, BlobEntry) and entry.path == path:
            return entry
    raise entry_not_found("Entry not found", commit)


def _parse(repository: Repository, output: bytes, prefix: str) -> list[Entry]:
    """Read `git ls-tree -z -l`, and look into the small blobs for LFS pointers."""
    rows = []
    for line in output.split(b"\0")[:-1]:
        header, _, name = line.partition(b"\t")
        _, kind, id, size = header.decode().split()
        rows.append((kind, id, size, prefix + name.decode("utf-8", "replace")))
    small = {id for kind, id, size, _ in rows if kind == "blob" and int(size) < MAX_POINTER_BYTES}
    pointers = {id: parse_pointer(content) for id, content in repository.git.contents(small)}
    entries: list[Entry] = []
    for kind, id, size, path in rows:
        if kind == "blob":
            entries.append(BlobEntry(path, id, int(size), pointers.get(id)))
        elif kind == "tree":
            entries.append(TreeEntry(path, id))
    return entries
