"""huggingface_hub, as it is installed, against the hub: repositories, refs and commits."""

from __future__ import annotations

import os
from pathlib import Path

import httpx
import pytest
from hub_revisions.local_hub import LocalHub
from huggingface_hub import CommitOperationAdd, CommitOperationDelete, HfApi, constants
from huggingface_hub.errors import (
    BadRequestError,
    HfHubHTTPError,
    RemoteEntryNotFoundError,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)

from .conftest import MULTIPART_THRESHOLD, bearer


def status(error: pytest.ExceptionInfo[HfHubHTTPError]) -> int:
    return error.value.response.status_code


def test_whoami_tells_user_and_role(api: HfApi, reader: HfApi, hub: LocalHub) -> None:
    assert api.whoami()["name"] == hub.user
    assert api.whoami()["auth"]["accessToken"]["role"] == "write"
    assert reader.whoami()["auth"]["accessToken"]["role"] == "read"


def test_create_repo_answers_409_unless_it_may_exist(api: HfApi, repo: str) -> None:
    with pytest.raises(HfHubHTTPError) as error:
        api.create_repo(repo)
    assert status(error) == 409
    assert error.value.response.json()["url"].endswith(repo)
    assert api.create_repo(repo, exist_ok=True).repo_id == repo
    assert api.create_repo(repo.upper(), exist_ok=True)


def test_new_repo_has_the_default_lfs_rules(api: HfApi, repo: str, tmp_path: Path) -> None:
    (commit,) = api.list_repo_commits(repo)
    assert commit.title == "initial commit"
    path = api.hf_hub_download(repo, ".gitattributes", cache_dir=tmp_path)
    rules = Path(path).read_text().splitlines()
    assert len(rules) == 35
    assert "*.safetensors filter=lfs diff=lfs merge=lfs -text" in rules


@pytest.mark.parametrize("name", ["a..b", "-a", "a--b", "a.git", "a b", "x" * 97, "..", "%2e%2e"])
def test_bad_names_are_refused(hub: LocalHub, name: str) -> None:
    body = {"name": name, "organization": "org"}
    answer = httpx.post(f"{hub.endpoint}/api/repos/create", json=body, headers=bearer(hub.token))
    assert answer.status_code == 400


def test_delete_repo(api: HfApi, repo: str) -> None:
    api.delete_repo(repo)
    with pytest.raises(RepositoryNotFoundError):
        api.model_info(repo)
    api.delete_repo(repo, missing_ok=True)


def test_private_is_remembered(api: HfApi, repo: str) -> None:
    assert api.model_info(repo).private is False
    api.create_repo(f"{repo}-private", private=True)
    assert api.model_info(f"{repo}-private").private is True


@pytest.mark.parametrize("protocol", ["xet", "lfs"])
def test_upload_folder_and_read_it_back(
    api: HfApi, repo: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, protocol: str
) -> None:
    """A plain file, an LFS file, one in parts and one that no default rule makes LFS.

    An installed hf_xet makes the client upload by Xet; without it, it uploads by LFS.
    """
    if protocol == "xet":
        pytest.importorskip("hf_xet")
    monkeypatch.setattr(constants, "HF_HUB_DISABLE_XET", protocol == "lfs")
    source = tmp_path / "source"
    contents = {
        "config.json": b'{"a": 1}\n',
        "model.safetensors": os.urandom(100_000),
        "big.bin": os.urandom(MULTIPART_THRESHOLD * 2 + 17),
        "odd name.distcp": os.urandom(5000),
        "empty.txt": b"",
        "sub/vocab.txt": "größe\n".encode(),
    }
    for name, content in contents.items():
        (source / name).parent.mkdir(parents=True, exist_ok=True)
        (source / name).write_bytes(content)
    done = api.upload_folder(repo_id=repo, folder_path=source, commit_message="first")
    info = api.model_info(repo, files_metadata=True)
    assert info.sha == done.oid
    lfs = {sibling.rfilename: sibling.lfs for sibling in info.siblings or []}
    assert {name for name, found in lfs.items() if found} == {
        "model.safetensors", "big.bin", "odd name.distcp"
    }  # fmt: skip
    copy = Path(api.snapshot_download(repo, revision=done.oid, cache_dir=tmp_path / "cache"))
    for name, content in contents.items():
        assert (copy / name).read_bytes() == content
    attributes = (copy / ".gitattributes").read_text()
    assert "odd[[:space:]]name.distcp filter=lfs" in attributes
    again = api.upload_folder(repo_id=repo, folder_path=source)
    assert again.oid == done.oid, "nothing changed, so nothing is committed"


def test_gitignore_leaves_files_out(api: HfApi, repo: str, tmp_path: Path) -> None:
    (tmp_path / ".gitignore").write_text("secret.*\n")
    (tmp_path / "secret.txt").write_text("x")
    (tmp_path / "kept.txt").write_text("x")
    api.upload_folder(repo_id=repo, folder_path=tmp_path)
    assert api.list_repo_files(repo) == [".gitattributes", ".gitignore", "kept.txt"]


