"""Who wins, and why the others do not: tables of small repositories."""

from __future__ import annotations

import itertools
import math
import random
from typing import Any

import pytest
from hub_revisions import ConfigError
from hub_revisions.results.types import Metric
from hub_revisions.selection.decision import Decision

from .making import (
    NOW,
    commit_of,
    decide,
    pending,
    reasons,
    records,
    result,
    revision,
    winner,
)

STEPS = [revision(f"step-{step}", step) for step in (100, 200, 300)]


def accuracies(*values: float | None, **changes: Any) -> dict[str, str]:
    """Results of `acc` for step-100, step-200 ...; None: no result."""
    return records(
        *(
            result(one.revision, Metric("acc", value, **changes))
            for one, value in zip(STEPS, values, strict=True)
            if value is not None
        )
    )


# Directions.


def test_the_smallest_or_the_largest_wins() -> None:
    stored = accuracies(0.5, 0.7, 0.6)
    assert winner(decide(STEPS, stored, "acc:max")) == "step-200"
    assert winner(decide(STEPS, stored, "acc", mode="min")) == "step-100"


def test_the_evaluator_may_tell_the_direction() -> None:
    assert winner(decide(STEPS, accuracies(0.5, 0.7, 0.6, mode="max"), "acc")) == "step-200"
    stored = accuracies(0.5, 0.7, 0.6, mode="min")
    decision = decide(STEPS, stored, "acc:max")
    assert winner(decision) == "step-200"
    assert decision.warnings == ("'acc' is picked by max, its evaluator says otherwise",)


def test_the_name_may_tell_the_direction() -> None:
    revisions = [revision("a", 1, metrics={"eval_loss": 2.0, "acc": 0.5})]
    assert winner(decide(revisions, metric="eval_loss")) == "a"
    with pytest.raises(ConfigError, match="write 'acc:min' or 'acc:max'"):
        decide(revisions, metric="acc")


def test_evaluators_that_disagree_about_the_direction_decide_nothing() -> None:
    stored = records(
        result("step-100", Metric("loss", 1.0, mode="min")),
        result("step-200", Metric("loss", 2.0, mode="max")),
    )
    with pytest.raises(ConfigError, match="small or large"):
        decide(STEPS, stored, "loss")


# Ties and bands.


def test_of_equals_the_earliest_step_wins_then_the_commit() -> None:
    assert winner(decide(STEPS, accuracies(0.5, 0.7, 0.7), "acc:max")) == "step-200"
    twins = [revision(name, 5, metrics={"loss": 1.0}) for name in ("x", "y", "z")]
    first = min(twins, key=lambda one: one.commit).revision
    for order in itertools.permutations(twins):
        decision = decide(order, metric="loss")
        assert winner(decision) == first
        assert decision.why == "the earliest of 3 with this score"
    unknown = revision("w", None, metrics={"loss": 1.0})
    assert winner(decide([unknown, *twins], metric="loss")) == first


@pytest.mark.parametrize(
    ("rule", "expected", "why"),
    [
        ({}, "step-300", "the best score"),
        ({"tolerance": 0.1}, "step-200", "the earliest within 0.1 of step-300"),
        ({"tolerance": 0.2}, "step-100", "the earliest within 0.2 of step-300"),
        ({"tolerance": 0.05}, "step-300", "the best score"),
        ({"within_se": 1}, "step-200", "the earliest within 1 standard error of step-300"),
        ({"within_se": 2}, "step-100", "the earliest within 2 standard errors of step-300"),
        ({"within_se": 0.5}, "step-300", "the best score"),
    ],
)
def test_bands(rule: dict[str, Any], expected: str, why: str) -> None:
    # Binary fractions make 0.8 - 0.1 more than 0.7: the limit counts as people reckon.
    decision = decide(STEPS, accuracies(0.6, 0.7, 0.8, stderr=0.1), "acc:max", **rule)
    assert (winner(decision), decision.why) == (expected, why)
    assert decision.scored[0].revision == "step-300"


def test_who_is_within_one_standard_error_is_always_told() -> None:
    decision = decide(STEPS, accuracies(0.6, 0.7, 0.8, stderr=0.15), "acc:max")
    assert decision.near == ("step-200",)
    assert decide(STEPS, accuracies(0.6, 0.7, 0.8), "acc:max").near is None


