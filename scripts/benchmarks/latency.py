"""Latency: how long a small checkpoint, an adapter's, takes until its revision is there, by the
distance to the hub.

Revisions are published one after the other by one process: the first one's time has what is asked
about the repository and the making of connections in it, and stands apart. The callback asks while
training begins, so that no checkpoint of a training is a first one.
"""

from __future__ import annotations

import shutil
import statistics
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from . import Report, Row, clients
from .checkpoints import MIB, warm, write_checkpoint
from .delay_proxy import FarServers
from .effort import Effort
from .process import Cost, measure
from .servers import bytes_received

NAME = "latency"

_BYTES = 16 * MIB
_RTTS_MS = {Effort.QUICK: (50,), Effort.DEFAULT: (0, 50, 200), Effort.FULL: (0, 50, 200)}
_REVISIONS = {Effort.QUICK: 3, Effort.DEFAULT: 6, Effort.FULL: 24}
_SYSTEMS = {
    "hub-revisions": clients.publish_row_with_hub_revisions,
    "huggingface_hub": clients.publish_row_with_huggingface_hub,
}


def run(effort: Effort, work: Path, report: Report) -> list[Row]:
    """One row for each distance and system."""
    rows: list[Row] = []
    for rtt_ms in _RTTS_MS[effort]:
        with FarServers(work / f"servers-{rtt_ms}", rtt_ms) as servers:
            report(f"{rtt_ms} ms away")
            costs = {
                system: _publish(servers, system, _REVISIONS[effort], work / "run")
                for system in _SYSTEMS
            }
        ours = _later_wall_s(costs["hub-revisions"])
        rows += [
            Row(
                system=system,
                bytes=_BYTES,
                rtt_ms=rtt_ms,
                revisions=len(each),
                first_wall_s=each[0].wall_s,
                later_wall_s=_later_wall_s(each),
                later_cpu_s=statistics.median(cost.cpu_s for cost in each[1:]),
                wall_ratio_to_ours=_later_wall_s(each) / ours,
            )
            for system, each in costs.items()
        ]
    return rows


def _later_wall_s(costs: Sequence[Cost]) -> float:
    return statistics.median(cost.wall_s for cost in costs[1:])


def _publish(servers: FarServers, system: str, revisions: int, folder: Path) -> list[Cost]:
    checkpoints = [folder / f"checkpoint-{number}" for number in range(revisions)]
    for seed, checkpoint in enumerate(checkpoints):
        write_checkpoint(checkpoint, [_BYTES], seed=seed)
        warm(checkpoint)
    target = servers.new_target()
    sent = partial(bytes_received, servers.storage_endpoint)
    _, published = measure(
        _SYSTEMS[system], target, checkpoints, sent, environment=clients.WITHOUT_XET
    )
    for checkpoint, one in zip(checkpoints, published, strict=True):
        if one.bytes_sent < _BYTES or not servers.files(target.repo_id, checkpoint.name):
            raise RuntimeError(f"{system} did not publish {checkpoint.name}")
    shutil.rmtree(folder)
    return [one.cost for one in published]
