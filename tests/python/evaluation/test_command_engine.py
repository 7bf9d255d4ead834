"""The command engine with a scheduler of three shell scripts that start real processes."""

from __future__ import annotations

import logging
import os
from pathlib import Path
from typing import Any

import pytest
from child_process import until
from hub_revisions.evaluation.config import load_config
from hub_revisions.evaluation.contract import Job, State, SubmitError, UnreachableError
from hub_revisions.evaluation.engines import Surroundings, make_engine
from hub_revisions.evaluation.engines.command import CommandEngine
from hub_revisions.evaluation.environment import allowed_environment
from hub_revisions.evaluation.verdict import read_done
from own_log import own_messages

from .conftest import Requests

# Jobs are folders of $QUEUE by name; `words` is what status prints, `pid` who runs.
SCHEDULER = """#!/bin/bash
set -u
[ -e "$QUEUE/down" ] && { echo "cannot connect" >&2; exit 1; }
verb=$1; shift
case $verb in
  submit)
    mkdir "$QUEUE/$1" || exit 1
    setsid bash "$2" "$3" < /dev/null > /dev/null 2>&1 &
    echo $! > "$QUEUE/$1/pid"
    echo "Welcome to the cluster"
    echo "submitted job '$1'" ;;
  status)
    [ -d "$QUEUE/$1" ] || { echo "Error: job $1 not found" >&2; exit 1; }
    [ -e "$QUEUE/$1/words" ] && { cat "$QUEUE/$1/words"; exit; }
    kill -0 "$(cat "$QUEUE/$1/pid")" 2> /dev/null && echo Active || echo Complete ;;
  cancel)
    [ -d "$QUEUE/$1" ] || { echo "Error: job $1 not found" >&2; exit 1; }
    kill -TERM -- -"$(cat "$QUEUE/$1/pid")" ;;
  find) [ -d "$QUEUE/$1" ] && echo "job '$1'" || { echo "not found" >&2; exit 1; } ;;
  hang) sleep 60 ;;
esac
"""
STATES = {"Complete": "succeeded", "Active": "running", "Failed": "failed", "": "queued"}


@pytest.fixture
def queue(tmp_path: Path) -> Path:
    (tmp_path / "queue").mkdir()
    return tmp_path / "queue"


@pytest.fixture
def engine(make_request: Requests, tmp_path: Path, queue: Path) -> Any:
    """Makes engines whose options may differ from the usual ones."""
    scheduler = tmp_path / "scheduler"
    scheduler.write_text(SCHEDULER)
    scheduler.chmod(0o755)

    def make(**changed: Any) -> CommandEngine:
        usual = {
            "submit": [str(scheduler), "submit", "{key}-{attempt}", "{script}", "{out_dir}"],
            "id_regex": r"job '([a-z0-9-]+)'",
            "status": [str(scheduler), "status", "{job_id}"],
            "states": STATES,
            "cancel": [str(scheduler), "cancel", "{job_id}"],
            "find": [str(scheduler), "find", "{key}-{attempt}"],
        }
        options = {name: words for name, words in (usual | changed).items() if words is not None}
        suites = [{"name": "s", "command": ["true"]}]
        config = load_config({"engine": "command", "suites": suites, "options": options})
        seen = allowed_environment(os.environ) | {"QUEUE": str(queue)}
        surroundings = Surroundings(make_request.jobs, seen, "", "")
        made = make_engine("command", config.options, surroundings)
        assert isinstance(made, CommandEngine)
        return made

    return make


def state(engine: CommandEngine, job: Job) -> State | None:
    said = engine.poll([job]).get(job.id)
    return said.state if said else None


def test_a_job_from_submit_to_its_last_word(engine: Any, make_request: Requests) -> None:
    made = engine()
    assert made.probe() is None
    request = make_request("bash", "-c", "echo $1; exit 3", "x", "a b", attempt=2)
    job = made.submit(request)
    assert job.id == f"{request.key}-2"
    until(lambda: read_done(request.out_dir) is not None, "it left no word")
    until(lambda: state(made, job) is State.SUCCEEDED, "the scheduler sees no end")
    done = read_done(request.out_dir)
    assert done is not None
    assert done.exit_code == 3
    assert (request.out_dir / "stdout.log").read_text() == "a b\n"
    assert made.find(request.key, 2) == Job(
        "command", job.id, job.key, job.out_dir, pytest.approx(job.submitted, abs=60)
    )


