"""Repositories of pushed checkpoints, and what their hub has on its disk."""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hub_revisions import RevisionPusher
from hub_revisions.local_hub import LocalHub
from hub_revisions.repository import Repository
from published import git
from tiny_training import write_checkpoint

SHARED = bytes(range(256)) * 16  # in every revision, as a tokenizer is
DAY = 24 * 60 * 60


def name_of(step: int) -> str:
    return f"step-{step:09d}"


@dataclass(frozen=True)
class Pushed:
    """A repository on a hub, with one revision for each checkpoint."""

    hub: LocalHub
    where: dict[str, Any]
    checkpoints: Path

    @property
    def repo_id(self) -> str:
        return str(self.where["repo_id"])

    @property
    def folder(self) -> Path:
        """The bare repository on the hub's disk."""
        return self.hub.root / f"{self.repo_id}.git"

    @property
    def repository(self) -> Repository:
        settings = {key: value for key, value in self.where.items() if key != "repo_id"}
        return Repository(self.repo_id, **settings)

    def branches(self) -> dict[str, str]:
        """Commits by branch."""
        listing = git(
            self.folder, "for-each-ref", "--format=%(refname:lstrip=2) %(objectname)", "refs/heads"
        )
        return dict(line.split() for line in listing.splitlines())

    def steps(self) -> list[int]:
        """The steps whose revisions are there."""
        return sorted(int(name[5:]) for name in self.branches() if name.startswith("step-"))

    def weights(self, step: int) -> Path:
        return self.checkpoints / f"checkpoint-{step}" / "model.safetensors"

    def objects(self) -> dict[str, int]:
        """Sizes of the stored objects by name."""
        found = (self.folder / "lfs" / "objects").glob("??/??/*")
        return {path.name: path.stat().st_size for path in found}

    def age(self, seconds: float, oids: Iterable[str] | None = None) -> None:
        """Let objects have been sent that long ago."""
        for oid in self.objects() if oids is None else oids:
            path = self.folder / "lfs" / "objects" / oid[:2] / oid[2:4] / oid
            os.utime(path, (time.time() - seconds,) * 2)

    def store_object(self, content: bytes) -> str:
        """What an upload leaves that has not reached its commit."""
        oid = sha256(content)
        path = self.folder / "lfs" / "objects" / oid[:2] / oid[2:4] / oid
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        return oid


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def push(hub: LocalHub, where: dict[str, Any], folder: Path, steps: Iterable[int]) -> Pushed:
    """Push one checkpoint for each step, with weights of its own and a file that all have."""
    pushed = Pushed(hub, where, folder)
    with RevisionPusher(folder, **where) as pusher:
        for step in steps:
            made = write_checkpoint(
                folder / f"checkpoint-{step}", step=step, size=1000 + step, eval_loss=1 / step
            )
            (made / "tokenizer.model").write_bytes(SHARED)
            pusher.submit(made)
        assert pusher.wait(timeout=120)
        assert {record.state for record in pusher.records()} == {"done"}
    return pushed
