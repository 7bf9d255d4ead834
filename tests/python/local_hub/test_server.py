"""Tokens, headers, rate limits, the log and the life of the process."""

from __future__ import annotations

import os
import re
import signal
import stat
import subprocess
import sys
import time
from pathlib import Path

import httpx
import pytest
from hub_revisions import local_hub
from hub_revisions.local_hub import LocalHub
from huggingface_hub import CommitOperationAdd, HfApi
from huggingface_hub.errors import HfHubHTTPError

from .conftest import Git, basic, bearer


def test_a_token_is_needed_for_reading_too(hub: LocalHub, repo: str) -> None:
    paths = (
        "/api/whoami-v2",
        f"/api/models/{repo}",
        f"/{repo}/resolve/main/.gitattributes",
        f"/{repo}/info/refs?service=git-upload-pack",
        f"/{repo}.git/info/lfs/objects/batch",
    )
    for path in paths:
        answer = httpx.get(hub.endpoint + path)
        assert (answer.status_code, path) == (401, path)
        wrong = httpx.get(hub.endpoint + path, headers=bearer("hf_wrong"))
        assert wrong.status_code == 401
        text = "Invalid credentials in Authorization header"
        assert wrong.headers["x-error-message"] == text


def test_git_and_lfs_are_told_how_to_authenticate(hub: LocalHub, repo: str) -> None:
    answer = httpx.get(f"{hub.endpoint}/{repo}/info/refs?service=git-receive-pack")
    assert answer.headers["www-authenticate"].startswith("Basic")
    assert answer.headers["content-type"].startswith("text/plain")
    lfs = httpx.post(f"{hub.endpoint}/{repo}.git/info/lfs/objects/batch")
    assert lfs.headers["lfs-authenticate"].startswith("Basic")
    assert lfs.json()["message"]


def test_basic_needs_a_user_name(hub: LocalHub) -> None:
    url = f"{hub.endpoint}/api/whoami-v2"
    assert httpx.get(url, headers={"Authorization": basic(hub.token)}).status_code == 200
    assert httpx.get(url, auth=("", hub.token)).status_code == 401
    assert httpx.get(url, headers={"Authorization": "Basic ???"}).status_code == 401


def test_read_token_is_refused_on_every_write(reader: HfApi, repo: str) -> None:
    reader.auth_check(repo)
    add = CommitOperationAdd("a.txt", b"x")
    for write in (
        lambda: reader.auth_check(repo, write=True),
        lambda: reader.create_repo("org/refused"),
        lambda: reader.delete_repo(repo),
        lambda: reader.create_branch(repo, branch="b"),
        lambda: reader.delete_branch(repo, branch="main"),
        lambda: reader.create_tag(repo, tag="t"),
        lambda: reader.super_squash_history(repo),
        lambda: reader.create_commit(repo, [add], commit_message="m"),
    ):
        with pytest.raises(HfHubHTTPError) as error:
            write()
        assert error.value.response.status_code == 403


def test_auth_check(api: HfApi, repo: str) -> None:
    api.auth_check(repo)
    api.auth_check(repo, write=True)
    with pytest.raises(HfHubHTTPError):
        api.auth_check(f"{repo}-missing", write=True)


def test_every_answer_has_its_headers(hub: LocalHub, repo: str) -> None:
    for path in ("/api/whoami-v2", "/nowhere", f"/{repo}/resolve/main/.gitattributes"):
        answer = httpx.get(hub.endpoint + path, headers=bearer(hub.token))
        assert re.fullmatch(r'"\w+";r=\d+;t=\d+', answer.headers["ratelimit"])
        policy = answer.headers["ratelimit-policy"]
        assert re.fullmatch(r'"fixed window";"\w+";q=\d+;w=300', policy)
        assert answer.headers["x-request-id"]


def test_rate_limit_is_enforced_when_asked_for(tmp_path: Path) -> None:
    with LocalHub(tmp_path / "hub", "--rate-limit", "3") as hub:
        url = f"{hub.endpoint}/api/whoami-v2"
        answers = [httpx.get(url, headers=bearer(hub.token)) for _ in range(4)]
    assert [answer.status_code for answer in answers] == [200, 200, 200, 429]
    assert '"api";r=0;t=' in answers[3].headers["ratelimit"]
    assert "quota of 3 api requests per 5 minutes" in answers[3].json()["error"]


