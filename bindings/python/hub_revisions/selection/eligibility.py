"""Which numbers count, and for a revision without one: why."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from dataclasses import dataclass

from .._native import config_error
from ..results.store import Pending
from ..results.types import Metric, Mode, Result
from .candidates import Candidate, Candidates
from .rule import Rule, Source, matching, mode_by_name

_LISTED = 40


@dataclass(frozen=True)
class Asked:
    """A metric that the rule asks for, found.

    Where `fingerprints` are given, only numbers with one of them count.
    """

    key: str
    source: Source
    fingerprints: frozenset[str] = frozenset()


def find(metric: str, rule: Rule, all_of_them: Candidates) -> Asked:
    """The metric that a rule's text means.

    One that is not known yet is taken at its word while there is a suite that has not succeeded
    anywhere. Raises `ConfigError` listing the known metrics if it means none, those that it means
    if they are several, and both sources if both have it.
    """
    trained, evaluated = _known(rule, all_of_them)
    found = matching(metric, trained | evaluated)
    if not found and rule.source != "trainer" and all_of_them.awaits_first_word(rule.suite):
        return Asked(metric, "evaluation")
    if not found:
        raise config_error(unknown(metric, rule, all_of_them))
    if len(found) > 1:
        raise config_error(f"'{metric}' means several metrics, name one: {_listed(found)}")
    key = found[0]
    if key in trained and key in evaluated:
        raise config_error(
            f"both the trainer and evaluations have '{key}', and they are not compared with each "
            "other: choose with --source trainer or --source evaluation"
        )
    if key in trained:
        return Asked(key, "trainer")
    known = all_of_them.fingerprints(key, rule.suite) if rule.fingerprints else ()
    # A rule of several metrics has a fingerprint of one of them, perhaps.
    return Asked(key, "evaluation", frozenset(x for x in known if x.startswith(rule.fingerprints)))


def unknown(metric: str, rule: Rule, all_of_them: Candidates) -> str:
    """That nobody has this metric, and which there are."""
    trained, evaluated = _known(rule, all_of_them)
    where = f" of suite '{rule.suite}'" if rule.suite else ""
    names = _listed(sorted(trained | evaluated), metric)
    listed = f"recorded{where} are: {names}" if names else f"no metrics{where} are recorded"
    return f"no revision of {all_of_them.repo_id} has '{metric}'; {listed}"


def _known(rule: Rule, all_of_them: Candidates) -> tuple[frozenset[str], frozenset[str]]:
    """The metrics of the trainer and of evaluations that the rule may mean."""
    nothing = frozenset[str]()
    return (
        all_of_them.trainer_keys if rule.source != "evaluation" else nothing,
        all_of_them.evaluation_keys(rule.suite) if rule.source != "trainer" else nothing,
    )


def _listed(names: list[str], wanted: str = "") -> str:
    if len(names) <= _LISTED:
        return ", ".join(names)
    near = difflib.get_close_matches(wanted, names, n=10, cutoff=0.3)
    shown = [*near, *(name for name in names if name not in near)][:_LISTED]
    return f"{', '.join(shown)} and {len(names) - _LISTED} more"


def direction(mode: Mode | None, key: str, metrics: Iterable[Metric]) -> Mode:
    """Which direction is good: as said, else as the evaluator says, else by the metric's name."""
    if mode:
        return mode
    told = {metric.mode for metric in metrics if metric.mode}
    by_name = mode_by_name(key)
    if len(told) == 1:
        return told.pop()
    if by_name and not told:
        return by_name
    raise config_error(
        f"it is not known whether small or large is good for '{key}': "
        f"write '{key}:min' or '{key}:max'"
    )


