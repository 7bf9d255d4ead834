"""LFS batch, pre-signed URLs and multipart uploads, by plain HTTP."""

from __future__ import annotations

import hashlib
import http.client
import os
import shutil
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest
from child_process import until
from hub_revisions.local_hub import LocalHub
from hub_revisions.local_hub.objects import (
    LfsObjects,
    NoSuchUploadError,
    RepositoryGoneError,
    WrongContentError,
)
from huggingface_hub import HfApi

from .conftest import MULTIPART_THRESHOLD, PART_SIZE, basic, bearer

JSON = {"Accept": "application/vnd.git-lfs+json", "Content-Type": "application/vnd.git-lfs+json"}


def batch(
    hub: LocalHub, repo: str, *objects: tuple[str, int], operation: str = "upload", **more: Any
) -> httpx.Response:
    body = {
        "operation": operation,
        "hash_algo": "sha256",
        "objects": [{"oid": oid, "size": size} for oid, size in objects],
    } | more
    url = f"{hub.endpoint}/{repo}.git/info/lfs/objects/batch"
    return httpx.post(url, json=body, headers=JSON | bearer(hub.token))


def oid_of(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def upload_url(hub: LocalHub, repo: str, content: bytes) -> str:
    (answer,) = batch(hub, repo, (oid_of(content), len(content))).json()["objects"]
    assert answer["authenticated"] is True
    url: str = answer["actions"]["upload"]["href"]
    return url


def test_basic_round_trip(hub: LocalHub, repo: str) -> None:
    content = os.urandom(10_000)
    key = (oid_of(content), len(content))
    (answer,) = batch(hub, repo, key).json()["objects"]
    url = answer["actions"]["upload"]["href"]
    assert url.startswith(hub.storage_endpoint)
    assert httpx.put(url, content=content).status_code == 200
    verify = answer["actions"]["verify"]
    body = {"oid": key[0], "size": key[1]}
    assert httpx.post(verify["href"], json=body, headers=verify["header"]).status_code == 200
    assert httpx.post(verify["href"], json=body).status_code == 401
    assert batch(hub, repo, key).json()["objects"] == [body], "nothing is left to do"
    (found,) = batch(hub, repo, key, operation="download").json()["objects"]
    download = found["actions"]["download"]["href"]
    assert httpx.get(download).content == content
    part = httpx.get(download, headers={"Range": "bytes=100-199"})
    assert (part.status_code, part.content) == (206, content[100:200])


def test_objects_belong_to_one_repository(hub: LocalHub, repo: str) -> None:
    content = os.urandom(100)
    httpx.put(upload_url(hub, repo, content), content=content)
    url = f"{hub.endpoint}/api/repos/create"
    name = repo.split("/")[1] + "-other"
    httpx.post(url, json={"name": name, "organization": "org"}, headers=bearer(hub.token))
    (answer,) = batch(hub, f"org/{name}", (oid_of(content), 100)).json()["objects"]
    assert "actions" in answer


def test_an_upload_does_not_bring_back_a_deleted_repository(
    hub: LocalHub, api: HfApi, repo: str
) -> None:
    content = os.urandom(5_000_000)
    half = len(content) // 2

    def body() -> Iterator[bytes]:
        yield content[:half]
        api.delete_repo(repo)
        yield content[half:]

    url = upload_url(hub, repo, content)
    answer = httpx.put(url, content=body(), headers={"Content-Length": str(len(content))})
    assert answer.status_code == 404, answer.text
    assert not (hub.root / f"{repo}.git").exists()
    api.create_repo(repo)
    assert [ref.name for ref in api.list_repo_refs(repo).branches] == ["main"]


@pytest.mark.parametrize("becomes", ["deleted", "renamed"])
def test_a_part_for_a_repository_that_goes_away(
    hub: LocalHub, api: HfApi, repo: str, becomes: str
) -> None:
    content = os.urandom(MULTIPART_THRESHOLD + 5)
    key = (oid_of(content), len(content))
    (item,) = batch(hub, repo, key, transfers=["multipart"]).json()["objects"]
    url = item["actions"]["upload"]["header"]["00001"]
    part = content[:PART_SIZE]

    def body() -> Iterator[bytes]:
        yield part[:1000]
        until(lambda: _incomplete(hub, repo) != [], "it is not received")
        if becomes == "deleted":
            api.delete_repo(repo)
        else:
            api.move_repo(repo, f"{repo}-renamed")
        yield part[1000:]

    answer = httpx.put(url, content=body(), headers={"Content-Length": str(PART_SIZE)})
    if becomes == "deleted":
        assert answer.status_code == 404, answer.text
    else:
        assert answer.status_code == 503, answer.text
        assert httpx.put(url, content=part).status_code == 200, "the same address leads there"


@pytest.mark.parametrize("becomes", ["deleted", "renamed"])
def test_an_upload_without_its_repository_is_no_missing_upload(
    tmp_path: Path, becomes: str
) -> None:
    (tmp_path / "a.git" / "lfs").mkdir(parents=True)
    objects = LfsObjects(tmp_path / "a.git")
    upload = objects.start_multipart()
    part, late = (objects.receive_part(upload, number, 1) for number in (1, 2))
    whole = objects.receive(oid_of(b"x"), 1)
    for sink in (part, late, whole):
        sink.write(b"x")
    etag = part.finish()
    with pytest.raises(WrongContentError):
        objects.finish_multipart(upload, oid_of(b"xx"), 2, [etag, etag])
    with pytest.raises(NoSuchUploadError):
        objects.finish_multipart("0" * 32, oid_of(b"x"), 1, [etag])
    (tmp_path / "a.git").rename(tmp_path / "b.git")
    if becomes == "deleted":
        shutil.rmtree(tmp_path / "b.git")
    for act in (
        late.finish,
        whole.finish,
        lambda: objects.finish_multipart(upload, oid_of(b"x"), 1, [etag]),
        lambda: objects.receive_part(upload, 1, 1),
        lambda: objects.receive(oid_of(b"x"), 1),
        objects.start_multipart,
    ):
        with pytest.raises(RepositoryGoneError):
            act()
    assert not (tmp_path / "a.git").exists()


def test_a_completion_repeated_beside_itself_finds_the_upload_ended(tmp_path: Path) -> None:
    (tmp_path / "repository").mkdir()
    objects = LfsObjects(tmp_path / "repository")
    parts = [bytes([n]) * (1 << 20) for n in range(40)]
    whole = b"".join(parts)
    upload = objects.start_multipart()
    etags = []
    for number, part in enumerate(parts, start=1):
        sink = objects.receive_part(upload, number, len(part))
        sink.write(part)
        etags.append(sink.finish())

    def finish(_: int) -> str:
        try:
            objects.finish_multipart(upload, oid_of(whole), len(whole), etags)
        except NoSuchUploadError:
            return "ended"
        return "stored"

    with ThreadPoolExecutor(4) as threads:
        ends = list(threads.map(finish, range(4)))
    assert set(ends) <= {"stored", "ended"}
    assert "stored" in ends
    assert objects.size(oid_of(whole)) == len(whole)
    with pytest.raises(NoSuchUploadError):
        objects.receive_part(upload, 1, 1)


def test_authorization_on_a_signed_url_is_refused(hub: LocalHub, repo: str) -> None:
    content = b"x" * 10
    url = upload_url(hub, repo, content)
    for value in (f"Bearer {hub.token}", basic(hub.token)):
        answer = httpx.put(url, content=content, headers={"Authorization": value})
        assert answer.status_code == 400
        assert "<Code>InvalidArgument</Code>" in answer.text
    assert httpx.put(url, content=content).status_code == 200


def test_forged_url_is_refused(hub: LocalHub, repo: str) -> None:
    content = b"y" * 10
    url = upload_url(hub, repo, content)
    other = url.replace(oid_of(content), oid_of(b"z"))
    for forged in (other, url.split("?")[0], url.replace("expires=", "expires=9"), url + "0"):
        answer = httpx.put(forged, content=content)
        assert answer.status_code == 403
        assert "<Code>SignatureDoesNotMatch</Code>" in answer.text
    assert httpx.get(url).status_code == 403, "signed for PUT, not for GET"


def test_url_expires(tmp_path: Path) -> None:
    with LocalHub(tmp_path / "hub", "--url-lifetime", "0") as hub:
        url = f"{hub.endpoint}/api/repos/create"
        httpx.post(url, json={"name": "a", "organization": "b"}, headers=bearer(hub.token))
        answer = httpx.put(upload_url(hub, "b/a", b"x"), content=b"x")
        assert answer.status_code == 403
        assert "Request has expired" in answer.text


def test_wrong_content_is_not_stored(hub: LocalHub, repo: str) -> None:
    content = os.urandom(1000)
    url = upload_url(hub, repo, content)
    assert "BadDigest" in httpx.put(url, content=bytes(1000)).text
    assert httpx.put(url, content=content[:-1]).status_code == 400
    assert httpx.put(url, content=iter([content])).status_code == 411
    (answer,) = batch(hub, repo, (oid_of(content), 1000)).json()["objects"]
    assert "actions" in answer
    assert _incomplete(hub, repo) == []


def test_aborted_upload_leaves_nothing(hub: LocalHub, repo: str) -> None:
    content = os.urandom(100_000)
    url = urlsplit(upload_url(hub, repo, content))
    connection = http.client.HTTPConnection(url.netloc)
    connection.putrequest("PUT", f"{url.path}?{url.query}")
    connection.putheader("Content-Length", str(len(content)))
    connection.endheaders(content[:50_000])
    connection.close()
    answer = batch(hub, repo, (oid_of(content), len(content))).json()["objects"][0]
    assert "actions" in answer
    assert httpx.put(answer["actions"]["upload"]["href"], content=content).status_code == 200
    assert _incomplete(hub, repo) == []


def test_put_above_5_gib_is_refused_by_its_headers(hub: LocalHub, repo: str) -> None:
    url = urlsplit(upload_url(hub, repo, b"x"))
    connection = http.client.HTTPConnection(url.netloc)
    connection.putrequest("PUT", f"{url.path}?{url.query}")
    connection.putheader("Content-Length", str(5 * 1024**3 + 1))
    connection.endheaders()
    answer = connection.getresponse()
    assert answer.status == 400
    assert b"EntityTooLarge" in answer.read()
    connection.close()


def test_multipart_round_trip(hub: LocalHub, repo: str) -> None:
    content = os.urandom(MULTIPART_THRESHOLD + 5)
    key = (oid_of(content), len(content))
    (plain,) = batch(hub, repo, key).json()["objects"]
    assert "header" not in plain["actions"]["upload"], "the client did not offer multipart"
    offered = batch(hub, repo, key, transfers=["basic", "multipart"]).json()
    assert offered["transfer"] == "multipart"
    action = offered["objects"][0]["actions"]["upload"]
    assert action["header"].pop("chunk_size") == str(PART_SIZE)
    assert sorted(action["header"]) == ["00001", "00002", "00003"]
    parts = []
    for number, name in reversed(list(enumerate(sorted(action["header"]), start=1))):
        chunk = content[(number - 1) * PART_SIZE : number * PART_SIZE]
        answer = httpx.put(action["header"][name], content=chunk)
        assert answer.headers["etag"] == f'"{hashlib.md5(chunk).hexdigest()}"'
        parts.append({"partNumber": number, "etag": answer.headers["etag"]})
    body = {"oid": key[0], "parts": parts}
    missing = {"oid": key[0], "parts": parts[1:]}
    forged = {"oid": key[0], "parts": [{**part, "etag": "0" * 32} for part in parts]}
    assert httpx.post(action["href"], json=missing).status_code == 400
    assert httpx.post(action["href"], json=forged).status_code == 400
    assert httpx.post(action["href"].split("?")[0], json=body).status_code == 403
    assert httpx.post(action["href"], json=body).status_code == 200
    assert httpx.post(action["href"], json=body).status_code == 200, "the first answer was lost"
    assert batch(hub, repo, key).json()["objects"] == [{"oid": key[0], "size": key[1]}]
    assert _incomplete(hub, repo) == []


def test_batch_refusals(hub: LocalHub, repo: str) -> None:
    many = [(f"{number:064x}", 1) for number in range(257)]
    assert batch(hub, repo, *many).status_code == 413
    assert batch(hub, repo, *many[:256]).status_code == 200
    (bad,) = batch(hub, repo, ("../../etc/passwd", 1)).json()["objects"]
    assert bad["error"]["code"] == 422
    (large,) = batch(hub, repo, ("0" * 64, 5 * 1024**3 + 1)).json()["objects"]
    assert large["error"]["code"] == 422 and "5GB" in large["error"]["message"]
    (gone,) = batch(hub, repo, ("0" * 64, 1), operation="download").json()["objects"]
    assert gone["error"]["code"] == 404
    assert batch(hub, repo, ("0" * 64, 1), hash_algo="sha512").status_code == 409
    assert batch(hub, f"{repo}-missing", ("0" * 64, 1)).status_code == 404


def _incomplete(hub: LocalHub, repo: str) -> list[str]:
    """Files of unfinished basic uploads; open multipart uploads are folders."""
    folder = hub.root / f"{repo}.git" / "lfs" / "incomplete"
    return [path.name for path in folder.rglob("*") if path.is_file()]
