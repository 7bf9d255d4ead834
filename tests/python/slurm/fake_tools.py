"""Slurm's tools on a machine that has none: they print what they are told, and note their calls."""

from __future__ import annotations

import time
from pathlib import Path

from hub_revisions.evaluation.contract import Job
from hub_revisions.evaluation.engines import Surroundings
from hub_revisions.evaluation.engines.slurm import SlurmEngine

KEY = "ev-0123456789ab-suite-1"
UP = "Slurmctld(primary) at head is UP\n"
DOWN = """Slurmctld(primary) at head is DOWN
*****************************************
** RESTORE SLURMCTLD DAEMON TO SERVICE **
*****************************************
"""
NO_HISTORY = "Slurm accounting storage is disabled\n"

# Prints and exits as the files beside it say, after it has noted how it was called.
TOOL = """#!/bin/bash
here=${0%/*} name=${0##*/}
[ "$1" = show ] || [ "$2" = show ] && name=show
printf '%s\\0' "${0##*/}" "$@" | tr '\\0' ' ' >> "$here/calls"
echo >> "$here/calls"
env > "$here/$name.env"
cat "$here/$name.out" 2> /dev/null
cat "$here/$name.err" >&2 2> /dev/null
[ -e "$here/$name.hangs" ] && sleep 600
exit "$(cat "$here/$name.code" 2> /dev/null || echo 0)"
"""


class Tools:
    """The tools of a machine, all of which answer nothing until they are told what."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir()
        for name in ("sbatch", "squeue", "scancel", "scontrol", "sacct"):
            (folder / name).write_text(TOOL)
            (folder / name).chmod(0o755)
        self.answers("scontrol", UP)
        self.answers("sacct", stderr=NO_HISTORY, code=1)

    def answers(self, name: str, stdout: str = "", *, stderr: str = "", code: int = 0) -> None:
        """What a tool prints and exits with from now on; `show` is `scontrol show`."""
        for suffix, text in (("out", stdout), ("err", stderr), ("code", str(code))):
            (self.folder / f"{name}.{suffix}").write_text(text)

    def hangs(self, name: str) -> None:
        """From now on a tool does not end after its answer."""
        (self.folder / f"{name}.hangs").touch()

    def environment(self, name: str) -> str:
        """What a tool saw when it was called last."""
        return (self.folder / f"{name}.env").read_text()

    def calls(self, name: str) -> list[str]:
        """The command lines of a tool."""
        lines = (self.folder / "calls").read_text().splitlines()
        return [line for line in lines if line.split()[0] == name]


def engine_with(tools: Tools, jobs: Path, sacct: str = "auto", **environment: str) -> SlurmEngine:
    """An engine that finds these tools, for evaluators with this environment."""
    environment["PATH"] = f"{tools.folder}:/usr/bin:/bin"
    return SlurmEngine({"sbatch": [], "sacct": sacct}, Surroundings(jobs, environment, "", ""))


def job(number: int = 1, key: str = KEY) -> Job:
    return Job("slurm", str(number), key, Path("/jobs"), time.time())
