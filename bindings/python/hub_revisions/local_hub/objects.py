"""Where LFS objects lie on disk, and how bytes become an object.

Layout of git-lfs: `REPO.git/lfs/objects/ab/cd/<oid>`. Unfinished uploads lie in
`REPO.git/lfs/incomplete`, and become objects by one rename after their SHA-256 proved right, so a
reader or a second uploader never sees a half-written object.
"""

from __future__ import annotations

import hashlib
import re
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

_OID = re.compile(r"[0-9a-f]{64}")
_ETAG = re.compile(r"[0-9a-f]{32}")
_UPLOAD_ID = re.compile(r"[0-9a-f]{32}")
BUFFER = 1024 * 1024


class WrongContentError(Exception):
    """The bytes received are not the object that was announced."""


class Sink(Protocol):
    """Takes the bytes of one upload, in order, from one thread at a time."""

    def write(self, data: bytes) -> None:
        """Append `data`."""

    def finish(self) -> str:
        """Keep what was written and return its ETag, or raise `WrongContentError`."""

    def discard(self) -> None:
        """Remove what was written; harmless after `finish`."""


def is_oid(text: object) -> bool:
    """Whether `text` is a SHA-256 in lower-case hex, and so safe as a file name."""
    return isinstance(text, str) and _OID.fullmatch(text) is not None


class NoSuchUploadError(Exception):
    """No multipart upload of this id is open."""


class RepositoryGoneError(Exception):
    """The repository was deleted or renamed while a request about it was under way."""


@dataclass(frozen=True)
class StoredObject:
    """One object: `size` in bytes, `stored_at` in unix seconds."""

    oid: str
    size: int
    stored_at: float


class LfsObjects:
    """The LFS objects of one repository. Any number of threads may use it at once."""

    def __init__(self, repository: Path) -> None:
        self._repository = repository
        self._objects = repository / "lfs" / "objects"
        self._incomplete = repository / "lfs" / "incomplete"

    def path(self, oid: str) -> Path:
        """Where object `oid` lies, or would lie."""
        return self._objects / oid[:2] / oid[2:4] / oid

    def size(self, oid: str) -> int | None:
        """The size of a stored object; None when it is not stored."""
        try:
            return self.path(oid).stat().st_size
        except FileNotFoundError:
            return None

    def all(self) -> list[StoredObject]:
        """Every stored object, by oid."""
        found = []
        for path in sorted(self._objects.glob("??/??/*")):
            try:
                status = path.stat()
            except FileNotFoundError:  # removed at the same time
                continue
            found.append(StoredObject(path.name, status.st_size, status.st_mtime))
        return found

    def remove(self, oid: str) -> None:
        """Remove an object; harmless when it is not stored."""
        self.path(oid).unlink(missing_ok=True)

    def receive(self, oid: str, size: int) -> Sink:
        """Start to write one whole object. Raises `RepositoryGoneError`, and so does its end."""
        with self.present():
            self.make_folder(self.path(oid).parent)
            return _ObjectSink(self, self.path(oid), oid, size)

    def temporary(self) -> Path:
        """A new name, on the same file system, for what is not whole yet."""
        self.make_folder(self._incomplete)
        return self._incomplete / secrets.token_hex(16)

    @contextmanager
    def present(self) -> Iterator[None]:
        """For what concludes from files that are not there: raises `RepositoryGoneError` when the
        repository is not there either."""
        try:
            yield
        except (FileNotFoundError, NoSuchUploadError, WrongContentError) as error:
            if self._repository.is_dir():
                raise
            raise RepositoryGoneError(self._repository) from error

    def make_folder(self, folder: Path) -> None:
        """Make a folder below the repository, whose own is never made again: an upload that is
        under way while the repository is deleted would leave half of one. Raises
        `RepositoryGoneError` then."""
        level = self._repository
        for name in folder.relative_to(level).parts:
            level /= name
            with self.present():
                level.mkdir(exist_ok=True)

    def start_multipart(self) -> str:
        """Open a multipart upload and return its id."""
        upload_id = secrets.token_hex(16)
        self.make_folder(self._incomplete / upload_id)
        return upload_id

    def receive_part(self, upload_id: str, number: int, size: int) -> Sink:
        """Start to write one part. Raises `NoSuchUploadError` when the upload is not open,
        `RepositoryGoneError`, and so does its end."""
        with self.present(), _open(upload_id):
            return _PartSink(self, self._upload(upload_id), number, size)

    def finish_multipart(self, upload_id: str, oid: str, size: int, etags: list[str]) -> None:
        """Join the parts, named by their ETags in order, into object `oid`.

        Raises `NoSuchUploadError` when the upload is not open, `WrongContentError` when a part with
        that ETag was not stored or the whole is not the announced object, `RepositoryGoneError`.
        """
        with self.present(), _open(upload_id):
            folder = self._upload(upload_id)
            parts = [folder / f"{number}-{etag}" for number, etag in enumerate(etags, start=1)]
            for part, etag in zip(parts, etags, strict=True):
                if _ETAG.fullmatch(etag) is None or not part.exists():
                    self._upload(upload_id)
                    raise WrongContentError(f"no part {part.name} was stored")
            sink = self.receive(oid, size)
            try:
                for part in parts:
                    with part.open("rb") as file:
                        while chunk := file.read(BUFFER):
                            sink.write(chunk)
                sink.finish()
            finally:
                sink.discard()
            # At once, so that a repetition beside this one finds all of the parts or no upload.
            ended = self.temporary()
            folder.rename(ended)
        shutil.rmtree(ended, ignore_errors=True)

    def drop_incomplete(self) -> None:
        """Remove what interrupted uploads left; only for when no server runs on this folder."""
        shutil.rmtree(self._incomplete, ignore_errors=True)

    def _upload(self, upload_id: str) -> Path:
        folder = self._incomplete / upload_id
        if _UPLOAD_ID.fullmatch(upload_id) is None or not folder.is_dir():
            raise NoSuchUploadError(upload_id)
        return folder


