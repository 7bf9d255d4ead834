"""Renamed repositories: the old name leads to the new one, for every kind of client."""

from __future__ import annotations

import os
import threading
import uuid
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import httpx
import pytest
from hub_revisions.local_hub import LocalHub
from hub_revisions.local_hub.names import RepoId
from hub_revisions.local_hub.repos import Repositories
from huggingface_hub import HfApi
from huggingface_hub.errors import HfHubHTTPError, RepositoryNotFoundError

from .conftest import Git, bearer
from .test_storage import batch, oid_of, upload_url


@pytest.fixture
def moved(api: HfApi, repo: str) -> str:
    """The new name of `repo`, in another namespace."""
    name = f"elsewhere/{uuid.uuid4().hex}"
    api.move_repo(from_id=repo, to_id=name)
    return name


def test_stock_clients_follow(git: Git, api: HfApi, repo: str, moved: str, tmp_path: Path) -> None:
    assert api.model_info(repo).id == moved
    clone = git.clone(repo, tmp_path / "one")
    weights = os.urandom(10_000)
    (clone / "a.bin").write_bytes(weights)
    commit = git.commit(clone)
    git("push", "origin", "HEAD:refs/heads/step-1", cwd=clone)
    assert api.model_info(moved, revision="step-1").sha == commit
    path = api.hf_hub_download(repo, "a.bin", revision="step-1", cache_dir=tmp_path / "cache")
    assert Path(path).read_bytes() == weights


def test_signed_urls_stay_valid(hub: LocalHub, api: HfApi, repo: str) -> None:
    content = os.urandom(100)
    url = upload_url(hub, repo, content)
    new = f"elsewhere/{uuid.uuid4().hex}"
    api.move_repo(from_id=repo, to_id=new)
    assert httpx.put(url, content=content).status_code == 200
    assert "actions" not in batch(hub, new, (oid_of(content), 100)).json()["objects"][0]


def test_a_chain_of_names_and_the_way_back(api: HfApi, repo: str, moved: str) -> None:
    third = f"third/{uuid.uuid4().hex}"
    api.move_repo(from_id=moved, to_id=third)
    assert api.model_info(repo).id == api.model_info(moved).id == third
    api.move_repo(third, repo)
    assert api.model_info(third).id == api.model_info(moved).id == repo


def test_of_two_moves_at_once_one_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    repositories = Repositories(tmp_path)
    repositories.create(RepoId("me", "old"), False, "me")
    both, rename = threading.Barrier(2), Path.rename

    def rename_together(path: Path, target: Path) -> Path:
        with suppress(threading.BrokenBarrierError):
            both.wait(0.2)  # in vain where only one gets here at a time
        return rename(path, target)

    monkeypatch.setattr(Path, "rename", rename_together)
    ids = [RepoId("me", "one"), RepoId("me", "other")]
    with ThreadPoolExecutor(2) as pool:
        moves = [pool.submit(repositories.move, RepoId("me", "old"), id) for id in ids]
    (won,) = [id for id, move in zip(ids, moves, strict=True) if move.exception() is None]
    found = repositories.moved_to("me", "old")
    assert found is not None
    assert found.id == won


def test_a_hub_killed_on_the_way_back_to_an_old_name(tmp_path: Path) -> None:
    with LocalHub(tmp_path / "hub") as hub:
        api = HfApi(endpoint=hub.endpoint, token=hub.token)
        api.create_repo("me/a")
        api.move_repo("me/a", "me/b")
        forgotten = next(path for path in (hub.root / ".moved").rglob("*") if path.is_file())
        kept = forgotten.read_text()
        api.move_repo("me/b", "me/a")
    forgotten.write_text(kept)  # as if it had been killed before it removed this
    with LocalHub(tmp_path / "hub") as hub:
        api = HfApi(endpoint=hub.endpoint, token=hub.token)
        assert api.model_info("me/b").id == api.model_info("me/a").id == "me/a"
        api.delete_repo("me/a")
        for name in ("me/a", "me/b"):
            with pytest.raises(RepositoryNotFoundError):
                api.model_info(name)


def test_a_new_repository_takes_the_old_name(api: HfApi, repo: str, moved: str) -> None:
    api.create_repo(repo)
    assert api.model_info(repo).id == repo
    assert api.model_info(moved).id == moved
    api.delete_repo(moved)
    with pytest.raises(HfHubHTTPError):
        api.model_info(moved)


def test_what_cannot_be_moved(hub: LocalHub, api: HfApi, reader: HfApi, repo: str) -> None:
    other = f"org/{uuid.uuid4().hex}"
    api.create_repo(other)
    for client, old, new, status in (
        (reader, repo, "a/b", 403),
        (api, repo, other, 409),
        (api, repo, "../escape", 400),
        (api, repo, "a/..", 400),
        (api, "no/where", "a/b", 404),
    ):
        url = f"{hub.endpoint}/api/repos/move"
        body = {"fromRepo": old, "toRepo": new, "type": "model"}
        answer = httpx.post(url, json=body, headers=bearer(str(client.token)))
        assert (answer.status_code, old, new) == (status, old, new)
    assert api.model_info(repo).id == repo
