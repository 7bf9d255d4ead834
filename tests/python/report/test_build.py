"""What a report says about a repository, before it is drawn."""

from __future__ import annotations

import json
import math
from dataclasses import replace

from hub_revisions._native import to_json
from hub_revisions.report import build_report
from hub_revisions.results.types import Metric
from selection.making import NOW, REPO, commit_of, decide, records, result, revision

from .training import ACC, BEST, STDERR, Training, failed_job, job, training


def states(made: Training, **options: object) -> dict[str, str]:
    return {row.revision: row.state for row in made.report(**options).revisions}


def test_each_revision_has_its_state() -> None:
    made = training()
    assert states(made, decision=made.decide()) == {
        "step-100": "measured", "step-200": "measured", "step-300": "left out",
        "step-400": "left out", "step-500": "left out", BEST: "best", "step-700": "measured",
        "step-800": "waiting",
    }  # fmt: skip


def test_without_a_decision_what_failed_is_said_to_have_failed() -> None:
    made = training()
    made.revisions = [replace(one, metrics={}) for one in made.revisions]
    assert states(made) == {
        "step-100": "measured", "step-200": "measured", "step-300": "failed",
        "step-400": "measured", "step-500": "no numbers", BEST: "measured",
        "step-700": "measured", "step-800": "waiting",
    }  # fmt: skip


def test_pointers_promoted_branches_and_tags_are_names_of_their_revision() -> None:
    report = training().report(tags={"v1": commit_of(BEST)})
    names = {row.revision: row.names for row in report.revisions if row.names}
    assert names == {BEST: ("main", "v1"), "step-800": ("latest",)}


def test_a_pointer_that_stayed_behind_is_no_name() -> None:
    made = training()
    stale = revision("old", 800, published_as="step-800", commit="d" * 40)
    made.revisions.append(stale)
    assert all("old" not in row.names for row in made.report().revisions)


def test_the_decision_on_record_is_reported() -> None:
    made = training()
    text = json.dumps(made.decide().to_json())
    made.records["decisions/5-0123456789ab.json"] = text
    report = made.report()
    assert report.decision is not None
    assert report.decision.winner is not None and report.decision.winner.revision == BEST
    assert report.series[0].key == ACC


def test_the_decisions_metric_comes_first_with_its_band() -> None:
    made = training()
    first = made.report(decision=made.decide()).series[0]
    assert (first.key, first.source, first.mode, first.best) == (ACC, "evaluation", "max", BEST)
    assert first.band is not None
    assert math.isclose(first.band[0], 0.60 - STDERR) and math.isclose(first.band[1], 0.60 + STDERR)
    notes = {point.revision: point.note for point in first.points}
    assert notes["step-600"] == notes["step-100"] == ""
    assert "partial" in notes["step-400"]
    assert "NaN" in notes["step-500"]


def test_without_a_decision_the_best_is_that_of_the_numbers_that_count() -> None:
    (first, *_), found = training().report().series, {}
    assert (first.key, first.best) == (ACC, BEST)  # not step-400, though its value is higher
    found = {one.key: one for one in training().report().series}
    assert (found["eval_loss"].mode, found["eval_loss"].best) == ("min", "step-800")
    assert (found["eval_runtime"].mode, found["eval_runtime"].best) == (None, "")
    assert found["grad_norm"].best == ""  # no finite number at all


def test_another_metric_may_come_first() -> None:
    made = training()
    series = made.report(decision=made.decide(), first="eval_loss").series
    assert [one.key for one in series[:2]] == ["eval_loss", ACC]


def test_of_equal_values_the_earliest_is_the_best() -> None:
    revisions = [revision(f"step-{step}", step, metrics={"loss": 1.0}) for step in (300, 100, 200)]
    assert build_report(REPO, revisions).series[0].best == "step-100"


