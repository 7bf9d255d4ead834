"""A cluster for all tests here, and engines that use one."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from evaluation.conftest import Requests, make_request
from hub_revisions.evaluation.contract import EvalRequest, Job, JobStatus
from hub_revisions.evaluation.engines import Surroundings, make_engine
from hub_revisions.evaluation.engines.slurm import SlurmEngine
from hub_revisions.evaluation.environment import allowed_environment
from hub_revisions.evaluation.verdict import Verdict, decide, read_done

from .cluster import Cluster, require_slurm

__all__ = ["make_request"]

# More CPUs than there are: these jobs wait, or do nothing for long.
CPUS = 8
GPUS = 2


@pytest.fixture(scope="session")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """A cluster of one node with two GPUs that are none."""
    require_slurm()
    folder = tmp_path_factory.mktemp("slurm")
    with Cluster(folder, f"CPUS={CPUS}", f"GPUS={GPUS}") as running:
        yield running


def engine_of(
    cluster: Cluster,
    jobs: Path,
    *,
    sbatch: Sequence[str] = (),
    environment: Mapping[str, str] | None = None,
    token: str = "",
) -> SlurmEngine:
    """An engine that uses a cluster; `environment` is the trainer's."""
    outer = os.environ if environment is None else environment
    seen = {**allowed_environment(outer, token=token), "SLURM_CONF": str(cluster.configuration)}
    options = {"sbatch": list(sbatch), "sacct": "auto"}
    engine = make_engine("slurm", options, Surroundings(jobs, seen, "", ""))
    assert isinstance(engine, SlurmEngine)
    return engine


@pytest.fixture
def engine(cluster: Cluster, make_request: Requests) -> SlurmEngine:
    """The engine, as most tests need it."""
    return engine_of(cluster, make_request.jobs)


def status_of(engine: SlurmEngine, job: Job) -> JobStatus | None:
    """What the engine says about one job."""
    return engine.poll([job]).get(job.id)


def ended(engine: SlurmEngine, job: Job) -> JobStatus:
    """Its status, when that is final."""
    deadline = time.monotonic() + 60
    while True:
        status = status_of(engine, job)
        if status is not None and status.state.is_final:
            return status
        assert time.monotonic() < deadline, status
        time.sleep(0.1)


def verdict(engine: SlurmEngine, request: EvalRequest, **more: Any) -> Verdict:
    """The verdict when the engine has a final word."""
    status = ended(engine, engine.submit(request))
    return decide(read_done(request.out_dir), status, **more)
