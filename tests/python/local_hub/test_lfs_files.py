"""The large files that a repository stores, listed and deleted by the stock client."""

from __future__ import annotations

import hashlib
from datetime import datetime, timedelta, timezone
from pathlib import Path

import httpx
import pytest
from hub_revisions.local_hub import LocalHub
from huggingface_hub import HfApi
from huggingface_hub.errors import HfHubHTTPError

from .conftest import Git, bearer


def objects(hub: LocalHub, repo: str) -> set[str]:
    """What lies on the hub's disk."""
    return {path.name for path in (hub.root / f"{repo}.git/lfs/objects").glob("??/??/*")}


def store(hub: LocalHub, repo: str, content: bytes) -> str:
    """What an upload leaves that no commit followed."""
    oid = hashlib.sha256(content).hexdigest()
    path = hub.root / f"{repo}.git/lfs/objects" / oid[:2] / oid[2:4] / oid
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return oid


@pytest.fixture
def pushed(git: Git, repo: str, tmp_path: Path) -> str:
    """Two large files, one on main and one on a branch; the repository's name."""
    folder = git.clone(repo, tmp_path / "clone")
    (folder / "weights one.safetensors").write_bytes(b"one")
    git.commit(folder)
    git("switch", "--quiet", "--create", "other", cwd=folder)
    (folder / "deep").mkdir()
    (folder / "deep" / "two.safetensors").write_bytes(b"second")
    git.commit(folder)
    git("push", "--quiet", "origin", "main", "other", cwd=folder)
    return repo


def test_files_are_listed_with_name_size_date_and_ref(api: HfApi, pushed: str) -> None:
    files = {file.filename: file for file in api.list_lfs_files(pushed)}
    assert set(files) == {"weights one.safetensors", "deep/two.safetensors"}
    two = files["deep/two.safetensors"]
    assert two.file_oid == hashlib.sha256(b"second").hexdigest()
    assert (two.size, two.ref) == (6, "refs/heads/other")
    assert abs(datetime.now(timezone.utc) - two.pushed_at) < timedelta(minutes=5)
    assert two.oid != two.file_oid


def test_what_no_commit_has_is_listed_too(api: HfApi, hub: LocalHub, repo: str) -> None:
    oid = store(hub, repo, b"left")
    (file,) = api.list_lfs_files(repo)
    assert (file.file_oid, file.size, file.ref) == (oid, 4, None)


def test_a_repository_without_any(api: HfApi, repo: str) -> None:
    assert list(api.list_lfs_files(repo)) == []


def test_pages_stay_whole_while_files_go(api: HfApi, hub: LocalHub, repo: str) -> None:
    oids = sorted(store(hub, repo, b"%d" % number) for number in range(5))
    url = f"{hub.endpoint}/api/models/{repo}/lfs-files?limit=2"
    first = httpx.get(url, headers=bearer(hub.token))
    assert [item["fileOid"] for item in first.json()] == oids[:2]
    _, deleted = list(api.list_lfs_files(repo))[:2]
    api.permanently_delete_lfs_files(repo, [deleted])
    second = httpx.get(first.links["next"]["url"], headers=bearer(hub.token))
    assert [item["fileOid"] for item in second.json()] == oids[2:4]
    third = httpx.get(second.links["next"]["url"], headers=bearer(hub.token))
    assert [item["fileOid"] for item in third.json()] == oids[4:]
    assert "next" not in third.links


def test_files_are_deleted_for_good(api: HfApi, hub: LocalHub, pushed: str) -> None:
    files = [file for file in api.list_lfs_files(pushed) if file.filename.startswith("deep")]
    api.permanently_delete_lfs_files(pushed, files, rewrite_history=False)
    assert objects(hub, pushed) == {hashlib.sha256(b"one").hexdigest()}
    with pytest.raises(HfHubHTTPError):
        api.hf_hub_download(pushed, "deep/two.safetensors", revision="other")
    # Again is harmless.
    api.permanently_delete_lfs_files(pushed, files, rewrite_history=False)


def test_history_is_not_rewritten(api: HfApi, hub: LocalHub, pushed: str) -> None:
    """As the stock client asks by default, only what no commit has can go."""
    oid = store(hub, pushed, b"left")
    files = list(api.list_lfs_files(pushed))
    with pytest.raises(HfHubHTTPError, match="does not rewrite history"):
        api.permanently_delete_lfs_files(pushed, files)
    assert len(objects(hub, pushed)) == 3
    api.permanently_delete_lfs_files(pushed, [f for f in files if f.file_oid == oid])
    assert len(objects(hub, pushed)) == 2


def test_reading_is_not_enough_to_delete(
    api: HfApi, reader: HfApi, hub: LocalHub, pushed: str
) -> None:
    files = list(reader.list_lfs_files(pushed))
    with pytest.raises(HfHubHTTPError) as caught:
        reader.permanently_delete_lfs_files(pushed, files, rewrite_history=False)
    assert caught.value.response.status_code == 403
    assert len(objects(hub, pushed)) == 2


@pytest.mark.parametrize(
    "deletions",
    [
        {"sha": ["../../../HEAD"]},
        {"sha": ["a" * 63]},
        {"sha": "a" * 64},
        {"sha": [["a" * 64]]},
        {},
        ["a" * 64],
        None,
        {"sha": ["a" * 64] * 1001},
    ],
)
def test_what_is_no_list_of_files_is_refused(hub: LocalHub, repo: str, deletions: object) -> None:
    url = f"{hub.endpoint}/api/models/{repo}/lfs-files/batch"
    answer = httpx.post(url, json={"deletions": deletions}, headers=bearer(hub.token))
    assert answer.status_code == 400


def test_another_repository_is_not_there(hub: LocalHub, repo: str) -> None:
    url = f"{hub.endpoint}/api/models/{repo}-absent/lfs-files"
    assert httpx.get(url, headers=bearer(hub.token)).status_code == 404
    assert httpx.post(f"{url}/batch", json={}, headers=bearer(hub.token)).status_code in (400, 404)
