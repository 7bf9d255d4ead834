"""How long a save holds up the training thread: `on_save` of ours, what open-r1 does there with
huggingface_hub, and what the Trainer adds to a save with `push_to_hub` (`saving` has them).

Size, number of files and round-trip time to the hub are varied one at a time. The servers stand for
another machine: they run when nobody else wants a core (SCHED_IDLE).
"""

from __future__ import annotations

import math
import os
import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from . import Report, Row
from .checkpoints import GIB, MIB
from .delay_proxy import FarServers
from .effort import Effort
from .process import measure
from .saving import (
    Case,
    Times,
    save_in_open_r1_order,
    save_with_hub_revisions,
    save_with_trainer,
)

NAME = "stall"

_USUAL = Case(GIB, 20)
_USUAL_RTT_MS = 50
_SIZES = [Case(64 * MIB, 20), Case(8 * GIB, 20), Case(64 * GIB, 20)]
_COUNTS = [Case(GIB, 5), Case(GIB, 100), Case(GIB, 1000)]
_CASES: dict[Effort, dict[int, list[Case]]] = {  # by round-trip time
    Effort.QUICK: {_USUAL_RTT_MS: [_USUAL, Case(64 * GIB, 20), Case(GIB, 1000)]},
    Effort.DEFAULT: {0: [_USUAL], 200: [_USUAL], _USUAL_RTT_MS: [_USUAL, *_SIZES, *_COUNTS]},
}
_CASES[Effort.FULL] = _CASES[Effort.DEFAULT]


@dataclass(frozen=True)
class System:
    """Whom a task measures; `cannot` says why it is spared a case, or nothing."""

    name: str
    task: Callable[..., Times]
    saves: dict[Effort, int]
    cannot: Callable[[Case, Effort], str]


def _open_r1_cannot(case: Case, effort: Effort) -> str:
    if case.bytes > GIB:
        return "an upload of so much cannot be stopped, and disturbs what is measured next"
    return "" if effort is Effort.FULL or case == _USUAL else "not at this effort"


def _trainer_cannot(case: Case, effort: Effort) -> str:
    if case.bytes > GIB:
        return "it would copy all of it for each save"
    return "" if effort is Effort.FULL or case == _USUAL else "not at this effort"


_SYSTEMS = (
    System(
        "open-r1-order",
        save_in_open_r1_order,
        {Effort.QUICK: 10, Effort.DEFAULT: 10, Effort.FULL: 100},
        _open_r1_cannot,
    ),
    System(
        "hub-revisions",
        save_with_hub_revisions,
        {Effort.QUICK: 30, Effort.DEFAULT: 100, Effort.FULL: 100},
        lambda case, effort: "",
    ),
    System(
        "trainer",
        save_with_trainer,
        {Effort.QUICK: 2, Effort.DEFAULT: 3, Effort.FULL: 20},
        _trainer_cannot,
    ),
)


def run(effort: Effort, work: Path, report: Report) -> list[Row]:
    """Each system in a process of its own for each round-trip time, with all of its cases."""
    rows = []
    for rtt_ms, cases in _CASES[effort].items():
        with FarServers(work / f"servers-{rtt_ms}", rtt_ms) as servers:
            for pid in servers.pids[:2]:  # not of the proxies, which keep time
                os.sched_setscheduler(pid, os.SCHED_IDLE, os.sched_param(0))
            for system in _SYSTEMS:
                report(f"{system.name}, {rtt_ms} ms away")
                folder = work / f"{system.name}-{rtt_ms}"
                rows += _measure(system, effort, servers, folder, rtt_ms, cases)
    return rows


def _measure(
    system: System,
    effort: Effort,
    servers: FarServers,
    folder: Path,
    rtt_ms: int,
    cases: Sequence[Case],
) -> list[Row]:
    saves = system.saves[effort]
    reasons = {case: system.cannot(case, effort) for case in cases}
    _, times = measure(
        system.task,
        folder,
        servers.endpoint,
        servers.token,
        [case for case, reason in reasons.items() if not reason],
        saves,
        environment={"HF_HUB_DISABLE_XET": "1", "HF_ENDPOINT": servers.endpoint},
    )
    rows = []
    for case, reason in reasons.items():
        row = Row(system=system.name, bytes=case.bytes, files=case.files, rtt_ms=rtt_ms)
        if reason:
            rows.append(row | {"skipped": reason})
            continue
        rows.append(
            row
            | {
                "saves": saves,
                "median_ms": statistics.median(times[case]),
                "p99_ms": sorted(times[case])[math.ceil(saves * 0.99) - 1],
            }
        )
    return rows
