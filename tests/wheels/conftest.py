"""The wheels in dist/, and a hub whose storage has a certificate that no system knows."""

from __future__ import annotations

import json
import os
import re
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from fault_proxy import Authority, FaultProxy
from hub_revisions.local_hub import LocalHub

ROOT = Path(__file__).resolve().parent.parent.parent
WHEELS = sorted((ROOT / "dist").glob("hub_revisions-*.whl"))


@dataclass(frozen=True)
class TlsHub:
    """A local hub: weights are sent to it over TLS, and at `tls_endpoint` all of it can be read.

    (What it says of itself is http://, so it cannot be published to there.)
    """

    hub: LocalHub
    tls_endpoint: str
    authority: Path

    def environment(self) -> dict[str, str]:
        """Where the hub is; whom to trust is left to the test."""
        return {"HF_ENDPOINT": self.hub.endpoint, "HF_TOKEN": self.hub.token}


@pytest.fixture
def tls_hub(tmp_path: Path) -> Iterator[TlsHub]:
    authority = Authority.create(tmp_path / "authority")
    context = authority.context("IP:127.0.0.1")
    with (
        FaultProxy(tls=context) as storage,
        LocalHub(tmp_path / "hub", "--storage-url", storage.url) as hub,
        FaultProxy(hub.endpoint, tls=context) as front,
    ):
        storage.target = hub.storage_endpoint
        yield TlsHub(hub, front.url, authority.bundle)
        assert storage.connections


def run(*command: str | Path, **variables: str) -> str:
    """What a command prints in an environment with these variables alone."""
    done = subprocess.run(
        command, env=variables, cwd="/", capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def python_of(wheel: Path) -> Path:
    """The interpreter that `scripts/wheel` built a wheel with."""
    tag = re.search(r"-cp3(\d+)-", wheel.name)
    assert tag is not None, wheel
    return ROOT / f"build/wheel-3.{tag[1]}/tools/bin/python"


def install(wheel: Path, folder: Path) -> Path:
    """A new virtual environment with the wheel and nothing else; its Python."""
    run(python_of(wheel), "-m", "venv", folder, PATH=os.environ["PATH"])
    run(folder / "bin/pip", "install", "--no-index", wheel)
    installed = json.loads(run(folder / "bin/pip", "list", "--format", "json"))
    assert {package["name"] for package in installed} <= {"hub-revisions", "pip", "setuptools"}
    return folder / "bin/python"