@dataclass(frozen=True)
class Numbers:
    """Looks numbers up by the rule. `now` is the time in unix seconds."""

    rule: Rule
    all_of_them: Candidates
    now: float

    def of(self, candidate: Candidate, asked: Asked) -> Metric | None:
        """A revision's number: the latest complete one, else the latest; None without any."""
        if asked.source == "trainer":
            return candidate.trained(asked.key)
        found = candidate.evaluated(
            asked.key,
            lambda result, metric: (
                self._is_asked(result)
                and (not asked.fingerprints or metric.fingerprint in asked.fingerprints)
            ),
        )
        complete = [metric for metric in found if not metric.partial]
        counting = complete or found
        return counting[-1] if counting else None

    def reason(self, candidate: Candidate, asked: Asked) -> str:
        """Why there is no number to compare."""
        metric = self.of(candidate, asked)
        if metric is not None:
            return f"'{asked.key}' {metric.problem or 'has no value'}"
        if asked.source == "trainer":
            return f"no value of '{asked.key}' was recorded"
        running = self.running(candidate, asked)
        if running:
            return f"still running: {running[-1].suite} on {running[-1].engine}"
        attempts = [result for result in candidate.attempts if self._may_give(result.suite, asked)]
        late = [item for item in candidate.pending if self._may_give(item.suite, asked)]
        if attempts and attempts[-1].outcome != "succeeded":
            last = attempts[-1]
            return f"{last.outcome}: {last.reason or 'without a reason'}"
        if late:
            return f"no word of {late[-1].suite} on {late[-1].engine} until its deadline"
        if attempts:
            wanted = " with the fingerprint asked for" if asked.fingerprints else ""
            return f"its results have no '{asked.key}'{wanted}"
        if candidate.elsewhere:
            return (
                f"its results are of commit {candidate.elsewhere[-1][:10]}, "
                f"and it is at {candidate.commit[:10]} now"
            )
        return "no result"

    def running(self, candidate: Candidate, asked: Asked) -> list[Pending]:
        """The evaluations that may still give this number."""
        if asked.source == "trainer":
            return []
        return [
            item
            for item in candidate.pending
            if self.now <= item.deadline and self._may_give(item.suite, asked)
        ]

    def disagreement(self, candidate: Candidate, asked: Asked) -> str:
        """Whether attempts that should agree differ by more than their noise; a sentence or ""."""
        last = self.of(candidate, asked)
        if asked.source == "trainer" or last is None or last.value is None or not last.stderr:
            return ""
        values = [
            metric.value
            for metric in candidate.evaluated(asked.key, lambda result, _: self._is_asked(result))
            if metric.value is not None and comparable(metric) == comparable(last)
        ]
        spread = max(values) - min(values)
        if spread <= 3 * last.stderr:
            return ""
        return (
            f"{candidate.revision} was evaluated {len(values)} times, and its values of "
            f"'{asked.key}' differ by {spread:.4g}, more than 3 standard errors"
        )

    def _is_asked(self, result: Result) -> bool:
        return self.rule.suite in ("", result.suite)

    def _may_give(self, suite: str, asked: Asked) -> bool:
        known = self.all_of_them.suites.get(suite)
        # What a suite measures is known once it has succeeded anywhere.
        return self.rule.suite in ("", suite) and (known is None or asked.key in known)


def comparable(metric: Metric) -> str:
    """Equal for numbers that may be compared."""
    part = f"part of {metric.n} samples" if metric.partial else ""
    return " ".join(text for text in (metric.fingerprint, part) if text)


def check_fingerprints(rule: Rule, asked: Iterable[Asked]) -> None:
    """Raise `ConfigError` if a fingerprint of the rule is none of the metrics' that it asks for."""
    known = {fingerprint for one in asked for fingerprint in one.fingerprints}
    for prefix in rule.fingerprints:
        if not any(fingerprint.startswith(prefix) for fingerprint in known):
            raise config_error(f"no result that the rule asks for has the fingerprint '{prefix}'")


def check_comparable(asked: Asked, numbers: Iterable[tuple[Candidate, Metric]]) -> None:
    """Raise `ConfigError` listing the fingerprints if the numbers were measured differently."""
    groups: dict[str, list[str]] = {}
    for candidate, metric in numbers:
        groups.setdefault(comparable(metric), []).append(candidate.revision)
    if len(groups) > 1:
        found = "; ".join(
            f"{fingerprint or 'none'}: {_listed(names)}"
            for fingerprint, names in sorted(groups.items())
        )
        raise config_error(
            f"'{asked.key}' was measured in several ways (task version, shots, prompts, samples), "
            f"which do not compare; choose one with --fingerprint. {found}"
        )
