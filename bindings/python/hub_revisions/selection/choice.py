"""The choice itself: a pure function of the rule, what the repository holds, and the time.

find the metrics -> everybody's numbers -> who is eligible -> scores -> leader -> band -> winner
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from .._native import config_error
from ..results.types import Metric
from .candidates import Candidate, Candidates
from .decision import Criterion, Decision, Excluded, Scored
from .eligibility import (
    Asked,
    Numbers,
    check_comparable,
    check_fingerprints,
    direction,
    find,
    unknown,
)
from .rule import Rule
from .scoring import at_most, goodness, pareto, score


@dataclass(frozen=True)
class _Row:
    """A candidate and its numbers by key; `reasons` say why it is left out, if it is."""

    candidate: Candidate
    numbers: Mapping[str, Metric]
    reasons: tuple[str, ...] = ()

    @property
    def is_partial(self) -> bool:
        return any(metric.partial for metric in self.numbers.values())


def choose(rule: Rule, all_of_them: Candidates, *, now: float, current: str = "") -> Decision:
    """Decide which revision is the best.

    `now` (unix seconds) tells which pending evaluations are still waited for; `current` is the
    commit that the same rule named before. Raises `ConfigError` if the rule cannot be applied: an
    unknown or ambiguous metric, a direction that is not known, numbers that do not compare.
    """
    if not all_of_them.candidates:
        raise config_error(f"{all_of_them.repo_id} has no revisions that hub-revisions made")
    numbers = Numbers(rule, all_of_them, now)
    terms = [find(term.metric, rule, all_of_them) for term in rule.terms]
    if len(set(terms)) < len(terms):
        raise config_error(f"the weights mean one metric twice: {rule.text}")
    limits = [find(limit.metric, rule, all_of_them) for limit in rule.constraints]
    asked = list(dict.fromkeys([*terms, *limits]))
    check_fingerprints(rule, asked)

    rows = [_row(candidate, asked, numbers) for candidate in all_of_them.candidates]
    rows, only_parts = _without_parts(rule, rows)
    measured = [row for row in rows if not row.reasons]
    for one in asked:
        check_comparable(one, [(row.candidate, row.numbers[one.key]) for row in measured])
    rows = [_limited(rule, limits, row) for row in rows]
    eligible = [row for row in rows if not row.reasons]

    criteria = _criteria(rule, terms, eligible)
    scored = score(rule, criteria, [(row.candidate, row.numbers) for row in eligible])
    choice = _Choice(rule, criteria, {row.candidate.revision: row.candidate for row in eligible})
    ranked = choice.ranked(scored)
    winner, why = choice.winner(ranked, current) if ranked else (None, "")
    return Decision(
        repo_id=all_of_them.repo_id,
        rule=rule.text,
        criteria=tuple(criteria),
        scored=tuple(ranked),
        excluded=tuple(_excluded(row) for row in rows if row.reasons),
        winner=winner,
        why=why,
        awaited=_awaited(asked, numbers),
        only_parts=only_parts,
        near=_near(winner, ranked),
        pareto=pareto(criteria, ranked) if len(criteria) > 1 else (),
        warnings=(*all_of_them.problems, *_warnings(rule, terms, asked, rows, numbers)),
    )


def _row(candidate: Candidate, asked: Sequence[Asked], numbers: Numbers) -> _Row:
    found = {one.key: numbers.of(candidate, one) for one in asked}
    reasons = [
        numbers.reason(candidate, one)
        for one in asked
        if (metric := found[one.key]) is None or metric.value is None
    ]
    there = {key: metric for key, metric in found.items() if metric is not None}
    return _Row(candidate, there, tuple(dict.fromkeys(reasons)))


def _without_parts(rule: Rule, rows: list[_Row]) -> tuple[list[_Row], bool]:
    """Numbers of a part of the samples count only if asked for, or if there are no others.

    Also says whether the latter is so.
    """
    measured = [row for row in rows if not row.reasons]
    if rule.allow_partial or not any(row.is_partial for row in measured):
        return rows, False
    if all(row.is_partial for row in measured):
        return rows, True
    return [row if row.reasons or not row.is_partial else _refused(row) for row in rows], False


def _refused(row: _Row) -> _Row:
    counts = [f"{m.n} samples" for m in row.numbers.values() if m.partial and m.n is not None]
    reason = f"partial: of {counts[0]} only" if counts else "partial: not of all samples"
    return _Row(row.candidate, row.numbers, (reason,))


def _limited(rule: Rule, limits: Sequence[Asked], row: _Row) -> _Row:
    """The row, left out if it does not fulfil a constraint."""
    if row.reasons:
        return row
    reasons = []
    for constraint, asked in zip(rule.constraints, limits, strict=True):
        value = row.numbers[asked.key].value
        if value is None or not constraint.holds(value):
            reasons.append(
                f"{asked.key} is {value:.6g}, not {constraint.operator}{constraint.bound:g}"
            )
    return _Row(row.candidate, row.numbers, tuple(reasons))


def _excluded(row: _Row) -> Excluded:
    one = row.candidate
    return Excluded(one.revision, one.commit, one.step, "; ".join(row.reasons))


def _criteria(rule: Rule, terms: Sequence[Asked], eligible: Sequence[_Row]) -> list[Criterion]:
    if not eligible:
        return []
    return [
        Criterion(
            key=one.key,
            source=one.source,
            mode=direction(term.mode, one.key, [row.numbers[one.key] for row in eligible]),
            weight=term.weight,
        )
        for term, one in zip(rule.terms, terms, strict=True)
    ]


@dataclass(frozen=True)
class _Choice:
    """Ranks what has a score. `candidates` by revision."""

    rule: Rule
    criteria: Sequence[Criterion]
    candidates: Mapping[str, Candidate]

    def ranked(self, scored: Iterable[Scored]) -> list[Scored]:
        """Best first; equals stay in their order, which is by age."""
        return sorted(scored, key=self._good, reverse=True)

    def winner(self, ranked: Sequence[Scored], current: str) -> tuple[Scored, str]:
        """The winner among those, and why it is."""
        leader = ranked[0]
        width, meaning = self._band(leader)
        band = [one for one in ranked if at_most(self._good(leader) - self._good(one), width)]
        first = min(band, key=self._age)
        kept = next((one for one in ranked if one.commit == current), None)
        if kept and kept.commit != first.commit:
            gain = self._good(first) - self._good(kept)
            if at_most(gain, self.rule.margin):
                by = f" by more than {self.rule.margin:g}" if self.rule.margin else ""
                return kept, f"picked before, and {first.revision} is not better{by}"
        if first is not leader:
            return first, f"the earliest {meaning} of {leader.revision}"
        if len(band) > 1:
            return first, f"the earliest of {len(band)} {meaning if width else 'with this score'}"
        return first, "the best score"

    def _band(self, leader: Scored) -> tuple[float, str]:
        if self.rule.within_se is None:
            return self.rule.tolerance, f"within {self.rule.tolerance:g}"
        if leader.stderr is None:
            raise config_error(
                f"the score of {leader.revision} has no standard error; use a tolerance instead"
            )
        unit = "standard error" if self.rule.within_se == 1 else "standard errors"
        return self.rule.within_se * leader.stderr, f"within {self.rule.within_se:g} {unit}"

    def _good(self, one: Scored) -> float:
        only = self.criteria[0].mode if len(self.criteria) == 1 else "max"
        return goodness(only, one.score)

    def _age(self, one: Scored) -> tuple[float, str, str]:
        return self.candidates[one.revision].age


def _near(winner: Scored | None, ranked: Sequence[Scored]) -> tuple[str, ...] | None:
    if winner is None or winner.stderr is None:
        return None
    return tuple(
        one.revision
        for one in ranked
        if one.revision != winner.revision and at_most(abs(one.score - winner.score), winner.stderr)
    )


def _awaited(asked: Sequence[Asked], numbers: Numbers) -> tuple[str, ...]:
    sentences = (
        f"{candidate.revision}: {item.suite} on {item.engine} is still running"
        for candidate in numbers.all_of_them.candidates
        for one in asked
        for item in numbers.running(candidate, one)
    )
    return tuple(dict.fromkeys(sentences))


def _warnings(
    rule: Rule,
    terms: Sequence[Asked],
    asked: Sequence[Asked],
    rows: Sequence[_Row],
    numbers: Numbers,
) -> list[str]:
    found = []
    for term, one in zip(rule.terms, terms, strict=True):
        told = {row.numbers[one.key].mode for row in rows if one.key in row.numbers} - {None}
        if term.mode and told and told != {term.mode}:
            found.append(f"'{one.key}' is picked by {term.mode}, its evaluator says otherwise")
    for one in asked:
        if not any(one.key in row.numbers for row in rows):
            found.append(unknown(one.key, rule, numbers.all_of_them))
    found += [numbers.disagreement(row.candidate, one) for row in rows for one in asked]
    return [sentence for sentence in found if sentence]