def test_one_standard_error_needs_one() -> None:
    with pytest.raises(ConfigError, match="step-300 has no standard error; use a tolerance"):
        decide(STEPS, accuracies(0.6, 0.7, 0.8), "acc:max", within_se=1)


# The best of before.


@pytest.mark.parametrize(
    ("current", "margin", "expected"),
    [
        ("", 0.0, "step-200"),
        ("step-300", 0.0, "step-300"),  # equal: no reason to move
        ("step-100", 0.0, "step-200"),
        ("step-100", 0.25, "step-100"),
        ("step-100", 0.2, "step-100"),  # better by the margin is not more than it
        ("step-100", 0.1, "step-200"),
        ("gone", 0.25, "step-200"),
    ],
)
def test_the_best_of_before_is_replaced_by_a_better_one_only(
    current: str, margin: float, expected: str
) -> None:
    stored = accuracies(0.5, 0.7, 0.7)
    commit = commit_of(current) if current else ""
    assert winner(decide(STEPS, stored, "acc:max", current=commit, margin=margin)) == expected


def test_a_later_failure_demotes_nobody() -> None:
    stored = accuracies(0.5, 0.6, 0.7)
    worse = Metric("acc", 0.1)  # what it wrote before it failed
    stored |= records(result("step-300", worse, outcome="failed", reason="exit 1", finished=9))
    assert winner(decide(STEPS, stored, "acc:max")) == "step-300"


# Who is left out, and why.


def test_nobody_without_a_number_is_scored_as_nothing() -> None:
    revisions = [
        *STEPS,
        *(revision(name, 400) for name in ("failed", "cancelled", "lost", "running", "late")),
        *(revision(name, 400) for name in ("nan", "partial", "moved", "other", "never")),
    ]
    stored = accuracies(-3.0, -1.0, -2.0) | records(
        result("failed", outcome="failed", reason="exit code 7"),
        result("cancelled", outcome="cancelled", reason="cancelled"),
        result("lost", outcome="lost"),
        pending("running"),
        pending("late", deadline=NOW - 1),
        result("nan", Metric("acc", None, problem="is NaN")),
        result("partial", Metric("acc", 5.0, n=10, partial=True)),
        result("moved", Metric("acc", 5.0), commit="d" * 40),
        result("other", Metric("bleu", 5.0)),
    )
    decision = decide(revisions, stored, "acc:max")
    assert winner(decision) == "step-200"
    moved = commit_of("moved")[:10]
    assert reasons(decision) == {
        "failed": "failed: exit code 7",
        "cancelled": "cancelled: cancelled",
        "lost": "lost: without a reason",
        "running": "still running: bench on local",
        "late": "no word of bench on local until its deadline",
        "nan": "'acc' is NaN",
        "partial": "partial: of 10 samples only",
        "moved": f"its results are of commit dddddddddd, and it is at {moved} now",
        "other": "its results have no 'acc'",
        "never": "no result",
    }
    assert decision.awaited == ("running: bench on local is still running",)


def test_numbers_of_the_trainer_that_are_none() -> None:
    revisions = [
        revision("none", 1),
        revision("nan", 2, metrics={"score": math.nan}),
        revision("inf", 3, metrics={"score": math.inf}),
        revision("good", 4, metrics={"score": 5.0}),
    ]
    decision = decide(revisions, metric="score:max")
    assert winner(decision) == "good"
    assert reasons(decision) == {
        "none": "no value of 'score' was recorded",
        "nan": "'score' is NaN",
        "inf": "'score' is infinite",
    }


def test_nobody_eligible() -> None:
    stored = records(
        result("step-100", Metric("acc", None, problem="is 'N/A'")),
        result("step-200", outcome="failed", reason="exit code 1"),
    )
    decision = decide(STEPS, stored, "acc")
    assert decision.winner is None
    assert decision.scored == ()
    assert set(reasons(decision)) == {"step-100", "step-200", "step-300"}


