"""Push: what it takes to publish one checkpoint, by its shape.

Every system publishes the same files, warm in the page cache, into a new repository whose large
files go to a sink; in turns, so that each sees the same machine. The floor is what nobody can do
without: the same bytes hashed by OpenSSL, and sent by curl.
"""

from __future__ import annotations

import json
import shutil
import statistics
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from . import Report, Row, clients
from .checkpoints import GIB, KIB, MIB, SMALL_FILES, warm, write_checkpoint
from .effort import Effort
from .process import Cost, measure
from .servers import Servers, Target

NAME = "push"
REVISION = "step-1"
_FLOOR_PIECES = 4
_FLOOR_PARTS = ("hash", "send", "overlapped", "verified")
_SYSTEMS = {
    "hub-revisions": clients.publish_with_hub_revisions,
    "huggingface_hub": clients.publish_with_huggingface_hub,
    "git-lfs": clients.publish_with_git_lfs,
}


@dataclass(frozen=True)
class Shape:
    """So many files of weights of one size."""

    files: int
    bytes_each: int

    @property
    def bytes(self) -> int:
        return self.files * self.bytes_each

    def __str__(self) -> str:
        size = self.bytes_each
        amount = f"{size // GIB} GiB" if size % GIB == 0 else (
            f"{size // MIB} MiB" if size % MIB == 0 else f"{size // KIB} KiB"
        )  # fmt: skip
        return f"{self.files:,} x {amount}"