def test_secrets_stay_where_they_belong(git: Git, hub: LocalHub, repo: str, tmp_path: Path) -> None:
    clone = git.clone(repo, tmp_path / "one")
    (clone / "a.bin").write_bytes(b"\0" * 100)
    git.commit(clone)
    git("push", "origin", "HEAD:refs/heads/x", cwd=clone)
    httpx.get(f"{hub.endpoint}/api/whoami-v2?token={hub.token}", headers=bearer(hub.token))
    log = (hub.root / "hub.log").read_text()
    assert f"POST /{repo}/git-receive-pack 200" in log
    assert hub.token not in log and "signature" not in log
    assert stat.S_IMODE((hub.root / "tokens.json").stat().st_mode) == 0o600
    assert stat.S_IMODE(hub.root.stat().st_mode) == 0o700


def test_log_keeps_one_line_per_request(hub: LocalHub) -> None:
    httpx.get(f"{hub.endpoint}/api/a%0Ab", headers=bearer(hub.token))
    deadline = time.monotonic() + 5  # the line is written after the answer was sent
    while "GET /api/a%0Ab 404" not in (hub.root / "hub.log").read_text():
        assert time.monotonic() < deadline
        time.sleep(0.01)


@pytest.mark.parametrize("path", ["/..%2f..%2fetc/passwd", "/%2e%2e/%2e%2e/info/refs", "/a/..%2fb"])
def test_no_path_leads_out_of_the_root(hub: LocalHub, path: str) -> None:
    for suffix in ("", "/info/refs?service=git-upload-pack", "/resolve/main/x"):
        answer = httpx.get(hub.endpoint + path + suffix, headers=bearer(hub.token))
        assert answer.status_code == 404


def test_state_outlives_the_process(tmp_path: Path) -> None:
    with LocalHub(tmp_path / "hub", "--user", "someone") as hub:
        first = hub.token
        api = HfApi(endpoint=hub.endpoint, token=first)
        assert api.create_repo("mine").repo_id == "someone/mine"
        with pytest.raises(RuntimeError, match="another hub already serves"):
            LocalHub(tmp_path / "hub")
    with LocalHub(tmp_path / "hub", "--user", "someone") as hub:
        assert hub.token == first
        assert HfApi(endpoint=hub.endpoint, token=first).model_info("someone/mine").sha


def test_command_prints_what_to_export(tmp_path: Path) -> None:
    package_root = Path(local_hub.__file__).parents[2]
    command = [sys.executable, "-m", "hub_revisions.local_hub", "--root", str(tmp_path / "hub")]
    process = subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        text=True,
        env=os.environ | {"PYTHONPATH": str(package_root)},
    )
    assert process.stdout is not None
    lines = []
    while not lines or not lines[-1].startswith("export HF_TOKEN="):
        lines.append(process.stdout.readline())
    process.send_signal(signal.SIGINT)
    assert process.wait(20) == 0
    assert any(line.startswith("export HF_ENDPOINT=http://127.0.0.1:") for line in lines)
    assert lines[-1].startswith("export HF_TOKEN=hf_")


def test_killed_client_does_not_harm(git: Git, hub: LocalHub, repo: str, tmp_path: Path) -> None:
    """git is killed while it pushes; the branch is whole or not there, and a second push works."""
    clone = git.clone(repo, tmp_path / "one")
    for number in range(200):
        (clone / f"{number}.txt").write_text(str(number) * 1000)
    commit = git.commit(clone)
    arguments = ["git", "push", "origin", "HEAD:refs/heads/step-1"]
    for delay in (0.02, 0.06, 0.1):
        environment = git.environment(hub.token)
        process = subprocess.Popen(arguments, cwd=clone, env=environment, stderr=subprocess.DEVNULL)
        time.sleep(delay)
        process.kill()
        process.wait()
    # A killed client's push may still end on the server, and so be faster than the next one.
    for _ in range(3):
        done = subprocess.run(arguments, cwd=clone, env=git.environment(hub.token))
        if done.returncode == 0:
            break
    api = HfApi(endpoint=hub.endpoint, token=hub.token)
    assert api.model_info(repo, revision="step-1").sha == commit
