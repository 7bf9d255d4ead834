"""From several numbers of a revision to one score, and which revisions no other one beats."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from .._native import config_error
from ..results.types import Metric
from .candidates import Candidate
from .decision import Criterion, Scored
from .rule import Rule

Numbers = Mapping[str, Metric]  # by key; all have values
_CLOSE = 1e-9


def score(
    rule: Rule, criteria: Sequence[Criterion], numbers: Sequence[tuple[Candidate, Numbers]]
) -> list[Scored]:
    """Everybody's score, in the same order. Of one metric it is the metric itself.

    Raises `ConfigError` if several metrics have no scale in common.
    """
    if len(criteria) == 1:
        only = criteria[0].key
        return [
            _scored(candidate, criteria, own, own[only].value, own[only].stderr)
            for candidate, own in numbers
        ]
    total = sum(criterion.weight for criterion in criteria)
    columns = [_column(rule, criterion, numbers) for criterion in criteria]
    scored = []
    for index, (candidate, own) in enumerate(numbers):
        terms = [
            (c.weight / total, *column[index]) for c, column in zip(criteria, columns, strict=True)
        ]
        mean = math.fsum(weight * value for weight, value, _ in terms)
        errors = [None if error is None else weight * error for weight, _, error in terms]
        scored.append(_scored(candidate, criteria, own, mean, _combined(errors)))
    return scored


def goodness(criterion_mode: str, value: float) -> float:
    """The value, turned so that large is good."""
    return value if criterion_mode == "max" else -value


def at_most(difference: float, limit: float) -> bool:
    """Whether a difference of two decimal numbers is within a limit, as people reckon."""
    return difference <= limit or math.isclose(difference, limit, rel_tol=_CLOSE)


def pareto(criteria: Sequence[Criterion], scored: Sequence[Scored]) -> tuple[str, ...]:
    """The revisions that no other one beats in one metric without losing in another."""
    points = [
        tuple(goodness(c.mode, _value(v)) for c, v in zip(criteria, one.values, strict=True))
        for one in scored
    ]

    def beaten(point: tuple[float, ...]) -> bool:
        return any(
            other != point and all(a >= b for a, b in zip(other, point, strict=True))
            for other in points
        )

    return tuple(
        one.revision for one, point in zip(scored, points, strict=True) if not beaten(point)
    )


def _column(
    rule: Rule, criterion: Criterion, numbers: Sequence[tuple[Candidate, Numbers]]
) -> list[tuple[float, float | None]]:
    """One metric's share of everybody's score, and its standard error; large is good."""
    metrics = [own[criterion.key] for _, own in numbers]
    values = [goodness(criterion.mode, _value(metric)) for metric in metrics]
    if rule.normalize == "rank":
        return [(_rank(value, values), None) for value in values]
    if rule.normalize == "baseline-delta":
        base = _baseline(rule, criterion, numbers)
        return [
            ((value - goodness(criterion.mode, base)) / abs(base), _divided(m.stderr, abs(base)))
            for value, m in zip(values, metrics, strict=True)
        ]
    for (candidate, _), metric in zip(numbers, metrics, strict=True):
        if not 0 <= _value(metric) <= 1:
            raise config_error(
                f"weights need metrics on one scale from 0 to 1, but '{criterion.key}' of "
                f"{candidate.revision} is {metric.value:.6g}; "
                "add --normalize rank or --normalize baseline-delta"
            )
    shift = 0.0 if criterion.mode == "max" else 1.0
    return [(value + shift, m.stderr) for value, m in zip(values, metrics, strict=True)]


def _rank(value: float, values: Sequence[float]) -> float:
    """The share of the others that are worse; equals count half."""
    worse = sum(other < value for other in values)
    equal = sum(other == value for other in values) - 1
    return (worse + equal / 2) / (len(values) - 1) if len(values) > 1 else 1.0


def _baseline(
    rule: Rule, criterion: Criterion, numbers: Sequence[tuple[Candidate, Numbers]]
) -> float:
    if rule.baseline:
        named = [own for candidate, own in numbers if candidate.revision == rule.baseline]
        if not named:
            raise config_error(f"the baseline '{rule.baseline}' is no eligible revision")
        own = named[0]
    else:
        own = min(numbers, key=lambda item: item[0].age)[1]
    base = _value(own[criterion.key])
    if base == 0:
        raise config_error(
            f"'{criterion.key}' of the baseline is 0, so that nothing can be said relative to it; "
            "choose another --baseline or --normalize rank"
        )
    return base


def _combined(errors: Sequence[float | None]) -> float | None:
    known = [error for error in errors if error is not None]
    return math.hypot(*known) if len(known) == len(errors) else None


def _divided(error: float | None, by: float) -> float | None:
    return None if error is None else error / by


def _scored(
    candidate: Candidate,
    criteria: Sequence[Criterion],
    own: Numbers,
    value: float | None,
    stderr: float | None,
) -> Scored:
    assert value is not None  # only such numbers come here
    return Scored(
        revision=candidate.revision,
        commit=candidate.commit,
        step=candidate.step,
        score=value,
        stderr=stderr,
        values=tuple(own[criterion.key] for criterion in criteria),
    )


def _value(metric: Metric) -> float:
    assert metric.value is not None  # only such numbers come here
    return metric.value
