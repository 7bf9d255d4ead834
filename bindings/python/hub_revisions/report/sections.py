"""The tables of the page."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timezone
from urllib.parse import quote

from ..tables import format_bytes
from .data import Point, Push, ReportData, Row, Series
from .markup import Markup, element, escape, join, link
from .scale import format_value
from .verdict import winner_of

METRIC_COLUMNS = 6
_MOST_ATTEMPTS = 500
_STATES = {"waiting": "being evaluated", "failed": "evaluation failed"}


def revisions(data: ReportData) -> Markup:
    """All revisions with their numbers; each column sorts."""
    metrics = data.series[:METRIC_COLUMNS]
    by_revision = [{point.revision: point for point in one.points} for one in metrics]
    headers = [("revision", ""), ("step", "number"), ("state", "")]
    headers += [(one.label, "number") for one in metrics]
    headers += [("size", "number"), ("time (UTC)", "")]
    rows = []
    for row in data.revisions:
        state = _STATES.get(row.state, row.state)
        kind = f"state {row.state.replace(' ', '-')}"
        cells = [
            _cell(_revision(data, row), "", row.revision, name="th"),
            _cell("" if row.step is None else f"{row.step:,}", "number", row.step),
            _cell(element("span", state, class_=kind, title=row.reason or None), "", state),
            *(
                _metric_cell(one, points.get(row.revision))
                for one, points in zip(metrics, by_revision, strict=True)
            ),
            _cell(format_bytes(row.size), "number", row.size),
            _cell(_time(row.time), "time", row.time),
        ]
        best = "best" if row.revision == winner_of(data) else None
        rows.append(element("tr", *cells, class_=best))
    title = f"Revisions ({len(data.revisions)})"
    note = ""
    if len(data.series) > METRIC_COLUMNS:
        text = f"{METRIC_COLUMNS} of {len(data.series)} metrics; the one picked above is added."
        note = element("p", text, class_="note")
    return element("section", element("h2", title), note, _table("revisions", title, headers, rows))


def _metric_cell(series: Series, point: Point | None) -> Markup:
    if point is None:
        return _cell("", "number", None)
    kinds = ["number", *(["best"] if point.revision == series.best else [])]
    if not point.counts:
        kinds.append("hollow")
    text = format_value(point.value, point.stderr) or "none"
    return _cell(text, " ".join(kinds), point.value, title=point.note or None)


def _revision(data: ReportData, row: Row) -> Markup:
    names = [element("span", name, class_="name") for name in row.names]
    where = link(row.commit[:10], _tree(data, row.commit)) if data.endpoint else row.commit[:10]
    return join([_name(row.revision), element("small", where), *names])


def _name(revision: str) -> Markup:
    return element("span", revision, class_="revision")


def _tree(data: ReportData, commit: str) -> str:
    return f"{data.endpoint}/{quote(data.repo_id)}/tree/{quote(commit, safe='')}"


def left_out(data: ReportData) -> list[Markup]:
    """Who did not take part in the decision, or in the first metric's best, and why."""
    reasons = (
        [(one.revision, one.reason) for one in data.decision.excluded] if data.decision else []
    )
    if data.decision is None and data.series:
        reasons = [(point.revision, point.note) for point in data.series[0].points if point.note]
    if not reasons:
        return []
    rows = [
        element("tr", _name_cell(revision), _cell(reason, "reason", reason))
        for revision, reason in reasons
    ]
    title = f"Left out ({len(reasons)})"
    table = _table("left-out", title, [("revision", ""), ("why", "")], rows)
    return [element("section", element("h2", title), table)]


def problems(data: ReportData) -> list[Markup]:
    """Records of the repository that could not be read."""
    if not data.problems:
        return []
    items = [element("li", problem) for problem in data.problems[:_MOST_ATTEMPTS]]
    title = f"Records that could not be read ({len(data.problems)})"
    return [element("section", element("h2", title), element("ul", *items))]


def attempts(data: ReportData) -> list[Markup]:
    """Evaluations that gave nothing."""
    if not data.attempts:
        return []
    rows = [
        element(
            "tr",
            _name_cell(attempt.revision),
            _cell(attempt.suite, "", attempt.suite),
            _cell(str(attempt.attempt), "number", attempt.attempt),
            _cell(attempt.outcome, "", attempt.outcome),
            _cell(attempt.reason, "reason", attempt.reason),
            _cell(
                link(f"{attempt.engine} {attempt.job}".strip(), attempt.url),
                "",
                f"{attempt.engine} {attempt.job}",
            ),
            _cell(_time(attempt.finished), "time", attempt.finished or None),
        )
        for attempt in data.attempts[-_MOST_ATTEMPTS:]
    ]
    count = len(data.attempts)
    title = f"Evaluations without numbers ({count})"
    if count > _MOST_ATTEMPTS:
        title = f"Evaluations without numbers (the last {_MOST_ATTEMPTS} of {count})"
    headers = [("revision", ""), ("suite", ""), ("attempt", "number"), ("outcome", ""),
               ("why", ""), ("job", ""), ("ended (UTC)", "")]  # fmt: skip
    return [element("section", element("h2", title), _table("attempts", title, headers, rows))]