def test_numbers_measured_otherwise_do_not_count() -> None:
    revisions = [revision(f"step-{step}", step) for step in (1, 2, 3)]
    stored = records(
        result("step-1", Metric("acc", 0.5, mode="max", fingerprint="a")),
        result("step-2", Metric("acc", 0.9, mode="max", fingerprint="b")),
        result("step-3", Metric("acc", 0.6, mode="max", fingerprint="a")),
    )
    (series,) = build_report(REPO, revisions, stored).series
    assert series.best == "step-3"
    assert [bool(point.note) for point in series.points] == [False, True, False]


def test_the_latest_complete_number_is_shown() -> None:
    stored = records(
        result("a", Metric("acc", 0.1), finished=1, attempt=1),
        result("a", Metric("acc", 0.2), finished=2, attempt=2),
        result("a", Metric("acc", 0.3, partial=True), finished=3, attempt=3),
    )
    (series,) = build_report(REPO, [revision("a", 1)], stored).series
    assert [point.value for point in series.points] == [0.2]


def test_a_key_of_both_sources_says_which_is_which() -> None:
    stored = records(result("a", Metric("loss", 2.0)))
    made = build_report(REPO, [revision("a", 1, metrics={"loss": 1.0})], stored)
    assert {one.label for one in made.series} == {"loss (evaluation)", "loss (trainer)"}


def test_of_several_metrics_the_score_comes_first() -> None:
    made = training()
    made.records |= records(
        *(result(f"step-{s}", Metric("ifeval", s / 1000), suite="b") for s in (100, 600, 700))
    )
    decision = made.decide("", weights=f"{ACC}:max=0.5,ifeval:max=0.5")
    series = made.report(decision=decision).series
    assert [one.key for one in series[:3]] == ["score", ACC, "ifeval"]
    assert (series[0].source, series[0].best) == ("decision", "step-700")
    assert [point.revision for point in series[0].points] == ["step-100", "step-600", "step-700"]


def test_revisions_that_the_decision_did_not_know_are_counted() -> None:
    made = training()
    decision = made.decide()
    made.revisions.append(revision("step-900", 900))
    assert made.report(decision=decision).since == 1
    assert made.report().since == 0


def test_attempts_without_numbers_are_listed() -> None:
    made = training()
    made.records |= records(
        result("step-100", Metric("acc", 0.5), commit="e" * 40, finished=9),
        result("step-200", outcome="lost", reason="the engine forgot it", finished=5),
    )
    attempts = made.report().attempts
    assert [(one.revision, one.outcome) for one in attempts] == [
        ("step-300", "failed"), ("step-200", "lost"), ("step-100", "succeeded"),
    ]  # fmt: skip
    assert attempts[0].reason == "exit code 137"
    assert attempts[2].reason == "no revision is at eeeeeeeeee any more"


def test_records_that_cannot_be_read_are_told() -> None:
    made = training()
    made.records["results/x/0.json"] = "{"
    made.records["decisions/1-0.json"] = "[]"
    assert len(made.report().problems) == 2


def test_pushes_tell_stall_queue_and_retries() -> None:
    jobs = [failed_job("step-200", 10, "connection reset"), job("step-100", 0)]
    first, second = build_report(REPO, [], jobs=jobs).pushes
    assert (first.revision, first.stall_ms, first.queued_seconds, first.push_seconds) == (
        "step-100", 1.5, 1.0, 2.0,
    )  # fmt: skip
    assert (second.attempts, second.retries, second.error) == (3, 4, "connection reset")


def test_the_same_input_in_any_order_gives_the_same_report() -> None:
    made, other = training(), training()
    other.revisions.reverse()
    other.records = dict(reversed(other.records.items()))
    assert made.report() == other.report()
    assert to_json(made.report()) == to_json(other.report())


def test_an_empty_repository_has_an_empty_report() -> None:
    report = build_report(REPO, [revision("main", published_as="")])
    assert (report.revisions, report.series, report.decision) == ((), (), None)


def test_a_decision_without_a_winner_is_reported() -> None:
    revisions = [revision("step-1", 1, metrics={"loss": math.nan})]
    decision = decide(revisions, {}, "loss:min", now=NOW)
    report = build_report(REPO, revisions, decision=decision)
    assert report.decision is not None and report.decision.winner is None
    assert [row.state for row in report.revisions] == ["left out"]
