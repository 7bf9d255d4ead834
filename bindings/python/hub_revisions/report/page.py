"""The report as one HTML file that needs nothing else: no network, no other file."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from importlib.resources import files
from typing import Any

from .chart import describe, is_drawable, line_name, page_chart, step_axis, value_axis
from .data import ReportData, Series
from .markup import Markup, clean, element, join, link
from .scale import Axis
from .sections import attempts, left_out, problems, pushes, revisions
from .verdict import summary

MOST_TABS = 6


def render_page(data: ReportData, *, refresh_seconds: float = 0) -> str:
    """The page. With `refresh_seconds` it asks its own address for news that often.

    Without, it can do no request at all: its policy forbids every one.
    """
    script = _part("page.js")
    body = join([
        element("header", element("h1", data.repo_id), summary(data)),
        element("main", *_main(data), id="report"),
        element("footer", "Made by hub-revisions from what the repository itself records."),
        element("script", _embedded(_drawing(data, refresh_seconds)),
                type="application/json", id="data"),
        element("script", script),
    ])  # fmt: skip
    sources = {
        "script-src": _digest(script),
        "connect-src": "'self'" if refresh_seconds else "'none'",
    }
    return _document(f"{data.repo_id}: revisions", body, sources)


def render_list(
    title: str, headers: Sequence[str], rows: Iterable[Sequence[str]], *, back: str = ""
) -> str:
    """A page that is one table. `back` is the address that its title leads to."""
    cells = [element("tr", *(element("td", cell) for cell in row)) for row in rows]
    head = element("tr", *(element("th", name, scope="col") for name in headers))
    table = element("table", element("thead", head), element("tbody", *cells))
    heading = element("h1", link(title, back) if back else title)
    body = join(
        [element("header", heading), element("main", element("div", table, class_="scroll"))]
    )
    return _document(title, body, {})


def _document(title: str, body: Markup, sources: Mapping[str, str]) -> str:
    style = _part("page.css")
    allowed = {"default-src": "'none'", "style-src": _digest(style), "img-src": "data:"}
    allowed |= {"base-uri": "'none'", "form-action": "'none'", **sources}
    policy = "; ".join(f"{name} {source}" for name, source in allowed.items())
    head = join([
        element("meta", charset="utf-8"),
        element("meta", http_equiv="Content-Security-Policy", content=Markup(policy)),
        element("meta", name="viewport", content="width=device-width, initial-scale=1"),
        element("meta", name="color-scheme", content="light dark"),
        element("meta", name="referrer", content="no-referrer"),
        element("link", rel="icon", href="data:,"),
        element("title", title),
        element("style", style),
    ])  # fmt: skip
    page = element("html", element("head", head), element("body", body), lang="en")
    return f"<!doctype html>\n{page}\n"


def _main(data: ReportData) -> list[Markup]:
    return [
        *([_charts(data)] if data.series else []),
        revisions(data),
        *left_out(data),
        *attempts(data),
        *pushes(data),
        *problems(data),
    ]


def _charts(data: ReportData) -> Markup:
    first = data.series[0]
    legend = element(
        "ul",
        element("li", "measured", class_="key-dot"),
        element("li", "\N{PLUS-MINUS SIGN}1 standard error", class_="key-error"),
        element("li", "best", class_="key-best"),
        element("li", "within one standard error of the best", class_="key-band"),
        element("li", "left out", class_="key-hollow"),
        class_="legend",
    )
    figure = element(
        "div", page_chart(first, step_axis(data.series)),
        class_="plot", id="plot", tabindex="0", role="group", aria_label="Chart; arrow keys move",
    )  # fmt: skip
    readout = element("p", describe(first), id="readout", aria_live="polite")
    return element(
        "section", element("h2", "Metrics"), _picker(data), figure, readout, legend, id="metrics"
    )


def _picker(data: ReportData) -> Markup:
    """Which metric the chart shows. It needs the script, which unhides it."""
    if len(data.series) > MOST_TABS:
        options = [element("option", one.label, value=i) for i, one in enumerate(data.series)]
        select = element("select", *options, id="metric")
        return element("label", "Metric ", select, class_="picker", hidden="hidden")
    tabs = [
        element("button", one.label, type="button", role="tab", aria_controls="plot",
                aria_selected="true" if i == 0 else "false", data_metric=i)
        for i, one in enumerate(data.series)
    ]  # fmt: skip
    return element(
        "div", *tabs, class_="picker", role="tablist", aria_label="Metric", hidden="hidden"
    )


def _drawing(data: ReportData, refresh_seconds: float) -> dict[str, Any]:
    """What the script draws from: ticks are decided here, it only places them.

    Values stand in the order of `revisions`, rounded to what a picture shows, so that hundreds of
    metrics of hundreds of revisions stay small.
    """
    names = [row.revision for row in data.revisions]
    lines: dict[str, int] = {}
    revisions = []
    for row in data.revisions:
        line = lines.setdefault(line_name(row.revision, row.step), len(lines))
        revisions.append([clean(row.revision), row.step, line])
    notes = [""]
    metrics = [_metric(one, names, notes) for one in data.series]
    return {
        "refresh": refresh_seconds,
        "revisions": revisions,
        "notes": [clean(note) for note in notes],
        "steps": _axis(step_axis(data.series)),
        "metrics": metrics,
    }


def _metric(series: Series, names: list[str], notes: list[str]) -> dict[str, Any]:
    points = {point.revision: point for point in series.points}
    aligned = [points.get(name) for name in names]
    drawn = [point if point is not None and is_drawable(point) else None for point in aligned]
    why = {}
    for i, point in enumerate(drawn):
        if point is not None and point.note:
            if point.note not in notes:
                notes.append(point.note)
            why[i] = notes.index(point.note)
    metric = {
        "label": clean(series.label),
        "text": clean(describe(series)),
        "mode": series.mode,
        "best": names.index(series.best) if series.best in points else -1,
        "band": series.band,
        "axis": _axis(value_axis(series)),
        "values": [_rounded(point.value, 5) if point else None for point in drawn],
    }
    if any(point and point.stderr for point in drawn):
        metric["errors"] = [_rounded(point.stderr, 2) if point else None for point in drawn]
    return metric | ({"why": why} if why else {})


def _rounded(value: float | None, digits: int) -> float | None:
    return None if value is None else float(f"{value:.{digits}g}")


def _axis(axis: Axis) -> dict[str, Any]:
    return {"low": axis.low, "high": axis.high, "ticks": axis.ticks}


def _embedded(value: Any) -> Markup:
    """JSON that ends no element and begins no comment, whatever stands in it."""
    text = json.dumps(value, separators=(",", ":"), allow_nan=False)
    for character in "<>&":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return Markup(text)


@cache
def _part(name: str) -> Markup:
    return Markup((files(__package__) / name).read_text(encoding="utf-8"))


def _digest(text: str) -> str:
    digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
    return f"'sha256-{digest}'"
