"""Who may be picked, and what is known of them: read from the repository, nothing decided."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from .._native import Revision
from ..results.store import Pending, read_records
from ..results.types import Metric, Result


@dataclass(frozen=True)
class Candidate:
    """One revision. `attempts` are the evaluations of its commit that ended, oldest first.

    `elsewhere` are commits that were evaluated under this revision's name and are not its own now.
    """

    revision: str
    commit: str
    step: int | None
    trainer: Mapping[str, float]
    attempts: tuple[Result, ...] = ()
    pending: tuple[Pending, ...] = ()
    elsewhere: tuple[str, ...] = ()

    @property
    def age(self) -> tuple[float, str, str]:
        """The order in which equals win: the earliest step first."""
        return math.inf if self.step is None else self.step, self.commit, self.revision

    def trained(self, key: str) -> Metric | None:
        """What the trainer measured."""
        if key not in self.trainer:
            return None
        value = self.trainer[key]
        if math.isfinite(value):
            return Metric(key, value)
        return Metric(key, None, problem="is NaN" if math.isnan(value) else "is infinite")

    def evaluated(self, key: str, counts: Callable[[Result, Metric], bool]) -> list[Metric]:
        """What evaluations measured, oldest first, of those that count."""
        return [
            metric
            for result in self.attempts
            if result.outcome == "succeeded"
            for metric in result.metrics
            if metric.key == key and counts(result, metric)
        ]


@dataclass(frozen=True)
class Candidates:
    """All of them, by age. `unplaced` are results of commits that no revision is at.

    `problems`: one sentence for each record in the repository that could not be read.
    """

    repo_id: str
    candidates: tuple[Candidate, ...]
    unplaced: tuple[Result, ...] = ()
    problems: tuple[str, ...] = ()

    @cached_property
    def trainer_keys(self) -> frozenset[str]:
        return frozenset(key for one in self.candidates for key in one.trainer)

    def evaluation_keys(self, suite: str = "") -> frozenset[str]:
        """The metrics that evaluations have, of any suite or of one; also the unplaced ones."""
        placed = (result for one in self.candidates for result in one.attempts)
        return frozenset(
            metric.key
            for result in (*placed, *self.unplaced)
            if suite in ("", result.suite)
            for metric in result.metrics
        )

    def awaits_first_word(self, suite: str = "") -> bool:
        """Whether a suite (or this one) was started and has not succeeded anywhere.

        What it measures is not known then.
        """
        started = {result.suite for one in self.candidates for result in one.attempts}
        started |= {pending.suite for one in self.candidates for pending in one.pending}
        return any(name not in self.suites for name in started if suite in ("", name))

    def fingerprints(self, key: str, suite: str = "") -> frozenset[str]:
        """What evaluations measured a metric with, in any suite or in one."""
        return frozenset(
            metric.fingerprint
            for one in self.candidates
            for metric in one.evaluated(key, lambda result, _: suite in ("", result.suite))
        )

    @cached_property
    def suites(self) -> Mapping[str, frozenset[str]]:
        """The metrics that each suite has given, by the suite's name."""
        found: dict[str, set[str]] = {}
        for one in self.candidates:
            for result in one.attempts:
                if result.outcome == "succeeded":
                    found.setdefault(result.suite, set()).update(m.key for m in result.metrics)
        return {suite: frozenset(keys) for suite, keys in found.items()}


def gather(repo_id: str, revisions: Iterable[Revision], records: Mapping[str, str]) -> Candidates:
    """The candidates among a repository's branches, with what its branch `evaluations` says.

    Not candidates: branches that hub-revisions did not make, pointers to others, and branches that
    were made equal to one.
    """
    stored = read_records(records)
    attempts: dict[str, list[Result]] = {}
    for result in sorted(stored.results, key=_age):
        attempts.setdefault(result.commit, []).append(result)
    pending: dict[str, list[Pending]] = {}
    for item in stored.pending:
        pending.setdefault(item.commit, []).append(item)
    labelled: dict[str, set[str]] = {}
    for result in stored.results:
        labelled.setdefault(result.revision, set()).add(result.commit)
    candidates = [
        Candidate(
            revision=revision.revision,
            commit=revision.commit,
            step=revision.step,
            trainer=revision.metrics,
            attempts=tuple(attempts.get(revision.commit, ())),
            pending=tuple(pending.get(revision.commit, ())),
            elsewhere=tuple(sorted(labelled.get(revision.revision, set()) - {revision.commit})),
        )
        for revision in revisions
        if revision.managed
    ]
    commits = {candidate.commit for candidate in candidates}
    return Candidates(
        repo_id=repo_id,
        candidates=tuple(sorted(candidates, key=lambda one: one.age)),
        unplaced=_unplaced(stored.results, commits),
        problems=stored.problems,
    )


def _unplaced(results: Sequence[Result], commits: set[str]) -> tuple[Result, ...]:
    return tuple(result for result in results if result.commit not in commits)


def _age(result: Result) -> tuple[int, int, str]:
    # Equal ones keep the order of their paths, which their contents decide.
    return result.finished, result.attempt, result.key
