"""A repository that is on no Hub: what leads to it, and how git sees it."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Place:
    """The same whether a server has it or a folder."""

    address: str
    token: str  # "" where there is nobody to ask for one
    folder: Path  # the bare repository
    environment: Mapping[str, str]  # of clients
    objects: Callable[[], dict[str, int]]  # sizes of the large files, by their digests
    can_purge: bool

    @property
    def where(self) -> dict[str, Any]:
        """Settings and token; failures are not waited for."""
        token = {"token": self.token} if self.token else {}
        return {"repo_id": self.address, "max_retries": 1, "retry_max_delay": 0.05} | token

    def branches(self) -> dict[str, str]:
        """Commits by branch, as git has them."""
        listed = subprocess.run(
            ["git", "for-each-ref", "--format=%(refname:lstrip=2) %(objectname)", "refs/heads"],
            cwd=self.folder,
            check=True,
            capture_output=True,
            text=True,
        )
        return dict(line.split() for line in listed.stdout.splitlines())

    def clone(self, revision: str, folder: Path) -> Path:
        """One revision by stock git with git-lfs, as anybody gets it."""
        environment = os.environ | self.environment
        environment |= {"HOME": str(folder.parent), "GIT_CONFIG_NOSYSTEM": "1"}
        for command in (
            ("git", "lfs", "install", "--skip-repo"),
            ("git", "clone", "-q", "--branch", revision, self.address, str(folder)),
            ("git", "-C", str(folder), "lfs", "fsck"),
        ):
            done = subprocess.run(
                command, check=False, capture_output=True, text=True, env=environment
            )
            assert done.returncode == 0, done.stdout + done.stderr
        return folder
