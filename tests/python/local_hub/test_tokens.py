"""Tokens: compared in constant time, and limited to repositories."""

from __future__ import annotations

import hmac
import json
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest
from hub_revisions.local_hub import LocalHub
from hub_revisions.local_hub.auth import Tokens
from hub_revisions.local_hub.errors import HubError
from hub_revisions.local_hub.faults import CONTROL_PATH
from hub_revisions.local_hub.presign import Signer, Verdict
from huggingface_hub import CommitOperationAdd, HfApi
from huggingface_hub.errors import HfHubHTTPError

from .conftest import Git, bearer
from .test_storage import batch, oid_of

WRITER, READER = "hf_for-one-writer", "hf_for-one-reader"
LIMITED = [
    {"token": WRITER, "name": "ci", "role": "write", "repositories": ["me/mine", "Team/*"]},
    {"token": READER, "role": "read", "repositories": ["me/mine"]},
]


@dataclass
class Shared:
    """A hub with limited tokens, and the stock client for each of its tokens."""

    hub: LocalHub

    def api(self, token: str) -> HfApi:
        return HfApi(endpoint=self.hub.endpoint, token=token)

    def status(self, token: str, path: str) -> int:
        return httpx.get(self.hub.endpoint + path, headers=bearer(token)).status_code


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shared]:
    root = tmp_path_factory.mktemp("shared")
    with LocalHub(root) as hub:
        for name in ("me/mine", "me/other", "team/one"):
            HfApi(endpoint=hub.endpoint, token=hub.token).create_repo(name)
    file = root / "tokens.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | {"limited": LIMITED}))
    with LocalHub(root, "--faults", "none") as hub:
        yield Shared(hub)


def refused(call: Callable[[], object]) -> int:
    with pytest.raises(HfHubHTTPError) as error:
        call()
    return int(error.value.response.status_code)


def test_a_limited_token_sees_its_repositories_only(shared: Shared) -> None:
    for token, seen in (
        (WRITER, {"me/mine", "ME/Mine", "team/one"}),
        (READER, {"me/mine", "ME/Mine"}),
    ):
        assert shared.api(token).whoami()["auth"]["accessToken"]["role"] in ("write", "read")
        for name in ("me/mine", "ME/Mine", "me/other", "team/one"):
            expected = 200 if name in seen else 404
            for path in (
                f"/api/models/{name}",
                f"/api/models/{name}/auth-check",
                f"/api/models/{name}/refs",
                f"/{name}/resolve/main/.gitattributes",
                f"/{name}/info/refs?service=git-upload-pack",
            ):
                assert (shared.status(token, path), path) == (expected, path)


def commit(api: HfApi, repo: str) -> str:
    add = CommitOperationAdd("a.txt", uuid.uuid4().bytes.hex().encode())
    return str(api.create_commit(repo, [add], commit_message="m").oid)


def test_it_writes_to_its_repositories_only(shared: Shared) -> None:
    writer = shared.api(WRITER)
    assert commit(writer, "me/mine")
    assert refused(lambda: commit(writer, "me/other")) == 404
    assert refused(lambda: writer.delete_repo("me/other")) == 404
    assert refused(lambda: writer.create_repo("me/third")) == 403
    assert refused(lambda: writer.move_repo("me/other", "team/stolen")) == 404
    assert refused(lambda: writer.move_repo("me/mine", "me/away")) == 403
    writer.create_repo("team/two")
    writer.delete_repo("team/two")
    reader = shared.api(READER)
    assert refused(lambda: commit(reader, "me/mine")) == 403
    for name, status in (("me/other", 404), ("me/mine", 200)):
        url = f"{shared.hub.endpoint}/{name}.git/info/lfs/objects/batch"
        body = {"operation": "upload", "objects": [{"oid": oid_of(b"x"), "size": 1}]}
        answer = httpx.post(url, json=body, headers=bearer(WRITER))
        assert (answer.status_code, name) == (status, name)
    assert batch(shared.hub, "me/other", (oid_of(b"x"), 1)).status_code == 200


def test_it_pushes_to_its_repositories_only(shared: Shared, git: Git, tmp_path: Path) -> None:
    theirs = Git(shared.hub, git.home)
    clone = tmp_path / "one"
    theirs("clone", "--quiet", f"{shared.hub.endpoint}/me/mine", str(clone), token=WRITER)
    (clone / "b.txt").write_text("1")
    theirs.commit(clone)
    theirs("push", "origin", "HEAD:refs/heads/pushed", cwd=clone, token=WRITER)
    other = f"{shared.hub.endpoint}/me/other"
    text = theirs("push", other, "HEAD:refs/heads/x", cwd=clone, token=WRITER, check=False)
    assert "not found" in text
    text = theirs("push", "origin", "HEAD:refs/heads/x", cwd=clone, token=READER, check=False)
    assert "DENIED" in text


def test_it_sets_no_faults(shared: Shared) -> None:
    assert shared.status(WRITER, CONTROL_PATH) == 403
    assert shared.status(shared.hub.token, CONTROL_PATH) == 200


@pytest.mark.parametrize(
    "content",
    [
        "{",
        "[]",
        '{"write": "hf_12345678"}',
        '{"write": "hf_12345678", "read": ""}',
        '{"write": "hf_12345678", "read": "hf_87654321", "limited": [{"token": "hf_12121212"}]}',
        '{"write": "hf_12345678", "read": "hf_87654321", "limited": [{"token": "hf_12121212", '
        '"role": "admin", "repositories": []}]}',
        '{"write": "hf_12345678", "read": "hf_87654321", "limited": [{"token": "", '
        '"role": "read", "repositories": ["*"]}]}',
        '{"write": "hf_12345678", "read": "hf_87654321", "limited": [{"token": "hf_12121212", '
        '"role": "read", "repositories": "me/*"}]}',
    ],
)
def test_a_damaged_file_of_tokens_lets_nobody_in(tmp_path: Path, content: str) -> None:
    (tmp_path / "tokens.json").write_text(content)
    with pytest.raises(RuntimeError, match=r"tokens\.json is not a file of tokens"):
        Tokens.load_or_create(tmp_path, "me")


def test_every_token_is_compared_in_constant_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    compared: list[bytes] = []
    compare = hmac.compare_digest
    monkeypatch.setattr(hmac, "compare_digest", lambda a, b: compared.append(b) or compare(a, b))
    stored = {"write": "hf_12345678", "read": "hf_87654321", "limited": LIMITED}
    (tmp_path / "tokens.json").write_text(json.dumps(stored))
    tokens = Tokens.load_or_create(tmp_path, "me")
    for shown in ("hf_12345678", WRITER, "hf_wrong", "hf_é"):
        compared.clear()
        try:
            identity = tokens.identify(f"Bearer {shown}")
        except HubError:
            assert shown in ("hf_wrong", "hf_é")
        else:
            assert identity.token_name == {"hf_12345678": "local-write", WRITER: "ci"}[shown]
        assert len(compared) == 4, "whichever is right, all are looked at"


def test_signatures_are_compared_in_constant_time(monkeypatch: pytest.MonkeyPatch) -> None:
    calls = []
    original = hmac.compare_digest
    monkeypatch.setattr(hmac, "compare_digest", lambda a, b: calls.append(a) or original(a, b))
    signer = Signer(60)
    query = dict(part.split("=") for part in signer.query("PUT", "/a").split("&"))
    assert signer.check("PUT", "/a", query) is Verdict.VALID
    assert signer.check("PUT", "/a", query | {"signature": "é"}) is Verdict.FORGED
    assert signer.check("PUT", "/a", {}) is Verdict.FORGED
    assert len(calls) == 3