def test_cancelling_reaches_the_evaluator(engine: Any, make_request: Requests) -> None:
    made = engine()
    job = made.submit(make_request("bash", "-c", "touch began; exec sleep 600"))
    until((job.out_dir / "began").exists, "it never began")
    made.cancel(job)
    until(lambda: read_done(job.out_dir) is not None, "it was not stopped")


def test_the_last_known_word_decides_and_unknown_ones_are_told_once(
    engine: Any, make_request: Requests, queue: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING, "hub_revisions")
    made = engine()
    job = made.submit(make_request("true"))
    words = queue / job.id / "words"
    for text, expected in [
        ("Suspended\n", State.RUNNING),
        ("Suspended\n", State.RUNNING),
        ("SuccessCriteriaMet Complete\n", State.SUCCEEDED),
        ("FailureTarget,Failed", State.FAILED),
        ("Failed Retrying", State.FAILED),
        ("", State.QUEUED),
    ]:
        words.write_text(text)
        assert state(made, job) is expected, text
    assert own_messages(caplog) == [
        "options.states does not have the state 'Suspended'; taken as running"
    ]


def test_an_unknown_job_is_absent_and_a_silent_scheduler_is_unreachable(
    engine: Any, make_request: Requests, queue: Path
) -> None:
    made = engine()
    job = made.submit(make_request("true"))
    gone = Job("command", "gone", "ev-gone", job.out_dir, 0)
    assert set(made.poll([job, gone])) == {job.id}
    made.cancel(gone)
    assert made.find("ev-gone", 1) is None
    (queue / "down").touch()
    for ask in (
        lambda: made.poll([job]),
        lambda: made.cancel(job),
        lambda: made.find(job.key, 1),
    ):
        with pytest.raises(UnreachableError, match="exit code 1: cannot connect"):
            ask()
    with pytest.raises(SubmitError, match="cannot connect") as caught:
        made.submit(make_request("true", key="ev-2"))
    assert caught.value.retryable


def test_without_status_only_the_jobs_word_counts(engine: Any, make_request: Requests) -> None:
    made = engine(status=[], cancel=[], find=[])
    job = made.submit(make_request("true"))
    until(lambda: read_done(job.out_dir) is not None, "it left no word")
    assert state(made, job) is State.RUNNING
    made.cancel(job)
    assert made.find(job.key, 1) is None


def test_the_last_line_is_the_id(engine: Any, make_request: Requests) -> None:
    made = engine(id_regex="", submit=["printf", "hello\n{key}/7\n\n"])
    assert made.submit(make_request("true")).id == "ev-0123456789ab-suite-1/7"


@pytest.mark.parametrize("printed", ["", "--all"])
def test_what_is_no_id_is_refused(engine: Any, make_request: Requests, printed: str) -> None:
    made = engine(id_regex="", submit=["echo", printed])
    with pytest.raises(SubmitError, match="no job id") as caught:
        made.submit(make_request("true"))
    assert not caught.value.retryable


def test_a_program_that_is_missing_or_hangs(
    engine: Any, make_request: Requests, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = engine(submit=["no-such-scheduler"])
    assert made.probe() == "options.submit: 'no-such-scheduler' cannot be found in PATH"
    with pytest.raises(SubmitError, match="cannot be run"):
        made.submit(make_request("true"))
    monkeypatch.setattr("hub_revisions.evaluation.engines.command._ASK_SECONDS", 0.2)
    made = engine(status=[str(tmp_path / "scheduler"), "hang"])
    job = Job("command", "1", "ev-1", tmp_path, 0)
    with pytest.raises(UnreachableError, match="did not answer within"):
        made.poll([job])
    # 'not found' about the program is none about the job.
    made = engine(status=["bash", "-c", "no-such-program-at-all"])
    with pytest.raises(UnreachableError, match="exit code 127"):
        made.poll([job])
