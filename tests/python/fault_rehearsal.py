"""Pushing a real checkpoint to a hub that fails on purpose, and what has to be true afterwards."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
from hub_revisions import JobRecord, RevisionPusher
from hub_revisions.local_hub import LocalHub
from huggingface_hub import HfApi
from tiny_training import write_checkpoint

STEP = 7
REVISION = "step-000000007"
WEIGHTS = (1 << 20) + 4321  # bytes; more than the Hub takes outside LFS
STALL = 3.0  # seconds; longer than an answer takes on a busy machine
_TIMEOUT = 60.0

STAGES: dict[str, Mapping[str, Any]] = {
    "whoami": {"method": "GET", "path": "/api/whoami-v2"},
    "create": {"method": "POST", "path": "/api/repos/create"},
    "access": {"method": "GET", "path": "*/auth-check/write"},
    "card": {"method": "POST", "path": "/api/validate-yaml"},
    "batch": {"method": "POST", "path": "*/info/lfs/objects/batch"},
    "put": {"method": "PUT", "on": "storage"},
    "verify": {"method": "POST", "path": "*/info/lfs/objects/verify"},
    "refs": {"method": "GET", "path": "*/info/refs"},
    "push": {"method": "POST", "path": "*/git-receive-pack"},
    "confirm": {"method": "GET", "path": "*/revision/*"},
}
"""The requests of one push, in order, as rules of `local_hub.faults` name them."""

ASKED_AHEAD = ("card", "refs")
"""The stages that come while files are sent, and again afterwards where they failed."""


def rule(stage: str, do: str, **fields: Any) -> dict[str, Any]:
    """A rule about the requests of one stage."""
    return {**STAGES[stage], "do": do, **fields}


def counter(stage: str) -> dict[str, Any]:
    """A rule that takes nothing; its `matches` count the requests of a stage. Goes first."""
    return rule(stage, "reset", times=0)


@dataclass
class Rehearsal:
    """One checkpoint in one output folder, and the hub it goes to."""

    hub: LocalHub
    repo_id: str
    folder: Path
    endpoint: str
    counts: list[dict[str, Any]]

    @classmethod
    def prepare(cls, hub: LocalHub, repo_id: str, folder: Path) -> Rehearsal:
        """Write the checkpoint, with weights that no other one has."""
        checkpoint = write_checkpoint(folder / f"checkpoint-{STEP}", step=STEP, size=WEIGHTS)
        with (checkpoint / "model.safetensors").open("r+b") as file:
            file.seek(-WEIGHTS, os.SEEK_END)
            file.write(os.urandom(WEIGHTS))
        return cls(hub, repo_id, folder, hub.endpoint, [])

    @property
    def weights(self) -> bytes:
        return (self.folder / f"checkpoint-{STEP}" / "model.safetensors").read_bytes()

    def pusher(self, **settings: Any) -> RevisionPusher:
        """A worker that does not wait long between its attempts."""
        options = {
            "endpoint": self.endpoint,
            "token": self.hub.token,
            "repo_id": self.repo_id,
            "max_retries": 4,
            "retry_max_delay": 0.02,
        } | settings
        return RevisionPusher(self.folder, **options)

    def push(self, *rules: Mapping[str, Any] | str, **settings: Any) -> JobRecord:
        """Push the checkpoint while the hub follows `rules`; each that can fire must have fired."""
        self.hub.set_faults(*rules)
        with self.pusher(**settings) as pusher:
            job = pusher.submit(self.folder / f"checkpoint-{STEP}")
            assert pusher.wait(timeout=_TIMEOUT)
        self.counts = self.hub.fault_counts()
        for count in self.counts:
            assert count["times"] == 0 or count["hits"] > 0, f"never hit: {count}"
        self.hub.set_faults()
        (record,) = [record for record in pusher.status() if record.id == job]
        return record

    def create_repository(self) -> None:
        """As somebody else would have done before."""
        HfApi(endpoint=self.hub.endpoint, token=self.hub.token).create_repo(self.repo_id)

    def attempts(self, number: int = 0) -> int:
        """How many requests the rule with this number saw in the last push."""
        matches: int = self.counts[number]["matches"]
        return matches

    def assert_published(self, record: JobRecord, repo_id: str | None = None) -> None:
        """The revision is there, whole and the same, and the snapshot is freed."""
        assert record.state == "done", record.error
        repo_id = repo_id or self.repo_id
        with httpx.Client(
            headers={"Authorization": f"Bearer {self.hub.token}"}, trust_env=False
        ) as client:
            info = client.get(f"{self.hub.endpoint}/api/models/{repo_id}/revision/{REVISION}")
            assert info.json()["sha"] == record.commit
            names = {file["rfilename"] for file in info.json()["siblings"]}
            assert names >= {"model.safetensors", "config.json", "README.md"}
            url = f"{self.hub.endpoint}/{repo_id}/resolve/{REVISION}/model.safetensors"
            found = client.get(url, follow_redirects=False)
            stored = httpx.get(found.headers["location"], trust_env=False)
            assert stored.content == self.weights
        assert self.frozen_weights() == []

    def assert_kept(self, record: JobRecord, kind: str, *words: str) -> None:
        """The record says what went wrong, and the snapshot is whole."""
        assert record.state == "failed"
        assert record.error is not None
        assert record.error.kind == kind, record.error
        for word in words:
            assert word in record.error.message, record.error
        assert self.hub.token not in record.error.message
        (weights,) = self.frozen_weights()
        assert weights.read_bytes() == self.weights

    def assert_request_id(self, record: JobRecord, status: int) -> None:
        """The error names the request as the hub's log does."""
        assert record.error is not None
        assert record.error.http_status == status
        assert record.error.request_id in record.error.message
        lines = (self.hub.root / "hub.log").read_text().splitlines()
        (line,) = [line for line in lines if line.endswith(record.error.request_id)]
        assert f" {status} " in line

    def resume(self, **settings: Any) -> JobRecord:
        """What a later training in the same folder, or `sync`, does: push what is left."""
        with self.pusher(**settings) as pusher:
            assert pusher.wait(timeout=_TIMEOUT)
        (record,) = pusher.status()
        return record

    def frozen_weights(self) -> list[Path]:
        """The weights that the spool still holds."""
        return list((self.folder / "_hub_revisions").rglob("model.safetensors"))
