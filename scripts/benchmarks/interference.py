"""How much slower training gets while a push runs in its process.

Loops, each in a process of its own: a real Trainer on all cores with torch's default threads, one
on a GPU where there is one, and pure Python, which needs one core and the GIL. Blocks without a
push, with ours, and with huggingface_hub's upload thread (without Xet) take turns. A block is
compared with its two neighbours without one, so that what else slows the machine takes part in
both; told are the median over all turns and the quartiles. The row of `none` compares blocks
without a push in the same way: what differs there is noise.

The push covers its block, and the block the push, unless that takes several times as long as a
block without one. A push that is over too soon is an error. Its checkpoint is of holes, in memory,
so that no disk is measured. The servers stand for another machine: they run when nobody else wants
a core (SCHED_IDLE). `pushed_mib_per_s` is what the push got done beside the training; who is slow
disturbs less.
"""

from __future__ import annotations

import os
import shutil
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from . import Report, Row
from .checkpoints import MIB, write_checkpoint
from .effort import Effort
from .loops import LOOPS, possible
from .process import Meter, measure
from .servers import HubClient, Servers, Target, received

NAME = "interference"

_SHARD = 64 * MIB
_SHORTEST, _LONGEST = 0.3, 4  # of a block with a push, by the length of one without
_LOOK_S = 0.05  # how often it is looked whether the push has ended; each look takes the GIL
_WARM_UP_S = 1.0


@dataclass(frozen=True)
class Plan:
    """How many turns, how long a block without a push is, and how many shards of 64 MiB a push has
    for every two cores."""

    turns: int
    block_s: float
    shards: int


_PLANS = {
    Effort.QUICK: Plan(2, 0.6, 6),
    Effort.DEFAULT: Plan(4, 1.5, 12),
    Effort.FULL: Plan(12, 3.0, 32),
}


@dataclass
class Block:
    """Steps per second of the loop, and what arrived at the storage meanwhile."""

    seconds: float
    steps_per_s: float
    mib_per_s: float


class Push(Protocol):
    """What runs beside a block."""

    def start(self, checkpoint: Path, target: Target) -> None:
        """Begin to publish a checkpoint."""

    def ended(self) -> bool:
        """Whether it is published. Raises if it failed."""

    def stop(self) -> None:
        """End it, or wait for its end."""


class OurPush:
    """The worker with its defaults."""

    def start(self, checkpoint: Path, target: Target) -> None:
        from hub_revisions import RevisionPusher

        self._pusher = RevisionPusher(
            checkpoint.parent,
            repo_id=target.repo_id,
            endpoint=target.endpoint,
            token=target.token,
        )
        self._job = self._pusher.submit(checkpoint, "step-000000001")

    def ended(self) -> bool:
        record = self._pusher.record(self._job)
        if record is None or record.error:
            raise RuntimeError(f"the push failed: {record and record.error}")
        return record.state == "done"

    def stop(self) -> None:
        self._pusher.cancel()
        self._pusher.close(0)
        shutil.rmtree(self._pusher.spool)


class HubPush:
    """`upload_folder` on huggingface_hub's own thread, which cannot be stopped."""

    def start(self, checkpoint: Path, target: Target) -> None:
        from huggingface_hub import HfApi
        from huggingface_hub.utils import disable_progress_bars

        disable_progress_bars()
        api = HfApi(endpoint=target.endpoint, token=target.token)
        self._future = api.upload_folder(
            repo_id=target.repo_id,
            folder_path=checkpoint,
            run_as_future=True,
        )

    def ended(self) -> bool:
        return self._future.done() and self._future.result() is not None

    def stop(self) -> None:
        self._future.result()


