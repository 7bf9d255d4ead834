"""The runner with its thread and the local engine: real evaluators, as processes."""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from child_process import Child, until
from hub_revisions import ConfigError
from hub_revisions.evaluation.engines.process import read_started
from hub_revisions.evaluation.ledger import read_events
from hub_revisions.evaluation.pace import Pace
from hub_revisions.evaluation.runner import EvaluationRunner
from marked_token import TOKEN, assert_clean

from .fakes import FakeRepository

REPO = "me/model"
QUICK = Pace(first=0.05, factor=1.2, longest=0.2)

# Evaluators: the commit is the first argument.
GOOD = 'import json, sys; json.dump({"acc": 0.5}, open("results.json", "w"))'
WAITS = """
import json, pathlib, time
pathlib.Path("began").touch()
while not pathlib.Path("go").exists():
    time.sleep(0.02)
json.dump({"acc": 0.5}, open("results.json", "w"))
"""

TRAINING = """
import sys, time
from pathlib import Path
sys.path.insert(0, sys.argv[3])
from evaluation.fakes import FakeRepository
from hub_revisions.evaluation.pace import Pace
from hub_revisions.evaluation.runner import EvaluationRunner
runner = EvaluationRunner(
    sys.argv[1], sys.argv[2], open_repository=lambda repo_id: FakeRepository(), pace=Pace(0.05)
)
for number, commit in enumerate(("a", "b")):
    runner.add("me/model", f"step-{number}", commit * 40, number)
if sys.argv[4] == "ends":
    runner.close()
    print("closed", flush=True)
else:
    time.sleep(600)
"""

Make = Callable[..., EvaluationRunner]


def suite(code: str, name: str = "s", **fields: Any) -> dict[str, Any]:
    return {"name": name, "command": [sys.executable, "-c", code, "{commit}"], **fields}


@pytest.fixture
def repository() -> FakeRepository:
    return FakeRepository()


@pytest.fixture
def make(tmp_path: Path, repository: FakeRepository) -> Iterator[Make]:
    """Makes runners in one spool; what they have started ends with the test."""
    made = []

    def make(config: dict[str, Any] | None, **options: Any) -> EvaluationRunner:
        runner = EvaluationRunner(
            tmp_path,
            config,
            options.pop("settings", None),
            options.pop("token", ""),
            open_repository=lambda repo_id: repository,
            pace=QUICK,
            **options,
        )
        made.append(runner)
        return runner

    yield make
    for runner in made:
        runner.close()
    for path in (tmp_path / "evaluations" / "jobs").glob("*/*/started"):
        if started := read_started(path.parent):
            started.signal(signal.SIGKILL)


def job_folder(runner: EvaluationRunner, commit: str, suite: str = "s") -> Path:
    """The folder of a commit's last attempt."""
    until(lambda: any(s.commit == commit and s.attempt for s in runner.status()), "no attempt")
    found = next(s for s in runner.status() if (s.commit, s.suite) == (commit, suite))
    return runner.folder / "jobs" / found.key / str(found.attempt)


