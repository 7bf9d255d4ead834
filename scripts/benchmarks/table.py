"""Rows as tables on a screen."""

from __future__ import annotations

from collections.abc import Sequence

from rich.box import SIMPLE
from rich.table import Table
from rich.text import Text

from . import Row
from .targets import TARGETS, Verdict

_PREFIXES = ("", "Ki", "Mi", "Gi", "Ti")
_PARAMETERS = ("rtt_ms", "unchanged_percent")  # their names have units, but they are no figures
_UNITS = ("_ms", "_s", "_mib", "_percent")


def measurement_tables(name: str, rows: Sequence[Row], width: int) -> list[Table]:
    """One measurement, in as many tables beside each other's columns as the screen's width needs.

    A figure that misses its target is marked with `!`. What is the same in all rows stands below.
    """
    columns = list(dict.fromkeys(key for row in rows for key in row))
    if "shape" in columns:  # which says both
        columns = [key for key in columns if key not in ("files", "bytes")]
    same = [key for key in columns if key != "system" and len({row.get(key) for row in rows}) == 1]
    parameters = [key for key in columns if not _is_figure(key) and key not in same]
    figures = [key for key in columns if _is_figure(key)]
    tables = []
    for part in _parts(rows, parameters, figures, width):
        table = Table(box=SIMPLE, pad_edge=False)
        for key in (*parameters, *part):
            table.add_column(
                _heading(key),
                justify="right" if _is_numeric(rows, key) else "left",
                min_width=max(len(_text(key, row.get(key))) for row in rows),
            )
        for row in rows:
            if any(row.get(key) is not None for key in part):
                table.add_row(*(_cell(name, key, row) for key in (*parameters, *part)))
        tables.append(table)
    tables[0].title = f"[bold]{_heading(name)}[/]"
    facts = [f"{_heading(key)} {_text(key, rows[0][key])}" for key in same if key not in figures]
    tables[-1].caption = ", ".join(facts) or None
    return tables


def _parts(
    rows: Sequence[Row], parameters: Sequence[str], figures: Sequence[str], width: int
) -> list[list[str]]:
    """The figures, cut into lists whose columns fit beside the parameters."""
    room = width - sum(_width(rows, key) for key in parameters)
    parts: list[list[str]] = [[]]
    for key in figures:
        if parts[-1] and sum(_width(rows, key) for key in (*parts[-1], key)) > room:
            parts.append([])
        parts[-1].append(key)
    return parts


def _width(rows: Sequence[Row], key: str) -> int:
    """Of a column: its longest word in the heading or its longest cell, a mark and the gap."""
    words = [*_heading(key).split(), *(_text(key, row.get(key)) for row in rows)]
    return max(map(len, words)) + 5


def _is_figure(key: str) -> bool:
    if key in _PARAMETERS:
        return False
    return key.endswith(_UNITS) or "_ratio_" in key or key == "bytes_sent"


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
        if value is not None and key != "system" and not _is_figure(key)
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
