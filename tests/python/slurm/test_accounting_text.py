"""What the accounting database was seen to tell of jobs that the controller has forgotten."""

from __future__ import annotations

from pathlib import Path

import pytest
from evaluation.conftest import Requests
from hub_revisions.evaluation.contract import JobStatus, State
from hub_revisions.evaluation.engines.slurm import SlurmEngine

from .fake_tools import KEY, Tools, engine_with, job


@pytest.fixture
def tools(tmp_path: Path) -> Tools:
    return Tools(tmp_path / "tools")


@pytest.fixture
def engine(tools: Tools, make_request: Requests) -> SlurmEngine:
    return engine_with(tools, make_request.jobs)


def test_accounting_tells_of_forgotten_jobs(engine: SlurmEngine, tools: Tools) -> None:
    tools.answers("squeue", f"9|RUNNING|{KEY}|None\n")
    rows = ("1|FAILED|7:0|{0}", "2|CANCELLED by 1001|0:0|{0}", "3|RUNNING|0:0|{0}")
    rows += ("4|NODE_FAIL|1:0|{0}", "5|COMPLETED|0:0|other", "5.batch|COMPLETED|0:0|{0}")
    tools.answers("sacct", "".join(f"{row}\n" for row in rows).format(KEY))
    found = engine.poll([job(number) for number in (1, 2, 3, 4, 5, 9)])
    assert set(found) == {"1", "2", "4", "9"}
    assert (found["1"].state, found["1"].exit_code) == (State.FAILED, 7)
    assert found["2"] == JobStatus(State.CANCELLED, reason="cancelled in Slurm by 1001")
    assert found["4"].retryable
    # Only about those that the controller does not know.
    assert "-j 1,2,3,4,5 " in tools.calls("sacct")[0]


def test_accounting_finds_a_forgotten_job(
    engine: SlurmEngine, tools: Tools, make_request: Requests
) -> None:
    folder = make_request("true").out_dir
    tools.answers("sacct", f"4|2026-01-02T03:04:05|{folder}\n7|2026-01-02T04:00:00|{folder}\n")
    found = engine.find(KEY, 1)
    assert found is not None
    assert (found.id, found.out_dir) == ("7", folder)
    assert f"--name={KEY}" in tools.calls("sacct")[0]


def test_accounting_that_is_not_there_is_asked_once(engine: SlurmEngine, tools: Tools) -> None:
    for _ in range(3):
        assert engine.poll([job()]) == {}
    assert len(tools.calls("sacct")) == 1


def test_accounting_that_fails_is_only_less_detail(engine: SlurmEngine, tools: Tools) -> None:
    tools.answers("sacct", stderr="sacct: error: Problem talking to the database\n", code=1)
    assert engine.poll([job()]) == {}
    tools.answers("sacct", f"1|TIMEOUT|0:15|{KEY}\n")
    assert "TIMEOUT" in engine.poll([job()])["1"].reason


def test_accounting_can_be_switched_off(tools: Tools, make_request: Requests) -> None:
    engine = engine_with(tools, make_request.jobs, sacct="off")
    assert engine.poll([job()]) == {}
    assert tools.calls("sacct") == []
