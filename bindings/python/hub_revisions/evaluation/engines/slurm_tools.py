"""Slurm's command line tools: run within a time, with text as their answer.

A site may have wrapped any of them, so lines of other shapes are skipped, and only what is missing
from an answer counts as unknown: exit statuses do not tell that.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass

from ..contract import UnreachableError
from .slurm_words import complaint, is_unknown_job

_PING_SECONDS = 3.0
_TOOLS = ("sbatch", "squeue", "scancel", "scontrol")


@dataclass(frozen=True)
class Answer:
    """What a tool exited with and printed."""

    code: int
    stdout: str
    stderr: str


class SlurmTools:
    """The tools on the PATH of `environment`, which is all that they see.

    `has_history`: ask the accounting database, if there is one. All methods raise
    `UnreachableError` where nothing else is said.
    """

    seconds = 12.0  # for one tool; more than Slurm itself waits for its controller by default

    def __init__(self, environment: Mapping[str, str], *, has_history: bool) -> None:
        self._environment = environment
        self._has_history = has_history

    def missing(self) -> list[str]:
        """The names of the tools that are not there. Raises nothing."""
        search = self._environment.get("PATH")
        return [tool for tool in _TOOLS if not shutil.which(tool, path=search)]

    def require_controller(self, timeout: float = _PING_SECONDS) -> None:
        """Raise unless a controller answers. Every other tool blocks for 9 s when none does."""
        answer = self.run("scontrol", "ping", timeout=timeout)
        if "is UP" not in answer.stdout:
            said = complaint(answer.stderr) if answer.stderr else "no controller answers"
            raise UnreachableError(f"Slurm cannot be reached: {said}")

    def squeue(self, columns: str, *which: str) -> list[list[str]]:
        """Jobs that the controller knows. `columns` are letters of squeue's own format."""
        form = "|".join(f"%{letter}" for letter in columns)
        answer = self.run("squeue", "-h", "-r", "-t", "all", *which, "-o", form)
        # It fails for one unknown id, not for several.
        if answer.code and not is_unknown_job(answer.stderr):
            raise UnreachableError(f"squeue failed: {complaint(answer.stderr)}")
        return _rows(answer.stdout, len(columns))

    def sacct(self, columns: str, *which: str) -> list[list[str]]:
        """Jobs that the accounting database knows; none where it is missing or does not answer."""
        if not self._has_history:
            return []
        try:
            answer = self.run("sacct", "-X", "-n", "-P", *which, "-o", columns)
        except UnreachableError:
            return []
        if answer.code and "disabled" in answer.stderr:
            self._has_history = False
        return _rows(answer.stdout, columns.count(",") + 1)

    def run(
        self, *command: str, more: Mapping[str, str] | None = None, timeout: float | None = None
    ) -> Answer:
        """Run one tool, with `more` in its environment."""
        limit = self.seconds if timeout is None else timeout
        try:
            process = subprocess.Popen(
                command,
                env={**self._environment, **(more or {})},
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
                errors="replace",
                start_new_session=True,
            )
        except OSError as error:
            raise UnreachableError(f"{command[0]} cannot be run: {error.strerror}") from error
        try:
            stdout, stderr = process.communicate(timeout=limit)
        except subprocess.TimeoutExpired:
            # Its children too: a wrapper's would hold the pipes open.
            os.killpg(process.pid, signal.SIGKILL)
            _, stderr = process.communicate()
            told = f": {complaint(stderr)}" if stderr.strip() else ""
            raise UnreachableError(f"{command[0]} did not end in {limit:g} s{told}") from None
        return Answer(process.returncode, stdout, stderr)


def _rows(text: str, columns: int) -> list[list[str]]:
    """The lines that begin with a job's id, split."""
    rows = [line.split("|", columns - 1) for line in text.splitlines()]
    return [row for row in rows if len(row) == columns and row[0].isdigit()]