def test_what_is_added_is_evaluated_and_recorded(make: Make, repository: FakeRepository) -> None:
    told: list[Any] = []
    runner = make({"suites": [suite(GOOD), suite(GOOD, "t")]}, on_results=told.extend)
    assert runner.probe() is None
    assert runner.wait(0)  # there is nothing
    threads = [
        threading.Thread(target=runner.add, args=(REPO, f"step-{n}", f"{n}" * 40, n))
        for n in range(1, 4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert runner.wait(60)
    assert [r["outcome"] for r in repository.results] == ["succeeded"] * 6
    assert repository.pending == []
    assert {(s.state, s.final, s.recorded) for s in runner.status()} == {("succeeded", True, True)}
    assert len(told) == 6
    assert runner.close()


def test_a_failing_evaluator_costs_only_its_own_result(
    make: Make, repository: FakeRepository
) -> None:
    runner = make(
        {
            "suites": [
                suite(GOOD, "good"),
                suite("import sys; sys.exit(7)", "code"),
                suite("import os; os.kill(os.getpid(), 9)", "killed"),
                suite("pass", "nothing"),
                suite("import time; time.sleep(600)", "never", time_limit=1),
                {"name": "missing", "command": ["no-such-evaluator"]},
            ],
            "options": {"max_parallel": 6},
        }
    )
    runner.add(REPO, "step-1", "a" * 40, 1)
    assert runner.wait(60)
    reasons = {r["suite"]: (r["outcome"], r.get("reason", "")) for r in repository.results}
    assert reasons["good"] == ("succeeded", "")
    assert reasons["code"] == ("failed", "exit code 7")
    assert reasons["killed"] == ("failed", "exit code 137 (SIGKILL)")
    assert reasons["nothing"][1].startswith("no result: no file in it matches")
    assert "time limit of 1 s" in reasons["never"][1]
    assert "no-such-evaluator" in reasons["missing"][1]
    assert len(repository.results) == 6
    assert repository.pending == []


def test_neither_rank_nor_token_reach_an_evaluator(
    make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("RANK", "WORLD_SIZE", "MASTER_ADDR", "SLURM_JOB_ID"):
        monkeypatch.setenv(name, "7")
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    show = f"import os; print(dict(os.environ)); {GOOD}"
    runner = make(
        {"suites": [suite(show)]}, token=TOKEN, settings={"endpoint": "http://hub.example"}
    )
    runner.add(REPO, "step-1", "a" * 40, 1)
    assert runner.wait(60)
    seen = (job_folder(runner, "a" * 40) / "stdout.log").read_text()
    assert_clean(seen, "an evaluator's environment")
    assert "'HF_ENDPOINT': 'http://hub.example'" in seen
    for name in ("RANK", "WORLD_SIZE", "MASTER_ADDR", "SLURM_JOB_ID"):
        assert f"'{name}'" not in seen


def test_an_evaluator_that_prints_the_token_tells_it_to_nobody(
    make: Make, repository: FakeRepository, caplog: pytest.LogCaptureFixture
) -> None:
    tell = (
        "import os, sys; token = os.environ['HF_TOKEN']; print(token); "
        "sys.exit(f'cannot log in with {token} at https://me:{token}@hub.example')"
    )
    runner = make({"suites": [suite(tell)], "pass_token": True}, token=TOKEN)
    runner.add(REPO, "step-1", "a" * 40, 1)
    assert runner.wait(60)
    folder = job_folder(runner, "a" * 40)
    assert TOKEN in (folder / "stdout.log").read_text()  # it was passed on, as asked
    (result,) = repository.results
    assert "cannot log in with [redacted]" in str(result["reason"])
    assert_clean(json.dumps(repository.files), "the repository")
    assert_clean(caplog.text, "the log")
    assert_clean(str(runner.status()), "the status")
    for name in ("request.json", "argv0", "run.sh", "done.json", "started"):
        assert_clean((folder / name).read_bytes(), name)
    assert_clean((runner.folder / "ledger.jsonl").read_bytes(), "the ledger")


def test_closing_does_not_wait_and_the_next_one_goes_on(
    make: Make, repository: FakeRepository
) -> None:
    runner = make({"suites": [suite(WAITS)]})
    runner.add(REPO, "step-1", "a" * 40, 1)
    runner.add(REPO, "step-2", "b" * 40, 2)
    running = job_folder(runner, "a" * 40)
    until((running / "began").exists, "it never began")
    began = time.monotonic()
    assert not runner.close()
    assert time.monotonic() - began < 30
    assert len(repository.pending) == 2
    assert repository.results == []

    again = make(None)
    (running / "go").touch()
    second = job_folder(again, "b" * 40)
    until((second / "began").exists, "it never began")
    (second / "go").touch()
    assert again.wait(60)
    assert [r["outcome"] for r in repository.results] == ["succeeded", "succeeded"]
    assert [r.get("attempt", 1) for r in repository.results] == [1, 1]
    assert again.close()


def test_closing_submits_what_was_added_just_now(make: Make) -> None:
    runner = make({"suites": [suite(GOOD)]})
    runner.add(REPO, "step-1", "a" * 40, 1)
    runner.close()
    kinds = [event["event"] for event in read_events(runner.folder)]
    assert kinds[:4] == ["setup", "added", "intent", "submitted"]


def test_a_training_that_was_killed_is_gone_on_with(
    make: Make, repository: FakeRepository, tmp_path: Path
) -> None:
    config = tmp_path / "eval.json"
    config.write_text(json.dumps({"suites": [suite(WAITS)]}))
    tests = Path(__file__).parents[1]
    with Child(tmp_path, TRAINING, tmp_path, config, tests, "stays") as child:
        until(lambda: list(tmp_path.glob("evaluations/jobs/*/1/began")) != [], "it never began")
        with pytest.raises(ConfigError, match=f"process {child.process.pid}"):
            make(None)
        child.send(signal.SIGKILL)
        child.ends()
    runner = make(None)
    for commit in ("a" * 40, "b" * 40):
        (job_folder(runner, commit) / "go").touch()
    assert runner.wait(60)
    assert [r["outcome"] for r in repository.results] == ["succeeded", "succeeded"]
    assert all(s.attempt == 1 for s in runner.status())


def test_a_trainings_end_neither_kills_nor_awaits_evaluations(
    make: Make, repository: FakeRepository, tmp_path: Path
) -> None:
    config = tmp_path / "eval.json"
    config.write_text(json.dumps({"suites": [suite(WAITS)]}))
    with Child(tmp_path, TRAINING, tmp_path, config, Path(__file__).parents[1], "ends") as child:
        assert child.ends() == 0, child.output
    assert "closed" in child.output
    runner = make(None)
    for commit in ("a" * 40, "b" * 40):
        (job_folder(runner, commit) / "go").touch()
    assert runner.wait(60)
    assert [r["outcome"] for r in repository.results] == ["succeeded", "succeeded"]


def test_a_mistake_of_ours_ends_neither_the_thread_nor_the_caller(
    make: Make,
    repository: FakeRepository,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    runner = make({"suites": [suite(GOOD)]})
    read = FakeRepository.read
    monkeypatch.setattr(FakeRepository, "read", lambda self: 1 / 0)
    runner.add(REPO, "step-1", "a" * 40, 1)
    until(lambda: "evaluations are held up: ZeroDivisionError" in caplog.text, "nothing was told")
    monkeypatch.setattr(FakeRepository, "read", read)
    assert runner.wait(60)
    assert len(repository.results) == 1


def test_without_a_configuration_there_must_be_a_ledger(make: Make) -> None:
    with pytest.raises(ConfigError, match="no evaluations to go on with"):
        make(None)
    make({"suites": [suite(GOOD)]}).close()  # the refused one has let go of the ledger


def test_a_damaged_ledger_costs_only_what_it_lost(
    make: Make, caplog: pytest.LogCaptureFixture
) -> None:
    runner = make({"suites": [suite(GOOD)]})
    runner.add(REPO, "step-1", "a" * 40, 1)
    runner.add(REPO, "step-2", "b" * 40, 2)
    assert runner.wait(60)
    runner.close()
    path = runner.folder / "ledger.jsonl"
    lines = path.read_text().splitlines(keepends=True)
    lost = next(line for line in lines if '"added"' in line and "a" * 40 in line)
    lines.remove(lost)
    path.write_text("".join([*lines, "[1]\n", '{"event": "of the future", "key": "k"}\n']))
    again = make(None)
    assert [status.commit for status in again.status()] == ["b" * 40]
    assert "an event of the ledger is left out" in caplog.text


def test_waiting_has_an_end(make: Make) -> None:
    runner = make({"suites": [suite(WAITS)]})
    runner.add(REPO, "step-1", "a" * 40, 1)
    assert not runner.wait(0.2)
    (job_folder(runner, "a" * 40) / "go").touch()
    assert runner.wait(60)


def test_a_fork_has_nothing_of_the_runner(make: Make) -> None:
    runner = make({"suites": [suite(WAITS)]})
    pid = os.fork()
    if pid == 0:
        os._exit(0 if runner.close() else 1)
    assert os.waitpid(pid, 0)[1] == 0
    runner.add(REPO, "step-1", "a" * 40, 1)
    (job_folder(runner, "a" * 40) / "go").touch()
    assert runner.wait(60)