@contextmanager
def _open(upload_id: str) -> Iterator[None]:
    """What is not there any more belonged to an upload that has ended meanwhile."""
    try:
        yield
    except FileNotFoundError as error:
        raise NoSuchUploadError(upload_id) from error


class _ObjectSink:
    """Hashes while it writes; the object appears under its name only when all proved right."""

    def __init__(self, objects: LfsObjects, final: Path, oid: str, size: int) -> None:
        self._objects = objects
        self._temporary = objects.temporary()
        self._final = final
        self._oid = oid
        self._size = size
        self._written = 0
        self._digest = hashlib.sha256()
        self._file = self._temporary.open("wb")

    def write(self, data: bytes) -> None:
        self._file.write(data)
        self._digest.update(data)
        self._written += len(data)

    def finish(self) -> str:
        self._file.close()
        if self._written != self._size:
            raise WrongContentError(f"received {self._written} bytes instead of {self._size}")
        if self._digest.hexdigest() != self._oid:
            raise WrongContentError("the SHA-256 of the received bytes is not the announced one")
        # No fsync: after a power cut a lost object is asked for anew by the pre-receive check.
        with self._objects.present():
            self._temporary.replace(self._final)
        return self._oid

    def discard(self) -> None:
        self._file.close()
        self._temporary.unlink(missing_ok=True)


class _PartSink:
    """One part. Its ETag is the MD5 of its bytes, as S3's is, and part of its file name: a
    repeated PUT of the same part stands beside the first, and the completion names the one meant.
    """

    def __init__(self, objects: LfsObjects, folder: Path, number: int, size: int) -> None:
        self._objects = objects
        self._folder = folder
        self._number = number
        self._size = size
        self._written = 0
        self._digest = hashlib.md5(usedforsecurity=False)
        self._temporary = folder / secrets.token_hex(16)
        self._file = self._temporary.open("wb")

    def write(self, data: bytes) -> None:
        self._file.write(data)
        self._digest.update(data)
        self._written += len(data)

    def finish(self) -> str:
        self._file.close()
        if self._written != self._size:
            raise WrongContentError(f"received {self._written} bytes instead of {self._size}")
        etag = self._digest.hexdigest()
        with self._objects.present():
            self._temporary.replace(self._folder / f"{self._number}-{etag}")
        return etag

    def discard(self) -> None:
        self._file.close()
        self._temporary.unlink(missing_ok=True)
