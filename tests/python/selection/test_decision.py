"""Decisions, as they are recorded; and waiting for one that is final."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from hub_revisions import ConfigError
from hub_revisions.results.store import stored_text
from hub_revisions.results.types import Metric
from hub_revisions.selection.best import best_of
from hub_revisions.selection.decision import Decision, read_decisions, record
from hub_revisions.selection.waiting import wait_until_final

from .making import commit_of, decide, pending, records, result, revision

REVISIONS = [revision(f"step-{step}", step) for step in (100, 200, 300)]
STORED = records(
    result("step-100", Metric("a", 0.5, 0.01, 10, mode="max", fingerprint="f"), Metric("b", 0.2)),
    result("step-200", Metric("a", 0.7, 0.01, 10, mode="max", fingerprint="f"), Metric("b", 0.4)),
    result("step-300", outcome="failed", reason="exit code 7"),
)


def decision(at: int = 0, **rule: object) -> Decision:
    return replace(decide(REVISIONS, STORED, "a", **rule), time=at)  # type: ignore[arg-type]


def recorded(*decisions: Decision) -> dict[str, str]:
    return {
        f"decisions/{one.time}-{index}.json": stored_text(one.to_json())
        for index, one in enumerate(decisions)
    }


def test_a_decision_says_everything_that_it_was_made_of() -> None:
    item = json.loads(stored_text(decision(5).to_json()))
    assert item["schema"] == "hub-revisions-decision/1"
    assert item["rule"] == "a"
    assert item["time"] == 5
    assert item["winner"]["commit"] == commit_of("step-200")
    assert [one["score"] for one in item["scored"]] == [0.7, 0.5]
    assert item["excluded"] == [
        {
            "revision": "step-300",
            "commit": commit_of("step-300"),
            "step": 300,
            "reason": "failed: exit code 7",
        }
    ]
    assert item["fingerprints"] == {"a": "f"}
    assert item["criteria"] == [{"key": "a", "source": "evaluation", "mode": "max", "weight": 1.0}]
    assert item["provisional"] == []


def test_what_is_recorded_is_read() -> None:
    several = decide(REVISIONS, STORED, weights="a=1,b:max=1", require=["b>0"])
    waiting = decide(REVISIONS, STORED | records(pending("step-300")), "a")
    nobody = decide(REVISIONS, STORED, "a", require=["a>1"])
    for one in (decision(7), several, waiting, nobody):
        assert Decision.from_json(json.loads(stored_text(one.to_json()))) == one


def test_two_decisions_of_one_second_keep_their_order() -> None:
    class Written:
        files: dict[str, str]

        def commit_files(self, branch: str, files: dict[str, str], message: str) -> None:
            self.files = files

    repository = Written()
    first, second = decision(20), decision(0, mode="min")
    assert record(repository, second, [first], now=20).time == 21
    found = read_decisions(recorded(first) | repository.files).decisions
    assert [one.rule for one in found] == [first.rule, second.rule]
    assert record(repository, second, found, now=20) == found[-1]


def test_the_last_final_decision_of_a_rule_is_what_it_says_now() -> None:
    other = decision(30, mode="min")
    waiting = replace(decision(40), awaited=("x",), winner=other.winner)
    found = read_decisions(recorded(decision(20), other, decision(9), waiting))
    assert [one.time for one in found.decisions] == [9, 20, 30, 40]
    assert found.current("a") == commit_of("step-200")
    assert found.current("a:min") == commit_of("step-100")
    assert found.current("b") == ""


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "it is empty"),
        ("{}", "is no decision"),
        ('{"schema": "hub-revisions-decision/1"}', "is a damaged decision: 'winner'"),
        (stored_text(decision().to_json() | {"scored": 5}), "is a damaged decision"),
        (stored_text(decision().to_json() | {"winner": []}), "is a damaged decision"),
        (stored_text(decision().to_json() | {"excluded": [{"x": 1}]}), "is a damaged decision"),
        (stored_text(decision().to_json()).replace("0.7", '"0.7"'), "no number"),
        (stored_text(decision().to_json() | {"time": "now"}), "is a damaged decision"),
    ],
)
def test_a_damaged_decision_is_a_sentence(text: str, words: str) -> None:
    found = read_decisions({"decisions/1-x.json": text} | recorded(decision(20)))
    assert [one.time for one in found.decisions] == [20]
    (problem,) = found.problems
    assert problem.startswith("decisions/1-x.json ")
    assert words in problem


def test_the_best_revision_of_a_decision() -> None:
    best = best_of(decision())
    assert (best.revision, best.step, best.metric, best.value) == ("step-200", 200, "a", 0.7)
    assert best.skipped == ("step-300",)
    assert best.excluded[0].reason == "failed: exit code 7"


def test_a_decision_for_nobody_says_why() -> None:
    many = [*REVISIONS, *(revision(f"x-{n:02}") for n in range(20))]
    with pytest.raises(Exception, match="no revision of me/model is eligible for") as caught:
        best_of(decide(many, STORED, "a", require=["a>0.9"]))
    assert not isinstance(caught.value, ConfigError)
    assert "step-100: a is 0.5, not >0.9; step-200" in str(caught.value)
    assert str(caught.value).endswith("and 13 more")


class Clock:
    """A clock that only sleeping moves."""

    def __init__(self) -> None:
        self.now = 100.0
        self.pauses: list[float] = []

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.pauses.append(seconds)
        self.now += seconds


WAITING = decide(REVISIONS, STORED | records(pending("step-300")), "a")


def test_it_waits_until_nothing_runs() -> None:
    clock = Clock()
    answers = [WAITING, WAITING, WAITING, decision()]
    told: list[Decision] = []
    last = wait_until_final(
        lambda: answers.pop(0), None, told=told.append, clock=clock, sleep=clock.sleep
    )
    assert last == decision()
    assert told == [WAITING] * 3
    assert clock.pauses == [2.0, 3.0, 4.5]


def test_it_waits_no_longer_than_its_deadline() -> None:
    clock = Clock()
    last = wait_until_final(
        lambda: WAITING, 10.0, told=lambda _: None, clock=clock, sleep=clock.sleep
    )
    assert last == WAITING
    assert sum(clock.pauses) == 10.0
    clock = Clock()
    wait_until_final(lambda: WAITING, 0.0, told=lambda _: None, clock=clock, sleep=clock.sleep)
    assert clock.pauses == []


def test_there_is_nothing_to_wait_for_where_nothing_runs() -> None:
    partial = records(result("step-100", Metric("a", 0.5, partial=True)))
    provisional = decide(REVISIONS, partial, "a:max")
    assert provisional.provisional
    clock = Clock()
    wait_until_final(lambda: provisional, None, told=lambda _: None, sleep=clock.sleep)
    assert clock.pauses == []
