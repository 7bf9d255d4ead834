"""What becomes of jobs on a real cluster, in every way in which they end."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import pytest
from child_process import until
from evaluation.conftest import Requests
from hub_revisions.evaluation.contract import EvalRequest, Job, State
from hub_revisions.evaluation.engines.slurm import SlurmEngine
from hub_revisions.evaluation.verdict import (
    GRACE_SECONDS,
    Verdict,
    decide,
    read_done,
)

from .cluster import Cluster, require_slurm
from .conftest import CPUS, ended, engine_of, status_of, verdict

HOSTILE = ("a b", "", "'", '"', "$(id)", ";rm -rf x", "`x`", "\\", "*", "--wrap", "é\n2", "-x", "#")
UNTIL_TOLD = "touch began; until [ -e go ]; do sleep 0.05; done"
# Ends when it is asked to, as evaluators that clean up do.
UNTIL_TERMINATED = "trap 'touch asked; exit 3' TERM; touch began; while true; do sleep 0.05; done"


def runs(request: EvalRequest) -> None:
    """Wait until the evaluator of UNTIL_TOLD or UNTIL_TERMINATED runs."""
    until(lambda: (request.out_dir / "began").exists(), "it does not begin")


def test_success(engine: SlurmEngine, make_request: Requests) -> None:
    request = make_request("echo", "0.5")
    assert verdict(engine, request) == Verdict(State.SUCCEEDED)
    assert (request.out_dir / "stdout.log").read_text() == "0.5\n"


def test_exit_code(engine: SlurmEngine, make_request: Requests) -> None:
    request = make_request("bash", "-c", "echo why >&2; exit 7")
    status = ended(engine, engine.submit(request))
    assert (status.state, status.exit_code, status.retryable) == (State.FAILED, 7, False)
    found = decide(read_done(request.out_dir), status)
    assert found.state is State.FAILED
    assert "exit code 7" in found.reason
    assert not found.retryable
    assert (request.out_dir / "stderr.log").read_text() == "why\n"


def test_a_killed_evaluator(engine: SlurmEngine, make_request: Requests) -> None:
    found = verdict(engine, make_request("bash", "-c", "kill -9 $$"))
    assert found.state is State.FAILED
    assert "exit code 137" in found.reason


def test_a_killed_script_leaves_no_word(engine: SlurmEngine, make_request: Requests) -> None:
    request = make_request("bash", "-c", "kill -9 $SLURM_TASK_PID")
    status = ended(engine, engine.submit(request))
    assert (status.state, status.exit_code) == (State.FAILED, 137)
    assert read_done(request.out_dir) is None
    assert "FAILED" in decide(None, status).reason


def test_cancel_while_it_runs(
    cluster: Cluster, engine: SlurmEngine, make_request: Requests
) -> None:
    request = make_request("bash", "-c", UNTIL_TERMINATED)
    job = engine.submit(request)
    runs(request)
    assert status_of(engine, job).state is State.RUNNING
    engine.cancel(job)
    status = ended(engine, job)
    assert status.state is State.CANCELLED
    assert (request.out_dir / "asked").exists()
    # The evaluator's own last word does not make a failure of it.
    until(lambda: read_done(request.out_dir) is not None, "no done.json")
    assert decide(read_done(request.out_dir), status).state is State.CANCELLED
    engine.cancel(job)
    assert cluster.state_of(job.id) == "CANCELLED"


def test_cancel_while_it_waits(cluster: Cluster, make_request: Requests) -> None:
    engine = engine_of(cluster, make_request.jobs, sbatch=["--begin=now+1hour"])
    job = engine.submit(make_request("true"))
    assert status_of(engine, job).state is State.QUEUED
    engine.cancel(job)
    assert ended(engine, job).state is State.CANCELLED
    engine.cancel(job)


def test_cancel_of_an_unknown_job_and_of_an_ended_one(
    engine: SlurmEngine, make_request: Requests
) -> None:
    request = make_request("true")
    job = engine.submit(request)
    ended(engine, job)
    engine.cancel(job)
    engine.cancel(Job("slurm", "999999", request.key, request.out_dir, 0))
    assert status_of(engine, job).state is State.SUCCEEDED


def test_a_job_with_another_name_is_not_ours(engine: SlurmEngine, make_request: Requests) -> None:
    request = make_request("bash", "-c", UNTIL_TOLD)
    job = engine.submit(request)
    # As after the ids have begun anew.
    ours = Job("slurm", job.id, "ev-another", request.out_dir, job.submitted)
    assert engine.poll([ours]) == {}
    engine.cancel(ours)
    (request.out_dir / "go").touch()
    assert ended(engine, job).state is State.SUCCEEDED


@pytest.mark.parametrize(
    ("reason", "cpus", "options"),
    [
        ("DependencyNeverSatisfied", 1, ["--dependency=afterok:{failed}"]),
        ("PartitionConfig", 8 * CPUS, []),
    ],
)
def test_what_can_never_start_has_failed(
    cluster: Cluster, make_request: Requests, reason: str, cpus: int, options: list[str]
) -> None:
    failing = engine_of(cluster, make_request.jobs)
    failed = failing.submit(make_request("false", key="ev-failed"))
    ended(failing, failed)
    sbatch = [option.format(failed=failed.id) for option in options]
    engine = engine_of(cluster, make_request.jobs, sbatch=sbatch)
    job = engine.submit(make_request("true", cpus=cpus))
    status = ended(engine, job)
    assert status.state is State.FAILED
    assert reason in status.reason
    assert not status.retryable
    # It does not stay in the queue.
    assert cluster.state_of(job.id) == "CANCELLED"


def test_a_held_job_waits(cluster: Cluster, make_request: Requests) -> None:
    engine = engine_of(cluster, make_request.jobs, sbatch=["--hold"])
    job = engine.submit(make_request("true"))
    until(lambda: "JobHeldUser" in status_of(engine, job).reason, "no reason")
    assert status_of(engine, job).state is State.QUEUED
    cluster.tool("scontrol", "release", job.id)
    assert ended(engine, job).state is State.SUCCEEDED


def test_a_folder_that_is_gone(cluster: Cluster, make_request: Requests) -> None:
    engine = engine_of(cluster, make_request.jobs, sbatch=["--hold"])
    request = make_request("true")
    job = engine.submit(request)
    shutil.rmtree(request.out_dir)
    cluster.tool("scontrol", "release", job.id)
    status = ended(engine, job)
    assert status.state is State.FAILED
    assert "folder" in status.reason
    assert status.retryable  # another node may see it


def test_hostile_arguments_arrive_as_they_are(engine: SlurmEngine, make_request: Requests) -> None:
    code = "import sys; sys.stdout.write('\\0'.join(sys.argv[1:]))"
    request = make_request(sys.executable, "-c", code, *HOSTILE)
    assert verdict(engine, request).state is State.SUCCEEDED
    assert (request.out_dir / "stdout.log").read_bytes() == "\0".join(HOSTILE).encode()


def test_hostile_folder(cluster: Cluster, tmp_path: Path) -> None:
    make = Requests(tmp_path / "a b'%j%%\"$(id)|")
    request = make("pwd")
    engine = engine_of(cluster, make.jobs)
    job = engine.submit(request)
    assert ended(engine, job).state is State.SUCCEEDED
    assert read_done(request.out_dir).exit_code == 0
    assert (request.out_dir / f"slurm-{job.id}.log").exists()
    assert (found := engine.find(request.key, 1)) is not None
    assert (found.id, found.out_dir) == (job.id, request.out_dir)


def test_gpus_are_handed_out(engine: SlurmEngine, make_request: Requests) -> None:
    show = f"echo $CUDA_VISIBLE_DEVICES > gpus; {UNTIL_TOLD}"
    requests = [make_request("bash", "-c", show, key=f"ev-gpu-{i}", gpus=1) for i in range(2)]
    jobs = [engine.submit(request) for request in requests]
    for request in requests:
        runs(request)
    assert {(request.out_dir / "gpus").read_text() for request in requests} == {"0\n", "1\n"}
    waiting = engine.submit(make_request("true", key="ev-gpu-2", gpus=2))
    assert status_of(engine, waiting).state is State.QUEUED
    for request in requests:
        (request.out_dir / "go").touch()
    for job in (*jobs, waiting):
        assert ended(engine, job).state is State.SUCCEEDED


def test_completed_although_it_never_ran(tmp_path: Path, make_request: Requests) -> None:
    require_slurm()
    with Cluster(tmp_path / "slurm", "ProctrackType=proctrack/cgroup") as cluster:
        engine = engine_of(cluster, make_request.jobs)
        request = make_request("true")
        status = ended(engine, engine.submit(request))
        word = read_done(request.out_dir)
        if word is not None:
            pytest.skip("Slurm can use the cgroups of this machine, so the job ran")
        assert status.state is State.SUCCEEDED
        assert decide(word, status, silent_seconds=0).state is State.RUNNING
        lost = decide(word, status, silent_seconds=GRACE_SECONDS)
        assert (lost.state, lost.retryable) == (State.LOST, True)
