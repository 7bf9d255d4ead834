"""What Slurm's words mean: states, reasons, exit codes and refusals, as text from 20.02 to today.

Text, because the JSON of these tools changed with nearly every release, and some of it is wrong:
22.05 lists every job whatever was asked for, and says 0 of a job that exited with 7.
"""

from __future__ import annotations

import re

from ..contract import JobStatus, State

_STATES = {
    **dict.fromkeys(("PENDING", "REQUEUED", "REQUEUE_FED", "REQUEUE_HOLD"), State.QUEUED),
    **dict.fromkeys(("RESV_DEL_HOLD", "SPECIAL_EXIT"), State.QUEUED),
    **dict.fromkeys(("RUNNING", "CONFIGURING", "COMPLETING", "STAGE_OUT"), State.RUNNING),
    **dict.fromkeys(("SUSPENDED", "STOPPED", "SIGNALING", "RESIZING"), State.RUNNING),
    "COMPLETED": State.SUCCEEDED,
    **dict.fromkeys(("CANCELLED", "REVOKED"), State.CANCELLED),
    **dict.fromkeys(("FAILED", "TIMEOUT", "OUT_OF_MEMORY", "NODE_FAIL"), State.FAILED),
    **dict.fromkeys(("BOOT_FAIL", "LAUNCH_FAILED", "DEADLINE", "PREEMPTED"), State.FAILED),
}
_MACHINES_FAULT = {"NODE_FAIL", "BOOT_FAIL", "LAUNCH_FAILED", "PREEMPTED", "OUT_OF_MEMORY"}

# Why a job waits, where waiting does not help. A job that somebody holds is not among them: who
# held it can release it.
_STUCK = re.compile(
    r"DependencyNeverSatisfied|BadConstraints|PartitionConfig|PartitionNodeLimit"
    r"|PartitionTimeLimit|InvalidAccount|InvalidQOS|AccountNotAllowed|QOSNotAllowed"
    r"|(Assoc|QOS)(Max|Min)\w+PerJob(Limit)?"
)
# sbatch's refusals that a later attempt may not meet, and losses of the way to the controller.
_PASSING = re.compile(
    r"Unable to contact|timed out|temporarily|Connection refused|connection failure|Zero Bytes"
    r"|violates accounting/QOS policy|standby"
)
_ID = re.compile(r"^(\d+)(;\S+)?$", re.MULTILINE)
_EXIT_CODE = re.compile(r"\bExitCode=(\d+):(\d+)")
_NO_SUCH_JOB = "Invalid job id"
_CANNOT_OPEN = 53  # slurmd's own "signal": it could not open the job's output or its folder


def job_id(printed: str) -> str:
    """The id in what `sbatch --parsable` printed, empty if there is none.

    Sites' wrappers and submit filters print lines of their own, so it is the last that looks so.
    """
    found = _ID.findall(printed)
    return found[-1][0] if found else ""


def is_unknown_job(stderr: str) -> bool:
    """Whether a command complained only that there is no such job (any more)."""
    return _NO_SUCH_JOB in stderr


def is_passing(stderr: str) -> bool:
    """Whether what sbatch refused may be granted later."""
    return bool(_PASSING.search(stderr))


def complaint(stderr: str) -> str:
    """What a command of Slurm complained about, without its name before each line."""
    lines = (re.sub(r"^\w+: (error: |fatal: )?", "", line) for line in stderr.splitlines())
    return "; ".join(line.strip() for line in lines if line.strip(" *")) or "no reason given"


def is_stuck(state: str, reason: str) -> bool:
    """Whether a job waits for what never comes."""
    return _STATES.get(state) is State.QUEUED and bool(_STUCK.fullmatch(reason))


def stuck_status(reason: str) -> JobStatus:
    """The status of such a job."""
    return JobStatus(State.FAILED, reason=f"Slurm would never start it: {reason}")


def status_of(words: str, reason: str = "", code: int | None = None, signal: int = 0) -> JobStatus:
    """The status of a job in a state, e.g. 'RUNNING', or sacct's 'CANCELLED by 1001'.

    `code` and `signal` are the halves of 'ExitCode'; a state of a release yet to come counts as
    running, so that the job's own word decides.
    """
    state = words.split()[0].rstrip("+") if words.split() else ""
    known = _STATES.get(state)
    told = reason if reason not in ("", "None") else ""
    if known is None:
        return JobStatus(State.RUNNING, reason=f"Slurm says {state or 'nothing'}, which is unknown")
    if known in (State.QUEUED, State.RUNNING, State.SUCCEEDED):
        return JobStatus(known, reason=told)
    if known is State.CANCELLED:
        return JobStatus(known, reason="cancelled in Slurm" + words.removeprefix(state))
    if signal == _CANNOT_OPEN:
        reason = "its folder cannot be opened on the node"
        return JobStatus(State.FAILED, reason=reason, retryable=True)
    exit_code = None if code is None else code or 128 + signal
    described = f"Slurm says {state}" + (f", {told}" if told else "")
    if told == "NonZeroExitCode" and code:
        described = f"exit code {code}"
    return JobStatus(State.FAILED, exit_code, described, retryable=state in _MACHINES_FAULT)


def exit_of(text: str) -> tuple[int | None, int]:
    """Exit code and signal, as `scontrol show job` says them: 'ExitCode=7:0'."""
    found = _EXIT_CODE.search(text)
    return (int(found[1]), int(found[2])) if found else (None, 0)
