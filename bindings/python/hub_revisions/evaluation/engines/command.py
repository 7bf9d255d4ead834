"""Evaluations on any scheduler that has a command line: templates to submit, ask and cancel.

The templates are lists of words; no shell reads them. The commands see the environment that
evaluators see: what they need to find their cluster (KUBECONFIG ...) is named in "pass_env".
"""

from __future__ import annotations

import logging
import re
import shutil
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ..._core import ConfigError
from ..contract import EvalRequest, Job, JobStatus, State, SubmitError, UnreachableError
from ..placeholders import expand, facts
from ..staging import SCRIPT, job_folder, stage
from . import Surroundings

logger = logging.getLogger("hub_revisions")

NAME = "command"
_SUBMIT_SECONDS = 30.0
_ASK_SECONDS = 10.0
_NO_SUCH_PROGRAM = 127
_WORD = re.compile(r"[^\s,;|]+")


@dataclass(frozen=True)
class _Answer:
    code: int
    stdout: str
    stderr: str

    @property
    def complaint(self) -> str:
        """One line about why it failed."""
        lines = [line.strip() for line in (self.stderr or self.stdout).splitlines()]
        last = next((line for line in reversed(lines) if line), "")
        return f"exit code {self.code}{f': {last}' if last else ''}"


class CommandEngine:
    """See the module; `options` are those of `schema.json`."""

    name = NAME

    def __init__(self, options: Mapping[str, Any], surroundings: Surroundings) -> None:
        self._options = options
        self._surroundings = surroundings
        self._unknown = re.compile(options["unknown_regex"])
        self._told: set[str] = set()

    def probe(self) -> str | None:
        """Whether the program that submits is there."""
        program = self._options["submit"][0]
        if shutil.which(program, path=self._surroundings.environment.get("PATH")) is None:
            return f"options.submit: '{program}' cannot be found in PATH"
        return None

    def submit(self, request: EvalRequest) -> Job:
        """Stage it, run `submit`, and read the id."""
        try:
            stage(request)
            answer = self._run("submit", _values(request), _SUBMIT_SECONDS, request.env)
        except ConfigError as error:
            raise SubmitError(str(error), retryable=False) from error
        except UnreachableError as error:
            raise SubmitError(str(error), retryable=True) from error
        except OSError as error:
            raise SubmitError(f"{request.out_dir}: {error.strerror}", retryable=True) from error
        if answer.code:
            raise SubmitError(f"options.submit: {answer.complaint}", retryable=True)
        id_ = self._id(answer.stdout)
        if not id_:
            raise SubmitError("options.submit: it printed no job id", retryable=False)
        return Job(NAME, id_, request.key, request.out_dir, time.time())

    def poll(self, jobs: Sequence[Job]) -> Mapping[str, JobStatus]:
        """By `status`, one job after the other; without it, all run until they say otherwise."""
        if not self._options["status"]:
            return {job.id: JobStatus(State.RUNNING) for job in jobs}
        found = {}
        for job in jobs:
            answer = self._ask("status", job)
            if answer is not None:
                found[job.id] = self._status(answer)
        return found

    def cancel(self, job: Job) -> None:
        """By `cancel`; without it, nothing."""
        if self._options["cancel"]:
            self._ask("cancel", job)

    def find(self, key: str, attempt: int) -> Job | None:
        """By `find`; without it, there is none."""
        if not self._options["find"]:
            return None
        folder = job_folder(self._surroundings.jobs, key, attempt)
        answer = self._run("find", {"key": key, "attempt": attempt}, _ASK_SECONDS)
        if answer.code and not self._is_unknown(answer):
            raise UnreachableError(f"options.find: {answer.complaint}")
        id_ = "" if answer.code else self._id(answer.stdout)
        return Job(NAME, id_, key, folder, time.time()) if id_ else None

    def collect(self, job: Job) -> None:
        """Nothing: both sides see the job's folder."""

    def close(self) -> None:
        """Nothing is held."""

    def _ask(self, option: str, job: Job) -> _Answer | None:
        """The answer about a job; None if the scheduler does not know it."""
        folder = job.out_dir
        values = {"job_id": job.id, "key": job.key, "out_dir": folder, "attempt": folder.name}
        answer = self._run(option, values, _ASK_SECONDS)
        if answer.code == 0:
            return answer
        if self._is_unknown(answer):
            return None
        raise UnreachableError(f"options.{option}: {answer.complaint}")

    def _is_unknown(self, answer: _Answer) -> bool:
        told = f"{answer.stdout}\n{answer.stderr}"
        return answer.code != _NO_SUCH_PROGRAM and self._unknown.search(told) is not None

    def _status(self, answer: _Answer) -> JobStatus:
        states: Mapping[str, str] = self._options["states"]
        words = _WORD.findall(answer.stdout) or [""]
        known = [word for word in words if word in states]
        if known:
            return JobStatus(State(states[known[-1]]), reason=known[-1])
        for word in {*words} - self._told - {""}:
            self._told.add(word)
            logger.warning("options.states does not have the state '%s'; taken as running", word)
        return JobStatus(State.RUNNING)

    def _id(self, printed: str) -> str:
        """The job's id in what was printed, '' if there is none that could be asked about."""
        if pattern := self._options["id_regex"]:
            match = re.search(pattern, printed)
            id_ = (match[1] or "") if match else ""
        else:
            lines = [line.strip() for line in printed.splitlines()]
            id_ = next((line for line in reversed(lines) if line), "")
        return "" if id_.startswith("-") else id_  # it would be an option of the next command

    def _run(
        self,
        option: str,
        values: Mapping[str, object],
        seconds: float,
        env: Mapping[str, str] | None = None,
    ) -> _Answer:
        """Run a template. Raises `UnreachableError` if it does not answer or does not exist."""
        words = expand(self._options[option], values)
        try:
            done = subprocess.run(
                words,
                env={**self._surroundings.environment, **(env or {})},
                stdin=subprocess.DEVNULL,
                capture_output=True,
                timeout=seconds,
                check=False,
            )
        except subprocess.TimeoutExpired as error:
            text = f"options.{option}: it did not answer within {seconds:.0f} s"
            raise UnreachableError(text) from error
        except OSError as error:
            text = f"options.{option}: '{words[0]}' cannot be run ({error.strerror})"
            raise UnreachableError(text) from error
        output, errors = (text.decode(errors="replace") for text in (done.stdout, done.stderr))
        return _Answer(done.returncode, output, errors)


def _values(request: EvalRequest) -> dict[str, object]:
    return facts(request) | {
        "script": request.out_dir / SCRIPT,
        "key": request.key,
        "attempt": request.attempt,
        "time_limit": request.time_limit,
    }
