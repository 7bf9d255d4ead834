"""How long a command of the command line takes, in a process of its own."""

from __future__ import annotations

import os
import re
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence

from . import Row

_COMMAND = """
import importlib, sys, time
from hub_revisions.cli import main
importlib.import_module(f"hub_revisions.cli.{sys.argv[1]}")
started = time.perf_counter()
status = main()
print("work_s", time.perf_counter() - started, file=sys.stderr)
sys.exit(status)
"""


def time_command(
    arguments: Sequence[str],
    repeats: int,
    count: int,
    environment: Mapping[str, str] | None = None,
    prepare: Callable[[], None] | None = None,
) -> Row:
    """A command of ours, whose output must name the revisions of steps 1 to `count`."""
    walls, works = [], []
    for _ in range(repeats):
        if prepare:
            prepare()
        started = time.perf_counter()
        with subprocess.Popen(
            [sys.executable, "-c", _COMMAND, *arguments],
            env=os.environ | (environment or {}),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        ) as process:
            out, errors = process.communicate()
            walls.append(time.perf_counter() - started)
        named = set(re.findall(r"step-\d{9}", out))
        if process.returncode or len(named) != count:
            raise RuntimeError(f"{arguments[0]} named {len(named)} revisions: {errors[-2000:]}")
        works.append(float(errors.split("work_s")[-1]))
    return Row(
        system="hub-revisions",
        case=arguments[0],
        repeats=repeats,
        wall_s=statistics.median(walls),
        work_s=statistics.median(works),
    )
