"""The undisturbed run: what a storm has to end with, and where it can be killed."""

from __future__ import annotations

import hashlib
import json
import os
import urllib.request
from dataclasses import dataclass
from pathlib import Path

from hub_revisions.local_hub import LocalHub

from .checkpoints import Checkpoint
from .git import BareRepository, Branch


@dataclass(frozen=True)
class Expected:
    """What each revision must be: the control's commit but for its time, and these LFS objects."""

    branches: dict[str, Branch]
    pointers: dict[str, dict[str, tuple[str, int]]]


def repository_of(hub: LocalHub, repo_id: str) -> BareRepository:
    """Where the hub keeps a repository."""
    return BareRepository(hub.root / f"{repo_id}.git")


def read_control(hub: LocalHub, repo_id: str, checkpoints: list[Checkpoint]) -> Expected:
    """Read what the undisturbed run left; raises RuntimeError if that is not what was saved."""
    repository = repository_of(hub, repo_id)
    branches = repository.branches()
    wanted = {checkpoint.revision for checkpoint in checkpoints}
    if set(branches) != wanted:
        raise RuntimeError(f"undisturbed, it published {sorted(branches)}")
    pointers = {name: repository.pointers(branch) for name, branch in branches.items()}
    for checkpoint in checkpoints:
        for path, (oid, size) in pointers[checkpoint.revision].items():
            content = (checkpoint.folder / path).read_bytes()
            if (hashlib.sha256(content).hexdigest(), len(content)) != (oid, size):
                raise RuntimeError(f"undisturbed, {checkpoint.revision} has another {path}")
    return Expected(branches, pointers)


def delete_repository(hub: LocalHub, repo_id: str) -> None:
    """Delete it through the REST API."""
    namespace, _, name = repo_id.partition("/")
    request = urllib.request.Request(
        f"{hub.endpoint}/api/repos/delete",
        json.dumps({"organization": namespace, "name": name}).encode(),
        {"Authorization": f"Bearer {hub.token}", "Content-Type": "application/json"},
        method="DELETE",
    )
    with urllib.request.urlopen(request, timeout=60):
        pass


def run_environment(hub: LocalHub) -> dict[str, str]:
    """The environment in which a run finds the hub, and nobody's own token."""
    own = ("HF_TOKEN_PATH", "HF_HUB_OFFLINE", "HUGGING_FACE_HUB_TOKEN")
    environment = {name: value for name, value in os.environ.items() if name not in own}
    tests = str(Path(__file__).resolve().parents[1])
    path = os.pathsep.join([tests, *filter(None, [os.environ.get("PYTHONPATH")])])
    return environment | {
        "HF_ENDPOINT": hub.endpoint,
        "HF_TOKEN": hub.token,
        "PYTHONPATH": path,
    }
