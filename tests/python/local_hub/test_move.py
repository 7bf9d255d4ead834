"""Renamed repositories: the old name leads to the new one, for every kind of client."""

from __future__ import annotations

import os
import uuid
from pathlib import Path

import httpx
import pytest
from hub_revisions.local_hub import LocalHub
from huggingface_hub import HfApi
from huggingface_hub.errors import HfHubHTTPError

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
