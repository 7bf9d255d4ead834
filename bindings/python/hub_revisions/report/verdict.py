"""What the page says first: which revision is the best, by which rule, and how sure that is."""

from __future__ import annotations

import json
import shlex
from collections.abc import Sequence

from ..address import is_address
from .data import ReportData, Row, Series
from .markup import Markup, element
from .scale import format_value

_MOST_NOTES = 3


def summary(data: ReportData) -> Markup:
    """What the page is about, in a few sentences: the decision, and how sure it is."""
    series = data.series[0] if data.series else None
    name = winner_of(data)
    if series is None or not name:
        count = f"{len(data.revisions)} revisions. " if data.revisions else "No revisions yet. "
        return element("p", count + _no_best(data, series), class_="verdict")
    row = next((row for row in data.revisions if row.revision == name), None)
    decided = _decided(data)
    point = (decided or series).point(name)
    better = {"min": "lower is better", "max": "higher is better", None: ""}
    parts = [
        element("p", "Best revision", class_="kicker"),
        element("p", element("strong", name), class_="winner"),
    ]
    if point is not None:
        value = format_value(point.value, point.stderr)
        direction = better[(decided or series).mode]
        label = (decided or series).label
        parts.append(element("p", f"{label} ", element("b", value), f" ({direction})"))
    parts += [element("p", note, class_="note") for note in _notes(data, name, row)]
    if row is not None:
        parts.append(element("code", _call(data, row), class_="call"))
    return element("div", *parts, class_="card")


def _call(data: ReportData, row: Row) -> str:
    """What loads the revision."""
    if is_address(data.repo_id):
        return f"git clone --branch {shlex.quote(row.revision)} {shlex.quote(data.repo_id)}"
    return f"from_pretrained({json.dumps(data.repo_id)}, revision={json.dumps(row.commit)})"


def winner_of(data: ReportData) -> str:
    """The revision that the page calls the best; "" without any."""
    if data.decision is not None:
        return data.decision.winner.revision if data.decision.winner else ""
    return data.series[0].best if data.series else ""


def _decided(data: ReportData) -> Series | None:
    """The decision's metric, where another one comes first."""
    keys = [(one.key, one.source) for one in data.decision.criteria] if data.decision else []
    return next(
        (s for s in data.series if s.source == "decision" or (s.key, s.source) in keys), None
    )


def _no_best(data: ReportData, series: Series | None) -> str:
    if data.decision is not None:
        return f"None was eligible under the rule {data.decision.rule}."
    if series is None:
        return "No revision has numbers."
    return (
        f"Nothing says whether a small or a large {series.label} is good: name it with "
        f"--metric '{series.key}:max' or ':min'."
    )


def _notes(data: ReportData, name: str, row: Row | None) -> list[str]:
    decision, notes = data.decision, []
    if decision is None:
        notes.append("No decision is recorded; this is the best of the values that count.")
    else:
        notes.append(f"Rule: {decision.rule}. It is {decision.why}.")
        notes += [f"Provisional: {why}." for why in decision.provisional[:_MOST_NOTES]]
        notes += [f"Note: {warning}." for warning in decision.warnings[:_MOST_NOTES]]
        if data.since:
            notes.append(f"Revisions that came after the decision: {data.since}.")
    near = _near(data)
    if near:
        earliest = next((one.revision for one in data.revisions if one.revision in near), near[0])
        count = "1 other revision" if len(near) == 1 else f"{len(near)} other revisions"
        notes.append(f"Within one standard error: {count}, the earliest is {earliest}.")
    elif near is not None:
        notes.append("No other revision is within one standard error.")
    if row is None:
        notes.append("The repository does not have it any more.")
    elif row.names:
        notes.append(f"Also called {', '.join(row.names)}.")
    return notes


def _near(data: ReportData) -> Sequence[str] | None:
    """The revisions within one standard error of the best; None where that is not known."""
    if data.decision is not None:
        return data.decision.near
    series = data.series[0]
    if series.band is None:
        return None
    low, high = series.band
    return [
        point.revision
        for point in series.points
        if point.counts
        and point.value is not None
        and low <= point.value <= high
        and point.revision != series.best
    ]
