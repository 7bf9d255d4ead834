"""How the engine gets along with a real cluster, and what of the training reaches its jobs."""

from __future__ import annotations

import os
import shutil
import sys
import time
from pathlib import Path

import pytest
from child_process import until
from evaluation.conftest import Requests
from hub_revisions._core import ConfigError
from hub_revisions.evaluation.contract import State, SubmitError, UnreachableError
from hub_revisions.evaluation.engines.slurm import SlurmEngine
from hub_revisions.evaluation.engines.slurm_tools import SlurmTools
from hub_revisions.evaluation.verdict import read_done

from .cluster import Cluster
from .conftest import ended, engine_of
from .test_outcomes_on_slurm import UNTIL_TOLD, runs

TOKEN = "hf_" + "s" * 34

# What a training that is a job itself has in its environment, and what would break the tools.
TRAINING = {
    "RANK": "3",
    "LOCAL_RANK": "1",
    "WORLD_SIZE": "8",
    "MASTER_ADDR": "node1",
    "ACCELERATE_MIXED_PRECISION": "bf16",
    "CUDA_VISIBLE_DEVICES": "5",
    "HF_TOKEN": TOKEN,
    "SBATCH_PARTITION": "nosuch",
    "SBATCH_ARRAY_INX": "0-3",
    "SLURM_CLUSTERS": "nosuch",
    "SQUEUE_FORMAT": "%i",
    "SQUEUE_STATES": "FAILED",
    "SCANCEL_STATE": "PENDING",
}

SUBMITS = """
import os, sys
from pathlib import Path
from hub_revisions.evaluation.contract import EvalRequest
from hub_revisions.evaluation.engines import Surroundings, make_engine
from hub_revisions.evaluation.environment import allowed_environment
from hub_revisions.evaluation.staging import make_job_folder
jobs = Path(sys.argv[1])
surroundings = Surroundings(jobs, allowed_environment(os.environ), "", "")
engine = make_engine("slurm", {"sbatch": [], "sacct": "auto"}, surroundings)
folder = make_job_folder(jobs, "ev-inner", 1)
argv = ("bash", "-c", "env -0 > environment")
job = engine.submit(EvalRequest("ev-inner", 1, "me/m", "r", "c" * 40, 1, "s", argv, folder))
print(job.id)
"""


def environment_in(folder: Path) -> dict[str, str]:
    """What `env -0 > environment` wrote."""
    pairs = (folder / "environment").read_text().split("\0")
    return dict(pair.split("=", 1) for pair in pairs if pair)


def test_probe_finds_it(engine: SlurmEngine) -> None:
    assert engine.probe() is None


def test_find_knows_attempts_and_folders(
    cluster: Cluster, engine: SlurmEngine, make_request: Requests, tmp_path: Path
) -> None:
    key = "ev-find"
    assert engine.find(key, 1) is None
    first = engine.submit(make_request("true", key=key))
    second = engine.submit(make_request("true", key=key, attempt=2))
    for job, attempt in ((first, 1), (second, 2)):
        found = engine.find(key, attempt)
        assert found is not None
        assert (found.id, found.out_dir, found.key) == (job.id, job.out_dir, key)
        assert abs(found.submitted - job.submitted) < 5
    # Another training of the same user has its jobs elsewhere.
    assert engine_of(cluster, tmp_path / "elsewhere").find(key, 1) is None
    for job in (first, second):
        assert ended(engine, job).state is State.SUCCEEDED
    assert engine.find(key, 1).id == first.id


def test_one_job_although_the_answer_was_lost(
    cluster: Cluster, make_request: Requests, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # As where the controller is so busy that it answers too late.
    slow = tmp_path / "bin" / "sbatch"
    slow.parent.mkdir()
    slow.write_text(f'#!/bin/sh\n{shutil.which("sbatch")} "$@" >&2\nsleep 600\n')
    slow.chmod(0o755)
    monkeypatch.setattr(SlurmTools, "seconds", 3.0)
    outer = {**os.environ, "PATH": f"{slow.parent}:{os.environ['PATH']}"}
    engine = engine_of(cluster, make_request.jobs, environment=outer)
    request = make_request("true", key="ev-slow")
    job = engine.submit(request)
    assert ended(engine, job).state is State.SUCCEEDED
    listed = cluster.tool("squeue", "-h", "-t", "all", f"--name={request.key}", "-o", "%A")
    assert listed.split() == [job.id]


def test_the_controller_goes_and_comes_back(
    cluster: Cluster, engine: SlurmEngine, make_request: Requests
) -> None:
    request = make_request("bash", "-c", UNTIL_TOLD)
    job = engine.submit(request)
    runs(request)
    cluster.stop_controller()
    try:
        began = time.monotonic()
        assert "Slurm cannot be reached" in (engine.probe() or "")
        for ask in (
            lambda: engine.poll([job]),
            lambda: engine.cancel(job),
            lambda: engine.find(request.key, 1),
        ):
            with pytest.raises(UnreachableError, match="Slurm cannot be reached"):
                ask()
        with pytest.raises(SubmitError) as refused:
            engine.submit(make_request("true", key="ev-later"))
        assert refused.value.retryable
        # Without asking first, each of them would take 9 s.
        assert time.monotonic() - began < 9
        (request.out_dir / "go").touch()
        until(lambda: read_done(request.out_dir) is not None, "it does not end by itself")
    finally:
        cluster.start()
    assert ended(engine, job).state is State.SUCCEEDED
    assert ended(engine, engine.submit(make_request("true", key="ev-later"))).exit_code is None


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--partition=nosuch"], "invalid partition"),
        (["--constraint=nosuch"], "feature"),
        (["--nonsense"], "unrecognized option"),
        (["--gres=gpu:64"], "not available"),
    ],
)
def test_refusals_are_told(
    cluster: Cluster, make_request: Requests, options: list[str], said: str
) -> None:
    engine = engine_of(cluster, make_request.jobs, sbatch=options)
    with pytest.raises(SubmitError, match=said) as refused:
        engine.submit(make_request("true"))
    assert not refused.value.retryable
    assert "sbatch: error" not in str(refused.value)


