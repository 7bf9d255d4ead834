"""Evaluations as jobs of Slurm: sbatch, squeue, scancel, scontrol, and sacct where there is one.

The controller forgets a job some minutes after its end (MinJobAge), and ids start again with a new
cluster, so a job is known by id and name together: another's is never taken for it.
"""

from __future__ import annotations

import os
import time
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from ..._core import ConfigError
from ..._native import config_error
from ...credentials import TOKEN_VARIABLES
from ..contract import EvalRequest, Job, JobStatus, State, SubmitError, UnreachableError
from ..staging import job_folder, stage
from . import Surroundings
from .slurm_tools import SlurmTools
from .slurm_words import (
    complaint,
    exit_of,
    is_passing,
    is_stuck,
    is_unknown_job,
    job_id,
    status_of,
    stuck_status,
)

_PROBE_SECONDS = 1.5
_DAY = 86400
# Options of sbatch by which an evaluation would no longer be one job that this engine knows.
_OWN_OPTIONS = (
    *("--job-name", "-J", "--output", "-o", "--chdir", "-D", "--array", "-a", "--clusters", "-M"),
    *("--wait", "-W", "--wrap", "--parsable", "--requeue", "--test-only"),
)


class SlurmEngine:
    """Submits to the cluster that SLURM_CONF, or the machine's own configuration, names.

    `options` are those of `schema.json`. Raises `ConfigError` for an option of sbatch that is not
    the user's to give.
    """

    name = "slurm"

    def __init__(self, options: Mapping[str, Any], surroundings: Surroundings) -> None:
        self._sbatch_options = _checked(options["sbatch"])
        self._jobs = surroundings.jobs
        self._job_environment = surroundings.environment
        without_token = {
            name: value
            for name, value in surroundings.environment.items()
            if name not in TOKEN_VARIABLES
        }
        self._tools = SlurmTools(without_token, has_history=options["sacct"] == "auto")

    def probe(self) -> str | None:
        """Why it cannot be used, or None."""
        if missing := self._tools.missing():
            return f"Slurm's {', '.join(missing)} cannot be found in PATH"
        try:
            self._tools.require_controller(_PROBE_SECONDS)
        except UnreachableError as error:
            return str(error)
        return None

    def submit(self, request: EvalRequest) -> Job:
        """Stage it and queue it. Raises `SubmitError`."""
        try:
            script = stage(request)
            self._tools.require_controller()
            return self._submit(request, script)
        except ConfigError as error:
            raise SubmitError(str(error), retryable=False) from error
        except OSError as error:
            raise SubmitError(f"{request.out_dir}: {error.strerror}", retryable=True) from error
        except UnreachableError as error:
            raise SubmitError(str(error), retryable=True) from error

    def poll(self, jobs: Sequence[Job]) -> Mapping[str, JobStatus]:
        """By job id. A job that can never start is taken out of the queue, and has failed."""
        if not jobs:
            return {}
        self._tools.require_controller()
        found = self._queue(jobs)
        forgotten = [job for job in jobs if job.id not in found]
        return {**found, **(self._history(forgotten) if forgotten else {})}

    def cancel(self, job: Job) -> None:
        """Stop it; one that has ended, or has another's name, stays as it is."""
        self._tools.require_controller()
        answer = self._tools.run("scancel", f"--name={job.key}", job.id)
        if answer.code and not is_unknown_job(answer.stderr):
            raise UnreachableError(f"scancel failed: {complaint(answer.stderr)}")

    def find(self, key: str, attempt: int) -> Job | None:
        """The newest job of an attempt, by its name and folder. Raises `UnreachableError`."""
        self._tools.require_controller()
        mine = ("-u", str(os.getuid()), f"--name={key}")
        rows = self._tools.squeue("AVZ", *mine) or self._tools.sacct(
            "JobIDRaw,Submit,WorkDir", *mine, "-S", "now-30days"
        )
        # Other attempts, and other runs that evaluate the same commit, have folders of their own.
        folder = job_folder(self._jobs, key, attempt)
        found = max((row for row in rows if Path(row[2]) == folder), key=_number, default=None)
        if found is None:
            return None
        submitted = datetime.fromisoformat(found[1]).timestamp()
        return Job(self.name, found[0], key, folder, submitted)

    def collect(self, job: Job) -> None:
        """Nothing: both sides see the job's folder."""

    def close(self) -> None:
        """Nothing is held; jobs go on."""

    def _submit(self, request: EvalRequest, script: Path) -> Job:
        folder = str(request.out_dir)
        pattern = folder.replace("%", "%%")  # sbatch replaces %j and others in it
        options = [
            f"--job-name={request.key}",
            f"--chdir={folder}",
            f"--output={pattern}/slurm-%j.log",
            f"--time={-(-request.time_limit // 60)}",  # minutes
            f"--cpus-per-task={request.cpus}",
            *([f"--gpus={request.gpus}"] if request.gpus else []),
            "--no-requeue",  # the runner decides about another attempt
            *self._sbatch_options,
        ]
        submitted = time.time()
        try:
            answer = self._tools.run(
                *("sbatch", "--parsable", *options, str(script), folder),
                more={**self._job_environment, **request.env},
            )
        except UnreachableError as error:
            problem, passing = str(error), True
        else:
            number = job_id(answer.stdout) if answer.code == 0 else ""
            if number:
                return Job(self.name, number, request.key, request.out_dir, submitted)
            problem = complaint(answer.stderr) if answer.code else "it printed no job id"
            passing = answer.code == 0 or is_passing(answer.stderr)
        # Where the answer was lost, the job may be in the queue all the same.
        if passing and (job := self.find(request.key, request.attempt)):
            return job
        raise SubmitError(f"sbatch did not take the job: {problem}", retryable=passing)

    def _queue(self, jobs: Sequence[Job]) -> dict[str, JobStatus]:
        """What the controller knows of them."""
        by_id = {job.id: job for job in jobs}
        statuses = {}
        for number, state, name, reason in self._tools.squeue("ATjr", "-j", ",".join(by_id)):
            job = by_id.get(number)
            if job is None or job.key != name:
                continue
            status = status_of(state, reason)
            if is_stuck(state, reason):
                self.cancel(job)
                status = stuck_status(reason)
            elif status.state is State.FAILED:
                shown = self._tools.run("scontrol", "-o", "show", "job", number).stdout
                status = status_of(state, reason, *exit_of(shown))
            statuses[number] = status
        return statuses

    def _history(self, jobs: Sequence[Job]) -> dict[str, JobStatus]:
        """How jobs ended that the controller has forgotten.

        It only makes a reason clearer: forgotten, and without a word of its own, a job is lost.
        """
        by_id = {job.id: job for job in jobs}
        # Ids start again one day, on a large cluster after months.
        since = datetime.fromtimestamp(min(job.submitted for job in jobs) - _DAY)
        rows = self._tools.sacct(
            *("JobIDRaw,State,ExitCode,JobName", "-j", ",".join(by_id)),
            *("-S", since.isoformat(timespec="seconds")),
        )
        statuses = {
            number: status_of(state, "", *exit_of(f"ExitCode={ended}"))
            for number, state, ended, name in rows
            if number in by_id and by_id[number].key == name
        }
        # It goes on saying RUNNING of jobs whose end it was never told.
        return {number: status for number, status in statuses.items() if status.state.is_final}


def _number(row: Sequence[str]) -> int:
    return int(row[0])


def _checked(options: Sequence[str]) -> tuple[str, ...]:
    for option in options:
        name = option.partition("=")[0] if option.startswith("--") else option[:2]
        # sbatch takes the beginning of a name for the name.
        if name.startswith("-") and any(own.startswith(name) for own in _OWN_OPTIONS):
            raise config_error(
                f"options.sbatch: {option!r} must not be set: an evaluation is one job of which "
                "name and folder are known"
            )
    return tuple(options)
