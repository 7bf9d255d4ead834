"""Stock git and git-lfs against the hub: clone, push, and what the pre-receive hook refuses."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from hub_revisions.local_hub import LocalHub
from huggingface_hub import HfApi

from .conftest import Git

MIB = 1024 * 1024


def push(git: Git, clone: Path, branch: str = "step-1", check: bool = True) -> str:
    return git("push", "origin", f"HEAD:refs/heads/{branch}", cwd=clone, check=check)


def test_push_and_clone_with_lfs(git: Git, api: HfApi, repo: str, tmp_path: Path) -> None:
    clone = git.clone(repo, tmp_path / "one")
    weights = os.urandom(3 * MIB)
    (clone / "model.safetensors").write_bytes(weights)
    (clone / "config.json").write_text("{}")
    commit = git.commit(clone)
    push(git, clone, "run/step-1")
    assert api.model_info(repo, revision="run/step-1").sha == commit
    again = git.clone(repo, tmp_path / "two", "-b", "run/step-1")
    assert (again / "model.safetensors").read_bytes() == weights
    path = api.hf_hub_download(
        repo, "model.safetensors", revision="run/step-1", cache_dir=tmp_path / "cache"
    )
    assert Path(path).read_bytes() == weights


def test_objects_lie_where_git_lfs_puts_them(
    git: Git, hub: LocalHub, repo: str, tmp_path: Path
) -> None:
    clone = git.clone(repo, tmp_path / "one")
    (clone / "a.bin").write_bytes(os.urandom(1000))
    git.commit(clone)
    push(git, clone)
    oid = git("lfs", "ls-files", "--long", cwd=clone).split()[0]
    stored = hub.root / f"{repo}.git" / "lfs" / "objects" / oid[:2] / oid[2:4] / oid
    assert stored.read_bytes() == (clone / "a.bin").read_bytes()


def test_credentials_from_askpass(
    git: Git, hub: LocalHub, repo: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The way of people: no header at first, a 401, then user name and password are asked for."""
    askpass = tmp_path / "askpass"
    askpass.write_text('#!/bin/sh\ncase "$1" in Username*) echo me;; *) echo "$TOKEN";; esac\n')
    askpass.chmod(0o755)
    monkeypatch.setenv("TOKEN", hub.token)
    monkeypatch.setattr(Git, "environment", _without_header(Git.environment, askpass))
    clone = git.clone(repo, tmp_path / "one")
    (clone / "a.bin").write_bytes(os.urandom(1000))
    git.commit(clone)
    push(git, clone)


def _without_header(original, askpass: Path):  # type: ignore[no-untyped-def]
    def environment(self: Git, token: str) -> dict[str, str]:
        return original(self, token) | {"GIT_CONFIG_COUNT": "0", "GIT_ASKPASS": str(askpass)}

    return environment


def test_force_push_and_delete(git: Git, api: HfApi, repo: str, tmp_path: Path) -> None:
    clone = git.clone(repo, tmp_path / "one")
    (clone / "a.txt").write_text("1")
    git.commit(clone)
    push(git, clone)
    git("checkout", "--quiet", "--orphan", "fresh", cwd=clone)
    commit = git.commit(clone, "no parent")
    push(git, clone, check=False)
    git("push", "--force", "origin", "HEAD:refs/heads/step-1", cwd=clone)
    assert api.model_info(repo, revision="step-1").sha == commit
    git("push", "origin", ":refs/heads/step-1", cwd=clone)
    assert [ref.name for ref in api.list_repo_refs(repo).branches] == ["main"]
    text = git("push", "origin", ":refs/heads/main", cwd=clone, check=False)
    assert "Cannot delete refs/heads/main" in text


def test_large_file_is_refused_in_any_commit(git: Git, repo: str, tmp_path: Path) -> None:
    """Also when a later commit of the same push removes it."""
    clone = git.clone(repo, tmp_path / "one")
    (clone / "trainer_state.json").write_bytes(b"x" * (10 * MIB + 1))
    git.commit(clone)
    (clone / "trainer_state.json").unlink()
    git.commit(clone)
    text = push(git, clone, check=False)
    assert "files larger than 10 MiB" in text
    assert "- trainer_state.json (ref: refs/heads/step-1)" in text
    assert "pre-receive hook declined" in text


def test_text_of_exactly_10_mib_is_accepted(git: Git, repo: str, tmp_path: Path) -> None:
    clone = git.clone(repo, tmp_path / "one")
    (clone / "tokenizer.json").write_bytes(b"x" * (10 * MIB))
    git.commit(clone)
    push(git, clone)


