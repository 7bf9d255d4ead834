"""What was decided, and its record in the repository."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

from .._core import HubRevisionError
from .._native import config_error
from ..repository import Repository
from ..results.store import BRANCH, content_name, stored_text
from ..results.strict_json import parse
from ..results.types import Metric, Mode, is_metric, is_number
from .rule import Source

SCHEMA = "hub-revisions-decision/1"


@dataclass(frozen=True)
class Criterion:
    """One metric that was compared, with everything that the rule left open decided."""

    key: str
    source: Source
    mode: Mode
    weight: float = 1.0


@dataclass(frozen=True)
class Scored:
    """A revision that took part. `score` is the metric itself, or the weighted mean of several.

    `stderr` is the score's standard error, where known. `values` are by criterion, in their order.
    """

    revision: str
    commit: str
    step: int | None
    score: float
    stderr: float | None
    values: tuple[Metric, ...]


@dataclass(frozen=True)
class Excluded:
    """A revision that was left out, and why."""

    revision: str
    commit: str
    step: int | None
    reason: str


@dataclass(frozen=True)
class Decision:
    """The answer to a rule.

    `scored` is best first; the winner is its first, unless the rule has a band or a margin.
    `winner` is None if no revision was eligible, `why` says what made it win. `awaited` are the
    evaluations that may still change the answer, `only_parts` says that every number is of a part
    of the samples. `near` are the revisions within one standard error of the winner, None where
    that is not known. `pareto` are those that no other one beats in every metric, where the rule
    has several. `time` is when it was recorded, in unix seconds, 0 if it was not.
    """

    repo_id: str
    rule: str
    criteria: tuple[Criterion, ...]
    scored: tuple[Scored, ...]
    excluded: tuple[Excluded, ...]
    winner: Scored | None
    why: str
    awaited: tuple[str, ...]
    only_parts: bool
    near: tuple[str, ...] | None
    pareto: tuple[str, ...]
    warnings: tuple[str, ...]
    time: int = 0

    @property
    def provisional(self) -> tuple[str, ...]:
        """Why the answer may still change; empty once it is final."""
        parts = ("every number is of a part of the samples",) if self.only_parts else ()
        return (*self.awaited, *parts)

    @property
    def mode(self) -> Mode:
        """Whether a small or a large score is good."""
        return self.criteria[0].mode if len(self.criteria) == 1 else "max"

    @property
    def fingerprints(self) -> dict[str, str]:
        """By metric, what the compared numbers were measured with."""
        values = self.scored[0].values if self.scored else ()
        return {value.key: value.fingerprint for value in values}

    def to_json(self) -> dict[str, Any]:
        """The recorded form."""
        derived = {"fingerprints": self.fingerprints, "provisional": list(self.provisional)}
        return {"schema": SCHEMA, **asdict(self), **derived}

    @classmethod
    def from_json(cls, item: Any) -> Decision:
        """Read the recorded form. Raises `ConfigError` saying what is wrong with it."""
        if not isinstance(item, Mapping) or item.get("schema") != SCHEMA:
            raise config_error(f"is no decision: its 'schema' is not '{SCHEMA}'")
        try:
            winner = item["winner"]
            return cls(
                repo_id=str(item["repo_id"]),
                rule=str(item["rule"]),
                criteria=tuple(Criterion(**one) for one in item["criteria"]),
                scored=tuple(_scored(one) for one in item["scored"]),
                excluded=tuple(Excluded(**one) for one in item["excluded"]),
                winner=None if winner is None else _scored(winner),
                why=str(item["why"]),
                awaited=_texts(item["awaited"]),
                only_parts=bool(item["only_parts"]),
                near=None if item["near"] is None else _texts(item["near"]),
                pareto=_texts(item["pareto"]),
                warnings=_texts(item["warnings"]),
                time=int(item["time"]),
            )
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise config_error(f"is a damaged decision: {error}") from error


@dataclass(frozen=True)
class Decisions:
    """The recorded ones, oldest first. `problems`: a sentence for each that could not be read."""

    decisions: tuple[Decision, ...] = ()
    problems: tuple[str, ...] = ()

    def current(self, rule: str) -> str:
        """The commit that a rule's last final decision named; "" if there is none."""
        final = [one for one in self.decisions if one.rule == rule and not one.provisional]
        return final[-1].winner.commit if final and final[-1].winner else ""


def read_decisions(records: Mapping[str, str]) -> Decisions:
    """The decisions among the files of the branch `evaluations` (path -> text)."""
    found, problems = [], []
    for path in sorted(path for path in records if path.startswith("decisions/")):
        try:
            found.append((path, Decision.from_json(parse(records[path], path))))
        except HubRevisionError as error:
            sentence = str(error)
            problems.append(sentence if sentence.startswith(path) else f"{path} {sentence}")
    found.sort(key=lambda item: (item[1].time, item[0]))
    return Decisions(tuple(decision for _, decision in found), tuple(problems))


def record(
    repository: Repository, decision: Decision, earlier: Iterable[Decision] = (), *, now: float = 0
) -> Decision:
    """Write a decision to the repository; what was written.

    One that says what the last of `earlier` (oldest first) under this rule said is not written
    again. `now` is the time in unix seconds, 0 for the clock's.
    """
    known = list(earlier)
    same = [one for one in known if one.rule == decision.rule]
    if same and replace(same[-1], time=decision.time) == decision:
        return same[-1]
    # Two within a second would have no order.
    after = max((one.time + 1 for one in known), default=0)
    recorded = replace(decision, time=max(int(now or time.time()), after))
    text = stored_text(recorded.to_json())
    path = f"decisions/{recorded.time}-{content_name(text)}.json"
    repository.commit_files(BRANCH, {path: text}, f"Decide: {recorded.rule}")
    return recorded


def _scored(item: Mapping[str, Any]) -> Scored:
    one = Scored(**{**item, "values": tuple(Metric(**value) for value in item["values"])})
    if not (is_number(one.score) and all(is_metric(value) for value in one.values)):
        raise TypeError("a score or a value is no number")
    return one


def _texts(items: Any) -> tuple[str, ...]:
    return tuple(str(item) for item in items)
