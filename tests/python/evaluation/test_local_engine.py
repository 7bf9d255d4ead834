"""The local engine with real processes."""

from __future__ import annotations

import errno
import os
import signal
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from child_process import Child, until
from hub_revisions.evaluation.contract import Job, JobStatus, State, UnreachableError
from hub_revisions.evaluation.engines import Surroundings, make_engine, process
from hub_revisions.evaluation.engines.local import LocalEngine
from hub_revisions.evaluation.engines.process import read_started
from hub_revisions.evaluation.environment import allowed_environment
from hub_revisions.evaluation.staging import read_request, stage, write_whole

from .conftest import Requests

Make = Callable[..., LocalEngine]

# Ends when the file `go` appears beside its logs; tells the folder's `began` when it starts.
UNTIL_TOLD = "touch began; while [ ! -e go ]; do sleep 0.02; done"

# Starts an evaluation, says that it runs, and is killed by the test.
TRAINING = """
import sys, time
from pathlib import Path
from hub_revisions.evaluation.engines import Surroundings, make_engine
from hub_revisions.evaluation.staging import make_job_folder
from hub_revisions.evaluation.contract import EvalRequest
jobs = Path(sys.argv[1])
options = {"max_parallel": 1, "gpus": []}
engine = make_engine("local", options, Surroundings(jobs, {"PATH": "/usr/bin:/bin"}, "", ""))
for key in ("first", "second"):
    folder = make_job_folder(jobs, key, 1)
    engine.submit(EvalRequest(key, 1, "me/m", "r", "c" * 40, 1, "s", tuple(sys.argv[2:]), folder))
while not (jobs / "first" / "1" / "began").exists():
    time.sleep(0.01)
print("runs", flush=True)
time.sleep(600)
"""


@pytest.fixture
def make(make_request: Requests) -> Iterator[Make]:
    """Makes engines; what they have started is ended with the test."""
    engines = []

    def make(*, environment: dict[str, str] | None = None, **options: Any) -> LocalEngine:
        seen = environment or allowed_environment(os.environ)
        surroundings = Surroundings(make_request.jobs, seen, "", "")
        engine = make_engine("local", {"max_parallel": 1, "gpus": [], **options}, surroundings)
        assert isinstance(engine, LocalEngine)
        engines.append(engine)
        return engine

    yield make
    for engine in engines:
        engine.close()
    for path in make_request.jobs.glob("*/*/started"):
        if started := read_started(path.parent):
            started.signal(signal.SIGKILL)


def status(engine: LocalEngine, job: Job) -> JobStatus | None:
    return engine.poll([job]).get(job.id)


def ended(engine: LocalEngine, job: Job) -> JobStatus:
    """Its status, when that is final."""
    until(lambda: (said := status(engine, job)) is not None and said.state.is_final, f"{job.id}")
    said = status(engine, job)
    assert said is not None
    return said


def starts(job: Job) -> None:
    until((job.out_dir / "began").exists, f"{job.id} never started")


@pytest.mark.parametrize(
    ("argv", "state", "exit_code"),
    [
        (("true",), State.SUCCEEDED, 0),
        (("bash", "-c", "exit 7"), State.FAILED, 7),
        (("bash", "-c", "kill -9 $$"), State.FAILED, 137),
        (("no-such-program",), State.FAILED, 127),
    ],
)
def test_a_job_ends_as_its_command_does(
    make: Make, make_request: Requests, argv: tuple[str, ...], state: State, exit_code: int
) -> None:
    engine = make()
    assert engine.probe() is None
    said = ended(engine, engine.submit(make_request(*argv)))
    assert (said.state, said.exit_code) == (state, exit_code)


def test_queued_jobs_start_by_themselves_and_only_so_many_run(
    make: Make, make_request: Requests
) -> None:
    engine = make(max_parallel=2)
    jobs = [
        engine.submit(make_request("bash", "-c", UNTIL_TOLD, key=f"ev-{number}"))
        for number in range(4)
    ]
    starts(jobs[0])
    starts(jobs[1])
    states = [status.state for status in engine.poll(jobs).values()]
    assert states == [State.RUNNING, State.RUNNING, State.QUEUED, State.QUEUED]
    (jobs[1].out_dir / "go").touch()
    starts(jobs[2])  # nobody has polled since
    assert not (jobs[3].out_dir / "began").exists()
    for job in jobs:
        (job.out_dir / "go").touch()
    assert {ended(engine, job).state for job in jobs} == {State.SUCCEEDED}


