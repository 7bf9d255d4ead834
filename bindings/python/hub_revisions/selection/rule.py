"""What "best" means: a rule, and how people write it.

    eval_loss                                     one metric; the direction is known by its name
    gsm8k@5/exact_match[strict-match]:max         the same, said
    gsm8k*/exact_match*                           a pattern that must match one metric
    gsm8k@5/em=0.7, ifeval@0/strict=0.3           several, weighted

`*` and `?` are the only wildcards: metrics have brackets in their names.
"""

from __future__ import annotations

import math
import operator
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Literal, get_args

from .._native import config_error
from ..results.types import Mode

Source = Literal["trainer", "evaluation"]
Normalize = Literal["rank", "baseline-delta"]

_OPERATORS: dict[str, Callable[[float, float], bool]] = {
    ">=": operator.ge,
    "<=": operator.le,
    "==": operator.eq,
    ">": operator.gt,
    "<": operator.lt,
}
_CONSTRAINT = re.compile(r"(?P<metric>.+?)\s*(?P<operator>>=|<=|==|>|<)\s*(?P<bound>[-+.\deE]+)")
# The short ones only as words of their own: 'answer' is no word error rate.
_SMALL_IS_GOOD = re.compile(
    r"(loss|perplexity|(^|[^a-z])(ppl|bits_per_byte|wer|cer|error|nll))$", re.IGNORECASE
)


@dataclass(frozen=True)
class Term:
    """One metric of the rule, by name or pattern. `mode` is None where it is not said."""

    metric: str
    mode: Mode | None = None
    weight: float = 1.0

    def __str__(self) -> str:
        return f"{self.metric}:{self.mode}" if self.mode else self.metric


@dataclass(frozen=True)
class Constraint:
    """What a revision must fulfil to take part: 'ifeval@0/strict>=0.7'."""

    metric: str
    operator: str
    bound: float

    def holds(self, value: float) -> bool:
        return _OPERATORS[self.operator](value, self.bound)

    def __str__(self) -> str:
        return f"{self.metric}{self.operator}{self.bound:g}"


@dataclass(frozen=True)
class Rule:
    """Which revision is the best one.

    `tolerance` (in units of the score) and `within_se` (in standard errors of the leader's score)
    make a band below the leader, of which the earliest revision wins. `margin`: by how much the
    score must be better to replace the best of before. `source` and `suite` say which numbers are
    meant where that is not clear; `fingerprints` begin those that count. `baseline` names the
    revision that `baseline-delta` compares with, the earliest if "".
    """

    terms: tuple[Term, ...]
    constraints: tuple[Constraint, ...] = ()
    normalize: Normalize | None = None
    baseline: str = ""
    tolerance: float = 0.0
    within_se: float | None = None
    margin: float = 0.0
    source: Source | None = None
    suite: str = ""
    fingerprints: tuple[str, ...] = ()
    allow_partial: bool = False

    @property
    def text(self) -> str:
        """The rule in one line. Equal rules have equal texts."""
        terms = [str(term) for term in self.terms]
        if len(self.terms) > 1:
            terms = [f"{term}={term.weight:g}" for term in self.terms]
        parts = [", ".join(terms), *(f"require {one}" for one in self.constraints)]
        if self.normalize:
            parts.append(f"normalize {self.normalize}")
        if self.baseline:
            parts.append(f"baseline {self.baseline}")
        if self.tolerance:
            parts.append(f"tolerance {self.tolerance:g}")
        if self.within_se is not None:
            parts.append(f"within {self.within_se:g} standard errors")
        if self.margin:
            parts.append(f"margin {self.margin:g}")
        if self.source:
            parts.append(f"source {self.source}")
        if self.suite:
            parts.append(f"suite {self.suite}")
        parts += [f"fingerprint {one}" for one in self.fingerprints]
        if self.allow_partial:
            parts.append("partial results count")
        return "; ".join(parts)

    @property
    def options(self) -> list[str]:
        """The rule as words behind 'hub-revisions pick REPO'."""
        if len(self.terms) > 1:
            words = ["--weights", ",".join(f"{term}={term.weight}" for term in self.terms)]
        else:
            words = ["--metric", str(self.terms[0])]
        given = [
            *(("--require", f"{c.metric}{c.operator}{c.bound}") for c in self.constraints),
            ("--normalize", self.normalize),
            ("--baseline", self.baseline),
            ("--tolerance", self.tolerance or None),
            ("--within-se", self.within_se),
            ("--margin", self.margin or None),
            ("--source", self.source),
            ("--suite", self.suite),
            *(("--fingerprint", one) for one in self.fingerprints),
        ]
        for name, value in given:
            if value not in (None, ""):
                words += [name, str(value)]
        return [*words, *(["--allow-partial"] if self.allow_partial else [])]