def run(effort: Effort, work: Path, report: Report) -> list[Row]:
    """All loops, one after the other."""
    plan = _PLANS[effort]
    rows = []
    with Servers(work / "servers") as servers:
        for pid in servers.pids:
            os.sched_setscheduler(pid, os.SCHED_IDLE, os.sched_param(0))
        hub = (servers.endpoint, servers.token, servers.storage_endpoint)
        for loop in possible():
            report(f"{loop} loop")
            folder = Path(tempfile.mkdtemp(dir="/dev/shm", prefix="hub-revisions-bench-"))
            try:
                environment = {"HF_HUB_DISABLE_XET": "1", "TOKENIZERS_PARALLELISM": "false"}
                _, blocks = measure(_task, loop, plan, folder, *hub, environment=environment)
            finally:
                shutil.rmtree(folder)
            rows += _rows(loop, plan, blocks)
    return rows


def _task(
    meter: Meter, loop: str, plan: Plan, folder: Path, endpoint: str, token: str, storage: str
) -> list[tuple[str, Block]]:
    blocks: list[tuple[str, Block]] = []
    steps = _take_turns(plan, folder, HubClient(endpoint, token), storage, blocks)
    with meter:
        LOOPS[loop](steps, folder)
    return blocks


def _take_turns(
    plan: Plan, folder: Path, hub: HubClient, storage: str, blocks: list[tuple[str, Block]]
) -> Iterator[None]:
    """Takes the loop's place between two steps: each item stands for a step that it has made."""
    checkpoint = folder / "checkpoint-1"
    pairs = max(1, len(os.sched_getaffinity(0)) // 2)
    write_checkpoint(checkpoint, [_SHARD] * plan.shards * pairs, seed=None)
    warm = time.perf_counter() + _WARM_UP_S
    while time.perf_counter() < warm:
        yield
    for turn in range(plan.turns):
        for system, push in (("hub-revisions", OurPush()), ("huggingface_hub", HubPush())):
            yield from _block("none", plan.block_s, storage, blocks)
            # A repository of its own: what was sent to others is not known there.
            repo_id = hub.create_repository(f"{folder.name}-{system}-{turn}")
            push.start(checkpoint, Target(hub.endpoint, hub.token, repo_id))
            yield from _block(system, plan.block_s * _LONGEST, storage, blocks, push.ended)
            push.stop()
            if blocks[-1][1].seconds < plan.block_s * _SHORTEST:
                raise RuntimeError(f"a push of {system} took only {blocks[-1][1].seconds:.2f} s")
    yield from _block("none", plan.block_s, storage, blocks)


def _block(
    system: str,
    longest_s: float,
    storage: str,
    blocks: list[tuple[str, Block]],
    ended: Callable[[], bool] = lambda: False,
) -> Iterator[None]:
    arrived = received(storage).bytes
    began = now = looked = time.perf_counter()
    steps = 0
    while now - began < longest_s:
        if now - looked > _LOOK_S:
            looked = now
            if ended():
                break
        yield
        steps += 1
        now = time.perf_counter()
    seconds = now - began
    arrived = received(storage).bytes - arrived
    blocks.append((system, Block(seconds, steps / seconds, arrived / MIB / seconds)))


def _rows(loop: str, plan: Plan, blocks: Sequence[tuple[str, Block]]) -> list[Row]:
    rows = []
    for system in dict.fromkeys(name for name, _ in blocks):
        distance = 2 if system == "none" else 1  # to the next blocks without a push
        slower = []
        for at in range(distance, len(blocks) - distance):
            if blocks[at][0] == system:
                around = (blocks[at - distance][1], blocks[at + distance][1])
                free = statistics.mean(block.steps_per_s for block in around)
                slower.append((1 - blocks[at][1].steps_per_s / free) * 100)
        own = [block for name, block in blocks if name == system]
        low, median, high = statistics.quantiles(slower, n=4, method="inclusive")
        rows.append(
            Row(
                system=system,
                loop=loop,
                turns=len(slower),
                block_s=statistics.median(block.seconds for block in own),
                steps_per_s=statistics.median(block.steps_per_s for block in own),
                slowdown_percent=median,
                slowdown_quartile_1_percent=low,
                slowdown_quartile_3_percent=high,
                pushed_mib_per_s=statistics.median(block.mib_per_s for block in own),
            )
        )
    return rows