def test_small_binary_is_refused(git: Git, repo: str, tmp_path: Path) -> None:
    clone = git.clone(repo, tmp_path / "one")
    (clone / "d").mkdir()
    (clone / "d" / ".metadata").write_bytes(b"\x80\x04\x95")
    git.commit(clone)
    text = push(git, clone, check=False)
    assert "it contains binary files" in text
    assert "- d/.metadata (ref: refs/heads/step-1)" in text


def test_dangling_pointer_is_refused(git: Git, repo: str, tmp_path: Path) -> None:
    clone = git.clone(repo, tmp_path / "one")
    (clone / "a.bin").write_bytes(os.urandom(1000))
    git.commit(clone)
    text = git("push", "--no-verify", "origin", "HEAD:refs/heads/step-1", cwd=clone, check=False)
    assert "LFS pointer pointed to a file that does not exist" in text
    assert "- a.bin (ref: refs/heads/step-1)" in text


def test_bad_card_is_refused(git: Git, repo: str, tmp_path: Path) -> None:
    clone = git.clone(repo, tmp_path / "one")
    (clone / "README.md").write_text("---\nbase_model: /scratch/model\nmodel-index: [{}]\n---\n")
    git.commit(clone)
    text = push(git, clone, check=False)
    assert "rejected during YAML metadata verification" in text
    assert '"base_model" with value "/scratch/model" is not valid' in text
    assert '"model-index[0].name" is required' in text


def test_crowded_directory_is_refused(git: Git, repo: str, tmp_path: Path) -> None:
    clone = git.clone(repo, tmp_path / "one")
    (clone / "many").mkdir()
    for number in range(10_001):
        (clone / "many" / f"{number}").touch()
    git.commit(clone)
    text = push(git, clone, check=False)
    assert "too many files per directory" in text
    assert "- /many (ref: refs/heads/step-1)" in text


def test_refused_push_leaves_nothing(git: Git, api: HfApi, repo: str, tmp_path: Path) -> None:
    clone = git.clone(repo, tmp_path / "one")
    (clone / "bad.dat").write_bytes(b"\0")
    git.commit(clone)
    push(git, clone, check=False)
    assert [ref.name for ref in api.list_repo_refs(repo).branches] == ["main"]


def test_read_token_may_clone_but_not_push(
    git: Git, hub: LocalHub, repo: str, tmp_path: Path
) -> None:
    clone = tmp_path / "one"
    url = f"{hub.endpoint}/{repo}"
    git("clone", "--quiet", url, str(clone), token=hub.read_token)
    (clone / "a.txt").write_text("1")
    git.commit(clone)
    arguments = ("push", "origin", "HEAD:refs/heads/step-1")
    text = git(*arguments, cwd=clone, token=hub.read_token, check=False)
    assert "DENIED update refs/heads/step-1: forbidden" in text
    (clone / "a.bin").write_bytes(b"\0")
    git.commit(clone)
    git(*arguments, cwd=clone, token=hub.read_token, check=False)


def test_wrong_token_cannot_clone(git: Git, hub: LocalHub, repo: str, tmp_path: Path) -> None:
    url = f"{hub.endpoint}/{repo}"
    git("clone", url, str(tmp_path / "one"), token="hf_wrong", check=False)


def test_push_into_the_folder_is_refused(
    git: Git, hub: LocalHub, repo: str, tmp_path: Path
) -> None:
    clone = git.clone(repo, tmp_path / "one")
    (clone / "a.txt").write_text("1")
    git.commit(clone)
    folder = hub.root / f"{repo}.git"
    text = git("push", str(folder), "HEAD:refs/heads/x", cwd=clone, check=False)
    assert "Push through the hub's URL" in text


def test_concurrent_pushes_to_several_branches(
    git: Git, api: HfApi, repo: str, tmp_path: Path
) -> None:
    def one(number: int) -> str:
        clone = git.clone(repo, tmp_path / f"{number}")
        (clone / "a.bin").write_bytes(os.urandom(100_000))
        commit = git.commit(clone)
        push(git, clone, f"step-{number}")
        return commit

    with ThreadPoolExecutor(4) as pool:
        commits = list(pool.map(one, range(4)))
    heads = {ref.name: ref.target_commit for ref in api.list_repo_refs(repo).branches}
    assert [heads[f"step-{number}"] for number in range(4)] == commits