def make_rule(
    metric: str = "",
    mode: Mode | None = None,
    *,
    weights: str = "",
    require: Iterable[str] = (),
    normalize: Normalize | None = None,
    baseline: str = "",
    tolerance: float = 0.0,
    within_se: float | None = None,
    margin: float = 0.0,
    source: Source | None = None,
    suite: str = "",
    fingerprints: Iterable[str] = (),
    allow_partial: bool = False,
) -> Rule:
    """The rule that these texts and numbers mean: `metric` or `weights`, the others narrow it.

    Raises `ConfigError` saying what is wrong and how it is written.
    """
    if bool(metric) == bool(weights):
        raise config_error("give either a metric or weights for several")
    if weights and mode:
        raise config_error("with weights, write the mode behind each metric: 'loss:min=0.3'")
    if not weights and (normalize or baseline):
        raise config_error("'normalize' and 'baseline' are for weights of several metrics")
    if baseline and normalize != "baseline-delta":
        raise config_error("'baseline' is for normalize=baseline-delta")
    if tolerance and within_se is not None:
        raise config_error("give a tolerance or a number of standard errors, not both")
    if within_se is not None and normalize == "rank":
        raise config_error("ranks have no standard error; use a tolerance")
    for name, value in (("tolerance", tolerance), ("within_se", within_se), ("margin", margin)):
        if value is not None and not 0 <= value < math.inf:
            raise config_error(f"{name} must be a number from 0 on, not {value}")
    _check_choice("normalize", normalize, get_args(Normalize))
    _check_choice("source", source, get_args(Source))
    _check_choice("mode", mode, get_args(Mode))
    if suite and source == "trainer":
        raise config_error("a suite is of evaluations; leave it out with source=trainer")
    return Rule(
        terms=parse_weights(weights) if weights else (parse_term(metric, mode),),
        constraints=tuple(parse_constraint(text) for text in require),
        normalize=normalize,
        baseline=baseline,
        tolerance=tolerance,
        within_se=within_se,
        margin=margin,
        source=source or ("evaluation" if suite else None),
        suite=suite,
        fingerprints=tuple(sorted(fingerprints)),
        allow_partial=allow_partial,
    )


def parse_term(text: str, mode: Mode | None = None) -> Term:
    """'metric' or 'metric:mode'. `mode` is what was said elsewhere; they must not disagree."""
    metric, _, suffix = text.strip().rpartition(":")
    written: Mode | None = suffix if suffix in ("min", "max") else None  # type: ignore[assignment]
    if not written:
        metric = text.strip()
    if not metric:
        raise config_error(f"'{text}' names no metric; write 'metric' or 'metric:min'")
    if mode and written and mode != written:
        raise config_error(f"'{text}' contradicts the mode '{mode}'")
    return Term(metric, written or mode)


def parse_weights(text: str) -> tuple[Term, ...]:
    """'a=0.7, b:min=0.3'."""
    terms = []
    for item in text.split(","):
        name, equals, number = item.rpartition("=")
        weight = _number(number)
        if not equals or weight is None or weight <= 0:
            raise config_error(f"weights '{text}': write 'metric=weight,metric=weight', above 0")
        term = parse_term(name)
        terms.append(Term(term.metric, term.mode, weight))
    if len({term.metric for term in terms}) < len(terms):
        raise config_error(f"weights '{text}' name a metric twice")
    return tuple(terms)


def parse_constraint(text: str) -> Constraint:
    """'metric>=0.7', with one of >= > <= < ==."""
    match = _CONSTRAINT.fullmatch(text.strip())
    bound = _number(match["bound"]) if match else None
    if match is None or bound is None:
        raise config_error(f"the requirement '{text}' is not written as 'metric>=0.7'")
    return Constraint(match["metric"], match["operator"], bound)


def mode_by_name(key: str) -> Mode | None:
    """Which direction is good, by the metric's name alone; None if that does not say it."""
    name = key.partition("[")[0].rpartition("/")[2]
    return "min" if _SMALL_IS_GOOD.search(name) else None


def matching(pattern: str, keys: Iterable[str]) -> list[str]:
    """The keys that a rule's metric means, sorted: the one of that name, else by wildcards."""
    known = set(keys)
    if pattern in known:
        return [pattern]
    if not set("*?") & set(pattern):
        return []
    pieces = {"*": ".*", "?": "."}
    expression = "".join(pieces.get(char, re.escape(char)) for char in pattern)
    return sorted(key for key in known if re.fullmatch(expression, key, re.DOTALL))


def _number(text: str) -> float | None:
    try:
        value = float(text)
    except ValueError:
        return None
    return value if math.isfinite(value) else None


def _check_choice(name: str, value: object, known: tuple[str, ...]) -> None:
    if value is not None and value not in known:
        choices = " or ".join(f"'{one}'" for one in known)
        raise config_error(f"{name} must be {choices}, not '{value}'")