def test_branches_that_are_other_names_do_not_compete() -> None:
    revisions = [
        *STEPS,
        revision("main", published_as="", promoted="step-100"),
        revision("latest", published_as="step-300", commit=commit_of("step-300")),
        revision("notes", published_as=""),
    ]
    decision = decide(revisions, accuracies(0.5, 0.7, 0.6), "acc:max")
    assert len(decision.scored) == 3
    assert not decision.excluded


def test_a_repository_without_revisions() -> None:
    with pytest.raises(ConfigError, match="me/model has no revisions that hub-revisions made"):
        decide([revision("main", published_as="")], metric="loss")


# Constraints.


def test_constraints_come_first() -> None:
    stored = records(
        result("step-100", Metric("acc", 0.5), Metric("ifeval", 0.8)),
        result("step-200", Metric("acc", 0.9), Metric("ifeval", 0.6)),
        result("step-300", Metric("acc", 0.6), Metric("ifeval", 0.7)),
    )
    decision = decide(STEPS, stored, "acc:max", require=["if*>=0.7"])
    assert winner(decision) == "step-300"
    assert reasons(decision) == {"step-200": "ifeval is 0.6, not >=0.7"}
    nobody = decide(STEPS, stored, "acc:max", require=["ifeval>0.8", "acc<0.6"])
    assert nobody.winner is None
    assert reasons(nobody)["step-200"] == "ifeval is 0.6, not >0.8; acc is 0.9, not <0.6"


def test_a_constraint_needs_its_number() -> None:
    stored = accuracies(0.5, 0.7, 0.6) | records(result("step-100", Metric("b", 1.0), suite="b"))
    decision = decide(STEPS, stored, "acc:max", require=["b>0"])
    assert winner(decision) == "step-100"
    assert reasons(decision) == {"step-200": "no result", "step-300": "no result"}


# Which metric is meant.


def test_an_unknown_metric_names_the_known_ones() -> None:
    revisions = [revision("step-100", 100, metrics={"eval_loss": 1.0}), *STEPS[1:]]
    stored = accuracies(0.5, 0.7, 0.6)
    with pytest.raises(
        ConfigError, match=r"no revision of me/model has 'bleu'; recorded are: acc, eval_loss"
    ):
        decide(revisions, stored, "bleu")
    with pytest.raises(ConfigError, match="of suite 'x' are recorded"):
        decide(revisions, stored, "acc", suite="x")
    with pytest.raises(ConfigError, match="no metrics are recorded"):
        decide(STEPS, metric="acc")


def test_a_metric_that_nobody_has_yet_is_waited_for() -> None:
    revisions = [revision("step-100", 100, metrics={"eval_loss": 1.0}), *STEPS[1:]]
    stored = records(
        pending("step-100"), result("step-200", outcome="failed", reason="exit code 7")
    )
    decision = decide(revisions, stored, "acc", require=["f1>0.5"])
    assert decision.winner is None
    assert decision.awaited == ("step-100: bench on local is still running",)
    assert reasons(decision) == {
        "step-100": "still running: bench on local",
        "step-200": "failed: exit code 7",
        "step-300": "no result",
    }
    assert decision.warnings[0] == "no revision of me/model has 'acc'; recorded are: eval_loss"
    # Whoever means the trainer's numbers, or another suite, has made a mistake.
    for rule in ({"source": "trainer"}, {"suite": "other"}):
        with pytest.raises(ConfigError, match="has 'acc'"):
            decide(revisions, stored, "acc", **rule)
    told = stored | records(result("step-300", Metric("bleu", 0.5)))
    with pytest.raises(ConfigError, match="has 'acc'; recorded are: bleu, eval_loss"):
        decide(revisions, told, "acc")


def test_of_thousands_of_metrics_the_like_ones_are_named() -> None:
    metrics = [Metric(f"mmlu_{number}@5/acc", 0.5) for number in range(1000)]
    stored = records(result("step-100", *metrics, Metric("gsm8k@5/exact_match", 0.5)))
    with pytest.raises(ConfigError) as caught:
        decide(STEPS, stored, "gsm8k/exact_match")
    assert "recorded are: gsm8k@5/exact_match, " in str(caught.value)
    assert "961 more" in str(caught.value)


