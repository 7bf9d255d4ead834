"""The runner with real jobs: every end has one outcome, whoever dies in between."""

from __future__ import annotations

import signal
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from child_process import Child, until
from evaluation.fakes import FakeRepository
from hub_revisions.evaluation.pace import Pace
from hub_revisions.evaluation.runner import EvaluationRunner, EvaluationStatus

from .cluster import Cluster, require_slurm
from .conftest import CPUS, engine_of

REPO = "me/model"
RUNS = "running"
QUICK = Pace(first=0.2, factor=1.2, longest=0.5)

GOOD = "import json; json.dump({'acc': 0.5}, open('results.json', 'w'))"
SLOW = """
import pathlib, time
pathlib.Path("began").touch()
while not pathlib.Path("go").exists():
    time.sleep(0.05)
""" + GOOD.replace("import json; ", "import json\n")

# Starts an evaluation of two commits, and is killed by the test.
TRAINING = """
import sys, time
from evaluation.fakes import FakeRepository
from hub_revisions.evaluation.pace import Pace
from hub_revisions.evaluation.runner import EvaluationRunner
config = {"engine": "slurm", "suites": [
    {"name": "slow", "command": [sys.executable, "-c", sys.argv[2], "{commit}"]}]}
runner = EvaluationRunner(
    sys.argv[1], config, open_repository=lambda repo_id: FakeRepository(), pace=Pace(0.1)
)
for number, commit in enumerate(("a", "b")):
    runner.add("me/model", f"step-{number}", commit * 40, number)
time.sleep(600)
"""

Make = Callable[..., EvaluationRunner]


def suite(name: str, *command: str, **fields: Any) -> dict[str, Any]:
    return {"name": name, "command": list(command), **fields}


@pytest.fixture
def repository() -> FakeRepository:
    return FakeRepository()


@pytest.fixture
def make(
    cluster: Cluster, tmp_path: Path, repository: FakeRepository, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Make]:
    """Makes runners in one spool, which use the cluster; their jobs end with the test."""
    monkeypatch.setenv("SLURM_CONF", str(cluster.configuration))
    made = []

    def make(*suites: dict[str, Any], **config: Any) -> EvaluationRunner:
        runner = EvaluationRunner(
            tmp_path,
            {"engine": "slurm", "suites": suites, **config} if suites else None,
            open_repository=lambda repo_id: repository,
            pace=QUICK,
        )
        made.append(runner)
        return runner

    yield make
    for runner in made:
        runner.close()
        for found in runner.status():
            if found.job and not found.final:
                cluster.tool("scancel", found.job)


def of(runner: EvaluationRunner, name: str, commit: str = "a" * 40) -> EvaluationStatus:
    """The evaluation of a commit with a suite, when it runs."""

    def found() -> list[EvaluationStatus]:
        return [s for s in runner.status() if (s.suite, s.commit, s.state) == (name, commit, RUNS)]

    until(lambda: bool(found()), f"{name} of {commit} does not run")
    return found()[0]


def folder_of(runner: EvaluationRunner, found: EvaluationStatus) -> Path:
    return runner.folder / "jobs" / found.key / str(found.attempt)


def results(repository: FakeRepository) -> dict[str, tuple[str, str]]:
    """Outcome and reason of each suite's last attempt."""
    return {
        str(r["suite"]): (str(r["outcome"]), str(r.get("reason", ""))) for r in repository.results
    }


def ends(repository: FakeRepository) -> list[tuple[str, int]]:
    """Outcome and attempt of every result."""
    return [(str(r["outcome"]), int(str(r.get("attempt", 1)))) for r in repository.results]


def test_every_end_has_one_outcome(
    cluster: Cluster, make: Make, repository: FakeRepository
) -> None:
    runner = make(
        suite("good", sys.executable, "-c", GOOD),
        suite("code", "bash", "-c", "echo why >&2; exit 7"),
        suite("killed", "bash", "-c", "kill -9 $$"),
        suite("beheaded", "bash", "-c", "kill -9 $SLURM_TASK_PID"),
        suite("nothing", "true"),
        suite("huge", "true", cpus=8 * CPUS),
        suite("greedy", "true", gpus=64),
        suite("stopped", sys.executable, "-c", SLOW),
        suite("late", sys.executable, "-c", SLOW),
    )
    runner.add(REPO, "step-1", "a" * 40, 1)
    cluster.tool("scancel", of(runner, "stopped").job)
    cluster.tool("scontrol", "update", f"JobId={of(runner, 'late').job}", "EndTime=now")
    assert runner.wait(90)
    found = results(repository)
    assert found["good"] == ("succeeded", "")
    assert {name: outcome for name, (outcome, _) in found.items() if name != "good"} == {
        **dict.fromkeys(("code", "killed", "beheaded", "nothing", "huge", "greedy"), "failed"),
        "late": "failed",
        "stopped": "cancelled",
    }
    for name, said in {
        "code": "exit code 7: why",
        "killed": "exit code 137 (SIGKILL)",
        "beheaded": "FAILED",
        "nothing": "no result",
        "huge": "PartitionConfig",
        "greedy": "was not accepted: sbatch did not take the job",
        "late": "TIMEOUT",
    }.items():
        assert said in found[name][1], found[name]
    assert repository.pending == []


