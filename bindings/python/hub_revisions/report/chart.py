"""One metric over the steps, as SVG. `page.js` draws the same parts again at the page's width."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from .data import Point, ReportData, Series
from .markup import Markup, element
from .scale import DRAWABLE, Axis, format_value, make_axis

Y_TICKS = 5
X_TICKS = 10
CHARACTER = 6.6  # pixels of a digit at 12 px

_TOP, _RIGHT, _BOTTOM = 14.0, 18.0, 42.0
# Of the span: points lie off the frame, and the best one has room for its value beside it.
_X_MARGIN, _Y_MARGIN = 0.03, 0.13
_MANY = 120  # points from which on dots are drawn smaller
_CARD_WIDTH, _CARD_HEIGHT, _CARD_HEAD = 760, 360, 60.0
# More points than this lie on top of each other, and the card's chart is to stay small.
_CARD_POINTS = 400

# Fixed, on white: an image in a card does not know whether the page around it is dark.
_CARD_STYLE = """
text{font:12px system-ui,-apple-system,"Segoe UI",Helvetica,Arial,sans-serif;fill:#57606a}
.title{font-size:16px;font-weight:600;fill:#1f2328}.subtitle{font-size:13px}
.ground{fill:#fff;stroke:#d0d7de}.grid{stroke:#e4e8ec}.axis{stroke:#8c959f}
.band{fill:#bc4c00;fill-opacity:.13}.line{fill:none;stroke:#0969da;stroke-width:2;stroke-linejoin:round}
.error{stroke:#0969da;stroke-width:1.5;stroke-opacity:.55}
.dot,.hollow,.hole{fill:none;stroke-linecap:round}
.dot{stroke:#0969da;stroke-width:7}.many{stroke-width:4}.hollow{stroke:#6e7781;stroke-width:8}.hole{stroke:#fff;stroke-width:4.5}
.best{fill:#bc4c00;stroke:#fff;stroke-width:2}
.label{font-weight:600;fill:#953800;paint-order:stroke;stroke:#fff;stroke-width:4px}
"""


@dataclass(frozen=True)
class _Plot:
    """Where numbers lie in the picture; all in pixels but the axes."""

    left: float
    top: float
    width: float
    height: float
    x_axis: Axis
    y_axis: Axis

    def x(self, step: float) -> float:
        return self.left + self.width * self.x_axis.fraction(step)

    def y(self, value: float) -> float:
        inside = min(1.0, max(0.0, self.y_axis.fraction(value)))
        return self.top + self.height * (1 - inside)


def step_axis(series: Iterable[Series]) -> Axis:
    """The steps of all these metrics: one axis, so that they can be compared."""
    steps = (float(p.step) for one in series for p in one.points if p.step is not None)
    return make_axis(steps, X_TICKS, _X_MARGIN)


def value_axis(series: Series) -> Axis:
    """The values with their standard errors."""
    ends = []
    for point in series.points:
        if point.value is not None:
            spread = point.stderr or 0.0
            ends += [point.value - spread, point.value + spread]
    return make_axis(ends, Y_TICKS, _Y_MARGIN)


def line_name(revision: str, step: int | None) -> str:
    """Which curve a revision belongs to: its name without the step.

    The runs of a hyperparameter search have the same steps in one repository.
    """
    return re.sub(rf"0*{step}$", "", revision)


def is_drawable(point: Point) -> bool:
    return point.step is not None and point.value is not None and abs(point.value) <= DRAWABLE


def page_chart(series: Series, x_axis: Axis) -> Markup:
    """The chart of the page, for a reader without JavaScript; its colours are in `page.css`."""
    width, height = 760, 300
    drawn = _draw(series, series.points, x_axis, width, height, top=_TOP)
    return element("svg", *_description(series), *drawn, **_canvas(width, height), id="chart")


def card_chart(data: ReportData) -> str:
    """The first metric of a report as an SVG file for a model card; "" if nothing can be drawn.

    Readable on light and on dark pages, the same text for the same data, and small.
    """
    series = data.series[0] if data.series else None
    if series is None or not any(is_drawable(point) for point in series.points):
        return ""
    points = _thinned(series)
    style = Markup("<style>" + _CARD_STYLE.replace("\n", "") + "</style>")
    ground = element("rect", class_="ground", x=0.5, y=0.5, rx=8,
                     width=_CARD_WIDTH - 1, height=_CARD_HEIGHT - 1)  # fmt: skip
    title = element("text", _short(series.label, 70), class_="title", x=20, y=30)
    subtitle = element("text", _subtitle(series), class_="subtitle", x=20, y=50)
    drawn = _draw(series, points, step_axis([series]), _CARD_WIDTH, _CARD_HEIGHT, top=_CARD_HEAD)
    return (
        element(
            "svg", *_description(series), style, ground, title, subtitle, *drawn,
            xmlns="http://www.w3.org/2000/svg", **_canvas(_CARD_WIDTH, _CARD_HEIGHT),
        ) + "\n"
    )  # fmt: skip


def describe(series: Series) -> str:
    """The chart in one sentence, for who cannot see it."""
    drawn = [point for point in series.points if is_drawable(point)]
    if not drawn:
        return f"{series.label}: no revision has both a step and a number."
    values = [point.value for point in drawn if point.value is not None]
    steps = [point.step for point in drawn if point.step is not None]
    text = (
        f"{series.label} of {len(drawn)} revisions from step {min(steps):,} to {max(steps):,}, "
        f"between {format_value(min(values))} and {format_value(max(values))}."
    )
    best = series.point(series.best)
    if best is not None:
        text += f" Best: {format_value(best.value, best.stderr)} by {best.revision}."
    return text


def _canvas(width: int, height: int) -> dict[str, str | float]:
    return {
        "viewBox": f"0 0 {width} {height}", "width": width, "height": height,
        "role": "img", "aria-labelledby": "chart-title chart-text",
    }  # fmt: skip


def _description(series: Series) -> tuple[Markup, Markup]:
    return (
        element("title", f"{series.label} over steps", id="chart-title"),
        element("desc", describe(series), id="chart-text"),
    )


def _subtitle(series: Series) -> str:
    parts = {"min": ["lower is better"], "max": ["higher is better"], None: []}[series.mode]
    if any(point.stderr for point in series.points):
        parts.append("bars: \N{PLUS-MINUS SIGN}1 standard error")
    if series.band:
        parts.append("shaded: within one standard error of the best")
    if any(is_drawable(point) and not point.counts for point in series.points):
        parts.append("hollow: left out")
    return " \N{MIDDLE DOT} ".join(parts)


def _thinned(series: Series) -> list[Point]:
    """At most `_CARD_POINTS` points, evenly taken, the best among them."""
    every = -(-len(series.points) // _CARD_POINTS)
    return [p for i, p in enumerate(series.points) if i % every == 0 or p.revision == series.best]


def _draw(
    series: Series, points: Sequence[Point], x_axis: Axis, width: int, height: int, top: float
) -> list[Markup]:
    """Everything inside the frame, from the back to the front."""
    y_axis = value_axis(series)
    left = 16 + CHARACTER * max((len(label) for _, label in y_axis.ticks), default=0)
    plot = _Plot(left, top, width - left - _RIGHT, height - top - _BOTTOM, x_axis, y_axis)
    return [*_axes(plot), *_band(plot, series), *_marks(plot, points), *_best(plot, series)]


def _axes(plot: _Plot) -> list[Markup]:
    parts = []
    right, bottom = plot.left + plot.width, plot.top + plot.height
    for value, label in plot.y_axis.ticks:
        y = plot.y(value)
        parts.append(_line("grid", plot.left, y, right, y))
        parts.append(_text("tick", label, plot.left - 8, y + 4, "end"))
    room = max((len(label) for _, label in plot.x_axis.ticks), default=1) * CHARACTER + 14
    fitting = max(1, int(plot.width / room))
    every = -(-len(plot.x_axis.ticks) // fitting)
    for step, label in plot.x_axis.ticks[::every]:
        # Steps are whole numbers.
        if step == int(step):
            x = plot.x(step)
            parts.append(_line("axis", x, bottom, x, bottom + 5))
            parts.append(_text("tick", label.split(".")[0], x, bottom + 19, "middle"))
    parts.append(_line("axis", plot.left, bottom, right, bottom))
    parts.append(_text("tick", "step", right, bottom + 36, "end"))
    return parts


def _band(plot: _Plot, series: Series) -> list[Markup]:
    if series.band is None:
        return []
    low, high = plot.y(series.band[0]), plot.y(series.band[1])
    return [element("rect", class_="band", x=_px(plot.left), y=_px(high),
                    width=_px(plot.width), height=_px(low - high))]  # fmt: skip


def _marks(plot: _Plot, points: Iterable[Point]) -> list[Markup]:
    """The curves, error bars and dots: one path each, so that many points stay small."""
    lines: dict[str, list[str]] = {}
    errors: list[str] = []
    dots: list[str] = []
    hollow: list[str] = []
    for point in points:
        if point.step is None or point.value is None or not is_drawable(point):
            continue
        x, y = plot.x(point.step), plot.y(point.value)
        at = f"{_px(x)} {_px(y)}"
        if point.stderr:
            ends = plot.y(point.value + point.stderr), plot.y(point.value - point.stderr)
            errors.append(f"M{_px(x)} {_px(ends[0])}V{_px(ends[1])}")
        if point.counts:
            lines.setdefault(line_name(point.revision, point.step), []).append(at)
        (dots if point.counts else hollow).append(f"M{at}h0")
    curves = ["M" + "L".join(line) for line in lines.values()]
    dot = "dot many" if len(dots) > _MANY else "dot"
    kinds = (("error", errors), ("line", curves), (dot, dots), ("hollow", hollow), ("hole", hollow))
    return [element("path", class_=kind, d=Markup("".join(d))) for kind, d in kinds if d]


def _best(plot: _Plot, series: Series) -> list[Markup]:
    point = series.point(series.best)
    if point is None or point.step is None or point.value is None or not is_drawable(point):
        return []
    x, y = plot.x(point.step), plot.y(point.value)
    share = (x - plot.left) / plot.width
    anchor = "start" if share < 0.2 else "end" if share > 0.8 else "middle"
    label = format_value(point.value, point.stderr)
    return [
        element("circle", class_="best", cx=_px(x), cy=_px(y), r=7),
        _text("label", label, x, y + 22 if series.mode == "min" else y - 13, anchor),
    ]


def _line(kind: str, x1: float, y1: float, x2: float, y2: float) -> Markup:
    return element("line", class_=kind, x1=_px(x1), y1=_px(y1), x2=_px(x2), y2=_px(y2))


def _text(kind: str, text: str, x: float, y: float, anchor: str) -> Markup:
    return element("text", text, class_=kind, x=_px(x), y=_px(y), text_anchor=anchor)


def _px(value: float) -> str:
    return f"{value:.1f}".removesuffix(".0")


def _short(text: str, longest: int) -> str:
    return text if len(text) <= longest else text[: longest - 1] + "\N{HORIZONTAL ELLIPSIS}"
