"""What a report tells, as plain values: the same input always gives the same report."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from ..results.types import Mode
from ..selection.decision import Decision

# Where a metric comes from. `decision`: the weighted score of a rule of several metrics.
Source = Literal["evaluation", "trainer", "decision"]
State = Literal["best", "left out", "measured", "waiting", "failed", "no numbers"]


@dataclass(frozen=True)
class Point:
    """One metric of one revision. `note` says why it does not count; "" if it does.

    A point without `value` cannot be drawn, one without `step` has no place on the axis.
    """

    revision: str
    step: int | None
    value: float | None
    stderr: float | None = None
    n: int | None = None
    note: str = ""

    @property
    def counts(self) -> bool:
        return self.value is not None and not self.note


@dataclass(frozen=True)
class Series:
    """One metric over the revisions, by step.

    `label` is its key, with the source where both sources have that key. `mode` is None where
    nothing says which direction is good; then there is no best either. `best` is the revision with
    the best value (of the decision's metric: the winner), `band` one standard error around its
    value.
    """

    key: str
    source: Source
    label: str
    mode: Mode | None
    points: tuple[Point, ...]
    best: str = ""
    band: tuple[float, float] | None = None

    def point(self, revision: str) -> Point | None:
        return next((point for point in self.points if point.revision == revision), None)


@dataclass(frozen=True)
class Row:
    """One revision. `names` are the branches and tags that lead to it as well: main, latest, v1.

    `reason` belongs to the state. `size` in bytes, `time` in unix seconds.
    """

    revision: str
    commit: str
    step: int | None
    epoch: float | None
    time: int
    size: int
    state: State
    reason: str
    names: tuple[str, ...]


@dataclass(frozen=True)
class Attempt:
    """An evaluation that gave no numbers, or numbers for a commit that no revision is at any more.

    `finished` in unix seconds.
    """

    revision: str
    commit: str
    suite: str
    attempt: int
    outcome: str
    reason: str
    engine: str
    job: str
    url: str
    finished: int


@dataclass(frozen=True)
class Push:
    """How one checkpoint came to the server.

    `stall_ms` is how long training stood still for it; `queued_seconds` how long it waited for its
    turn, `push_seconds` how long the push took; `retries` counts requests that were sent again.
    """

    revision: str
    state: str
    created_ms: int
    stall_ms: float
    queued_seconds: float
    push_seconds: float
    bytes_total: int
    bytes_sent: int
    bytes_present: int
    attempts: int
    retries: int
    error: str


@dataclass(frozen=True)
class ReportData:
    """Everything that a report tells. The first of `series` is the one it is about.

    `since` counts the revisions that the decision did not know. `problems`: one sentence for each
    record of the repository that could not be read.
    """

    repo_id: str
    endpoint: str
    revisions: tuple[Row, ...]
    series: tuple[Series, ...]
    decision: Decision | None
    since: int
    attempts: tuple[Attempt, ...]
    pushes: tuple[Push, ...]
    problems: tuple[str, ...]
