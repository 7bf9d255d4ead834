"""A local hub for the session, and an environment in which nobody's own token is found."""

from __future__ import annotations

import os
import signal
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hub_revisions.local_hub import LocalHub

# A shell's background jobs ignore SIGINT, and children inherit that; these tests send it.
signal.signal(signal.SIGINT, signal.default_int_handler)

# Before transformers is imported: nothing of these tests leaves this machine.
os.environ["HF_HUB_DISABLE_TELEMETRY"] = "1"
os.environ["TOKENIZERS_PARALLELISM"] = "false"

_OWN_VARIABLES = (
    "HF_TOKEN",
    "HUGGING_FACE_HUB_TOKEN",
    "HF_TOKEN_PATH",
    "HF_ENDPOINT",
    "HF_HUB_OFFLINE",
)


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No token, endpoint or cache of the person who runs the tests."""
    for name in _OWN_VARIABLES:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HF_HOME", str(tmp_path / "hf-home"))


@pytest.fixture(scope="session")
def hub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalHub]:
    """A running hub."""
    with LocalHub(tmp_path_factory.mktemp("hub")) as running:
        yield running


@pytest.fixture
def repo_id(hub: LocalHub) -> str:
    """The name of a repository that nothing else uses; it does not exist yet."""
    return f"{hub.user}/{uuid.uuid4().hex}"


@pytest.fixture
def where(hub: LocalHub, repo_id: str) -> dict[str, Any]:
    """Settings and token that lead to that repository; failures are not waited for."""
    return {
        "endpoint": hub.endpoint,
        "token": hub.token,
        "repo_id": repo_id,
        "max_retries": 1,
        "retry_max_delay": 0.05,
    }
