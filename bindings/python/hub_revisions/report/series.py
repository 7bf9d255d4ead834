"""Each metric over the revisions: which numbers there are, which count, and which is the best."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace

from ..results.types import Metric, Mode
from ..selection.candidates import Candidate
from ..selection.decision import Decision
from ..selection.rule import mode_by_name
from .data import Point, Series, Source

Measured = Mapping[str, Metric]  # by commit

_ABOUT_SPEED = ("runtime", "per_second", "_time", "total_flos", "num_tokens", "epoch")


def make_series(
    candidates: Sequence[Candidate], decision: Decision | None, first: str
) -> list[Series]:
    """All metrics; first that of the decision, or the one called `first` if that is not ""."""
    measured = _measured(candidates)
    keys = Counter(key for _, key in measured)
    found = [
        _one(source, key, f"{key} ({source})" if keys[key] > 1 else key, candidates, metrics)
        for (source, key), metrics in measured.items()
    ]
    if decision is not None and decision.criteria:
        found = _with_decided(found, candidates, decision)
    return sorted(found, key=lambda one: _rank(one, decision, first))


def _measured(candidates: Sequence[Candidate]) -> dict[tuple[Source, str], dict[str, Metric]]:
    """The latest complete number of each metric and commit, else the latest."""
    found: dict[tuple[Source, str], dict[str, Metric]] = {}
    for candidate in candidates:
        for key in candidate.trainer:
            metric = candidate.trained(key)
            if metric is not None:
                found.setdefault(("trainer", key), {})[candidate.commit] = metric
        for result in candidate.attempts:
            for metric in result.metrics if result.outcome == "succeeded" else ():
                known = found.setdefault(("evaluation", metric.key), {})
                before = known.get(candidate.commit)
                if before is None or before.partial or not metric.partial:
                    known[candidate.commit] = metric
    return found


def _one(
    source: Source, key: str, label: str, candidates: Sequence[Candidate], metrics: Measured
) -> Series:
    usual = Counter(metric.fingerprint for metric in metrics.values()).most_common(1)[0][0]
    points = tuple(
        _point(candidate, metrics[candidate.commit], usual)
        for candidate in candidates
        if candidate.commit in metrics
    )
    told = {metric.mode for metric in metrics.values() if metric.mode is not None}
    mode = told.pop() if len(told) == 1 else mode_by_name(key)
    series = Series(key, source, label, mode, points)
    best = _best(points, mode)
    return replace(series, best=best.revision, band=_band(best)) if best else series


def _point(candidate: Candidate, metric: Metric, usual: str) -> Point:
    note = ""
    if metric.value is None:
        note = metric.problem or "has no value"
    elif metric.partial:
        note = "not all samples were evaluated"
    elif metric.fingerprint != usual:
        note = "measured otherwise than most: task version, shots or prompts"
    return Point(candidate.revision, candidate.step, metric.value, metric.stderr, metric.n, note)


def _best(points: Sequence[Point], mode: Mode | None) -> Point | None:
    """The point with the best value; of equals the earliest."""
    eligible = [point for point in points if point.counts]
    if not eligible or mode is None:
        return None
    sign = 1 if mode == "min" else -1

    def rank(point: Point) -> float:
        assert point.value is not None  # it counts
        return sign * point.value

    return min(eligible, key=rank)  # the first of equals, and they are sorted by step


def _band(point: Point) -> tuple[float, float] | None:
    if point.value is None or not point.stderr:
        return None
    return point.value - point.stderr, point.value + point.stderr


def _with_decided(
    found: Sequence[Series], candidates: Sequence[Candidate], decision: Decision
) -> list[Series]:
    """The metrics, that of the decision as the decision saw it; of several metrics, their score."""
    several = len(decision.criteria) > 1
    criterion = decision.criteria[0]
    key = "score" if several else criterion.key
    source: Source = criterion.source
    if several:
        source = "decision"
    before = next((one for one in found if (one.key, one.source) == (key, source)), None)
    scored = {one.commit: one for one in decision.scored}
    excluded = {one.commit: one.reason for one in decision.excluded}
    points = []
    for candidate in candidates:
        point = before.point(candidate.revision) if before else None
        counted = scored.get(candidate.commit)
        if counted is not None:
            n = None if several else counted.values[0].n
            point = Point(counted.revision, counted.step, counted.score, counted.stderr, n)
        elif point is not None and candidate.commit in excluded:
            point = replace(point, note=excluded[candidate.commit])
        if point is not None:
            points.append(point)
    winner = decision.winner
    best = next((p for p in points if winner is not None and p.revision == winner.revision), None)
    label = before.label if before else key
    decided = Series(
        key, source, label, decision.mode, tuple(points),
        best=best.revision if best else "", band=_band(best) if best else None,
    )  # fmt: skip
    return [decided, *(one for one in found if one is not before)]


def _rank(series: Series, decision: Decision | None, first: str) -> tuple[object, ...]:
    decided = series.source == "decision" or any(
        (criterion.key, criterion.source) == (series.key, series.source)
        for criterion in (decision.criteria if decision else ())
    )
    return (
        series.key != first if first else not decided,
        series.source != "decision",
        not decided,
        series.source != "evaluation",
        any(word in series.key for word in _ABOUT_SPEED),
        not series.key.startswith("eval_"),
        series.mode is None,
        series.key,
    )
