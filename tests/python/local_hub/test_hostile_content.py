"""What a client may try with the token that it has: escapes, bombs, and code of its own."""

from __future__ import annotations

import hashlib
import http.client
import itertools
import json
import os
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote, urlsplit

import httpx
import pytest
from hub_revisions.local_hub import LocalHub
from hub_revisions.local_hub.card import check_card
from huggingface_hub import HfApi

from .conftest import Git, basic, bearer
from .test_storage import batch, oid_of, upload_url

LIMIT = 200_000
ZERO = "0" * 40
EMPTY_PACK = b"PACK" + (2).to_bytes(4, "big") + bytes(4)
EMPTY_PACK += hashlib.sha1(EMPTY_PACK, usedforsecurity=False).digest()


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalHub]:
    """A hub that takes nothing above `LIMIT`."""
    options = ("--max-push-bytes", str(LIMIT), "--max-object-bytes", str(LIMIT))
    with LocalHub(tmp_path_factory.mktemp("small"), *options) as hub:
        HfApi(endpoint=hub.endpoint, token=hub.token).create_repo("me/model")
        yield hub


def outside(hub: LocalHub, repo: str) -> set[str]:
    """Everything below the root but what belongs to the repository."""
    inside = hub.root / f"{repo}.git"
    paths = {str(path) for path in hub.root.rglob("*") if inside not in path.parents}
    return paths - {str(hub.root / "hub.log")}


def names_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


# ---- names -------------------------------------------------------------------------------------

BAD_REFS = ("refs/heads/../../hooks/post-receive", "refs/heads/../../../escaped", "refs/../config",
            "refs/heads//x", "refs/heads/x.lock", "refs/heads/.x", "HEAD", "config", "hooks/update",
            "refs/heads/a\x01b")  # fmt: skip


def push_ref(hub: LocalHub, repo: str, ref: str, commit: str) -> bytes:
    """What git-receive-pack says when `ref` is to be created; as no git client would ask it."""
    line = f"{ZERO} {commit} {ref}\0report-status\n".encode()
    body = f"{len(line) + 4:04x}".encode() + line + b"0000" + EMPTY_PACK
    answer = httpx.post(
        f"{hub.endpoint}/{repo}/git-receive-pack",
        content=body,
        headers={
            "Authorization": basic(hub.token),
            "Content-Type": "application/x-git-receive-pack-request",
        },
    )
    return answer.content


@pytest.mark.parametrize("ref", BAD_REFS)
def test_no_ref_leads_out_of_the_refs(hub: LocalHub, api: HfApi, repo: str, ref: str) -> None:
    commit = str(api.model_info(repo).sha)
    before = outside(hub, repo)
    folder = hub.root / f"{repo}.git"
    config, hooks = (folder / "config").read_text(), names_in(folder / "hooks")
    assert b"ok " + ref.encode() not in push_ref(hub, repo, ref, commit)
    name = quote(ref.removeprefix("refs/heads/"), safe="")
    for method, path in (
        ("POST", f"branch/{name}"),
        ("DELETE", f"branch/{name}"),
        ("DELETE", f"tag/{name}"),
        ("POST", f"super-squash/{name}"),
        ("POST", f"commit/{name}"),
    ):
        url = f"{hub.endpoint}/api/models/{repo}/{path}"
        answer = httpx.request(method, url, headers=bearer(hub.token), content=b"{}")
        plain = ref in ("HEAD", "config", "hooks/update") and path == f"branch/{name}"
        assert answer.status_code < 500
        assert plain or answer.status_code in (400, 404), (method, path, answer.text)
    assert outside(hub, repo) == before
    assert (folder / "config").read_text() == config
    assert names_in(folder / "hooks") == hooks
    assert push_ref(hub, repo, "refs/heads/fine", commit).count(b"ok refs/heads/fine") == 1


