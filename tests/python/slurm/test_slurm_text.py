"""What Slurm's tools were seen to print, on machines without Slurm: recorded text, played back."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from evaluation.conftest import Requests
from hub_revisions.evaluation.contract import JobStatus, State, SubmitError, UnreachableError
from hub_revisions.evaluation.engines import Surroundings
from hub_revisions.evaluation.engines.slurm import SlurmEngine
from hub_revisions.evaluation.engines.slurm_words import is_stuck, status_of

from .fake_tools import DOWN, KEY, Tools, engine_with, job


@pytest.fixture
def tools(tmp_path: Path) -> Tools:
    return Tools(tmp_path / "tools")


@pytest.fixture
def engine(tools: Tools, make_request: Requests) -> SlurmEngine:
    return engine_with(tools, make_request.jobs)


@pytest.mark.parametrize(
    ("words", "state", "retryable"),
    [
        *((word, State.QUEUED, False) for word in ("PENDING", "REQUEUED", "REQUEUE_HOLD")),
        *((word, State.RUNNING, False) for word in ("RUNNING", "COMPLETING", "SUSPENDED")),
        ("COMPLETED", State.SUCCEEDED, False),
        ("CANCELLED", State.CANCELLED, False),
        ("CANCELLED by 1001", State.CANCELLED, False),
        ("CANCELLED+", State.CANCELLED, False),
        *((word, State.FAILED, False) for word in ("FAILED", "TIMEOUT", "DEADLINE")),
        *((word, State.FAILED, True) for word in ("NODE_FAIL", "PREEMPTED", "BOOT_FAIL")),
        ("OUT_OF_MEMORY", State.FAILED, True),
        ("TELEPORTED", State.RUNNING, False),
        ("", State.RUNNING, False),
    ],
)
def test_states(words: str, state: State, retryable: bool) -> None:
    status = status_of(words)
    assert (status.state, status.retryable) == (state, retryable)


@pytest.mark.parametrize(
    ("reason", "stuck"),
    [
        ("DependencyNeverSatisfied", True),
        ("BadConstraints", True),
        ("QOSMaxCpuPerJobLimit", True),
        ("AssocMaxGRESPerJob", True),
        ("PartitionTimeLimit", True),
        ("QOSMaxJobsPerUserLimit", False),
        ("AssocGrpCpuLimit", False),
        ("Resources", False),
        ("Priority", False),
        ("PartitionDown", False),
        ("JobHeldUser", False),
        ("Nodes required for job are DOWN, DRAINED or reserved for jobs in others", False),
    ],
)
def test_reasons_to_wait(reason: str, stuck: bool) -> None:
    assert is_stuck("PENDING", reason) == stuck
    assert not is_stuck("RUNNING", reason)


@pytest.mark.parametrize(
    "printed",
    [
        "8\n",
        "8;cluster\n",
        "Charging account me, 3 left\n42 nodes are free\n8\n",
        "8\nSee https://site/jobs/8\n",
        "42\n8\n",
    ],
)
def test_the_id_among_a_sites_own_lines(
    printed: str, engine: SlurmEngine, tools: Tools, make_request: Requests
) -> None:
    tools.answers("sbatch", printed)
    assert engine.submit(make_request("true")).id == "8"


def test_what_is_asked_of_sbatch(engine: SlurmEngine, tools: Tools, make_request: Requests) -> None:
    tools.answers("sbatch", "8\n")
    request = make_request("true", time_limit=90, gpus=2, cpus=3)
    engine.submit(request)
    folder = request.out_dir
    assert tools.calls("sbatch") == [
        f"sbatch --parsable --job-name={KEY} --chdir={folder} --output={folder}/slurm-%j.log "
        f"--time=2 --cpus-per-task=3 --gpus=2 --no-requeue {folder}/run.sh {folder} "
    ]


def test_only_the_job_is_given_the_token(tools: Tools, make_request: Requests) -> None:
    engine = engine_with(tools, make_request.jobs, HF_TOKEN="secret", HF_HOME="/home")
    tools.answers("sbatch", "8\n")
    engine.poll([engine.submit(make_request("true"))])
    assert "HF_TOKEN=secret" in tools.environment("sbatch")
    for name in ("scontrol", "squeue", "sacct"):
        assert "HF_HOME=/home" in tools.environment(name)
        assert "secret" not in tools.environment(name)


@pytest.mark.parametrize(
    ("stderr", "retryable"),
    [
        ("Batch job submission failed: Invalid account or account/partition combination", False),
        (
            "Batch job submission failed: Job violates accounting/QOS policy (job submit limit)",
            True,
        ),
        ("Batch job submission failed: Socket timed out on send/recv operation", True),
        ("Batch job submission failed: Unable to contact slurm controller", True),
        ("Slurm temporarily unable to accept job, sleeping and retrying", True),
        ("Batch job submission failed: Requested node configuration is not available", False),
    ],
)
def test_which_refusals_pass(
    stderr: str, retryable: bool, engine: SlurmEngine, tools: Tools, make_request: Requests
) -> None:
    tools.answers("sbatch", stderr=f"sbatch: error: {stderr}\n", code=1)
    with pytest.raises(SubmitError) as refused:
        engine.submit(make_request("true"))
    assert str(refused.value) == f"sbatch did not take the job: {stderr}"
    assert refused.value.retryable == retryable


def test_an_answer_without_an_id(engine: SlurmEngine, tools: Tools, make_request: Requests) -> None:
    tools.answers("sbatch", "queued, thank you\n")
    with pytest.raises(SubmitError, match="no job id") as refused:
        engine.submit(make_request("true"))
    assert refused.value.retryable
    folder = make_request("true").out_dir
    tools.answers("squeue", f"7|2026-01-02T03:04:05|/other\n8|2026-01-02T03:04:05|{folder}\n")
    assert engine.submit(make_request("true")).id == "8"


def test_a_command_that_cannot_run(engine: SlurmEngine, make_request: Requests) -> None:
    with pytest.raises(SubmitError, match="NUL") as refused:
        engine.submit(make_request("a\0b"))
    assert not refused.value.retryable
    with pytest.raises(SubmitError, match="No such file") as refused:
        request = make_request("true")
        request.out_dir.rmdir()
        engine.submit(request)
    assert refused.value.retryable


def test_many_jobs_are_one_question(engine: SlurmEngine, tools: Tools) -> None:
    tools.answers("squeue", "".join(f"{n}|RUNNING|{KEY}|None\n" for n in range(200)))
    found = engine.poll([job(n) for n in range(200)])
    assert len(found) == 200
    assert len(tools.calls("squeue")) == 1
    assert " -r -t all " in tools.calls("squeue")[0]
    assert engine.poll([]) == {}
    assert len(tools.calls("scontrol")) == 1


def test_lines_of_other_shapes_are_skipped(engine: SlurmEngine, tools: Tools) -> None:
    tools.answers(
        "squeue", f"Welcome!\nCLUSTER: one\n1|RUNNING|{KEY}|None\n2|RUNNING\n3|RUNNING|x|None\n\n"
    )
    assert engine.poll([job(1), job(2), job(3)]) == {"1": JobStatus(State.RUNNING)}


def test_one_unknown_id_is_no_failure(engine: SlurmEngine, tools: Tools) -> None:
    tools.answers("squeue", stderr="slurm_load_jobs error: Invalid job id specified\n", code=1)
    assert engine.poll([job()]) == {}
    tools.answers("scancel", stderr="scancel: error: Invalid job id specified\n", code=1)
    engine.cancel(job())


def test_other_errors_say_nothing_about_jobs(engine: SlurmEngine, tools: Tools) -> None:
    tools.answers("squeue", stderr="slurm_load_jobs error: Zero Bytes were transmitted\n", code=1)
    with pytest.raises(UnreachableError, match="Zero Bytes"):
        engine.poll([job()])
    tools.answers("scancel", stderr="scancel: error: Access/permission denied\n", code=1)
    with pytest.raises(UnreachableError, match="permission denied"):
        engine.cancel(job())


@pytest.mark.parametrize(
    ("shown", "code", "retryable", "said"),
    [
        ("JobState=FAILED ExitCode=7:0 DerivedExitCode=0:0", 7, False, "exit code 7"),
        ("JobState=FAILED ExitCode=0:9", 137, False, "FAILED"),
        ("JobState=FAILED ExitCode=0:53", None, True, "folder cannot be opened"),
        ("", None, False, "FAILED"),
    ],
)
def test_exit_codes(
    shown: str, code: int | None, retryable: bool, said: str, engine: SlurmEngine, tools: Tools
) -> None:
    tools.answers("squeue", f"1|FAILED|{KEY}|NonZeroExitCode\n")
    tools.answers("show", shown)
    status = engine.poll([job()])["1"]
    assert (status.state, status.exit_code, status.retryable) == (State.FAILED, code, retryable)
    assert said in status.reason


def test_a_controller_that_is_down_is_asked_nothing_else(
    engine: SlurmEngine, tools: Tools, make_request: Requests
) -> None:
    tools.answers("scontrol", DOWN, code=1)
    with pytest.raises(UnreachableError, match="no controller answers"):
        engine.poll([job()])
    with pytest.raises(SubmitError):
        engine.submit(make_request("true"))
    assert "no controller answers" in (engine.probe() or "")
    assert not tools.calls("squeue") + tools.calls("sbatch")


def test_a_backup_controller_is_enough(engine: SlurmEngine, tools: Tools) -> None:
    tools.answers(
        "scontrol", "Slurmctld(primary) at a is DOWN\nSlurmctld(backup) at b is UP\n", code=1
    )
    assert engine.probe() is None


def test_probe_without_an_answer(engine: SlurmEngine, tools: Tools) -> None:
    # As where slurm.conf is missing: the tools look for it for a minute.
    tools.answers(
        "scontrol", stderr="scontrol: error: s_p_parse_file: cannot stat file /etc/slurm.conf\n"
    )
    tools.hangs("scontrol")
    began = time.monotonic()
    problem = engine.probe()
    assert time.monotonic() - began < 2.5
    assert problem is not None
    assert "did not end in 1.5 s: s_p_parse_file: cannot stat file /etc/slurm.conf" in problem


def test_probe_without_slurm(make_request: Requests, tmp_path: Path) -> None:
    surroundings = Surroundings(make_request.jobs, {"PATH": str(tmp_path)}, "", "")
    engine = SlurmEngine({"sbatch": [], "sacct": "auto"}, surroundings)
    assert engine.probe() == "Slurm's sbatch, squeue, scancel, scontrol cannot be found in PATH"
    with pytest.raises(SubmitError, match="scontrol cannot be run"):
        engine.submit(make_request("true"))