def test_the_controller_goes_and_comes_back(
    cluster: Cluster, make: Make, repository: FakeRepository
) -> None:
    runner = make(suite("slow", sys.executable, "-c", SLOW))
    runner.add(REPO, "step-1", "a" * 40, 1)
    running = of(runner, "slow")
    cluster.stop_controller()
    try:
        runner.add(REPO, "step-2", "b" * 40, 2)
        until(lambda: any(s.reason for s in runner.status()), "the refusal is not told")
        (folder_of(runner, running) / "go").touch()
    finally:
        cluster.start()
    second = of(runner, "slow", "b" * 40)
    (folder_of(runner, second) / "go").touch()
    assert runner.wait(60)
    assert ends(repository) == [("succeeded", 1)] * 2  # nothing was submitted twice


def test_a_killed_training_leaves_its_jobs_to_the_next(
    cluster: Cluster, make: Make, repository: FakeRepository, tmp_path: Path
) -> None:
    with Child(tmp_path, TRAINING, tmp_path, SLOW, SLURM_CONF=str(cluster.configuration)) as child:
        jobs = tmp_path / "evaluations" / "jobs"
        until(lambda: len(list(jobs.glob("*/1/began"))) == 2, child.output)
        child.send(signal.SIGKILL)
        child.ends()
    # As if it had been killed a moment earlier: after sbatch, before it noted the job's id.
    ledger = next((tmp_path / "evaluations").glob("ledger*"))
    lines = ledger.read_text().splitlines(keepends=True)
    noted = [line for line in lines if '"submitted"' in line]
    assert len(noted) == 2
    ledger.write_text("".join(line for line in lines if line != noted[1]))
    runner = make()
    for folder in jobs.glob("*/1"):
        (folder / "go").touch()
    assert runner.wait(60)
    assert ends(repository) == [("succeeded", 1)] * 2
    names = ",".join(path.name for path in jobs.iterdir())
    listed = cluster.tool("squeue", "-h", "-t", "all", f"--name={names}", "-o", "%A")
    assert len(listed.split()) == 2


def test_jobs_that_ended_long_ago(
    make: Make,
    repository: FakeRepository,
    tmp_path_factory: pytest.TempPathFactory,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    require_slurm()
    with Cluster(tmp_path_factory.mktemp("forgetful"), "MinJobAge=2") as forgetful:
        monkeypatch.setenv("SLURM_CONF", str(forgetful.configuration))
        runner = make(
            suite("good", sys.executable, "-c", SLOW),
            suite(
                "beheaded",
                "bash",
                "-c",
                "touch began; until [ -e go ]; do sleep 0.05; done;kill -9 $SLURM_TASK_PID",
            ),
            attempts=1,
        )
        runner.add(REPO, "step-1", "a" * 40, 1)
        folders = [folder_of(runner, of(runner, name)) for name in ("good", "beheaded")]
        runner.close()
        for folder in folders:
            (folder / "go").touch()
        until(lambda: not forgetful.tool("squeue", "-h", "-t", "all"), "they are not forgotten")
        # Nothing of them is left but what they wrote themselves.
        engine = engine_of(forgetful, runner.folder / "jobs")
        for folder in folders:
            assert engine.find(folder.parent.name, 1) is None
        assert make().wait(60)
    found = results(repository)
    assert found["good"][0] == "succeeded"
    assert found["beheaded"] == ("lost", "the engine does not know it any more")


def test_a_preempted_evaluation_is_tried_again(
    make: Make,
    repository: FakeRepository,
    tmp_path_factory: pytest.TempPathFactory,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    require_slurm()
    settings = ("CPUS=1", "PreemptType=preempt/partition_prio", "PreemptMode=CANCEL")
    with Cluster(tmp_path_factory.mktemp("preempting"), *settings) as cluster:
        monkeypatch.setenv("SLURM_CONF", str(cluster.configuration))
        cluster.tool("scontrol", "create", "PartitionName=urgent", "Nodes=ALL", "PriorityTier=9")
        runner = make(suite("slow", sys.executable, "-c", SLOW))
        runner.add(REPO, "step-1", "a" * 40, 1)
        first = of(runner, "slow")
        until((folder_of(runner, first) / "began").exists, "it does not begin")
        cluster.tool("sbatch", "--partition=urgent", "--output=/dev/null", "--wrap=true")
        until(lambda: runner.status()[0].attempt == 2, "it is not tried again")
        (folder_of(runner, of(runner, "slow")) / "go").touch()
        assert runner.wait(60)
    assert ends(repository) == [("failed", 1), ("succeeded", 2)]
    assert "PREEMPTED" in str(repository.results[0]["reason"])
