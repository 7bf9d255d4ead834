"""Where to kill next: a point of the stage that was hit least, or any moment."""

from __future__ import annotations

import random
import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from .events import SOCKET_OPS, STAGES, Event, has_begun, staged, states_on_disk

_BY_CLOCK = 0.15  # of the kills; the others are aimed
_SWEEP = 0.5  # of those aimed at freezing, when there is something to sweep
_ANY_JOB = "[0-9]*Z-??????"


@dataclass(frozen=True)
class Point:
    """A kind of call, by operation and pattern (JOB stands for the job's id), and when to die."""

    op: str
    pattern: str
    when: str


@dataclass(frozen=True)
class Aim:
    """Where one start of the run is killed: at the nth call of a kind, `seconds` after its start at
    the latest; without a point, then."""

    point: Point | None
    job: str = _ANY_JOB
    nth: int = 1
    permille: int = 0
    seconds: float = 0

    @property
    def environment(self) -> dict[str, str]:
        """What `preload.cc` is told."""
        if self.point is None:
            return {}
        glob = self.point.pattern.replace("JOB", self.job)
        fields = (self.point.op, glob, str(self.nth), self.point.when, str(self.permille))
        return {"STORM_KILL": "\t".join(fields)}


SWEEP = Point("unlink", "*/_hub_revisions/next*", "after")
"""Removing what a killed submit left, or what was prepared for the next."""


class Points:
    """The points of each stage, found in the trace of an undisturbed run."""

    def __init__(
        self, trace: list[Event], spool: Path, checkpoints: int, seconds: float
    ) -> None:  # fmt: skip
        self._seconds = seconds  # that the undisturbed run took: the pace of this machine
        # Point -> which of its calls belong to the stage, counted from 1 in each job.
        found: dict[str, dict[Point, set[int]]] = {stage: {} for stage in STAGES}
        counts: Counter[tuple[str, str, str]] = Counter()
        for stage, event in staged(trace):
            job = event.job or ""
            point = Point(event.op, _pattern(event, spool), event.when)
            counts[job, event.op, point.pattern + event.when] += 1
            nth = counts[job, event.op, point.pattern + event.when]
            if stage == "mid_put" and event.op == "read":
                continue  # the sends are the better ones: they tell that there is something to send
            # A request does not tell its job.
            found[stage].setdefault(point, set()).add(nth if job else -(-nth // checkpoints))
        self._of = {
            stage: {point: sorted(nths) for point, nths in points.items()}
            for stage, points in found.items()
        }
        missing = [stage for stage in STAGES if not self._of[stage]]
        if missing:
            raise RuntimeError(f"no call was seen in: {', '.join(missing)}")

    def choose(
        self, dice: random.Random, hits: Mapping[str, int], spool: Path,
        *, to_submit: bool, to_upload: bool,
    ) -> Aim:  # fmt: skip
        """Aim at the stage with the fewest hits among those that the run has still before it.

        `to_submit`: not all checkpoints are on record; `to_upload`: not all objects are stored.
        """
        pending = [job for job, state in states_on_disk(spool).items() if state != "done"]
        over = set() if to_submit else {"freezing", "frozen"}
        over |= set() if to_upload else {"mid_put", "verify"}
        stages = [stage for stage in STAGES if stage not in over]
        if not (pending or to_submit) or dice.random() < _BY_CLOCK:
            return Aim(None, seconds=dice.uniform(0.05, 0.6) * self._seconds)
        fewest = min(hits[stage] for stage in stages)
        stage = dice.choice([stage for stage in stages if hits[stage] == fewest])
        if stage == "freezing" and has_begun(spool) and dice.random() < _SWEEP:
            return Aim(SWEEP, nth=dice.randint(1, 4), seconds=self._seconds)
        job = dice.choice(pending) if pending and stage not in ("freezing", "frozen") else _ANY_JOB
        point = dice.choice(list(self._of[stage]))
        nth, permille = dice.choice(self._of[stage][point]), dice.randrange(1000)
        return Aim(point, job, nth, permille, seconds=self._seconds)


def _pattern(event: Event, spool: Path) -> str:
    """The event's subject, without what differs from one job or object to the next."""
    if event.op in SOCKET_OPS:
        return re.sub(r"[0-9a-f]{64}/\d+|step-\d+", "*", event.subject)
    subject = event.subject.removeprefix(str(spool))
    if event.job:
        subject = subject.replace(event.job, "JOB")
    return "*" + re.sub(r"/git/.+", "/git/*", subject)
