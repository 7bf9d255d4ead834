"""Building a commit without a work tree: a private index in a temporary folder."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from .errors import HubError
from .git import ZERO_ID, GitError
from .names import is_valid_path
from .repos import Repository

_FILE_MODE = "100644"


class Staging:
    """The files of a commit to be. Used by one thread; made by `stage`."""

    def __init__(self, repository: Repository, folder: Path) -> None:
        self._git = repository.git.with_environment({"GIT_INDEX_FILE": str(folder / "index")})
        self._folder = folder
        self._contents = 0

    def load(self, commit: str) -> None:
        """Begin with the files of `commit`."""
        self._git.run("read-tree", commit)

    def keep(self, content: bytes) -> Path:
        """Put content aside on disk, out of memory, until `put_files` takes it."""
        path = self._folder / f"content-{self._contents}"
        self._contents += 1
        path.write_bytes(content)
        return path

    def put_files(self, files: Iterable[tuple[str, Path]]) -> None:
        """Add or replace files by path in the repository and path on disk.

        Raises `HubError` 400 for a path that git would not check out (`..`, `.git`, absolute).
        """
        pairs = list(files)
        for path, _ in pairs:
            if not is_valid_path(path):
                raise HubError(400, f"Invalid path in the commit: {path}")
        listing = "".join(f"{source}\n" for _, source in pairs).encode()
        ids = self._git.run("hash-object", "-w", "--no-filters", "--stdin-paths", stdin=listing)
        rows = zip(ids.decode().split(), (path for path, _ in pairs), strict=True)
        self._update(f"{_FILE_MODE} {id}\t{path}" for id, path in rows)

    def remove_file(self, path: str) -> None:
        """Remove a file. Raises `HubError` 404 EntryNotFound when there is none."""
        if path not in self._names(path):
            raise HubError(
                404, f"A file with this name doesn't exist: {path}", code="EntryNotFound"
            )
        self._update([f"0 {ZERO_ID}\t{path}"])

    def remove_folder(self, path: str) -> None:
        """Remove all files below a folder. Raises `HubError` 404 when there are none."""
        below = self._names(path.rstrip("/") + "/")
        if not below:
            raise HubError(
                404, f"A folder with this name doesn't exist: {path}", code="EntryNotFound"
            )
        self._update(f"0 {ZERO_ID}\t{name}" for name in below)

    def not_lfs(self, paths: Iterable[str]) -> list[str]:
        """Those of `paths` that `.gitattributes`, as staged, does not make LFS files."""
        listing = "".join(f"{path}\0" for path in paths).encode()
        if not listing:
            return []
        fields = self._git.run("check-attr", "--cached", "--stdin", "-z", "filter", stdin=listing)
        names = fields.decode("utf-8", "surrogateescape").split("\0")
        return [
            path for path, value in zip(names[0::3], names[2::3], strict=False) if value != "lfs"
        ]

    def read(self, path: str) -> bytes:
        """The content of a staged file; empty when there is none."""
        try:
            return self._git.run("cat-file", "blob", f":{path}")
        except GitError:
            return b""

    def write_tree(self) -> str:
        """Write what is staged and return the tree's id."""
        return self._git.line("write-tree")

    def _names(self, path: str) -> list[str]:
        literal = self._git.with_environment({"GIT_LITERAL_PATHSPECS": "1"})
        names = literal.run("ls-files", "--cached", "-z", "--", path).split(b"\0")[:-1]
        return [name.decode("utf-8", "surrogateescape") for name in names]

    def _update(self, rows: Iterable[str]) -> None:
        listing = "".join(f"{row}\0" for row in rows).encode("utf-8", "surrogateescape")
        self._git.run("update-index", "--replace", "-z", "--index-info", stdin=listing)


@contextmanager
def stage(repository: Repository) -> Iterator[Staging]:
    """Stage a commit; the temporary files go when the block ends."""
    with tempfile.TemporaryDirectory(prefix="hub-commit-") as folder:
        yield Staging(repository, Path(folder))