def test_a_pattern_means_one_metric() -> None:
    stored = records(result("step-100", Metric("a/x", 1.0), Metric("a/y", 2.0)))
    assert winner(decide(STEPS, stored, "a/?x:max".replace("?", "*"))) == "step-100"
    with pytest.raises(ConfigError, match="several metrics, name one: a/x, a/y"):
        decide(STEPS, stored, "a/*:max")


def test_the_trainers_numbers_and_evaluations_are_not_mixed() -> None:
    revisions = [
        revision("step-100", 100, metrics={"acc": 0.9}),
        revision("step-200", 200, metrics={"acc": 0.1}),
    ]
    stored = accuracies(0.5, 0.7, None)
    with pytest.raises(ConfigError, match="--source trainer or --source evaluation"):
        decide(revisions, stored, "acc:max")
    assert winner(decide(revisions, stored, "acc:max", source="trainer")) == "step-100"
    assert winner(decide(revisions, stored, "acc:max", source="evaluation")) == "step-200"
    assert winner(decide(revisions, stored, "acc:max", suite="bench")) == "step-200"


def test_a_suite_is_chosen() -> None:
    stored = accuracies(0.5, 0.7, 0.6)
    stored |= records(
        *(result(f"step-{s}", Metric("acc", s / 1000), suite="x") for s in (100, 300))
    )
    assert winner(decide(STEPS, stored, "acc:max", suite="x")) == "step-300"
    assert reasons(decide(STEPS, stored, "acc:max", suite="x")) == {"step-200": "no result"}


# Several attempts.


@pytest.mark.parametrize(
    ("later", "expected"),
    [
        (Metric("acc", 0.9), 0.9),  # the latest counts
        (Metric("acc", 0.9, n=5, partial=True), 0.5),  # but a part of it not before all of it
        (Metric("acc", None, problem="is NaN"), None),
    ],
)
def test_the_latest_complete_success_counts(later: Metric, expected: float | None) -> None:
    stored = records(
        result("step-100", Metric("acc", 0.5), finished=1),
        result("step-100", later, finished=2, attempt=2),
        result("step-200", Metric("acc", 0.1), finished=1),
    )
    decision = decide(STEPS, stored, "acc:max")
    values = {one.revision: one.score for one in decision.scored}
    assert values.get("step-100") == expected


def test_attempts_that_differ_by_more_than_noise_are_told() -> None:
    stored = records(
        result("step-100", Metric("acc", 0.5, stderr=0.01), finished=1),
        result("step-100", Metric("acc", 0.6, stderr=0.01), finished=2),
        result("step-200", Metric("acc", 0.5, stderr=0.01), finished=1),
        result("step-200", Metric("acc", 0.52, stderr=0.01), finished=2),
    )
    (warning,) = decide(STEPS, stored, "acc:max").warnings
    assert warning == (
        "step-100 was evaluated 2 times, and its values of 'acc' differ by 0.1, "
        "more than 3 standard errors"
    )


# Partial results.


def test_partial_results_compete_if_there_are_no_others() -> None:
    decision = decide(STEPS, accuracies(0.5, 0.7, None, n=10, partial=True), "acc:max")
    assert winner(decision) == "step-200"
    assert decision.provisional == ("every number is of a part of the samples",)
    assert decision.awaited == ()


def test_partial_results_may_be_asked_for() -> None:
    stored = accuracies(0.5, 0.7, None, n=10, partial=True)
    decision = decide(STEPS, stored, "acc:max", allow_partial=True)
    assert (winner(decision), decision.provisional) == ("step-200", ())
    stored |= records(result("step-300", Metric("acc", 0.9)))
    assert winner(decide(STEPS, stored, "acc:max")) == "step-300"
    with pytest.raises(ConfigError, match="part of 10 samples: step-100, step-200"):
        decide(STEPS, stored, "acc:max", allow_partial=True)


# Fingerprints.


