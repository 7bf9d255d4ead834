"""Rows as plots, in SVG: one function for each measurement. Systems that have no figure are left
out."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from . import Row

# The same rows make the same bytes: a plot in a repository changes when its figures do.
_STYLE: dict[Any, Any] = {
    "svg.hashsalt": "hub-revisions",
    "svg.fonttype": "none",
    "font.size": 9,
    "axes.axisbelow": True,
}
_COLOURS = {
    "hub-revisions": "#1f77b4",
    "huggingface_hub": "#ff7f0e",
    "open-r1-order": "#d62728",
    "trainer": "#9467bd",
    "git-lfs": "#2ca02c",
    "floor": "#7f7f7f",
    "none": "#bcbd22",
}
_MIB = 1 << 20


def draw(name: str, rows: Sequence[Row], folder: Path) -> Path | None:
    """Draw a measurement into `folder/NAME.svg`; None if no row has what is drawn."""
    with rc_context(_STYLE):
        figure = Figure(layout="constrained")
        _DRAW[name](figure, rows)
        if not any(axes.has_data() for axes in figure.axes):
            return None
        path = folder / f"{name}.svg"
        figure.savefig(path, metadata={"Date": None})
    return path


def _stall(figure: Figure, rows: Sequence[Row]) -> None:
    figure.set_size_inches(10, 6)
    for axes, key, title in zip(
        figure.subplots(2, 1),
        ("median_ms", "p99_ms"),
        ("on_save, median, ms", "on_save, 99th percentile, ms"),
        strict=True,
    ):
        _bars(axes, rows, key, _stall_case)
        axes.set(title=title, yscale="log")


def _push(figure: Figure, rows: Sequence[Row]) -> None:
    figure.set_size_inches(10, 8)
    for axes, key, title in zip(
        figure.subplots(3, 1),
        ("wall_s", "cpu_s", "rss_growth_mib"),
        ("wall time, s", "CPU time without the servers', s", "memory above baseline, MiB"),
        strict=True,
    ):
        shown = rows if key != "rss_growth_mib" else [r for r in rows if r["system"] != "floor"]
        _bars(axes, shown, key, lambda row: str(row["shape"]))
        axes.set_title(title)


def _latency(figure: Figure, rows: Sequence[Row]) -> None:
    figure.set_size_inches(8, 4)
    axes = figure.subplots()
    _bars(axes, rows, "later_wall_s", lambda row: f"{row['rtt_ms']} ms away")
    axes.set_title("a small checkpoint until its revision is there, s")


def _interference(figure: Figure, rows: Sequence[Row]) -> None:
    figure.set_size_inches(8, 4)
    axes = figure.subplots()
    _bars(axes, rows, "slowdown_percent", lambda row: str(row.get("loop", "")))
    axes.set_title("slower while a push runs, %")


def _second_checkpoint(figure: Figure, rows: Sequence[Row]) -> None:
    """Lines over the unchanged share, of the second and of the last revision; the best that there
    is lies on the diagonal."""
    figure.set_size_inches(11, 5)
    numbers = sorted({int(row["revision_number"] or 0) for row in rows})
    shown = sorted({2, numbers[-1]}) if numbers else []
    every = figure.subplots(1, max(1, len(shown)), squeeze=False)[0]
    for axes, number in zip(every, shown, strict=False):
        series: dict[str, list[tuple[float, float]]] = {}
        for row in rows:
            if row["revision_number"] == number:
                point = (float(row["unchanged_percent"] or 0), float(row["sent_percent"] or 0))
                series.setdefault(f"{row['system']}, {row['way']}", []).append(point)
        for at, (name, points) in enumerate(series.items()):
            # Lines lie on each other: the later ones are thinner.
            wide = 7 - 2 * at if at < 3 else 1
            axes.plot(
                *zip(*sorted(points), strict=True), marker="o", ms=wide + 3, lw=wide, label=name
            )
        axes.set(
            title=f"revision {number}: bytes sent, % of its size",
            xlabel="unchanged tensors, % of the bytes",
            ylim=(0, None),
        )
        axes.grid(alpha=0.3)
        if series:
            axes.legend()


def _scale(figure: Figure, rows: Sequence[Row]) -> None:
    figure.set_size_inches(9, 7)
    whole, tenths = figure.subplots(2, 1)
    _bars(whole, rows, "wall_s", _scale_case)
    whole.set_title("wall time, s")
    grows = [
        {
            "system": row["system"],
            "of": f"{_scale_case(row)}\n{part}",
            "ms": row[f"{part}_tenth_ms"],
        }
        for row in rows
        for part in ("first", "last")
        if row.get(f"{part}_tenth_ms") is not None
    ]
    _bars(tenths, grows, "ms", lambda row: str(row["of"]))
    tenths.set_title("per job, first and last tenth of all jobs, ms")


def _startup(figure: Figure, rows: Sequence[Row]) -> None:
    figure.set_size_inches(12, 4)
    axes = figure.subplots()
    _bars(axes, rows, "median_ms", _startup_case)
    axes.set_title("in a fresh interpreter, median, ms")


_DRAW: dict[str, Callable[[Figure, Sequence[Row]], None]] = {
    "stall": _stall,
    "push": _push,
    "latency": _latency,
    "interference": _interference,
    "second_checkpoint": _second_checkpoint,
    "scale": _scale,
    "startup": _startup,
}


def _bars(axes: Axes, rows: Sequence[Row], key: str, case: Callable[[Row], str]) -> None:
    """A group of bars for each case, a bar for each system that has the figure `key`."""
    heights = {
        (case(row), str(row["system"])): float(row[key])  # type: ignore[arg-type]
        for row in rows
        if row.get(key) is not None
    }
    cases = list(dict.fromkeys(name for name, _ in heights))
    systems = [system for system in _COLOURS if any(name == system for _, name in heights)]
    width = 0.8 / max(1, len(systems))
    for number, system in enumerate(systems):
        places = [at for at, name in enumerate(cases) if (name, system) in heights]
        bars = axes.bar(
            [at - 0.4 + width * (number + 0.5) for at in places],
            [heights[cases[at], system] for at in places],
            width,
            label=system,
            color=_COLOURS[system],
        )
        axes.bar_label(bars, fmt=_label, fontsize=7)
    axes.set_xticks(range(len(cases)), cases, fontsize=8)
    axes.set_xlim(-0.6, max(1, len(cases)) - 0.4)
    axes.margins(y=0.3)  # the legend lies above the bars
    axes.grid(axis="y", alpha=0.3)
    if systems:
        axes.legend(fontsize=8, loc="upper left", ncols=len(systems))


def _label(height: float) -> str:
    return f"{height:,.0f}" if height >= 100 else f"{height:.3g}"


def _stall_case(row: Row) -> str:
    size = float(row["bytes"] or 0) / _MIB
    amount = f"{size / 1024:g} GiB" if size >= 1024 else f"{size:g} MiB"
    return f"{row['files']} files\n{amount}\n{row['rtt_ms']} ms"


def _startup_case(row: Row) -> str:
    statement = str(row["statement"]).replace(" import ", "\nimport ")
    return f"{statement}\nafter {row['loaded_before']}"


def _scale_case(row: Row) -> str:
    counts = [f"{row[key]:,} {key}" for key in ("jobs", "files", "revisions") if row.get(key)]
    away = f"{row['rtt_ms']} ms away" if row.get("rtt_ms") is not None else ""
    words = [str(row.get("case", "")), str(row.get("metric") or ""), *counts, away]
    return "\n".join(filter(None, words))