@pytest.mark.parametrize(
    "path",
    ["../up", "a/../../up", "/etc/passwd", ".git/config", "a/.GIT/x", "a//b", "./a", "a/\0b"],
)
def test_no_committed_path_leads_out(hub: LocalHub, repo: str, path: str) -> None:
    before = outside(hub, repo)
    lines = [
        {"key": "header", "value": {"summary": "m"}},
        {"key": "file", "value": {"path": path, "content": "eA==", "encoding": "base64"}},
    ]
    body = "\n".join(map(json.dumps, lines))
    url = f"{hub.endpoint}/api/models/{repo}/commit/main"
    answer = httpx.post(url, content=body, headers=bearer(hub.token))
    assert (answer.status_code, "Invalid path" in answer.text) == (400, True)
    assert outside(hub, repo) == before


@pytest.mark.parametrize("path", ["../tokens.json", "..%2f..%2ftokens.json", "%2fetc%2fpasswd"])
def test_nothing_outside_is_read(hub: LocalHub, repo: str, path: str) -> None:
    for url in (
        f"/{repo}/resolve/main/{path}",
        f"/{repo}/resolve/{path}/config",
        f"/api/models/{repo}/tree/main/{path}",
        f"/api/models/{repo}/revision/{path}",
        f"/{repo}/{path}",
        f"/{repo}/objects/{path}/1",
    ):
        for endpoint in (hub.endpoint, hub.storage_endpoint):
            connection = http.client.HTTPConnection(urlsplit(endpoint).netloc)
            connection.request("GET", url, headers=bearer(hub.token))  # as it stands, with `..`
            answer = connection.getresponse()
            assert answer.status in (400, 403, 404), url
            assert hub.token.encode() not in answer.read()
            connection.close()


# ---- content -----------------------------------------------------------------------------------


def test_a_pushed_link_is_not_followed(git: Git, hub: LocalHub, repo: str, tmp_path: Path) -> None:
    clone = git.clone(repo, tmp_path / "one")
    secret = hub.root / "tokens.json"
    (clone / "link.txt").symlink_to(secret)
    (clone / "README.md").symlink_to("/etc/passwd")
    (clone / "folder").symlink_to("/etc")
    git.commit(clone)
    git("push", "origin", "HEAD:refs/heads/links", cwd=clone)
    with httpx.Client(base_url=hub.endpoint, headers=bearer(hub.token)) as client:
        for name, target in (("link.txt", str(secret)), ("README.md", "/etc/passwd")):
            assert client.get(f"/{repo}/resolve/links/{name}").text == target
        assert client.get(f"/{repo}/resolve/links/folder/passwd").status_code == 404
        assert client.get(f"/api/models/{repo}/tree/links/folder").status_code == 404
        assert "root:" not in client.get(f"/api/models/{repo}/revision/links").text


def test_pushed_code_and_configuration_is_only_content(
    git: Git, hub: LocalHub, repo: str, tmp_path: Path
) -> None:
    clone = git.clone(repo, tmp_path / "one")
    mark = tmp_path / "code-ran"
    script = f"#!/bin/sh\ntouch {mark}\n"
    names = ("hooks/post-receive", "hooks/pre-receive", "hooks/update", "hooks/post-update", "run")
    for name in names:
        (clone / name).parent.mkdir(exist_ok=True)
        (clone / name).write_text(script)
        (clone / name).chmod(0o755)
    module = f"import pathlib; pathlib.Path({str(mark)!r}).touch()\n"
    for name in ("sitecustomize.py", "json.py", "hub_revisions/local_hub/pre_receive.py"):
        (clone / name).parent.mkdir(parents=True, exist_ok=True)
        (clone / name).write_text(module)
    (clone / "config").write_text(
        f'[core]\n\tfsmonitor = "{clone}/run"\n\thooksPath = {clone}/hooks\n'
    )
    (clone / ".gitconfig").write_text(f'[filter "evil"]\n\tclean = touch {mark}\n')
    (clone / ".gitmodules").write_text('[submodule "a"]\n\tpath = a\n\turl = ./a\n')
    rules = (clone / ".gitattributes").read_text()
    (clone / ".gitattributes").write_text(rules + "*.txt filter=evil diff=evil merge=evil\n")
    (clone / "a.txt").write_text("x")
    git.commit(clone)
    hooks = hub.root / f"{repo}.git" / "hooks"
    for _ in range(2):  # the second push meets what the first one left
        git("commit", "--allow-empty", "--quiet", "-m", "again", cwd=clone)
        git("push", "origin", "HEAD:refs/heads/code", "HEAD:refs/heads/main", cwd=clone)
    git.clone(repo, tmp_path / "two")
    api = HfApi(endpoint=hub.endpoint, token=hub.token)
    assert api.list_repo_tree(repo, expand=True, recursive=True)
    assert not mark.exists()
    assert names_in(hooks) == ["pre-receive"]


