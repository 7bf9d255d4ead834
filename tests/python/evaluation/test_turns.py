"""What the runner does in each turn, with an engine and a repository that do as they are told."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hub_revisions._native import failure
from hub_revisions.evaluation.config import load_config
from hub_revisions.evaluation.contract import JobStatus, State, SubmitError
from hub_revisions.evaluation.evaluations import Evaluation, Evaluations
from hub_revisions.evaluation.ledger import Ledger
from hub_revisions.evaluation.pace import Pace
from hub_revisions.evaluation.parts import Parts
from hub_revisions.evaluation.turns import Turns
from hub_revisions.results.store import result_file
from hub_revisions.results.types import Result
from own_log import own_messages

from .fakes import FakeEngine, FakeRepository

REPO = "me/model"
A, B, C = "a" * 40, "b" * 40, "c" * 40
SECRET = "hf_Sup3rS3cret"
PACE = Pace(first=10, factor=2, longest=40)


class World:
    """An engine, a repository, a ledger and a clock. `restart` is what a crash leads to."""

    def __init__(self, folder: Path, config: dict[str, Any]) -> None:
        self.folder = folder
        self.config = config
        self.engine = FakeEngine()
        self.repository = FakeRepository()
        self.now = 1000.0
        self.told: list[str] = []
        self.open()

    def open(self) -> None:
        self.ledger = Ledger(self.folder)
        self.table = Evaluations(self.ledger)
        self.table.configure(load_config(self.config), {"endpoint": "http://hub.example"})
        parts = Parts(self.table, lambda setup: self.engine, self.folder / "jobs", PACE, (SECRET,))
        self.turns = Turns(
            parts,
            lambda repo_id: self.repository,
            lambda results: self.told.extend(r.outcome for r in results),
        )

    def restart(self) -> None:
        self.ledger.close()
        self.open()

    def add(self, commit: str, step: int) -> list[Evaluation]:
        self.table.add(REPO, f"step-{step}", commit, step, self.now)
        return [e for e in self.table.all.values() if e.commit == commit]

    def turn(self, later: float = 0.0) -> float | None:
        """One turn, so many seconds later; the seconds until the next one."""
        self.now += later
        self.engine.clock = self.now
        due = self.turns.turn(self.now)
        return None if due is None else due - self.now

    def says(self, id_: str, state: State, **fields: Any) -> None:
        self.engine.states[id_] = JobStatus(state, **fields)


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    """One suite, two attempts."""
    config = {"suites": [{"name": "s", "command": ["eval", "{commit}", "{step}", "{endpoint}"]}]}
    world = World(tmp_path / "evaluations", config)
    yield world
    world.ledger.close()


def configured(world: World, **fields: Any) -> None:
    """The same world with another configuration."""
    suite = fields.pop("suite", {})
    world.config = {"suites": [world.config["suites"][0] | suite], **fields}
    world.restart()


def test_from_added_to_recorded(world: World) -> None:
    (evaluation,) = world.add(A, 1)
    assert world.turn() == 10
    request = world.engine.requests["1"]
    assert request.argv == ("eval", A, "1", "http://hub.example")
    assert (request.commit, request.revision, request.attempt) == (A, "step-1", 1)
    (pending,) = [json.loads(text) for text in world.repository.files.values()]
    assert (pending["key"], pending["job"], pending["commit"]) == (evaluation.key, "1", A)
    assert pending["deadline"] == 1000 + 86400 + 3600

    world.says("1", State.RUNNING)
    assert world.turn(10) == 20
    world.engine.ends("1", acc=0.5)
    assert world.turn(20) is None
    (result,) = world.repository.results
    assert (result["outcome"], result["commit"], result["suite"]) == ("succeeded", A, "s")
    assert (result["engine"], result["job"]) == ("fake", "1")
    assert [m["key"] for m in result["metrics"]] == ["s/acc"]  # type: ignore[attr-defined]
    assert world.repository.pending == []
    assert world.told == ["succeeded"]
    # One commit for the start, one for the end.
    assert len(world.repository.commits) == 2


def test_many_are_asked_about_at_once_and_recorded_together(world: World) -> None:
    for step, commit in enumerate([A, B, C]):
        world.add(commit, step)
    world.turn()
    for id_ in ("1", "2", "3"):
        world.engine.ends(id_, acc=1.0)
    assert world.turn(10) is None
    assert world.engine.polls == [3]
    assert len(world.repository.commits) == 2


def test_polls_become_seldom_and_then_stay_so(world: World) -> None:
    world.add(A, 1)
    assert [world.turn(), world.turn(10), world.turn(20), world.turn(40)] == [10, 20, 40, 40]
    assert world.turn(1) == 39  # between two polls nothing is asked
    assert len(world.engine.polls) == 3
    world.add(B, 2)
    assert world.turn(1) == 10  # something is going on


def test_what_has_succeeded_before_is_not_done_again(world: World) -> None:
    world.add(A, 1)
    world.turn()
    world.engine.ends("1", acc=0.5)
    world.turn(10)
    world.add(A, 1)
    assert world.turn() is None
    # Somebody else, with an empty ledger, reads it from the repository.
    other = World(world.folder.parent / "other", world.config)
    other.repository = world.repository
    other.add(A, 1)
    other.add(B, 2)
    other.turn()
    assert [request.commit for request in other.engine.requests.values()] == [B]
    other.restart()
    (known, _) = other.table.all.values()
    assert (known.final, known.ended and known.ended.outcome) == (True, "succeeded")
    other.ledger.close()


def test_what_has_failed_is_done_again_when_it_is_added_again(world: World) -> None:
    world.add(A, 1)
    world.turn()
    world.engine.ends("1", 3)
    assert world.turn(10) is None
    world.add(A, 1)
    world.turn()
    assert [request.attempt for request in world.engine.requests.values()] == [1, 2]
    world.engine.ends("2", acc=0.1)
    world.turn(10)
    assert [r["outcome"] for r in world.repository.results] == ["failed", "succeeded"]


@pytest.mark.parametrize(
    ("exit_code", "stderr", "reason"),
    [
        (7, "", "exit code 7"),
        (1, "Traceback\n  x\nOSError: no such task\n\n", "exit code 1: OSError: no such task"),
        (137, "", "exit code 137 (SIGKILL)"),
        (1, f"x\nbad token {SECRET}\n", "exit code 1: bad token [redacted]"),
        (1, "key sk-abcdefghijkl and hf_abcdefghijk", "exit code 1: key [redacted] and [redacted]"),
    ],
)
def test_a_failure_says_what_the_evaluator_said_last_but_no_secret(
    world: World, exit_code: int, stderr: str, reason: str
) -> None:
    world.add(A, 1)
    world.turn()
    (world.engine.jobs["1"].out_dir / "stderr.log").write_text(stderr)
    world.engine.ends("1", exit_code)
    assert world.turn(10) is None  # it is not tried again
    (result,) = world.repository.results
    assert (result["outcome"], result["reason"]) == ("failed", reason)


def test_no_results_are_a_failure(world: World) -> None:
    world.add(A, 1)
    world.turn()
    world.engine.ends("1")
    world.turn(10)
    (result,) = world.repository.results
    assert result["outcome"] == "failed"
    assert str(result["reason"]).startswith("no result: no file in it matches '**/results*.json'")


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "results.json"),
        ('{"acc": 0.', "results.json"),
        (json.dumps({"schema": "ckpt-metrics/1", "sha": B, "metrics": {"a": 1}}), B[:7]),
    ],
)
def test_results_that_cannot_be_used_are_a_failure(world: World, text: str, says: str) -> None:
    world.add(A, 1)
    world.turn()
    (world.engine.jobs["1"].out_dir / "results.json").write_text(text)
    world.engine.ends("1")
    world.turn(10)
    (result,) = world.repository.results
    assert result["outcome"] == "failed"
    assert "metrics" not in result or result["metrics"] == []
    assert says in str(result["reason"])
    assert str(world.folder) not in str(result["reason"])


def test_a_required_metric_that_is_missing_is_a_failure(world: World) -> None:
    configured(world, suite={"required": ["s/a*", "s/f1[x]"]})
    world.add(A, 1)
    world.turn()
    world.engine.ends("1", acc=0.5)
    world.turn(10)
    (result,) = world.repository.results
    assert (result["outcome"], result["reason"]) == (
        *("failed", "required metrics are missing: s/f1[x]"),
    )


def test_what_the_machine_spoiled_is_tried_again_but_not_for_ever(world: World) -> None:
    world.add(A, 1)
    world.turn()
    world.says("1", State.FAILED, reason="NODE_FAIL", retryable=True)
    assert world.turn(10) == 10
    assert world.repository.pending  # somebody still works at it
    assert [r.attempt for r in world.engine.requests.values()] == [1, 2]
    world.says("2", State.FAILED, reason="PREEMPTED", retryable=True)
    assert world.turn(10) is None
    assert [(r["outcome"], r["reason"], r.get("attempt", 1)) for r in world.repository.results] == [
        ("failed", "NODE_FAIL", 1),
        ("failed", "PREEMPTED", 2),
    ]
    assert world.repository.pending == []


def test_completed_without_a_word_is_lost_after_a_grace_period(world: World) -> None:
    configured(world, attempts=1)
    world.add(A, 1)
    world.turn()
    world.says("1", State.SUCCEEDED)
    world.turn(10)
    world.turn(40)
    assert world.repository.results == []
    world.turn(40)
    (result,) = world.repository.results
    assert result["outcome"] == "lost"
    assert "left no done.json" in str(result["reason"])


def test_a_job_that_the_engine_forgot_is_lost_at_the_second_poll(world: World) -> None:
    configured(world, attempts=1)
    world.add(A, 1)
    world.turn()
    del world.engine.states["1"]
    world.turn(10)
    assert world.repository.results == []
    world.engine.states["2"] = JobStatus(State.RUNNING)
    world.engine.cancelled.clear()
    world.engine.states["1"] = JobStatus(State.RUNNING)
    world.turn(20)  # it was a slip
    del world.engine.states["1"]
    world.turn(40)
    assert world.repository.results == []
    world.engine.states["1"] = JobStatus(State.RUNNING)
    world.turn(40)
    del world.engine.states["1"]
    world.engine.cancel = lambda job: None  # type: ignore[method-assign]
    world.turn(40)
    world.turn(40)
    (result,) = world.repository.results
    assert result["outcome"] == "lost"


def test_while_the_scheduler_is_away_nothing_is_decided_but_by_the_job(world: World) -> None:
    configured(world, queue_limit=100)
    world.add(A, 1)
    world.add(B, 2)
    world.turn()
    world.engine.unreachable = True
    world.turn(10)
    world.turn(100_000)  # longer than every limit
    assert world.repository.results == []
    world.engine.ends("1", acc=0.5)
    world.turn(40)
    assert [(r["commit"], r["outcome"]) for r in world.repository.results] == [(A, "succeeded")]
    world.engine.unreachable = False
    world.engine.ends("2", acc=0.5)
    assert world.turn(40) is None
    assert len(world.repository.results) == 2


def test_a_scheduler_that_is_away_at_submit_is_waited_for(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    world.engine.refusal = SubmitError("controller down", retryable=True)
    world.add(A, 1)
    world.add(B, 2)
    assert [world.turn(), world.turn(10), world.turn(20), world.turn(40)] == [10, 20, 40, 40]
    assert [message for message in own_messages(caplog) if "controller down" in message] == [
        "evaluations cannot be submitted and wait: controller down"
    ]
    world.engine.refusal = None
    world.turn(40)
    assert [request.attempt for request in world.engine.requests.values()] == [1, 1]


def test_one_that_never_comes_back_is_given_up(world: World) -> None:
    configured(world, queue_limit=100)
    world.engine.unusable = "sbatch cannot be found"
    world.add(A, 1)
    for pause in (0, 10, 20, 40):
        world.turn(pause)
    assert world.turn(40) is None
    (result,) = world.repository.results
    assert result["outcome"] == "failed"
    assert "could not be submitted for 110 s (queue_limit): sbatch" in str(result["reason"])


def test_what_is_refused_for_good_has_failed(world: World) -> None:
    world.engine.refusal = SubmitError(f"invalid partition {SECRET}", retryable=False)
    world.add(A, 1)
    assert world.turn() is None
    (result,) = world.repository.results
    assert result["reason"] == "it was not accepted: invalid partition [redacted]"
    assert world.repository.pending == []


def test_deadlines(world: World) -> None:
    configured(world, queue_limit=100, suite={"time_limit": 50})
    world.add(A, 1)
    world.add(B, 2)
    world.turn()
    world.says("2", State.RUNNING)
    world.turn(10)
    world.turn(101)
    assert world.engine.cancelled == ["1"]
    world.turn(50)
    assert world.engine.cancelled == ["1", "2"]
    reasons = {r["commit"]: r["reason"] for r in world.repository.results}
    assert reasons == {
        A: "it did not start within 100 s (queue_limit)",
        B: "it did not end within 150 s (queue_limit and time_limit)",
    }


def test_time_in_which_nobody_looked_does_not_count(world: World) -> None:
    configured(world, queue_limit=100)
    world.add(A, 1)
    world.turn()
    world.restart()
    world.turn(100_000)
    world.turn(90)
    assert world.repository.results == []
    world.turn(40)
    assert "did not start" in str(world.repository.results[0]["reason"])


def test_a_stuck_job_is_taken_out_of_the_queue(world: World) -> None:
    world.add(A, 1)
    world.turn()
    world.says("1", State.FAILED, reason="DependencyNeverSatisfied")
    assert world.turn(10) is None
    assert world.engine.cancelled == ["1"]
    assert world.repository.results[0]["reason"] == "DependencyNeverSatisfied"


def test_one_that_somebody_cancelled_is_not_tried_again(world: World) -> None:
    world.add(A, 1)
    world.turn()
    world.says("1", State.CANCELLED, reason="by 1001")
    world.engine.ends("1", 0, acc=0.5)
    assert world.turn(10) is None
    (result,) = world.repository.results
    assert (result["outcome"], result["reason"]) == ("cancelled", "by 1001")


def test_a_failures_reason_may_come_after_the_jobs_word(world: World) -> None:
    world.add(A, 1)
    world.add(B, 2)
    world.turn()
    for id_ in ("1", "2"):
        world.engine.ends(id_, 143)
        world.says(id_, State.RUNNING)
    world.turn(10)
    assert world.repository.results == []
    world.says("1", State.CANCELLED, reason="cancelled")
    world.turn(20)
    world.turn(40)  # the grace period is over
    reasons = {r["commit"]: (r["outcome"], r["reason"]) for r in world.repository.results}
    assert reasons == {
        A: ("cancelled", "cancelled"),
        B: ("failed", "exit code 143 (SIGTERM)"),
    }


def test_when_too_many_wait_the_oldest_unstarted_are_skipped(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "hub_revisions")
    configured(world, max_pending=1)
    world.add(A, 1)
    world.turn()
    world.says("1", State.RUNNING)  # it has started: it does not count, and stays
    world.add(B, 2)
    world.turn()
    world.add(C, 3)
    world.turn()
    assert world.engine.cancelled == ["2"]
    skipped = {r["commit"]: r["reason"] for r in world.repository.results}
    assert skipped == {B: "skipped, since more than 1 evaluations waited (max_pending)"}
    assert any("s of step-2: skipped" in message for message in own_messages(caplog))
    assert [r.commit for r in world.engine.requests.values()] == [A, B, C]


def test_the_newest_revision_is_never_skipped(world: World) -> None:
    world.config["suites"].append({"name": "t", "command": ["eval"]})
    configured_suites = world.config["suites"]
    world.config = {"suites": configured_suites, "max_pending": 1}
    world.restart()
    world.add(A, 1)
    world.turn()
    assert world.repository.results == []
    assert len(world.engine.requests) == 2


def test_a_crash_between_intent_and_id_starts_nothing_twice(world: World) -> None:
    world.add(A, 1)
    world.engine.crash = KeyboardInterrupt()
    with pytest.raises(KeyboardInterrupt):
        world.turn()
    world.engine.crash = None
    world.restart()
    world.turn()
    assert len(world.engine.jobs) == 1
    world.engine.ends("1", acc=0.5)
    assert world.turn(10) is None
    assert [r["outcome"] for r in world.repository.results] == ["succeeded"]


def test_a_crash_before_the_engine_was_asked_submits_it(world: World) -> None:
    (evaluation,) = world.add(A, 1)
    world.table.intend(evaluation, world.now)
    world.restart()
    world.turn()
    assert [request.attempt for request in world.engine.requests.values()] == [1]


def test_a_restart_goes_on_where_it_was(world: World) -> None:
    world.add(A, 1)
    world.turn()
    pending = dict(world.repository.files)
    world.engine.ends("1", acc=0.5)
    world.restart()
    assert world.turn() is None  # jobs of before are asked about at once
    assert len(world.engine.jobs) == 1
    assert [r["outcome"] for r in world.repository.results] == ["succeeded"]
    assert world.repository.pending == []
    assert len(pending) == 1
    commits = len(world.repository.commits)
    world.restart()
    assert world.turn() is None
    assert len(world.repository.commits) == commits


def test_the_ledger_does_not_know_whom_the_training_tells(world: World) -> None:
    settings = {"repo_id": REPO, "on_outcome": f"http://hook.example/{SECRET}"}
    assert world.table.configure(load_config(world.config), settings).settings == {"repo_id": REPO}
    ledger = (world.folder / "ledger.jsonl").read_text()
    assert REPO in ledger
    assert "hook.example" not in ledger


def test_a_result_that_could_not_be_recorded_is_recorded_later_and_once(world: World) -> None:
    world.add(A, 1)
    world.turn()
    world.engine.ends("1", acc=0.5)
    world.repository.problem = failure("the Hub is away", "network")
    assert world.turn(10) == 10
    assert world.told == []
    world.restart()
    world.repository.problem = None
    assert world.turn(10) is None
    (result,) = world.repository.results
    assert result["finished"] == 1000  # as it was, not as it is told
    assert world.told == ["succeeded"]
    world.restart()
    world.turn()
    assert len(world.repository.results) == 1


def test_while_the_hub_cannot_be_read_nothing_is_submitted(world: World) -> None:
    world.repository.problem = failure("the Hub is away", "network")
    world.add(A, 1)
    assert world.turn() == 10
    assert world.engine.jobs == {}
    world.repository.problem = None
    world.turn(10)
    assert len(world.engine.jobs) == 1
    world.add(B, 2)
    world.turn()
    assert world.repository.reads == 1  # once is enough


def test_files_are_brought_where_the_engine_has_them_elsewhere(world: World) -> None:
    world.add(A, 1)
    world.turn()
    world.engine.files = {
        "results.json": '{"acc": 0.5}',
        "done.json": '{"exit_code": 0, "ended": 7, "host": "far"}',
    }
    world.says("1", State.SUCCEEDED)
    assert world.turn(10) is None
    assert world.repository.results[0]["outcome"] == "succeeded"


def test_what_a_webhook_has_led_to_may_be_added_to_the_repository(world: World) -> None:
    configured(
        world, engine="webhook", options={"url": "http://127.0.0.1:9", "secret_env": "SECRET"}
    )
    (evaluation,) = world.add(A, 1)
    world.turn()
    other = Result(
        key="ev-added", commit=A, revision="step-1", step=1, suite="s", outcome="succeeded"
    )
    path, text = result_file(other)
    world.repository.files[path] = text
    assert world.turn(10) is None
    assert (evaluation.final, evaluation.ended) == (True, other)
    assert world.repository.pending == []


def test_what_follows_a_result_cannot_harm(world: World) -> None:
    def fail(results: object) -> None:
        raise RuntimeError("mine")

    world.turns._on_results = fail
    world.add(A, 1)
    world.turn()
    world.engine.ends("1", acc=0.5)
    assert world.turn(10) is None
    assert len(world.repository.results) == 1