def test_only_like_is_compared_with_like() -> None:
    stored = records(
        result("step-100", Metric("acc", 0.5, fingerprint="aaa")),
        result("step-200", Metric("acc", 0.7, fingerprint="aaa")),
        result("step-300", Metric("acc", 0.9, fingerprint="bbb")),
    )
    with pytest.raises(ConfigError) as caught:
        decide(STEPS, stored, "acc:max")
    assert "--fingerprint. aaa: step-100, step-200; bbb: step-300" in str(caught.value)
    decision = decide(STEPS, stored, "acc:max", fingerprints=["aa"])
    assert winner(decision) == "step-200"
    assert decision.fingerprints == {"acc": "aaa"}
    assert reasons(decision) == {
        "step-300": "its results have no 'acc' with the fingerprint asked for"
    }
    with pytest.raises(ConfigError, match="has the fingerprint 'ccc'"):
        decide(STEPS, stored, "acc:max", fingerprints=["ccc"])


def test_a_revision_measured_both_ways_takes_part_either_way() -> None:
    both = [
        result("step-100", Metric("acc", 0.5, fingerprint="aaa"), finished=1),
        result("step-100", Metric("acc", 0.1, fingerprint="bbb"), finished=2),
        result("step-200", Metric("acc", 0.3, fingerprint="aaa"), finished=1),
    ]
    assert winner(decide(STEPS, records(*both), "acc:max", fingerprints=["aaa"])) == "step-100"


# Several metrics.


def two_metrics(*pairs: tuple[float, float], **changes: Any) -> dict[str, str]:
    return records(
        *(
            result(one.revision, Metric("a", a, **changes), Metric("b", b, **changes))
            for one, (a, b) in zip(STEPS, pairs, strict=True)
        )
    )


def test_weights_on_a_shared_scale() -> None:
    stored = two_metrics((0.9, 0.1), (0.6, 0.6), (0.1, 0.9), stderr=0.1)
    decision = decide(STEPS, stored, weights="a:max=3,b:max=1")
    assert winner(decision) == "step-100"
    assert decision.scored[0].score == pytest.approx(0.7)
    assert decision.scored[0].stderr == pytest.approx(math.hypot(0.075, 0.025))
    assert decision.pareto == ("step-100", "step-200", "step-300")
    # Of one that should be small, the rest to 1 counts.
    less = decide(STEPS, stored, weights="a:max=1,b:min=1")
    assert (winner(less), less.scored[0].score) == ("step-100", pytest.approx(0.9))
    assert winner(decide(STEPS, stored, weights="a:max=1,b:max=1.01")) == "step-200"


def test_weights_of_one_metric_are_refused() -> None:
    with pytest.raises(ConfigError, match="mean one metric twice"):
        decide(STEPS, two_metrics((0.9, 10), (0.6, 60), (0.1, 90)), weights="b=1,b*=1")


def test_weights_need_a_shared_scale() -> None:
    stored = two_metrics((0.9, 10), (0.6, 60), (0.1, 90))
    with pytest.raises(ConfigError, match="'b' of step-100 is 10; add --normalize"):
        decide(STEPS, stored, weights="a:max=1,b:max=1")
    assert (
        winner(decide(STEPS, stored, weights="a:max=1,b:max=1.1", normalize="rank")) == "step-300"
    )
    delta = decide(STEPS, stored, weights="a:max=1,b:max=1", normalize="baseline-delta")
    assert winner(delta) == "step-300"
    assert [one.score for one in delta.scored] == pytest.approx([3.5555556, 2.3333333, 0])
    other = decide(
        STEPS,
        stored,
        weights="a:max=1,b:max=1",
        normalize="baseline-delta",
        baseline="step-300",
    )
    assert winner(other) == "step-100"
    with pytest.raises(ConfigError, match="'x' is no eligible revision"):
        decide(STEPS, stored, weights="a:max=1,b:max=1", normalize="baseline-delta", baseline="x")


def test_a_baseline_of_zero_says_nothing() -> None:
    stored = two_metrics((0.0, 10), (0.6, 60), (0.1, 90))
    with pytest.raises(ConfigError, match="of the baseline is 0"):
        decide(STEPS, stored, weights="a:max=1,b:max=1", normalize="baseline-delta")


