"""Repositories without a Hub: on a server of other people's parts, and in a folder."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from .configuration import GROUP, Objects
from .git_server import PASSWORD, USER, GitServer, what_is_missing
from .place import Place


def _running(tmp_path_factory: pytest.TempPathFactory, objects: Objects) -> Iterator[GitServer]:
    if missing := what_is_missing():
        pytest.skip(missing)
    with GitServer(tmp_path_factory.mktemp(objects) / "server", objects) as server:
        yield server


@pytest.fixture(scope="session")
def signed_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[GitServer]:
    """Its LFS server gives out a header for each object."""
    yield from _running(tmp_path_factory, "signed")


@pytest.fixture(scope="session")
def gated_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[GitServer]:
    """Its objects want name and password themselves."""
    yield from _running(tmp_path_factory, "gated")


def on_server(server: GitServer, monkeypatch: pytest.MonkeyPatch) -> Place:
    """A new repository on it, which this process's clients trust."""
    name = f"{GROUP}/{uuid.uuid4().hex}"
    for variable, value in server.environment.items():
        monkeypatch.setenv(variable, value)
    return Place(
        address=f"{server.endpoint.replace('//', f'//{USER}@')}/{name}.git",
        token=PASSWORD,
        folder=server.make(name),
        environment=server.environment,
        objects=lambda: server.objects(name),
        can_purge=False,
    )


def in_folder(folder: Path) -> Place:
    """A repository that is not there yet."""
    stored = folder / "lfs" / "objects"
    return Place(
        address=f"file://{folder}",
        token="",
        folder=folder,
        environment={},
        objects=lambda: {path.name: path.stat().st_size for path in stored.glob("??/??/*")},
        can_purge=True,
    )


@pytest.fixture(params=["signed", "gated", "folder"])
def place(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Place:
    """Each kind of place, with nothing in it."""
    if request.param == "folder":
        return in_folder(tmp_path / "shared" / "model.git")
    return on_server(request.getfixturevalue(f"{request.param}_server"), monkeypatch)