def pushes(data: ReportData) -> list[Markup]:
    """How the checkpoints came to the server: what training waited, what was sent, how often."""
    if not data.pushes:
        return []
    stalls = [push.stall_ms for push in data.pushes]
    text = (
        f"Training stood still for {sum(stalls):,.1f} ms in all, {max(stalls):,.1f} ms at most; "
        f"{format_bytes(sum(push.bytes_sent for push in data.pushes))} sent, "
        f"{format_bytes(sum(push.bytes_present for push in data.pushes))} were there already; "
        f"{sum(push.retries for push in data.pushes)} requests retried."
    )
    headers = [("revision", ""), ("state", ""), ("stall ms", "number"), ("push s", "number"),
               ("sent", "number"), ("attempts", "number"), ("retries", "number"),
               ("when", "number when"), ("problem", "")]  # fmt: skip
    start = data.pushes[0].created_ms / 1000
    ends = (p.created_ms / 1000 + p.queued_seconds + p.push_seconds for p in data.pushes)
    span = max(max(ends) - start, 1e-3)
    longest = max(push.push_seconds for push in data.pushes)
    largest = max(push.bytes_sent for push in data.pushes)
    rows = [
        element(
            "tr",
            _name_cell(push.revision),
            _cell(push.state, "", push.state),
            _cell(join([f"{push.stall_ms:,.1f}", _bar("stall", push.stall_ms, max(stalls))]),
                  "number", push.stall_ms),
            _cell(join([f"{push.push_seconds:,.2f}", _bar("push", push.push_seconds, longest)]),
                  "number", push.push_seconds),
            _cell(join([format_bytes(push.bytes_sent), _bar("sent", push.bytes_sent, largest)]),
                  "number", push.bytes_sent),
            _cell(str(push.attempts), "number", push.attempts),
            _cell(str(push.retries), "number", push.retries),
            _cell(_when(push, start, span), "number when", push.created_ms),
            _cell(push.error, "reason", push.error or None),
        )
        for push in data.pushes
    ]  # fmt: skip
    title = f"Pushes ({len(data.pushes)})"
    return [element("section", element("h2", title), element("p", text),
                    _table("pushes", title, headers, rows))]  # fmt: skip


def _when(push: Push, start: float, span: float) -> Markup:
    """A bar on the time line of all pushes: waiting light, pushing dark. All in seconds."""
    begun = push.created_ms / 1000 - start
    label = f"{begun:,.0f} s after the first; waited {push.queued_seconds:,.1f} s"
    return element(
        "svg", element("title", label),
        _part("wait", begun / span, push.queued_seconds / span),
        _part("push", (begun + push.queued_seconds) / span, push.push_seconds / span),
        class_="timeline", role="img", width=160, height=12,
    )  # fmt: skip


def _bar(kind: str, value: float, largest: float) -> Markup:
    share = value / largest if largest > 0 else 0.0
    return element("svg", _part(kind, 0, share), class_="bar", aria_hidden="true", height=5)


def _part(kind: str, start: float, share: float) -> Markup:
    width = max(share * 100, 0.6)  # something happened: it is seen
    return element("rect", class_=kind, x=f"{min(start * 100, 99.4):.2f}%", y=0, rx=1,
                   width=f"{width:.2f}%", height="100%")  # fmt: skip


def _table(
    id: str, caption: str, headers: Sequence[tuple[str, str]], rows: Sequence[Markup]
) -> Markup:
    """A table that scrolls by itself. The script makes its headers sort."""
    head = [
        element("th", element("span", name), scope="col", class_=kind or None)
        for name, kind in headers
    ]
    table = element(
        "table",
        element("caption", caption, class_="hidden"),
        element("thead", element("tr", *head)),
        element("tbody", *rows),
        id=id,
    )
    return element("div", table, class_="scroll", role="region", aria_label=caption, tabindex="0")


def _cell(
    content: str,
    kind: str,
    value: str | float | None,
    *,
    name: str = "td",
    title: str | None = None,
) -> Markup:
    """A cell that sorts by `value`; None comes last."""
    scope = "row" if name == "th" else None
    exact = repr(value) if isinstance(value, float) else value
    return element(name, escape(content), class_=kind or None, scope=scope, title=title,
                   data_value=exact)  # fmt: skip


def _name_cell(revision: str) -> Markup:
    return _cell(_name(revision), "", revision, name="th")


def _time(seconds: int) -> str:
    try:
        return datetime.fromtimestamp(seconds, timezone.utc).strftime("%Y-%m-%d %H:%M")
    except (ValueError, OverflowError, OSError):
        return ""
