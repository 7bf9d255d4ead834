"""Git LFS pointer files (git-lfs docs/spec.md)."""

from __future__ import annotations

import re
from dataclasses import dataclass

MAX_POINTER_BYTES = 1024
_VERSION = b"version https://git-lfs.github.com/spec/v1\n"
_OID = re.compile(rb"^oid sha256:([0-9a-f]{64})$", re.MULTILINE)
_SIZE = re.compile(rb"^size ([0-9]+)$", re.MULTILINE)


@dataclass(frozen=True)
class Pointer:
    """What a pointer file says: the SHA-256 and the size of the real content."""

    oid: str
    size: int

    def to_bytes(self) -> bytes:
        """The canonical pointer file."""
        return _VERSION + f"oid sha256:{self.oid}\nsize {self.size}\n".encode()


def parse_pointer(content: bytes) -> Pointer | None:
    """Read a pointer file; None when `content` is anything else.

    The version line comes first and every line, the last too, ends with a line feed; what does
    not keep to that is ordinary text to a git-lfs client, so it is to this server.
    """
    if len(content) >= MAX_POINTER_BYTES or not content.startswith(_VERSION):
        return None
    oid, size = _OID.search(content), _SIZE.search(content)
    if oid is None or size is None or not content.endswith(b"\n"):
        return None
    return Pointer(oid.group(1).decode(), int(size.group(1)))
