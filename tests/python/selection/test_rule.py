"""How rules are written."""

from __future__ import annotations

from typing import Any

import pytest
from command_line import run
from hub_revisions import ConfigError
from hub_revisions.selection.rule import (
    Constraint,
    Rule,
    Term,
    make_rule,
    matching,
    mode_by_name,
    parse_constraint,
    parse_term,
    parse_weights,
)


@pytest.mark.parametrize(
    ("text", "term"),
    [
        ("eval_loss", Term("eval_loss")),
        (" eval_loss:min ", Term("eval_loss", "min")),
        ("gsm8k@5/exact_match[strict-match]:max", Term("gsm8k@5/exact_match[strict-match]", "max")),
        # Names with colons that are no modes.
        ("gsm8k@5/pass@k:k=1", Term("gsm8k@5/pass@k:k=1")),
        ("arc:challenge@0/acc:max", Term("arc:challenge@0/acc", "max")),
    ],
)
def test_a_metric_may_say_its_mode(text: str, term: Term) -> None:
    assert parse_term(text) == term


@pytest.mark.parametrize("text", ["", "  ", ":max"])
def test_a_metric_has_a_name(text: str) -> None:
    with pytest.raises(ConfigError, match="names no metric"):
        parse_term(text)


@pytest.mark.parametrize(
    "rule",
    [
        make_rule("eval_loss"),
        make_rule("gsm8k@5/em[strict match]:max", require=["ifeval*>=0.7", "loss<2.5"]),
        make_rule(weights="a:max=0.7,b:min=0.3", normalize="baseline-delta", baseline="step-1"),
        make_rule("acc:max", within_se=0.0, margin=0.01, suite="bench", allow_partial=True),
        make_rule("acc:max", tolerance=0.125, source="evaluation", fingerprints=["ab", "cd"]),
    ],
)
def test_a_rule_is_told_as_the_command_line_takes_it(
    rule: Rule, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = []

    def make(*arguments: Any, **options: Any) -> Rule:
        seen.append(make_rule(*arguments, **options))
        raise ConfigError("enough seen")

    monkeypatch.setattr("hub_revisions.cli.pick.make_rule", make)
    assert run("pick", "me/model", *rule.options).exit_code == 2
    assert seen == [rule]


def test_a_mode_is_not_said_twice_differently() -> None:
    assert parse_term("acc:max", "max") == Term("acc", "max")
    with pytest.raises(ConfigError, match="contradicts the mode 'min'"):
        parse_term("acc:max", "min")


@pytest.mark.parametrize(
    ("text", "constraint"),
    [
        ("ifeval>=0.7", Constraint("ifeval", ">=", 0.7)),
        ("ifeval > .7", Constraint("ifeval", ">", 0.7)),
        ("loss<=-1e-3", Constraint("loss", "<=", -0.001)),
        ("a/b[c]<2", Constraint("a/b[c]", "<", 2)),
        ("step==5", Constraint("step", "==", 5)),
        ("pass@k:k=1>=0.7", Constraint("pass@k:k=1", ">=", 0.7)),
    ],
)
def test_constraints(text: str, constraint: Constraint) -> None:
    assert parse_constraint(text) == constraint
    assert parse_constraint(str(constraint)) == constraint


@pytest.mark.parametrize("text", ["", "ifeval", "ifeval=0.7", ">=0.7", "a>=", "a>=b", "a>=1.2.3"])
def test_what_is_no_constraint(text: str) -> None:
    with pytest.raises(ConfigError, match=r"is not written as 'metric>=0\.7'"):
        parse_constraint(text)


@pytest.mark.parametrize(
    ("operator", "below", "equal", "above"),
    [
        (">=", False, True, True),
        (">", False, False, True),
        ("<=", True, True, False),
        ("<", True, False, False),
        ("==", False, True, False),
    ],
)
def test_what_constraints_mean(operator: str, below: bool, equal: bool, above: bool) -> None:
    constraint = Constraint("x", operator, 1.0)
    assert [constraint.holds(value) for value in (0.5, 1.0, 1.5)] == [below, equal, above]


def test_weights() -> None:
    assert parse_weights("a=0.7, b:min=0.3") == (Term("a", None, 0.7), Term("b", "min", 0.3))
    assert parse_weights("pass@k:k=1=2") == (Term("pass@k:k=1", None, 2.0),)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("a", "metric=weight"),
        ("a=x", "metric=weight"),
        ("a=0,b=1", "above 0"),
        ("a=-1", "above 0"),
        ("a=nan", "above 0"),
        ("a=1,", "metric=weight"),
        ("=1", "names no metric"),
        ("a=1,a=2", "twice"),
    ],
)
def test_what_are_no_weights(text: str, words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        parse_weights(text)


@pytest.mark.parametrize(
    "key",
    [
        "eval_loss",
        "heldout/loss",
        "wikitext/word_perplexity[none]",
        "wikitext@0/bits_per_byte",
        "ppl",
        "asr/wer",
        "eval_cer",
        "mean_error",
        "nll",
        "Loss",
    ],
)
def test_small_is_good_by_name(key: str) -> None:
    assert mode_by_name(key) == "min"


@pytest.mark.parametrize("key", ["acc", "answer", "power", "loss/acc", "lossless", "officer", "em"])
def test_other_names_say_nothing(key: str) -> None:
    assert mode_by_name(key) is None


KEYS = ["gsm8k@5/exact_match[strict-match]", "gsm8k@5/exact_match[flexible-extract]", "a*", "ab"]


@pytest.mark.parametrize(
    ("pattern", "found"),
    [
        ("ab", ["ab"]),
        ("a*", ["a*"]),  # the one of that very name
        ("?b", ["ab"]),
        ("gsm8k*strict*", ["gsm8k@5/exact_match[strict-match]"]),
        ("gsm8k*[strict-match]", ["gsm8k@5/exact_match[strict-match]"]),
        ("gsm8k*", sorted(KEYS[:2])),
        ("gsm8k", []),
        ("[ab]b", []),  # brackets are no wildcards
    ],
)
def test_patterns(pattern: str, found: list[str]) -> None:
    assert matching(pattern, KEYS) == found


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({}, "either a metric or weights"),
        ({"metric": "a", "weights": "a=1,b=1"}, "either a metric or weights"),
        ({"weights": "a=1,b=1", "mode": "min"}, "behind each metric"),
        ({"metric": "a", "normalize": "rank"}, "for weights"),
        ({"weights": "a=1,b=1", "baseline": "x"}, "baseline-delta"),
        ({"metric": "a", "tolerance": 0.1, "within_se": 1}, "not both"),
        ({"metric": "a", "tolerance": -1}, "tolerance must be a number from 0"),
        ({"metric": "a", "within_se": float("nan")}, "within_se must be"),
        ({"metric": "a", "margin": float("inf")}, "margin must be"),
        ({"weights": "a=1,b=1", "normalize": "rank", "within_se": 1}, "no standard error"),
        ({"metric": "a", "mode": "best"}, "mode must be 'min' or 'max', not 'best'"),
        ({"metric": "a", "source": "me"}, "source must be"),
        ({"weights": "a=1,b=1", "normalize": "minmax"}, "normalize must be"),
        ({"metric": "a", "suite": "s", "source": "trainer"}, "suite is of evaluations"),
    ],
)
def test_contradictions_are_refused(arguments: dict[str, Any], words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        make_rule(**arguments)


def test_a_rule_is_one_line_of_text() -> None:
    rule = make_rule(
        weights="a:max=0.7,b=0.3",
        require=["c>=0.5"],
        normalize="baseline-delta",
        baseline="step-1",
        within_se=1,
        margin=0.01,
        suite="bench",
        fingerprints=["f2", "f1"],
        allow_partial=True,
    )
    assert rule.text == (
        "a:max=0.7, b=0.3; require c>=0.5; normalize baseline-delta; baseline step-1; "
        "within 1 standard errors; margin 0.01; source evaluation; suite bench; "
        "fingerprint f1; fingerprint f2; partial results count"
    )
    assert make_rule("eval_loss", "min").text == make_rule("eval_loss:min").text == "eval_loss:min"
