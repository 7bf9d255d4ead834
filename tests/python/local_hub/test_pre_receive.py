"""The hook of a push and the server that answers it, where they meet: two pipes."""

from __future__ import annotations

import asyncio
import errno
import os
import subprocess
from pathlib import Path

import pytest
from hub_revisions.local_hub import LocalHub, pre_receive
from hub_revisions.local_hub.git import GitError
from hub_revisions.local_hub.names import RepoId
from hub_revisions.local_hub.pre_receive import HOOK_SCRIPT, Hook
from hub_revisions.local_hub.repos import Repository
from huggingface_hub import HfApi

from .conftest import Git

# A name that git takes; Python would cut it at these.
REF = "refs/heads/em\N{EM SPACE}next\x85line\N{LINE SEPARATOR}\udcff"
UPDATE = f"{'0' * 40} {'1' * 40} {REF}\n"


@pytest.fixture
def script(tmp_path: Path) -> Path:
    path = tmp_path / "pre-receive"
    path.write_text(HOOK_SCRIPT)
    path.chmod(0o755)
    return path


@pytest.fixture
def broken(tmp_path: Path) -> Repository:
    """A repository in which no git command works."""
    (tmp_path / "broken.git").mkdir()
    return Repository(RepoId("me", "broken"), tmp_path / "broken.git")


def run(script: Path, hook: Hook, answers: bool) -> tuple[subprocess.CompletedProcess[str], object]:
    """The hook as git runs it; the error that the server's side met, if it answers at all."""

    async def both() -> tuple[subprocess.CompletedProcess[str], object]:
        process = subprocess.Popen(
            [script],
            stdin=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            encoding="utf-8",
            errors="surrogateescape",
            env=os.environ | hook.environment,
            pass_fds=hook.inherited,
        )
        hook.started()
        ended = asyncio.create_task(asyncio.to_thread(process.communicate, UPDATE))
        error = None
        if answers:
            (error,) = await asyncio.gather(hook.answer(), return_exceptions=True)
        else:
            hook.__exit__(None, None, None)
        _, said = await ended
        return subprocess.CompletedProcess([script], process.returncode, "", said), error

    return asyncio.run(both())


def test_a_reader_is_refused_with_the_name_of_the_ref(script: Path, broken: Repository) -> None:
    with Hook(broken, "read", None) as hook:
        ended, error = run(script, hook, answers=True)
    assert (ended.returncode, error) == (1, None)
    assert ended.stderr == f"DENIED update {REF}: forbidden\n"


def test_what_cannot_be_judged_is_refused(
    script: Path, broken: Repository, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*arguments: object) -> str:
        raise GitError("no git here")

    monkeypatch.setattr(pre_receive, "refusal", fail)
    with Hook(broken, "write", None) as hook:
        ended, error = run(script, hook, answers=True)
    assert ended.returncode == 1
    assert isinstance(error, GitError)


def test_a_server_that_dies_refuses(script: Path, broken: Repository) -> None:
    with Hook(broken, "write", None) as hook:
        ended, _ = run(script, hook, answers=False)
    assert ended.returncode != 0


def test_a_question_that_broke_off_is_refused(
    script: Path, broken: Repository, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "cat").write_text("#!/bin/sh\nexit 1\n")
    (tmp_path / "cat").chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    with Hook(broken, "write", None) as hook:
        ended, error = run(script, hook, answers=True)
    assert (ended.returncode, error) == (1, None)


def test_a_server_without_descriptors_loses_none(
    broken: Repository, monkeypatch: pytest.MonkeyPatch
) -> None:
    pipe, made = os.pipe, []

    def one_only() -> tuple[int, int]:
        if made:
            raise OSError(errno.EMFILE, "Too many open files")
        made.extend(pipe())
        return made[0], made[1]

    monkeypatch.setattr(os, "pipe", one_only)
    with pytest.raises(OSError, match="Too many"):
        Hook(broken, "write", None)
    for descriptor in made:
        with pytest.raises(OSError, match="Bad file descriptor"):
            os.fstat(descriptor)


def test_git_that_ends_without_asking_is_no_question(broken: Repository) -> None:
    with Hook(broken, "write", None) as hook:
        hook.started()
        asyncio.run(hook.answer())


def test_a_repository_of_an_older_hub_takes_pushes(git: Git, tmp_path: Path) -> None:
    with LocalHub(tmp_path / "hub") as hub:
        repo = HfApi(endpoint=hub.endpoint, token=hub.token).create_repo("me/model").repo_id
    (tmp_path / "hub" / "me" / "model.git" / "hooks" / "pre-receive").write_text("exit 1\n")
    with LocalHub(tmp_path / "hub") as hub:
        git = Git(hub, git.home)
        clone = git.clone(repo, tmp_path / "clone")
        (clone / "a.txt").write_text("1")
        git.commit(clone)
        git("push", "--quiet", "origin", "HEAD:refs/heads/step-1", cwd=clone)
