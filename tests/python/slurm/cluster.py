"""A Slurm of one node, as scripts/slurm starts it, and what tests do to it."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
from pathlib import Path

import pytest
from child_process import until

SCRIPT = Path(__file__).resolve().parents[3] / "scripts" / "slurm"
DAEMONS = ("slurmctld", "slurmd")


def require_slurm() -> None:
    """Skip where Debian's packages of Slurm are not installed; scripts/test installs them."""
    missing = [name for name in DAEMONS if not shutil.which(name, path="/usr/sbin:/usr/bin")]
    if missing:
        pytest.skip(f"Slurm's {' and '.join(missing)} are not installed")


class Cluster:
    """Runs until the `with` block ends. `settings` are arguments of `scripts/slurm start`."""

    def __init__(self, folder: Path, *settings: str) -> None:
        self.folder = folder
        self._settings = settings
        self.configuration = folder / "slurm.conf"

    def start(self) -> str:
        """Start what does not run; what the script printed."""
        return self._script("start", *self._settings)

    def stop(self) -> None:
        """End its jobs and daemons."""
        self._script("stop")

    def stop_controller(self) -> None:
        """End the controller alone, as a failure of its machine would."""
        pid = self.pid("slurmctld")
        os.kill(pid, signal.SIGTERM)
        # Where nobody asks for its exit status, it stays as a process without a command line.
        until(lambda: not _command_line(pid), "the controller does not end")

    def pid(self, daemon: str) -> int:
        """The process id of one of its daemons."""
        return int((self.folder / f"{daemon}.pid").read_text())

    def is_running(self, pid: int) -> bool:
        """Whether a process is one of this cluster's daemons."""
        return str(self.configuration).encode() in _command_line(pid)

    def tool(self, *command: str) -> str:
        """What one of Slurm's tools printed."""
        ran = subprocess.run(
            command,
            env={"PATH": os.environ["PATH"], "SLURM_CONF": str(self.configuration)},
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )
        assert ran.returncode == 0, ran.stderr
        return ran.stdout.strip()

    def state_of(self, job: str) -> str:
        """Slurm's own word about a job it knows."""
        return self.tool("squeue", "-h", "-t", "all", "-j", job, "-o", "%T")

    def __enter__(self) -> Cluster:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def _script(self, action: str, *settings: str) -> str:
        ran = subprocess.run(
            [str(SCRIPT), action, str(self.folder), *settings],
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
        )
        assert ran.returncode == 0, ran.stdout + ran.stderr
        return ran.stdout


def _command_line(pid: int) -> bytes:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except FileNotFoundError:
        return b""
