"""Tables of plain text: as wide as their content, folded where a terminal is narrower."""

from __future__ import annotations

import os
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal, TextIO

_GAP = "  "
_USUAL_WIDTH = 80
_NARROWEST = 8
"""Columns are not folded below this; a narrower terminal breaks the lines itself."""


@dataclass(frozen=True)
class Column:
    """A heading, and the side at which the cells below it stand."""

    heading: str
    side: Literal["left", "right"] = "left"


def render_table(
    columns: Sequence[Column],
    rows: Sequence[Sequence[str]],
    *,
    title: str = "",
    width: int | None = None,
) -> str:
    """The table as lines, each ending with a line feed.

    What would command a terminal is blanked. Where `width` is given, the widest columns of text are
    folded to fit into it; numbers never are.
    """
    cells = [[printable(column.heading) for column in columns]]
    cells += [[printable(cell) for cell in row] for row in rows]
    widths = [max(map(_cells, column)) for column in zip(*cells, strict=True)]
    if width is not None:
        _narrow(widths, columns, width)
    cells.insert(1, ["-" * count for count in widths])
    lines = [title] if title else []
    for row in cells:
        folded = [list(_fold(cell, count)) for cell, count in zip(row, widths, strict=True)]
        for at in range(max(map(len, folded))):
            parts = [part[at] if at < len(part) else "" for part in folded]
            padded = map(_pad, parts, widths, columns)
            lines.append(_GAP.join(padded).rstrip())
    return "".join(f"{line}\n" for line in lines)


def terminal_width(stream: TextIO) -> int | None:
    """Columns of the terminal that `stream` is; None for what has no width, a file or a pipe."""
    if not stream.isatty():
        return None
    try:
        return os.get_terminal_size(stream.fileno()).columns or _USUAL_WIDTH
    except OSError:
        return _USUAL_WIDTH


def printable(text: str) -> str:
    """Text of others on one line, without what would command a terminal."""
    return "".join(char if char.isprintable() else " " for char in text)


def _narrow(widths: list[int], columns: Sequence[Column], width: int) -> None:
    texts = [at for at, column in enumerate(columns) if column.side == "left"]
    excess = sum(widths) + len(_GAP) * (len(widths) - 1) - width
    for _ in range(max(0, excess)):
        widest = max(texts, key=lambda at: widths[at], default=None)
        if widest is None or widths[widest] <= _NARROWEST:
            return
        widths[widest] -= 1


def _fold(text: str, width: int) -> Iterator[str]:
    """Lines of at most `width` cells, broken at a space where one is in the line's second half."""
    while _cells(text) > width:
        end = 1
        while _cells(text[: end + 1]) <= width:
            end += 1
        space = text.rfind(" ", end // 2, end + 1)
        end = space if space > 0 else end
        yield text[:end]
        text = text[end:].lstrip()
    yield text


def _pad(text: str, width: int, column: Column) -> str:
    blanks = " " * (width - _cells(text))
    return text + blanks if column.side == "left" else blanks + text


def _cells(text: str) -> int:
    """How many cells of a terminal the text takes: letters of East Asia take two, accents none."""
    if text.isascii():
        return len(text)
    wide = sum(unicodedata.east_asian_width(char) in "WF" for char in text)
    return len(text) + wide - sum(unicodedata.combining(char) != 0 for char in text)
