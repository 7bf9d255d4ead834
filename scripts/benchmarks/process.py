"""One system in a process of its own, and what it cost there."""

from __future__ import annotations

import multiprocessing
import os
import resource
import time
import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from types import TracebackType
from typing import Any, TypeVar

T = TypeVar("T")


@dataclass
class Cost:
    """What the part in `Meter` took.

    `cpu_s` is user and system time of the process and of what it has started and waited for, not
    of servers. `peak_rss_mib` is the largest resident size of any one of these processes,
    `rss_growth_mib` by how much the process itself grew above its size before, or the whole size
    of a larger one that it started.
    """

    wall_s: float
    cpu_s: float
    peak_rss_mib: float
    rss_growth_mib: float


class Meter:
    """`with meter:` around what counts; imports and preparations stay outside. `cost` is that of
    the last time."""

    cost: Cost

    def __enter__(self) -> Meter:
        Path("/proc/self/clear_refs").write_text("5")  # VmHWM counts from here on
        self._rss = _peak_rss_mib()
        self._cpu = _cpu_s()
        self._started = time.perf_counter()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        wall = time.perf_counter() - self._started
        cpu = _cpu_s() - self._cpu
        own = _peak_rss_mib()
        started = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
        self.cost = Cost(wall, cpu, max(own, started), max(own - self._rss, started))


def measure(
    task: Callable[..., T],
    *arguments: Any,
    environment: Mapping[str, str] | None = None,
) -> tuple[Cost, T]:
    """Run `task(meter, *arguments)` in a fresh interpreter; its cost and what it returned.

    `environment` is added to the process's. The task is a function of a module, and enters the
    meter. Raises `RuntimeError` with the traceback of a task that failed.
    """
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=_run, args=(theirs, task, arguments, environment or {}))
    process.start()
    theirs.close()
    try:
        answer: str | tuple[Cost, T] = ours.recv()
    except EOFError:
        process.join()
        raise RuntimeError(f"{task.__name__} died with status {process.exitcode}") from None
    process.join()
    if isinstance(answer, str):
        raise RuntimeError(f"{task.__name__} failed:\n{answer}")
    return answer


def _run(
    connection: Connection,
    task: Callable[..., T],
    arguments: tuple[Any, ...],
    environment: Mapping[str, str],
) -> None:
    os.environ.update(environment)
    meter = Meter()
    try:
        returned = task(meter, *arguments)
        connection.send((meter.cost, returned))
    except BaseException:
        connection.send(traceback.format_exc())


def _cpu_s() -> float:
    times = os.times()
    return times.user + times.system + times.children_user + times.children_system


def _peak_rss_mib() -> float:
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) / 1024
    raise RuntimeError("no VmHWM in /proc/self/status")
