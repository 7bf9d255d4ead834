"""One local hub for all tests of this folder, and the stock clients that talk to it."""

from __future__ import annotations

import base64
import os
import subprocess
import sys
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import huggingface_hub
import pytest
from hub_revisions.local_hub import LocalHub
from huggingface_hub import HfApi

MULTIPART_THRESHOLD = 2_000_000
PART_SIZE = 1_000_000


@pytest.fixture(scope="session")
def hub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalHub]:
    """A running hub with a multipart threshold that tests can afford to exceed."""
    options = ["--multipart-threshold", str(MULTIPART_THRESHOLD), "--part-size", str(PART_SIZE)]
    with LocalHub(tmp_path_factory.mktemp("hub"), *options) as running:
        yield running


@pytest.fixture(autouse=True)
def quiet_client(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No telemetry, no progress bars and no files in the home from clients in this process."""
    monkeypatch.setenv("HF_XET_CACHE", str(tmp_path / "xet-cache"))
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_DISABLE_TELEMETRY", True)
    huggingface_hub.utils.disable_progress_bars()


@pytest.fixture
def api(hub: LocalHub) -> HfApi:
    """The stock client with the write token."""
    return HfApi(endpoint=hub.endpoint, token=hub.token)


@pytest.fixture
def reader(hub: LocalHub) -> HfApi:
    """The stock client with the read-only token."""
    return HfApi(endpoint=hub.endpoint, token=hub.read_token)


@pytest.fixture
def repo(api: HfApi) -> str:
    """A fresh repository of this test alone."""
    repo_id = f"org/{uuid.uuid4().hex}"
    api.create_repo(repo_id)
    return repo_id


def basic(token: str) -> str:
    """The value of an Authorization header as git sends it."""
    return "Basic " + base64.b64encode(f"anyone:{token}".encode()).decode()


def bearer(token: str) -> dict[str, str]:
    """The header that REST clients send."""
    return {"Authorization": f"Bearer {token}"}


@dataclass
class Git:
    """The stock git with git-lfs, in its own HOME; credentials come by environment only."""

    hub: LocalHub
    home: Path

    def __call__(
        self, *arguments: str, cwd: Path | None = None, token: str | None = None, check: bool = True
    ) -> str:
        """Run git and return what it wrote to both streams."""
        done = subprocess.run(
            ["git", *arguments],
            cwd=cwd,
            env=self.environment(token or self.hub.token),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=120,
        )
        if check:
            assert done.returncode == 0, done.stdout
        else:
            assert done.returncode != 0, done.stdout
        return done.stdout

    def environment(self, token: str) -> dict[str, str]:
        """A clean environment with a header that goes to the hub's origin alone."""
        kept = {key: value for key, value in os.environ.items() if not key.startswith("GIT_")}
        return kept | {
            "HOME": str(self.home),
            "GIT_CONFIG_NOSYSTEM": "1",
            "GIT_CONFIG_GLOBAL": str(self.home / ".gitconfig"),
            "GIT_TERMINAL_PROMPT": "0",
            "GIT_CONFIG_COUNT": "1",
            "GIT_CONFIG_KEY_0": f"http.{self.hub.endpoint}/.extraHeader",
            "GIT_CONFIG_VALUE_0": f"Authorization: {basic(token)}",
        }

    def clone(self, repo_id: str, folder: Path, *options: str) -> Path:
        """Clone a repository of the hub into `folder`."""
        self("clone", "--quiet", *options, f"{self.hub.endpoint}/{repo_id}", str(folder))
        return folder

    def commit(self, folder: Path, message: str = "change") -> str:
        """Commit all that changed in `folder` and return the commit's id."""
        self("add", "--all", cwd=folder)
        self("commit", "--quiet", "--message", message, cwd=folder)
        return self("rev-parse", "HEAD", cwd=folder).strip()


@pytest.fixture(scope="session")
def git(hub: LocalHub, tmp_path_factory: pytest.TempPathFactory) -> Git:
    """git with git-lfs installed in a temporary HOME."""
    tool = Git(hub, tmp_path_factory.mktemp("home"))
    tool("config", "--global", "user.name", "Tester")
    tool("config", "--global", "user.email", "tester@example.com")
    tool("config", "--global", "gc.auto", "0")
    tool("lfs", "install", "--skip-repo")
    return tool


@pytest.fixture
def run_client(hub: LocalHub, tmp_path: Path) -> Callable[[str], str]:
    """Run Python code in a fresh process in which the hub is the Hub (HF_ENDPOINT, HF_TOKEN)."""

    def run(code: str) -> str:
        environment = os.environ | {
            "HF_ENDPOINT": hub.endpoint,
            "HF_TOKEN": hub.token,
            "HF_HOME": str(tmp_path / "hf-home"),
            "HF_HUB_DISABLE_TELEMETRY": "1",
            "HF_HUB_DISABLE_PROGRESS_BARS": "1",
        }
        done = subprocess.run(
            [sys.executable, "-c", code], env=environment, capture_output=True, text=True
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    return run
