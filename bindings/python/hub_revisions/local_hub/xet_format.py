"""Reading what a Xet client uploads: chunks in xorbs, and the shards that say how files consist of
them.

Sources: the Xet specification (hub-docs `xet/xorb.md`, `xet/shard.md`, `xet/hashing.md`) and the
LZ4 frame and block formats (lz4 `doc/lz4_Frame_format.md`, `doc/lz4_Block_format.md`). Hashes are
not recomputed: a file is proved by its SHA-256 when it has been put together.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

_RECORD = 48
_SHARD_HEADER = struct.Struct("<32sQQ")
_FILE_HEADER = struct.Struct("<32sIIQ")
_TERM = struct.Struct("<32sIIII")
_BOOKEND = b"\xff" * 32
_SHARD_VERSION = 2
_WITH_VERIFICATION = 1 << 31
_WITH_METADATA = 1 << 30
_CHUNK_HEADER = 8
_MAX_CHUNK_BYTES = 128 * 1024
_LZ4_MAGIC = 0x184D2204


class MalformedXetError(Exception):
    """The bytes do not keep to the format."""


@dataclass(frozen=True)
class Term:
    """A run of chunks `[first, end)` of one xorb."""

    xorb: str
    first: int
    end: int


@dataclass(frozen=True)
class FileRecipe:
    """How one file is put together, and the SHA-256 and size that it must have then."""

    oid: str
    size: int
    terms: list[Term]


def read_shard(shard: bytes) -> list[FileRecipe]:
    """The files that a shard describes. Raises `MalformedXetError`.

    The section after the files lists the chunks of new xorbs, for deduplication; it is not needed
    to put files together.
    """
    try:
        _, version, _ = _SHARD_HEADER.unpack_from(shard, 0)
        if version != _SHARD_VERSION:
            raise MalformedXetError(f"shard version {version}")
        recipes: list[FileRecipe] = []
        at = _RECORD
        while True:
            file_hash, flags, count, _ = _FILE_HEADER.unpack_from(shard, at)
            at += _RECORD
            if file_hash == _BOOKEND:
                return recipes
            terms, size = [], 0
            for _ in range(count):
                xorb, _, length, first, end = _TERM.unpack_from(shard, at)
                terms.append(Term(hash_text(xorb), first, end))
                size += length
                at += _RECORD
            if flags & _WITH_VERIFICATION:
                at += count * _RECORD
            if not flags & _WITH_METADATA:
                raise MalformedXetError("a file without its SHA-256")
            (sha256,) = struct.unpack_from("<32s", shard, at)
            at += _RECORD
            recipes.append(FileRecipe(hash_text(sha256), size, terms))
    except struct.error as error:
        raise MalformedXetError("the shard ends too early") from error


def hash_text(raw: bytes) -> str:
    """A hash as text: each group of eight bytes is a little-endian number (`xet/hashing.md`)."""
    return "".join(f"{word:016x}" for word in struct.unpack("<4Q", raw))


def read_chunks(xorb: BinaryIO, first: int, end: int) -> Iterator[bytes]:
    """The contents of the chunks `[first, end)`; one is in memory at a time."""
    for number in range(end):
        header = xorb.read(_CHUNK_HEADER)
        if len(header) != _CHUNK_HEADER or header[0] != 0:
            raise MalformedXetError(f"no chunk {number} in the xorb")
        packed = int.from_bytes(header[1:4], "little")
        size = int.from_bytes(header[5:8], "little")
        if size > _MAX_CHUNK_BYTES:
            raise MalformedXetError(f"chunk {number} is larger than a chunk may be")
        if number < first:
            xorb.seek(packed, 1)
            continue
        content = _unpack(header[4], xorb.read(packed), size)
        if len(content) != size:
            raise MalformedXetError(f"chunk {number} has another size than announced")
        yield content


def _unpack(scheme: int, packed: bytes, size: int) -> bytes:
    try:
        match scheme:
            case 0:
                return packed
            case 1:
                return _lz4_frame(packed, size)
            case 2:
                return _ungroup(_lz4_frame(packed, size))
    except (IndexError, struct.error) as error:
        raise MalformedXetError("damaged LZ4 data") from error
    raise MalformedXetError(f"unknown compression scheme {scheme}")


def _ungroup(grouped: bytes) -> bytes:
    """Undo byte grouping: first all bytes at 0 modulo 4, then all at 1, 2 and 3."""
    content = bytearray(len(grouped))
    at = 0
    for lane in range(4):
        length = len(range(lane, len(grouped), 4))
        content[lane::4] = grouped[at : at + length]
        at += length
    return bytes(content)


def _lz4_frame(frame: bytes, limit: int) -> bytes:
    """Decompress one LZ4 frame of at most `limit` bytes; checksums are skipped."""
    magic, flags = struct.unpack_from("<IB", frame, 0)
    if magic != _LZ4_MAGIC:
        raise MalformedXetError("not an LZ4 frame")
    at = 7 + (8 if flags & 0x08 else 0) + (4 if flags & 0x01 else 0)
    output = bytearray()
    while True:
        (header,) = struct.unpack_from("<I", frame, at)
        at += 4
        length = header & 0x7FFFFFFF
        if length == 0:
            return bytes(output)
        block = frame[at : at + length]
        if header >> 31:
            output += block
        else:
            _lz4_block(block, output, limit)
        at += length + (4 if flags & 0x10 else 0)


def _lz4_block(block: bytes, output: bytearray, limit: int) -> None:
    """Append one decompressed block; matches may reach back into the blocks before."""
    at = 0
    while True:
        token = block[at]
        length, at = _lz4_length(block, at + 1, token >> 4)
        output += block[at : at + length]
        at += length
        if at >= len(block):
            return
        distance = block[at] | block[at + 1] << 8
        length, at = _lz4_length(block, at + 2, token & 15)
        length += 4
        start = len(output) - distance
        if distance == 0 or start < 0 or len(output) + length > limit:
            raise MalformedXetError("damaged LZ4 data")
        # A match may run into the bytes that it produces: they repeat with period `distance`.
        repeats = -(-length // distance)
        output += (bytes(output[start:]) * repeats)[:length]


def _lz4_length(block: bytes, at: int, nibble: int) -> tuple[int, int]:
    """A length that starts in a nibble and goes on in bytes while those are 255."""
    if nibble < 15:
        return nibble, at
    length = nibble
    while True:
        byte = block[at]
        at += 1
        length += byte
        if byte != 255:
            return length, at
