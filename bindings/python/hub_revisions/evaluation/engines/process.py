"""A job's process on this machine: started once, whoever tries, and known again after a restart.

Python may end at any moment, so the process itself tells who it is, in the file `started` of its
folder, before it does anything else: the kernel's line about it, the boot, the host and the time.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

KILL_AFTER = 10.0  # seconds between asking a process to end and ending it
_STARTED = "started"
_TIMED_OUT = 124  # the exit code of `timeout`
_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")

# The hard link is made by one only. `timeout` outlives us and ends the whole process group.
_START = """
cd -- "$2" || exit 97
{ cat /proc/$$/stat "$3" && uname -n && date +%s; } > started.$$ || exit 98
ln started.$$ started 2> link.$$ || { rm -f started.$$ link.$$; exit 98; }
rm -f started.$$ link.$$
exec timeout --kill-after="$4" "$1" bash run.sh "$2"
"""


@dataclass(frozen=True)
class Started:
    """A process that was started for a folder, maybe by an earlier process of ours.

    `ticks` is its start since boot, which tells it from a later process of the same number;
    `began` is unix seconds.
    """

    pid: int
    ticks: str
    boot: str
    host: str
    began: int

    @property
    def is_here(self) -> bool:
        """Whether it was started on this host, so that it can be looked at."""
        return self.host == os.uname().nodename

    @property
    def is_alive(self) -> bool:
        """Whether it runs. Only for one that `is_here`."""
        if self.boot != _BOOT_ID.read_text().strip():
            return False
        try:
            state, ticks = _state_and_ticks(Path(f"/proc/{self.pid}/stat").read_text())
        except OSError:
            return False
        return state != "Z" and ticks == self.ticks

    def signal(self, number: signal.Signals) -> None:
        """Send a signal to it and to what it has started; nothing if it has ended."""
        if self.is_alive:
            signal_group(self.pid, number)


def start(folder: Path, time_limit: int, environment: Mapping[str, str]) -> subprocess.Popen[bytes]:
    """Start what was staged in a folder, in a process group of its own.

    Its end says nothing where it was started before: see `was_refused`. Raises `OSError`.
    """
    return subprocess.Popen(
        [
            *("bash", "-c", _START, "start", str(time_limit), str(folder)),
            *(str(_BOOT_ID), str(KILL_AFTER)),
        ],
        cwd="/",
        env=dict(environment),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )


def wait(process: subprocess.Popen[bytes]) -> int:
    """Wait for its end, then end what it left in its group; its exit code."""
    # As long as nobody has asked for its exit code, its number is not given to another process.
    os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
    signal_group(process.pid, signal.SIGKILL)
    return process.wait()


def signal_group(pid: int, number: signal.Signals) -> None:
    """Send a signal to a process group; nothing if there is none."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(pid, number)


def was_refused(exit_code: int) -> bool:
    """Whether the folder's job had been started before, or could not be claimed."""
    return exit_code == 98


def timed_out(exit_code: int, seconds: float, time_limit: float) -> bool:
    """Whether a process that ran so long ended because of its time limit."""
    return exit_code == _TIMED_OUT or (exit_code < 0 and seconds >= time_limit)


def read_started(folder: Path) -> Started | None:
    """The process that was started for a folder; None if there was none."""
    try:
        stat, boot, host, began = (folder / _STARTED).read_text().splitlines()
    except (OSError, ValueError):
        return None
    return Started(int(stat.split(" ", 1)[0]), _state_and_ticks(stat)[1], boot, host, int(began))


def _state_and_ticks(stat: str) -> tuple[str, str]:
    # The program's name, in parentheses, may hold spaces and parentheses.
    fields = stat.rpartition(") ")[2].split()
    return fields[0], fields[19]