@pytest.mark.parametrize("name", [".git", ".GIT", "..", "."])
def test_a_tree_that_would_write_elsewhere_is_refused(
    git: Git, repo: str, tmp_path: Path, name: str
) -> None:
    clone = git.clone(repo, tmp_path / "one")
    blob = hash_object(clone, "blob", b"#!/bin/sh\n")
    inner = hash_object(clone, "tree", b"100755 post-checkout\0" + bytes.fromhex(blob))
    tree = hash_object(clone, "tree", b"40000 " + name.encode() + b"\0" + bytes.fromhex(inner))
    commit = git("commit-tree", tree, "-m", "m", cwd=clone).strip()
    text = git("push", "origin", f"{commit}:refs/heads/x", cwd=clone, check=False)
    assert "unpack" in text or "fsck" in text


def test_trees_within_trees_do_not_explode(git: Git, api: HfApi, repo: str, tmp_path: Path) -> None:
    clone = git.clone(repo, tmp_path / "one")
    id, mode = hash_object(clone, "blob", b"x"), b"100644"
    for _ in range(9):  # a billion files
        entries = (mode + b" %d\0" % number + bytes.fromhex(id) for number in range(10))
        id, mode = hash_object(clone, "tree", b"".join(entries)), b"40000"
    commit = git("commit-tree", id, "-m", "m", cwd=clone).strip()
    started = time.monotonic()
    text = git("push", "origin", f"{commit}:refs/heads/x", cwd=clone, check=False)
    assert "more than 500000 files" in text
    assert time.monotonic() - started < 60
    assert [branch.name for branch in api.list_repo_refs(repo).branches] == ["main"]


def test_folders_have_a_deepest_level(git: Git, repo: str, tmp_path: Path) -> None:
    clone = git.clone(repo, tmp_path / "one")
    for depth, fits in ((90, True), (110, False)):
        id, mode = hash_object(clone, "blob", b"x"), b"100644"
        for _ in range(depth):
            id, mode = hash_object(clone, "tree", mode + b" a\0" + bytes.fromhex(id)), b"40000"
        commit = git("commit-tree", id, "-m", "m", cwd=clone).strip()
        git("push", "origin", f"{commit}:refs/heads/d{depth}", cwd=clone, check=fits)


def hash_object(clone: Path, kind: str, content: bytes) -> str:
    command = ["git", "hash-object", "-t", kind, "-w", "--literally", "--stdin"]
    return subprocess.run(
        command, cwd=clone, input=content, capture_output=True, check=True
    ).stdout.decode().strip()  # fmt: skip


def test_aliases_do_not_explode() -> None:
    names = "abcdefghij"
    lines = ["a: &a [x, x, x, x, x, x, x, x, x]"]
    for last, name in itertools.pairwise(names):
        lines.append(f"{name}: &{name} [{', '.join([f'*{last}'] * 9)}]")
    started = time.monotonic()
    for text in ("\n".join(lines), "a: &a [*a]", "a: &a\n  b: *a", "x: " + "[" * 20_000):
        assert check_card(f"---\n{text}\n---\n").errors, text[:40]
    assert check_card("---\nx: " + "y" * 1_000_001 + "\n---\n").errors
    assert time.monotonic() - started < 20
    assert check_card("---\na: &a [x]\nb: *a\n---\n").errors == []