def test_a_job_that_never_ends_is_ended_at_its_limit(make: Make, make_request: Requests) -> None:
    engine = make()
    script = "touch began; while true; do sleep 1000 & wait; done"
    job = engine.submit(make_request("bash", "-c", script, time_limit=1))
    said = ended(engine, job)
    assert said.state is State.FAILED
    assert "time limit of 1 s" in said.reason


def test_one_that_does_not_listen_is_killed(
    make: Make, make_request: Requests, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(process, "KILL_AFTER", 0.2)
    engine = make()
    script = "trap '' TERM; echo $$ > child; while true; do sleep 1; done"
    job = engine.submit(make_request("bash", "-c", script, time_limit=1))
    assert "time limit of 1 s" in ended(engine, job).reason
    child = int((job.out_dir / "child").read_text())
    until(lambda: not _is_running(child), "it lives on")


def test_what_a_job_leaves_behind_is_ended_with_it(make: Make, make_request: Requests) -> None:
    engine = make()
    job = engine.submit(make_request("bash", "-c", "sleep 1000 & echo $!"))
    assert ended(engine, job).state is State.SUCCEEDED
    left = int((job.out_dir / "stdout.log").read_text())
    until(lambda: not _is_running(left), "the background process lives on")


def test_a_running_job_is_cancelled_with_all_its_processes(
    make: Make, make_request: Requests
) -> None:
    engine = make()
    job = engine.submit(
        make_request("bash", "-c", "sleep 1000 & echo $! > child; touch began; wait")
    )
    starts(job)
    engine.cancel(job)
    assert ended(engine, job).state is State.CANCELLED
    child = int((job.out_dir / "child").read_text())
    until(lambda: not _is_running(child), "its child lives on")
    engine.cancel(job)  # of one that has ended: nothing
    assert ended(engine, job).state is State.CANCELLED


def test_a_queued_job_is_cancelled_and_never_starts(make: Make, make_request: Requests) -> None:
    engine = make()
    first = engine.submit(make_request("bash", "-c", UNTIL_TOLD, key="ev-1"))
    second = engine.submit(make_request("touch", "began", key="ev-2"))
    starts(first)
    engine.cancel(second)
    assert ended(engine, second).state is State.CANCELLED
    (first.out_dir / "go").touch()
    ended(engine, first)
    assert status(make(), second) == JobStatus(State.CANCELLED, reason="cancelled")
    assert not (second.out_dir / "began").exists()


def test_the_environment_is_the_allowed_one(
    make: Make, make_request: Requests, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RANK", "0")
    monkeypatch.setenv("HF_TOKEN", "hf_secret")
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0,1")
    engine = make()
    job = engine.submit(make_request("env", env={"OF_THE_SUITE": "a b"}))
    assert ended(engine, job).state is State.SUCCEEDED
    seen = dict(
        line.split("=", 1) for line in (job.out_dir / "stdout.log").read_text().splitlines()
    )
    assert not {"RANK", "HF_TOKEN"} & set(seen)
    assert seen["OF_THE_SUITE"] == "a b"
    assert seen["CUDA_VISIBLE_DEVICES"] == ""  # no GPU of the training's


def test_gpus_are_handed_out_and_waited_for(make: Make, make_request: Requests) -> None:
    engine = make(max_parallel=3, gpus=["4", "5", "GPU-x"])
    script = f"echo $CUDA_VISIBLE_DEVICES > gpus; {UNTIL_TOLD}"
    jobs = [
        engine.submit(make_request("bash", "-c", script, key=f"ev-{i}", gpus=count))
        for i, count in enumerate([2, 2, 1])
    ]
    starts(jobs[0])
    assert (jobs[0].out_dir / "gpus").read_text() == "4,5\n"
    assert [s.state for s in engine.poll(jobs).values()][1:] == [State.QUEUED, State.QUEUED]
    (jobs[0].out_dir / "go").touch()
    starts(jobs[1])
    starts(jobs[2])
    given = [set((job.out_dir / "gpus").read_text().strip().split(",")) for job in jobs[1:]]
    assert set.union(*given) == {"4", "5", "GPU-x"}
    for job in jobs:
        (job.out_dir / "go").touch()
    assert {ended(engine, job).state for job in jobs} == {State.SUCCEEDED}


def test_a_killed_training_leaves_its_evaluations_running(
    make: Make, make_request: Requests, tmp_path: Path
) -> None:
    with Child(tmp_path, TRAINING, make_request.jobs, "bash", "-c", UNTIL_TOLD) as child:
        child.says("runs")
        child.send(signal.SIGKILL)
        child.ends()
    engine = make()
    first, second = engine.find("first", 1), engine.find("second", 1)
    assert first is not None
    assert second is not None
    assert status(engine, first) == JobStatus(State.RUNNING)
    # It was queued in a process that is gone: who polls takes it over.
    assert status(engine, second) == JobStatus(State.QUEUED)
    starts(second)
    for job in (first, second):
        (job.out_dir / "go").touch()
        assert ended(engine, job).state is State.SUCCEEDED


def test_a_job_of_an_earlier_process_can_be_cancelled(
    make: Make, make_request: Requests, tmp_path: Path
) -> None:
    with Child(tmp_path, TRAINING, make_request.jobs, "bash", "-c", UNTIL_TOLD) as child:
        child.says("runs")
    engine = make()
    first, second = engine.find("first", 1), engine.find("second", 1)
    assert first is not None
    assert second is not None
    for job in (second, first):
        engine.cancel(job)
        assert ended(engine, job).state is State.CANCELLED
    started = read_started(first.out_dir)
    assert started is not None
    until(lambda: not started.is_alive, "the process lives on")
    assert not (second.out_dir / "began").exists()


def test_one_that_was_killed_without_a_word_is_known_and_retryable(
    make: Make, make_request: Requests, tmp_path: Path
) -> None:
    with Child(tmp_path, TRAINING, make_request.jobs, "bash", "-c", UNTIL_TOLD) as child:
        child.says("runs")
    engine = make()
    job = engine.find("first", 1)
    assert job is not None
    started = read_started(job.out_dir)
    assert started is not None
    started.signal(signal.SIGKILL)
    said = ended(engine, job)
    assert (said.state, said.reason, said.retryable) == (State.FAILED, "it was killed", True)


def test_a_job_starts_once_whoever_takes_it_up(make: Make, make_request: Requests) -> None:
    request = make_request("bash", "-c", "echo x >> runs; touch began; sleep 0.3")
    stage(request)
    engines = [make(), make()]
    jobs = [engine.find(request.key, 1) for engine in engines]
    for engine, job in zip(engines, jobs, strict=True):
        assert job is not None
        engine.poll([job])
    for engine, job in zip(engines, jobs, strict=True):
        assert job is not None
        assert ended(engine, job).state is State.SUCCEEDED
    assert (request.out_dir / "runs").read_text() == "x\n"


def test_of_another_machines_job_only_its_word_is_known(make: Make, make_request: Requests) -> None:
    engine = make()
    request = make_request("true")
    stage(request)
    (request.out_dir / "started").write_text(
        f"7 (bash) S {' '.join(map(str, range(4, 53)))}\nboot\nelsewhere\n1\n"
    )
    job = engine.find(request.key, 1)
    assert job is not None
    said = status(engine, job)
    assert said == JobStatus(State.RUNNING, reason="it was started on elsewhere")
    with pytest.raises(UnreachableError, match="elsewhere"):
        engine.cancel(job)
    (request.out_dir / "done.json").write_text('{"exit_code": 3, "ended": 1, "host": "elsewhere"}')
    said = status(engine, job)
    assert said is not None
    assert (said.state, said.exit_code) == (State.FAILED, 3)


def test_what_was_not_staged_to_its_end_is_not_found(make: Make, make_request: Requests) -> None:
    engine = make()
    assert engine.find("ev-unknown", 1) is None
    request = make_request(sys.executable, "-V")
    script = stage(request)
    assert read_request(request.out_dir) == request
    script.unlink()
    assert engine.find(request.key, 1) is None


def test_an_end_that_cannot_be_noted_ends_no_thread(
    make: Make, make_request: Requests, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(path: Path, text: str) -> None:
        if path.name == "ended":
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        write_whole(path, text)

    monkeypatch.setattr("hub_revisions.evaluation.engines.local.write_whole", full)
    engine = make()
    killed = engine.submit(make_request("bash", "-c", "kill -9 0", key="killed"))
    after = engine.submit(make_request("true", key="after"))
    assert ended(engine, after).state is State.SUCCEEDED
    said = ended(engine, killed)
    assert (said.state, said.retryable) == (State.FAILED, True)


def test_a_job_that_asks_for_more_gpus_than_there_are_fails(
    make: Make, make_request: Requests
) -> None:
    engine = make(gpus=["0"])
    job = engine.submit(make_request("true", gpus=2))
    assert "asks for 2 GPUs" in ended(engine, job).reason


def _is_running(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2][0] != "Z"
    except OSError:
        return False
