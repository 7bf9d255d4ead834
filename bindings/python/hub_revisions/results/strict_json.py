"""JSON that others wrote: bounded, and with one kind of error for everything that can be wrong."""

from __future__ import annotations

import json
import os
import stat
from pathlib import Path
from typing import Any

from .._native import failure

MAX_BYTES = 64 * 1024 * 1024
# A longer number is none that a measurement gives; and Python takes quadratic time for it.
_MAX_DIGITS = 400


def read_text(path: Path) -> str:
    """The text of a file of at most 64 MiB. Raises `HubRevisionError` naming the file."""
    try:
        # Not blocking: what lies there may be a pipe that nobody writes to.
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        try:
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                raise failure(f"{path} is no regular file", "invalid_input")
            with os.fdopen(descriptor, "rb", closefd=False) as file:
                data = file.read(MAX_BYTES + 1)
        finally:
            os.close(descriptor)
    except OSError as error:
        kind = "not_found" if isinstance(error, FileNotFoundError) else "io"
        raise failure(f"{path} cannot be read: {error.strerror}", kind) from error
    if len(data) > MAX_BYTES:
        raise failure(f"{path} is larger than 64 MiB: no file of results", "invalid_input")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise failure(f"{path} is no UTF-8 text", "corrupt") from error


def parse(text: str, name: str) -> Any:
    """The value of a JSON text. `name` says whose it is, in the `HubRevisionError`.

    As Python writes it, so NaN and Infinity are read. A key that stands twice is an error: one of
    the two would win silently.
    """
    try:
        return json.loads(text, object_pairs_hook=_object, parse_int=_integer)
    except RecursionError as error:
        raise failure(f"{name} is nested too deeply", "corrupt") from error
    except ValueError as error:
        detail = "it is empty" if not text.strip() else str(error)
        raise failure(f"{name} is no valid JSON: {detail}", "corrupt") from error


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    items = dict(pairs)
    if len(items) != len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"the key {twice[:60]!r} stands twice in one object")
    return items


def _integer(digits: str) -> int | float:
    return int(digits) if len(digits) <= _MAX_DIGITS else float(digits)
