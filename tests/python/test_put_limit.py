"""Objects that are too large for one PUT: sent in parts, or refused before anything is sent."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hub_revisions import RevisionPusher
from hub_revisions._native import JobRecord
from hub_revisions.local_hub import LocalHub
from tiny_training import branches, download, write_checkpoint

LIMIT = 100_000  # bytes; in place of 5 GiB


@pytest.fixture(scope="module")
def hub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalHub]:
    """A hub with a small limit of one PUT, which offers parts beyond it."""
    options = ["--single-put-limit", str(LIMIT), "--multipart-threshold", str(LIMIT),
               "--part-size", "40000"]  # fmt: skip
    with LocalHub(tmp_path_factory.mktemp("hub"), *options) as running:
        yield running


@pytest.fixture
def checkpoint(tmp_path: Path) -> Path:
    """Small weights, and an optimizer state above the limit."""
    folder = write_checkpoint(tmp_path / "out/checkpoint-1", step=1, size=30_000)
    (folder / "optimizer.pt").write_bytes(os.urandom(3 * LIMIT))
    return folder


def push(checkpoint: Path, **settings: Any) -> JobRecord:
    with RevisionPusher(checkpoint.parent, **settings) as pusher:
        job = pusher.submit(checkpoint)
        pusher.wait(job, timeout=60)
        record = pusher.record(job)
    assert record is not None
    return record


def test_resume_state_above_the_limit_goes_in_parts(
    hub: LocalHub, where: dict[str, Any], checkpoint: Path, tmp_path: Path
) -> None:
    record = push(checkpoint, **where, contents="full", max_put_size=LIMIT)
    assert record.state == "done", record.error
    got = download(hub, where["repo_id"], record.revision, tmp_path / "got")
    assert (got / "optimizer.pt").read_bytes() == (checkpoint / "optimizer.pt").read_bytes()
    log = (hub.root / "hub.log").read_text()
    assert f"{where['repo_id']}/uploads/" in log


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ([], "has 300000 bytes; the server offers one PUT for it"),
        (["--single-put-limit", str(LIMIT)], "enable upload of files > 5GB"),
    ],
)
def test_without_parts_nothing_at_all_is_sent(
    where: dict[str, Any], checkpoint: Path, tmp_path: Path, options: list[str], says: str
) -> None:
    """Whether the limit is the client's knowledge or the hub's answer."""
    with LocalHub(tmp_path / "hub", *options) as hub:
        where |= {"endpoint": hub.endpoint, "token": hub.token, "max_put_size": LIMIT}
        record = push(checkpoint, **where, contents="full")
        assert record.state == "failed"
        assert record.error is not None
        for words in ("optimizer.pt", says, "'transfer_agents'", '"contents": "inference"'):
            assert words in record.error.message
        assert record.bytes_sent == 0
        assert not list((hub.root / f"{where['repo_id']}.git/lfs/objects").glob("??/??/*"))
        assert branches(hub, where["repo_id"]) <= {"main"}
        # The way out that needs no agent.
        second = push(checkpoint, **where, contents="inference")
        assert second.state == "done", second.error