def test_adding_a_revision_does_not_turn_the_order_of_deltas() -> None:
    stored = two_metrics((1.0, 10), (2.0, 15), (1.5, 40))
    rule = {"weights": "a:max=1,b:max=1", "normalize": "baseline-delta"}
    few = [one.revision for one in decide(STEPS[:2], stored, **rule).scored]
    more = [one.revision for one in decide(STEPS, stored, **rule).scored]
    assert [name for name in more if name in few] == few


def test_equal_ranks_count_half() -> None:
    stored = two_metrics((1.0, 10), (1.0, 20), (0.5, 30))
    decision = decide(STEPS, stored, weights="a:max=1,b:max=1", normalize="rank")
    scores = {one.revision: one.score for one in decision.scored}
    assert scores == pytest.approx({"step-200": 0.625, "step-300": 0.5, "step-100": 0.375})


def test_ranks_of_one() -> None:
    stored = two_metrics((1.0, 10), (2.0, 15), (1.5, 40))
    only = decide(STEPS[:1], stored, weights="a:max=1,b:max=1", normalize="rank")
    assert (winner(only), only.scored[0].score) == ("step-100", 1.0)


def test_duplicates_stay_on_the_front() -> None:
    stored = two_metrics((0.5, 0.5), (0.5, 0.5), (0.4, 0.5))
    decision = decide(STEPS, stored, weights="a:max=1,b:max=1")
    assert decision.pareto == ("step-100", "step-200")
    assert winner(decision) == "step-100"


# Provisional answers.


def test_running_evaluations_that_matter_make_it_provisional() -> None:
    stored = accuracies(0.5, 0.7, None)
    running = decide(STEPS, stored | records(pending("step-300")), "acc:max")
    assert winner(running) == "step-200"
    assert running.provisional == ("step-300: bench on local is still running",)
    # One that was evaluated already is evaluated again.
    assert decide(STEPS, stored | records(pending("step-100")), "acc:max").provisional
    late = stored | records(pending("step-300", deadline=NOW - 1))
    assert not decide(STEPS, late, "acc:max").provisional
    unknown = stored | records(pending("step-300", suite="new"))
    assert decide(STEPS, unknown, "acc:max").provisional
    other = unknown | records(result("step-100", Metric("bleu", 1.0), suite="new"))
    assert not decide(STEPS, other, "acc:max").provisional
    assert not decide(STEPS, unknown, "acc:max", suite="bench").provisional


def test_the_trainers_numbers_wait_for_nothing() -> None:
    revisions = [revision("step-100", 100, metrics={"eval_loss": 1.0})]
    assert not decide(revisions, records(pending("step-100")), "eval_loss").provisional


# Damaged records.


def test_a_damaged_record_is_a_sentence() -> None:
    stored = accuracies(0.5, 0.7, 0.6)
    changed = next(path for path in stored if commit_of("step-200")[:12] in path)
    stored[changed] = stored[changed].replace("0.7", "7.0")
    decision = decide(STEPS, stored, "acc:max")
    assert winner(decision) == "step-300"
    (warning,) = decision.warnings
    assert changed in warning
    assert "changed after it was written" in warning


# The order of inputs.


@pytest.mark.parametrize("seed", range(20))
def test_the_order_of_inputs_changes_nothing(seed: int) -> None:
    chance = random.Random(seed)
    revisions = [revision(f"r{n}", chance.choice([None, n // 2])) for n in range(12)]
    stored: dict[str, str] = {}
    for one in revisions:
        for attempt in range(chance.randrange(4)):
            outcome = chance.choice(["succeeded", "succeeded", "failed"])
            metric = Metric("acc", chance.choice([0.1, 0.2, 0.3]), stderr=0.1)
            stored |= records(
                result(
                    one.revision,
                    *([metric] if outcome == "succeeded" else []),
                    outcome=outcome,
                    # Often equal: then only their content can order them.
                    finished=chance.randrange(2),
                    reason=str(attempt),
                )
            )
    stored |= records(pending(chance.choice(revisions).revision))
    rule = chance.choice([{}, {"tolerance": 0.1}, {"within_se": 1}])

    def answer() -> Decision:
        chance.shuffle(revisions)
        items = list(stored.items())
        chance.shuffle(items)
        return decide(revisions, dict(items), "acc:max", **rule)

    assert answer() == answer()