def test_branches(api: HfApi, repo: str) -> None:
    main = api.model_info(repo).sha
    api.create_branch(repo, branch="run/step-1")
    with pytest.raises(HfHubHTTPError) as error:
        api.create_branch(repo, branch="run/step-1")
    assert status(error) == 409
    assert "Reference refs/heads/run/step-1 already exists" in str(error.value)
    api.create_branch(repo, branch="run/step-1", exist_ok=True)
    with pytest.raises(BadRequestError, match="Invalid reference for a branch: refs/pr/9"):
        api.create_branch(repo, branch="refs/pr/9")
    with pytest.raises(RevisionNotFoundError):
        api.create_branch(repo, branch="other", revision="nowhere")
    branches = {ref.name: ref.target_commit for ref in api.list_repo_refs(repo).branches}
    assert branches == {"main": main, "run/step-1": main}
    assert api.model_info(repo, revision="run/step-1").sha == main
    api.delete_branch(repo, branch="run/step-1")
    assert [ref.ref for ref in api.list_repo_refs(repo).branches] == ["refs/heads/main"]
    with pytest.raises(HfHubHTTPError, match="Invalid rev id"):
        api.delete_branch(repo, branch="run/step-1")
    with pytest.raises(HfHubHTTPError, match="Cannot delete refs/heads/main"):
        api.delete_branch(repo, branch="main")


def test_empty_branch_has_no_files(api: HfApi, hub: LocalHub, repo: str) -> None:
    url = f"{hub.endpoint}/api/models/{repo}/branch/orphan"
    answer = httpx.post(url, json={"emptyBranch": True}, headers=bearer(hub.token))
    assert answer.status_code == 200
    assert api.list_repo_files(repo, revision="orphan") == []


def test_tags(api: HfApi, repo: str) -> None:
    api.create_branch(repo, branch="same")
    api.create_tag(repo, tag="same")
    api.create_tag(repo, tag="v1", tag_message="first", revision="same")
    api.create_tag(repo, tag="v1", exist_ok=True)
    main = api.model_info(repo).sha
    assert {ref.name: ref.target_commit for ref in api.list_repo_refs(repo).tags} == {
        "same": main, "v1": main
    }  # fmt: skip
    assert main is not None
    assert api.model_info(repo, revision=main[:7]).sha == main
    api.delete_tag(repo, tag="v1")
    with pytest.raises(RevisionNotFoundError):
        api.delete_tag(repo, tag="v1")


def test_commits_are_paged(api: HfApi, repo: str) -> None:
    for number in range(3):
        operation = CommitOperationAdd("note.txt", f"{number}".encode())
        api.create_commit(repo, [operation], commit_message=f"title {number}",
                          commit_description="body")  # fmt: skip
    commits = api.list_repo_commits(repo, formatted=True)
    assert [commit.title for commit in commits] == [
        "title 2", "title 1", "title 0", "initial commit"
    ]  # fmt: skip
    assert commits[0].message == "body"
    api.super_squash_history(repo, branch="main", commit_message="one")
    assert [commit.title for commit in api.list_repo_commits(repo)] == ["one"]


def test_commit_conflicts_and_missing_things(api: HfApi, repo: str) -> None:
    add = CommitOperationAdd("a.txt", b"1")
    first = api.model_info(repo).sha
    api.create_commit(repo, [add], commit_message="one", parent_commit=first)
    with pytest.raises(HfHubHTTPError) as error:
        again = CommitOperationAdd("a.txt", b"2")
        api.create_commit(repo, [again], commit_message="two", parent_commit=first)
    assert status(error) == 412
    with pytest.raises(RevisionNotFoundError):
        add = CommitOperationAdd("a.txt", b"3")
        api.create_commit(repo, [add], commit_message="three", revision="nowhere")
    with pytest.raises(RemoteEntryNotFoundError, match="A file with this name doesn't exist"):
        api.delete_file("missing.txt", repo)
    with pytest.raises(RepositoryNotFoundError):
        api.model_info("org/no-such-repo")
    with pytest.raises(RevisionNotFoundError):
        api.model_info(repo, revision="nowhere")


def test_delete_folder(api: HfApi, repo: str) -> None:
    adds = [CommitOperationAdd(name, b"x") for name in ("d/1", "d/e/2", "d.txt")]
    api.create_commit(repo, adds, commit_message="add")
    api.create_commit(repo, [CommitOperationDelete("d/")], commit_message="delete")
    assert api.list_repo_files(repo) == [".gitattributes", "d.txt"]


@pytest.mark.parametrize("path", [".git/config", "../up", "a/../../b"])
def test_paths_cannot_leave_the_repository(hub: LocalHub, repo: str, path: str) -> None:
    lines = '{"key":"header","value":{"summary":"s"}}\n'
    lines += f'{{"key":"file","value":{{"path":"{path}","content":"x"}}}}\n'
    url = f"{hub.endpoint}/api/models/{repo}/commit/main"
    answer = httpx.post(url, content=lines, headers=bearer(hub.token))
    assert answer.status_code == 400


def test_commit_is_held_to_the_rules(api: HfApi, hub: LocalHub, repo: str) -> None:
    lines = '{"key":"header","value":{"summary":"s"}}\n'
    oid = "0" * 64
    value = f'{{"path":"m.bin","algo":"sha256","oid":"{oid}","size":5}}'
    lines += f'{{"key":"lfsFile","value":{value}}}\n'
    url = f"{hub.endpoint}/api/models/{repo}/commit/main"
    answer = httpx.post(url, content=lines, headers=bearer(hub.token))
    assert answer.status_code == 400
    assert "LFS pointer pointed to a file that does not exist" in answer.json()["error"]
    assert "- m.bin (ref: refs/heads/main)" in answer.json()["error"]


@pytest.mark.parametrize("kind", ["dataset", "space"])
def test_models_only(api: HfApi, repo: str, kind: str) -> None:
    with pytest.raises(RepositoryNotFoundError, match="serves models only"):
        api.repo_info(repo, repo_type=kind)
