"""Uploads by the real hf_xet, put together by the hub."""

from __future__ import annotations

import array
import os
import random
import struct
from pathlib import Path

import httpx
import pytest
from hub_revisions.local_hub import LocalHub
from hub_revisions.local_hub.xet_format import MalformedXetError, read_chunks, read_shard
from huggingface_hub import HfApi

from .conftest import bearer

pytest.importorskip("hf_xet")
KIB = 1024


def weights(count: int, seed: int) -> bytes:
    """Numbers as a model has them: their exponents repeat, so the client groups and packs them."""
    generator = random.Random(seed)
    return array.array("f", (generator.gauss(0, 0.02) for _ in range(count))).tobytes()


CONTENTS = {
    "random": os.urandom(300 * KIB),
    "weights": weights(200_000, 1),
    "odd-length": weights(50_000, 2) + b"abc",
    "text": b"hello world " * 60_000 + b"\0",
    "zeros": bytes(500 * KIB),
    "mixed": bytes(100 * KIB) + os.urandom(100 * KIB) + b"ab" * 70_000,
    "small": b"\0",
}


def test_every_compression_is_understood(api: HfApi, repo: str, tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.mkdir()
    for name, content in CONTENTS.items():
        (source / f"{name}.bin").write_bytes(content)
    api.upload_folder(repo_id=repo, folder_path=source)
    copy = Path(api.snapshot_download(repo, cache_dir=tmp_path / "cache"))
    for name, content in CONTENTS.items():
        assert (copy / f"{name}.bin").read_bytes() == content, name


def test_later_upload_refers_to_earlier_chunks(
    api: HfApi, hub: LocalHub, repo: str, tmp_path: Path
) -> None:
    """The client sends only what changed; the hub still puts the whole file together."""
    first = os.urandom(1000 * KIB)
    second = first + os.urandom(100 * KIB)
    (tmp_path / "source").mkdir()
    for content in (first, second):
        (tmp_path / "source" / "m.bin").write_bytes(content)
        api.upload_folder(repo_id=repo, folder_path=tmp_path / "source")
    path = api.hf_hub_download(repo, "m.bin", cache_dir=tmp_path / "cache")
    assert Path(path).read_bytes() == second
    xorbs = [f for f in (hub.root / f"{repo}.git/lfs/xorbs").rglob("*") if f.is_file()]
    assert sum(xorb.stat().st_size for xorb in xorbs) < len(first) + len(second) // 2


def test_new_repository_of_the_same_name_is_another_one(
    api: HfApi, repo: str, tmp_path: Path
) -> None:
    """Clients remember what they uploaded; the hub that forgot it must not be taken for that."""
    (tmp_path / "source").mkdir()
    (tmp_path / "source" / "m.bin").write_bytes(os.urandom(200 * KIB))
    for _ in range(2):
        api.upload_folder(repo_id=repo, folder_path=tmp_path / "source")
        assert "m.bin" in api.list_repo_files(repo)
        api.delete_repo(repo)
        api.create_repo(repo)


def test_token_is_for_one_repository(hub: LocalHub, api: HfApi, repo: str) -> None:
    url = f"{hub.endpoint}/api/models/{repo}/xet-write-token/main"
    assert httpx.get(url, headers=bearer(hub.read_token)).status_code == 403
    granted = httpx.get(url, headers=bearer(hub.token)).json()
    other = f"{repo}-other"
    api.create_repo(other)
    shards = granted["casUrl"] + "/v1/shards"
    headers = bearer(granted["accessToken"])
    assert httpx.post(shards.replace(repo, other), headers=headers).status_code == 401
    assert httpx.post(shards, headers=bearer(hub.token)).status_code == 401
    assert httpx.post(shards, content=b"short", headers=headers).status_code == 400
    xorb = granted["casUrl"] + "/v1/xorbs/default/..%2f..%2fx"
    assert httpx.post(xorb, content=b"x", headers=headers).status_code == 400


def shard(*terms: tuple[bytes, int, int, int], flags: int = 1 << 30) -> bytes:
    """A shard with one file."""
    data = struct.pack("<32sQQ", b"HFRepoMetaData", 2, 0)
    data += struct.pack("<32sIIQ", b"f" * 32, flags, len(terms), 0)
    for xorb, length, first, end in terms:
        data += struct.pack("<32sIIII", xorb, 0, length, first, end)
    data += struct.pack("<32s16x", bytes(range(32)))
    return data + struct.pack("<32s16x", b"\xff" * 32)


def test_shard_is_read() -> None:
    (recipe,) = read_shard(shard((b"x" * 32, 10, 1, 3)))
    assert recipe.oid.startswith("0706050403020100") and recipe.size == 10
    assert (recipe.terms[0].first, recipe.terms[0].end) == (1, 3)


@pytest.mark.parametrize(
    "data", [b"", shard()[:60], shard(flags=0), shard().replace(b"\x02", b"\x03", 1)]
)
def test_malformed_shard(data: bytes) -> None:
    with pytest.raises(MalformedXetError):
        read_shard(data)


@pytest.mark.parametrize(
    "chunk",
    [
        b"",
        b"\0\5\0\0\0\5\0\0abc",
        b"\0\3\0\0\7\3\0\0abc",
        b"\0\3\0\0\1\3\0\0abc",
        b"\1\3\0\0\0\3\0\0abc",
        b"\0\3\0\0\0\0\0\xffabc",
        bytes.fromhex("00 0d0000 01 090000 04224d18604082 02000000 f0"),
        bytes.fromhex("00 120000 01 090000 04224d18604082 05000000 1061090000 00000000"),
    ],
)
def test_malformed_chunk(chunk: bytes, tmp_path: Path) -> None:
    (tmp_path / "xorb").write_bytes(chunk)
    with (tmp_path / "xorb").open("rb") as file, pytest.raises(MalformedXetError):
        list(read_chunks(file, 0, 1))
