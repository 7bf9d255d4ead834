"""Repositories with revisions that took no push: written into the hub's folder by git itself."""

from __future__ import annotations

import subprocess
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from hub_revisions.local_hub import LocalHub
from huggingface_hub import HfApi


@dataclass(frozen=True)
class Branch:
    """A branch of one commit; of a revision, with the trailers that a pushed one has."""

    name: str
    step: int | None = None
    metrics: Mapping[str, float] = field(default_factory=dict)
    files: Mapping[str, str] = field(default_factory=dict)
    is_revision: bool = True

    @property
    def message(self) -> str:
        if not self.is_revision:
            return f"{self.name}\n"
        lines = [f"Checkpoint {self.name}", "", f"Hub-Revision: {self.name}"]
        if self.step is not None:
            lines.append(f"Step: {self.step}")
        lines += [f"Metric: {name}={value!r}" for name, value in self.metrics.items()]
        return "\n".join(lines) + "\n"


def publish(hub: LocalHub, repo_id: str, branches: Iterable[Branch]) -> dict[str, str]:
    """Make the repository and these branches; the commit of each by name."""
    HfApi(endpoint=hub.endpoint, token=hub.token).create_repo(repo_id, exist_ok=True)
    folder = hub.root / f"{repo_id}.git"
    stream = b"".join(_commands(branch) for branch in branches)
    git(folder, "fast-import", "--quiet", "--force", stdin=stream)
    listed = git(folder, "for-each-ref", "--format=%(refname:lstrip=2) %(objectname)", "refs/heads")
    return dict(line.split() for line in listed.splitlines())


def git(folder: Any, *arguments: str, stdin: bytes = b"") -> str:
    """What git prints, asked in a folder."""
    command = ["git", "-C", str(folder), *arguments]
    return subprocess.run(command, input=stdin, check=True, capture_output=True).stdout.decode()


def _commands(branch: Branch) -> bytes:
    out = [f"commit refs/heads/{branch.name}\n", "committer A <a@example.org> 1700000000 +0000\n"]
    out += [_data(branch.message), "deleteall\n"]
    files = branch.files or {"config.json": f'{{"name": "{branch.name}"}}\n'}
    for path, text in files.items():
        out += [f"M 100644 inline {path}\n", _data(text)]
    return "".join(out).encode() + b"\n"


def _data(text: str) -> str:
    return f"data {len(text.encode())}\n{text}\n"
