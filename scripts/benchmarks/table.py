"""Rows as tables on a screen."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal

from rich.box import SIMPLE
from rich.table import Table
from rich.text import Text

from . import Row
from .targets import TARGETS, Verdict

_PREFIXES = ("", "Ki", "Mi", "Gi", "Ti")
_NUMBERS_THAT_ARE_PARAMETERS = (
    "bytes", "files", "rtt_ms", "unchanged_percent", "revision_number", "jobs", "revisions",
)  # fmt: skip
_IN_JSON_ALONE = ("heaviest_modules",)  # too long for a screen
_LONGEST_PARAMETER = 60  # characters; a longer text is a remark
_WIDEST = 30
_GAP = 3  # what SIMPLE puts between two columns


def measurement_tables(name: str, rows: Sequence[Row], width: int) -> list[Table]:
    """One measurement, in as many tables as it takes: rows with the same parameters share one, and
    figures for which the screen has no room go into another, as does each remark.

    A figure that misses its target is marked with `!`. What is the same in all rows stands below.
    """
    groups: dict[tuple[str, ...], list[Row]] = {}
    for row in rows:
        given = tuple(key for key in row if row[key] is not None and _is_parameter(rows, key))
        groups.setdefault(given, []).append(row)
    tables = [
        table
        for parameters, group in groups.items()
        for table in _group_tables(name, group, parameters, width)
    ]
    tables[0].title = f"[bold]{_heading(name)}[/]"
    return tables


def _group_tables(
    name: str, rows: Sequence[Row], parameters: Sequence[str], width: int
) -> list[Table]:
    if "shape" in parameters:  # which says both
        parameters = [key for key in parameters if key not in ("files", "bytes")]
    same = [key for key in parameters if len({row[key] for row in rows}) == 1 and key != "system"]
    shown = [key for key in parameters if key not in same]
    left_out = (*parameters, *_IN_JSON_ALONE)
    others = list(dict.fromkeys(key for row in rows for key in row if key not in left_out))
    figures = [key for key in others if _is_numeric(rows, key) and key not in ("files", "bytes")]
    remarks = [key for key in others if not _is_numeric(rows, key)]
    widths = {key: _width(name, rows, key) for key in (*shown, *figures)}
    parts = [*_parts(shown, figures, widths, width), *([key] for key in remarks)]
    tables = [_table(name, rows, shown, part, widths) for part in parts if part]
    tables[-1].caption = ", ".join(f"{_heading(key)} {_text(key, rows[0][key])}" for key in same)
    return tables


def _table(
    name: str,
    rows: Sequence[Row],
    parameters: Sequence[str],
    part: Sequence[str],
    widths: Mapping[str, int],
) -> Table:
    """The rows that have anything of `part`."""
    table = Table(box=SIMPLE, pad_edge=False)
    for key in (*parameters, *part):
        side: Literal["left", "right"] = "right" if _is_numeric(rows, key) else "left"
        table.add_column(_heading(key), justify=side, width=widths.get(key))
    for row in rows:
        if any(row.get(key) is not None for key in part):
            table.add_row(*(_cell(name, key, row) for key in (*parameters, *part)))
    return table


def _parts(
    parameters: Sequence[str], figures: Sequence[str], widths: Mapping[str, int], width: int
) -> list[list[str]]:
    """The figures, cut into lists whose columns fit beside the parameters."""
    room = width - sum(widths[key] + _GAP for key in parameters)
    parts: list[list[str]] = [[]]
    for key in figures:
        if parts[-1] and sum(widths[key] + _GAP for key in (*parts[-1], key)) > room:
            parts.append([])
        parts[-1].append(key)
    return parts


def _width(name: str, rows: Sequence[Row], key: str) -> int:
    """Of a column: its longest cell, or the longest word in its heading; more is wrapped."""
    texts = [*_heading(key).split(), *(_cell(name, key, row).plain for row in rows)]
    return min(_WIDEST, max(map(len, texts)))


def _is_parameter(rows: Sequence[Row], key: str) -> bool:
    longest = max(len(_text(key, row.get(key))) for row in rows)
    is_word = not _is_numeric(rows, key) and longest <= _LONGEST_PARAMETER
    return is_word or key in _NUMBERS_THAT_ARE_PARAMETERS


def _is_numeric(rows: Sequence[Row], key: str) -> bool:
    return all(isinstance(row.get(key), int | float | None) for row in rows)


def verdict_table(verdicts: Sequence[Verdict]) -> Table:
    """What was to be reached, and the figure that is farthest from it."""
    table = Table(title="[bold]targets[/]", box=SIMPLE, pad_edge=False)
    for heading in ("what", "target", "measured", "in", ""):
        table.add_column(heading, justify="right" if heading in ("target", "measured") else "left")
    for verdict in verdicts:
        target = verdict.target
        table.add_row(
            target.text,
            f"{target.bound} {target.limit:g}",
            _text(target.figure, verdict.value),
            _case(verdict.row),
            Text("met", "green") if verdict.met else Text("missed", "bold red"),
        )
    return table


def _case(row: Row) -> str:
    words = [
        f"{_heading(key)} {_text(key, value)}"
        for key, value in row.items()
        if value is not None and key != "system" and _is_parameter([row], key)
    ]
    return ", ".join([str(row["system"]), *words])


def _cell(measurement: str, key: str, row: Row) -> Text:
    text = _text(key, row.get(key))
    for target in TARGETS:
        if target.measurement == measurement and target.figure == key:
            value = target.value(row)
            if value is not None and not target.is_met(value):
                return Text(f"{text} !", "red")
    return Text(text)


def _heading(key: str) -> str:
    return key.replace("_", " ")


def _text(key: str, value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, int) and key.startswith("bytes"):
        return _amount(value)
    if isinstance(value, float):
        return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"
    return f"{value:,}" if isinstance(value, int) else str(value)


def _amount(count: float) -> str:
    for prefix in _PREFIXES:
        if count < 1024 or prefix == _PREFIXES[-1]:
            return f"{count:.4g} {prefix}B"
        count /= 1024
    raise AssertionError