# ---- sizes -------------------------------------------------------------------------------------


def test_a_large_push_is_refused(small: LocalHub, git: Git, tmp_path: Path) -> None:
    tool = Git(small, git.home)
    clone = tool.clone("me/model", tmp_path / "one")
    (clone / "random.txt").write_text(os.urandom(LIMIT).hex())
    tool.commit(clone)
    for post_buffer in ("100000000", "65536"):  # with a Content-Length, and in chunks
        option = f"http.postBuffer={post_buffer}"
        arguments = ("-c", option, "push", "origin", "HEAD:refs/heads/large")
        text = tool(*arguments, cwd=clone, check=False)
        assert "HTTP 413" in text or "exceeds maximum allowed size" in text, text
    api = HfApi(endpoint=small.endpoint, token=small.token)
    assert [branch.name for branch in api.list_repo_refs("me/model").branches] == ["main"]
    (clone / "random.txt").write_text("small")
    tool("commit", "--all", "--amend", "--no-edit", "--quiet", cwd=clone)
    tool("push", "origin", "HEAD:refs/heads/small", cwd=clone)
    api.delete_branch("me/model", branch="small")


def test_endless_commands_are_cut_off(small: LocalHub) -> None:
    def commands() -> Iterator[bytes]:
        line = f"{ZERO} {'1' * 40} refs/heads/x{'y' * 1000}\n".encode()
        for _ in range(2 * LIMIT // len(line)):
            yield f"{len(line) + 4:04x}".encode() + line

    headers = bearer(small.token) | {"Content-Type": "application/x-git-receive-pack-request"}
    url = f"{small.endpoint}/me/model/git-receive-pack"
    answer = httpx.post(url, content=commands(), headers=headers)
    assert b"ok refs" not in answer.content
    assert httpx.get(f"{small.endpoint}/api/whoami-v2", headers=headers).status_code == 200


def test_a_large_object_is_refused(small: LocalHub) -> None:
    for transfers in (["basic"], ["basic", "multipart"]):
        for size in (LIMIT + 1, 10**30):
            (answer,) = batch(small, "me/model", ("0" * 64, size), transfers=transfers).json()[
                "objects"
            ]
            assert answer["error"]["code"] == 413
    content = os.urandom(LIMIT)
    url = upload_url(small, "me/model", content)
    assert httpx.put(url, content=content + b"x").status_code == 413
    assert httpx.put(url, content=content).status_code == 200
    assert "actions" not in batch(small, "me/model", (oid_of(content), LIMIT)).json()["objects"][0]


def test_a_large_commit_is_refused(small: LocalHub) -> None:
    line = (
        json.dumps({"key": "file", "value": {"path": "a", "content": "x" * 1000}}).encode() + b"\n"
    )
    url = f"{small.endpoint}/api/models/me/model/commit/main"
    for body in (line * (LIMIT // 1000), iter([line] * (LIMIT // 1000))):
        answer = httpx.post(url, content=body, headers=bearer(small.token))
        assert (answer.status_code, "larger than" in answer.text) == (413, True)


@pytest.mark.parametrize(
    "path",
    [
        "/api/repos/create",
        "/api/repos/move",
        "/api/validate-yaml",
        "/api/models/me/model/branch/x",
        "/api/models/me/model/preupload/main",
        "/api/models/me/model/paths-info/main",
        "/me/model.git/info/lfs/objects/batch",
        "/me/model.git/info/lfs/objects/verify",
    ],
)
def test_every_other_body_has_a_limit(small: LocalHub, path: str) -> None:
    chunk = b" " * (1 << 20)
    answer = httpx.post(
        small.endpoint + path, content=iter([chunk] * 9), headers=bearer(small.token)
    )
    assert answer.status_code == 413