_SHAPES = {
    Effort.QUICK: (
        Shape(1, 256 * MIB),
        Shape(4, 64 * MIB),
        Shape(200, 5 * MIB // 4),
        Shape(500, 64 * KIB),
    ),
    Effort.DEFAULT: (
        Shape(1, 2 * GIB),
        Shape(4, GIB // 2),
        Shape(200, 10 * MIB),
        Shape(2000, 64 * KIB),
    ),
    Effort.FULL: (
        Shape(1, 8 * GIB),
        Shape(4, 2 * GIB),
        Shape(200, 40 * MIB),
        Shape(2000, 64 * KIB),
    ),
}
_ROUNDS = {Effort.QUICK: 1, Effort.DEFAULT: 3, Effort.FULL: 3}
_ONCE = ("git-lfs",)  # takes several times as long as all others together: noise says little there


@dataclass(frozen=True)
class _Sample:
    cost: Cost
    bytes_sent: int
    server_cpu_s: float
    extra: Mapping[str, float]


def run(effort: Effort, work: Path, report: Report) -> list[Row]:
    """One row for each shape and system: medians over the rounds, and ratios within them."""
    rows = []
    with Servers(work / "servers") as servers:
        for shape in _SHAPES[effort]:
            report(f"{shape}: writing the checkpoint")
            folder = work / "run"
            write_checkpoint(folder / "checkpoint-1", [shape.bytes_each] * shape.files, seed=1)
            pieces = _floor_files(folder / "checkpoint-1", shape)
            rounds = []
            for number in range(_ROUNDS[effort]):
                report(f"{shape}: round {number + 1} of {_ROUNDS[effort]}")
                systems = [name for name in _SYSTEMS if number == 0 or name not in _ONCE]
                rounds.append(_one_round(servers, shape, systems, folder / "checkpoint-1", pieces))
            rows += _rows(shape, rounds)
            shutil.rmtree(folder)
            shutil.rmtree(work / "floor")
    return rows


def _floor_files(checkpoint: Path, shape: Shape) -> list[Path]:
    """The same weights for the floor: the files themselves, or a single one's pieces, which all
    cores can hash at once."""
    folder = checkpoint.parent.parent / "floor"
    folder.mkdir()
    weights = sorted(checkpoint.glob("*.safetensors"))
    if len(weights) > 1:
        for path in weights:
            (folder / path.name).hardlink_to(path)
    else:
        with weights[0].open("rb") as file:
            for number in range(_FLOOR_PIECES):
                with (folder / f"piece-{number}").open("wb") as piece:
                    for _ in range(shape.bytes // _FLOOR_PIECES // MIB):
                        piece.write(file.read(MIB))
    return sorted(folder.iterdir())


def _one_round(
    servers: Servers, shape: Shape, systems: list[str], checkpoint: Path, pieces: list[Path]
) -> dict[str, _Sample]:
    samples = {}
    for system in systems:
        publish = _SYSTEMS[system]
        target = servers.new_target()
        warm(checkpoint)
        before, cpu = servers.received(), servers.cpu_seconds()
        cost, extra = measure(
            publish, target, checkpoint, REVISION, environment=clients.WITHOUT_XET
        )
        sent = servers.received().bytes - before.bytes
        samples[system] = _Sample(cost, sent, servers.cpu_seconds() - cpu, extra or {})
        _check_revision(servers, target, shape, system)
        if sent < shape.bytes:
            raise RuntimeError(f"{system} sent {sent} of {shape.bytes} bytes")
    warm(pieces[0].parent)
    samples |= _floor(servers, pieces)
    return samples


def _floor(servers: Servers, pieces: list[Path]) -> dict[str, _Sample]:
    """Hashing alone, sending alone, both at once, and that with a request more for each object, as
    a server demands that verifies it: four samples."""
    samples = {}
    sizes = [piece.stat().st_size for piece in pieces]
    bodies = [json.dumps({"oid": f"{i:064x}", "size": size}) for i, size in enumerate(sizes)]
    for name in _FLOOR_PARTS:
        target = servers.new_target()
        storage = servers.storage_endpoint
        urls = [
            f"{storage}/{target.repo_id}/objects/{number:064x}/{size}?"
            for number, size in enumerate(sizes)
        ]
        before, cpu = servers.received(), servers.cpu_seconds()
        if name == "hash":
            cost, _ = measure(clients.hash_all, pieces)
        elif name == "send":
            cost, _ = measure(clients.send_all, pieces, urls)
        elif name == "overlapped":
            cost, _ = measure(clients.hash_and_send_all, pieces, urls)
        else:
            url = f"{storage}/verify/{target.repo_id}"
            cost, _ = measure(clients.hash_send_and_verify_all, pieces, urls, url, bodies)
        sent = servers.received().bytes - before.bytes
        expected = 0 if name == "hash" else sum(sizes)
        if sent != expected:
            raise RuntimeError(f"the floor sent {sent} of {expected} bytes")
        samples[name] = _Sample(cost, sent, servers.cpu_seconds() - cpu, {})
    return samples


def _check_revision(servers: Servers, target: Target, shape: Shape, system: str) -> None:
    files = servers.files(target.repo_id, REVISION)
    weights = sum(size for path, size in files.items() if path.endswith(".safetensors"))
    missing = [name for name in SMALL_FILES if name not in files]
    if weights < shape.bytes or missing:
        raise RuntimeError(f"{system}: {weights} bytes of weights, missing: {missing}")


def _rows(shape: Shape, rounds: list[dict[str, _Sample]]) -> list[Row]:
    rows = []
    for system in _SYSTEMS:
        with_it = [samples for samples in rounds if system in samples]
        rows.append(_row(shape, system, with_it, system) | _ratios(system, with_it))
    floor = _row(shape, "floor", rounds, "overlapped")
    for part in _FLOOR_PARTS:
        floor[f"{part}_wall_s"] = statistics.median(r[part].cost.wall_s for r in rounds)
        floor[f"{part}_cpu_s"] = statistics.median(r[part].cost.cpu_s for r in rounds)
    return [*rows, floor]


def _row(shape: Shape, system: str, rounds: list[dict[str, _Sample]], name: str) -> Row:
    samples = [samples[name] for samples in rounds]

    def median(figure: Callable[[_Sample], float]) -> float:
        return statistics.median(map(figure, samples))

    row: Row = {
        "system": system,
        "shape": str(shape),
        "files": shape.files,
        "bytes": shape.bytes,
        "rounds": len(rounds),
        "wall_s": median(lambda sample: sample.cost.wall_s),
        "cpu_s": median(lambda sample: sample.cost.cpu_s),
        "server_cpu_s": median(lambda sample: sample.server_cpu_s),
        "peak_rss_mib": median(lambda sample: sample.cost.peak_rss_mib),
        "rss_growth_mib": median(lambda sample: sample.cost.rss_growth_mib),
        "bytes_sent": int(median(lambda sample: sample.bytes_sent)),
    }
    for key in samples[0].extra:
        row[key] = statistics.median(sample.extra[key] for sample in samples)
    return row


def _ratios(system: str, rounds: list[dict[str, _Sample]]) -> Row:
    """Medians of the ratios within each round: to hashing and sending at once, to the longer of
    the two alone, to both with verification, and to hub-revisions (above 1: takes longer)."""

    def median(figure: Callable[[Cost], float], *bases: str) -> float:
        return statistics.median(
            figure(samples[system].cost) / max(figure(samples[base].cost) for base in bases)
            for samples in rounds
        )

    return {
        "wall_ratio_to_floor": median(lambda cost: cost.wall_s, "overlapped"),
        "wall_ratio_to_slower_part": median(lambda cost: cost.wall_s, "hash", "send"),
        "wall_ratio_to_verified_floor": median(lambda cost: cost.wall_s, "verified"),
        "cpu_ratio_to_floor": median(lambda cost: cost.cpu_s, "overlapped"),
        "cpu_ratio_to_verified_floor": median(lambda cost: cost.cpu_s, "verified"),
        "wall_ratio_to_ours": median(lambda cost: cost.wall_s, "hub-revisions"),
    }