@pytest.mark.parametrize(
    "option", ["--array=0-3", "-a0-3", "-M", "--wrap=id", "--wait", "--job-name=x", "--outp", "--"]
)
def test_options_that_are_not_the_users(
    cluster: Cluster, make_request: Requests, option: str
) -> None:
    with pytest.raises(ConfigError, match=r"options\.sbatch"):
        engine_of(cluster, make_request.jobs, sbatch=[option])


def test_more_options(cluster: Cluster, make_request: Requests) -> None:
    engine = engine_of(cluster, make_request.jobs, sbatch=["-p", "eval", "--nice=5", "--mem=0"])
    job = engine.submit(make_request("true", cpus=2))
    shown = cluster.tool("scontrol", "-o", "show", "job", job.id)
    assert "Partition=eval" in shown
    assert "Nice=5" in shown
    assert "CPUs/Task=2" in shown
    assert "Requeue=0" in shown
    assert ended(engine, job).state is State.SUCCEEDED


def test_nothing_of_the_training_reaches_a_job(cluster: Cluster, make_request: Requests) -> None:
    outer = {**os.environ, **TRAINING}
    engine = engine_of(cluster, make_request.jobs, environment=outer)
    request = make_request("bash", "-c", "env -0 > environment", env={"SUITE": "a,b=c d"})
    job = engine.submit(request)
    assert ended(engine, job).state is State.SUCCEEDED
    seen = environment_in(request.out_dir)
    assert seen["SUITE"] == "a,b=c d"
    assert seen["HOME"] == os.environ["HOME"]
    assert not {*TRAINING} & {*seen}
    assert TOKEN not in "".join(seen.values())


def test_a_token_travels_in_the_environment_alone(cluster: Cluster, make_request: Requests) -> None:
    engine = engine_of(cluster, make_request.jobs, token=TOKEN)
    request = make_request("bash", "-c", 'test "${#HF_TOKEN}" = 37')
    job = engine.submit(request)
    assert ended(engine, job).state is State.SUCCEEDED
    assert read_done(request.out_dir).exit_code == 0
    assert TOKEN not in cluster.tool("scontrol", "-dd", "-o", "show", "job", job.id)
    files = [path for path in request.out_dir.rglob("*") if path.is_file()]
    assert {path.name for path in files} >= {"request.json", "argv0", "done.json"}
    assert not [path for path in files if TOKEN.encode() in path.read_bytes()]


def test_submission_from_inside_a_job(engine: SlurmEngine, make_request: Requests) -> None:
    outer = {**TRAINING, "PYTHONPATH": os.pathsep.join(sys.path)}
    request = make_request(
        *("env", *(f"{name}={value}" for name, value in outer.items())),
        *(sys.executable, "-c", SUBMITS, str(make_request.jobs)),
        key="ev-outer",
        cpus=2,
    )
    job = engine.submit(request)
    assert ended(engine, job).state is State.SUCCEEDED, (request.out_dir / "stderr.log").read_text()
    inner = engine.find("ev-inner", 1)
    assert inner is not None
    assert inner.id == (request.out_dir / "stdout.log").read_text().strip() != job.id
    assert ended(engine, inner).state is State.SUCCEEDED
    seen = environment_in(inner.out_dir)
    assert seen["SLURM_JOB_ID"] == inner.id
    assert seen["SLURM_JOB_NAME"] == "ev-inner"
    assert seen["SLURM_CPUS_PER_TASK"] == "1"
    assert not {*TRAINING} & {*seen}
