"""What the figures are to reach, and whether they do."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from . import Row

_SAME_CASE = ("bytes", "files", "rtt_ms")


@dataclass(frozen=True)
class Target:
    """A limit for one figure of those rows of a measurement that `applies` to."""

    measurement: str
    text: str
    figure: str
    bound: Literal["at most", "at least"]
    limit: float
    applies: Callable[[Row], bool]

    def value(self, row: Row) -> float | None:
        """The figure of a row that this is about; None for other rows."""
        value = row.get(self.figure)
        return float(value) if isinstance(value, int | float) and self.applies(row) else None

    def is_met(self, value: float) -> bool:
        return value <= self.limit if self.bound == "at most" else value >= self.limit


@dataclass(frozen=True)
class Verdict:
    """The figure that is farthest from its target's limit, and the row that has it."""

    target: Target
    value: float
    row: Row

    @property
    def met(self) -> bool:
        return self.target.is_met(self.value)


def _ours(row: Row) -> bool:
    return row["system"] == "hub-revisions"


def _ours_with_few_files(row: Row) -> bool:
    return _ours(row) and _number(row, "files") <= 20


def _ours_at_50_ms(row: Row) -> bool:
    return _ours(row) and row.get("rtt_ms") == 50


def _ours_unchanged(row: Row) -> bool:
    return _ours(row) and _number(row, "revision_number") > 1


def _others(row: Row) -> bool:
    return row["system"] in ("huggingface_hub", "git-lfs")


def _pick_at_50_ms(row: Row) -> bool:
    many = _number(row, "revisions") >= 1000
    return _ours_at_50_ms(row) and row.get("case") == "pick" and many


def _number(row: Row, name: str) -> float:
    value = row.get(name)
    return float(value) if isinstance(value, int | float) else 0.0


TARGETS = (
    Target("stall", "stall, median", "median_ms", "at most", 1, _ours_with_few_files),
    Target("stall", "stall, 99th percentile", "p99_ms", "at most", 5, _ours_with_few_files),
    Target("stall", "stall, times less than open-r1's order at 50 ms", "times_less_than_open_r1",
           "at least", 300, _ours_at_50_ms),
    Target("push", "push, wall time of others to ours", "wall_ratio_to_ours", "at least", 2,
           _others),
    Target("push", "push, wall time to the floor's", "wall_ratio_to_floor", "at most", 1.15, _ours),
    Target("push", "push, CPU time to the floor's", "cpu_ratio_to_floor", "at most", 1.2, _ours),
    Target("push", "memory above baseline, MiB", "rss_growth_mib", "at most", 64, _ours),
    Target("latency", "small checkpoint, wall time of others to ours", "wall_ratio_to_ours",
           "at least", 1, _others),
    Target("interference", "training slowed while pushing, %", "slowdown_percent", "at most", 3,
           _ours),
    Target("second_checkpoint", "unchanged bytes sent again, %", "resent_percent", "at most", 5,
           _ours_unchanged),
    Target("scale", "cost per job, last tenth to first", "last_to_first_tenth", "at most", 1.2,
           _ours),
    Target("scale", "pick over 1,000 revisions at 50 ms, s", "wall_s", "at most", 3,
           _pick_at_50_ms),
    Target("startup", "import and construction, ms", "median_ms", "at most", 100, _ours),
)  # fmt: skip


def judge(results: Mapping[str, Sequence[Row]]) -> list[Verdict]:
    """A verdict for each target that something was measured for, in the order of `TARGETS`."""
    verdicts = []
    for target in TARGETS:
        rows = _with_stall_ratio(results.get(target.measurement, ()))
        found = [
            Verdict(target, value, row) for row in rows if (value := target.value(row)) is not None
        ]
        if found:
            sign = 1 if target.bound == "at most" else -1
            verdicts.append(max(found, key=lambda verdict: sign * verdict.value))
    return verdicts


def _with_stall_ratio(rows: Sequence[Row]) -> list[Row]:
    """The rows; those of ours with how many times less it stalls than open-r1's order of calls in
    the same case, where that was measured."""
    theirs = {
        tuple(row.get(name) for name in _SAME_CASE): _number(row, "median_ms")
        for row in rows
        if row["system"] == "open-r1-order"
    }
    related = []
    for row in rows:
        median = theirs.get(tuple(row.get(name) for name in _SAME_CASE))
        if _ours(row) and median and _number(row, "median_ms"):
            row = row | {"times_less_than_open_r1": median / _number(row, "median_ms")}
        related.append(row)
    return related
