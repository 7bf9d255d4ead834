"""Limits of the spool, and what happens when they are reached; pacing of pushes and uploads."""

from __future__ import annotations

import json
import shutil
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from holding_proxy import Answer, HoldingProxy, Request
from hub_revisions import InvalidCheckpointError, RevisionPusher
from hub_revisions.local_hub import LocalHub
from huggingface_hub import HfApi
from tiny_training import branches, write_checkpoint

MIB = 1 << 20


def until(condition: Callable[[], bool], seconds: float = 60.0) -> None:
    """Wait for a condition."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "the condition did not come true"
        time.sleep(0.02)


def write_solid(folder: Path, size: int) -> Path:
    """A checkpoint without holes: one that takes room on the disk."""
    weights = write_checkpoint(folder, size=size) / "model.safetensors"
    with weights.open("r+b") as file:
        file.seek(-size, 2)
        file.write(b"\1" * size)
    return folder


def states(pusher: RevisionPusher) -> dict[str, str]:
    """The state of each revision."""
    return {record.revision: record.state for record in pusher.status()}


def test_skip_new_is_the_default_and_is_pushed_when_there_is_room(
    hub: LocalHub, where: dict[str, Any], tmp_path: Path
) -> None:
    folders = [write_checkpoint(tmp_path / f"model-{n}", size=MIB + n) for n in range(3)]
    with RevisionPusher(tmp_path, mode="spool", max_pending=1, **where) as pusher:
        for n, folder in enumerate(folders):
            pusher.submit(folder, f"r{n}", metrics={})
        assert states(pusher) == {"r0": "queued", "r1": "skipped", "r2": "skipped"}
        (_, skipped, _) = pusher.status()
        assert skipped.error is not None
        assert skipped.error.kind == "no_space"
        assert "'max_pending'" in skipped.error.message
        assert not skipped.is_final
        assert not pusher.close(0), "something is left"
    # Of the next process, too, and one after the other.
    with RevisionPusher(tmp_path, max_pending=1, **where) as pusher:
        assert pusher.wait(timeout=60)
        assert set(states(pusher).values()) == {"done"}
    assert set(branches(hub, where["repo_id"])) >= {"r0", "r1", "r2"}


def test_a_skipped_checkpoint_is_frozen_by_its_own_settings(
    hub: LocalHub, where: dict[str, Any], tmp_path: Path
) -> None:
    folders = [write_checkpoint(tmp_path / f"model-{n}") for n in range(2)]
    for folder in folders:
        (folder / "notes.txt").write_text("not for everybody")
    first = {"mode": "spool", "max_pending": 1, "ignore_patterns": ["notes*"]}
    with RevisionPusher(tmp_path, **first, **where) as pusher:
        for n, folder in enumerate(folders):
            pusher.submit(folder, f"r{n}", metrics={})
        assert states(pusher) == {"r0": "queued", "r1": "skipped"}
    with RevisionPusher(tmp_path, **where) as pusher:
        assert pusher.wait(timeout=60)
        assert set(states(pusher).values()) == {"done"}
    api = HfApi(endpoint=hub.endpoint, token=hub.token)
    for name in ("r0", "r1"):
        assert "notes.txt" not in api.list_repo_files(where["repo_id"], revision=name)


def test_a_skipped_checkpoint_that_is_gone_says_so(where: dict[str, Any], tmp_path: Path) -> None:
    folders = [write_checkpoint(tmp_path / f"model-{n}") for n in range(3)]
    with RevisionPusher(tmp_path, mode="spool", max_pending=1, **where) as pusher:
        for n, folder in enumerate(folders):
            pusher.submit(folder, f"r{n}", metrics={})
    shutil.rmtree(folders[1])
    (folders[2] / "another").write_text("the same folder, saved again")
    with RevisionPusher(tmp_path, max_pending=1, **where) as pusher:
        assert pusher.wait(timeout=60)
        records = {record.revision: record for record in pusher.status()}
    assert {name: record.state for name, record in records.items()} == {
        "r0": "done",
        "r1": "failed",
        "r2": "failed",
    }
    for name, word in (("r1", "removed"), ("r2", "saved again")):
        error = records[name].error
        assert error is not None
        assert word in error.message
        assert "'max_pending'" in error.message


@pytest.mark.parametrize(
    ("policy", "expected"),
    [
        ("drop_oldest", {"r0": "dropped", "r1": "queued", "r2": "queued"}),
        ("newest_only", {"r0": "dropped", "r1": "dropped", "r2": "queued"}),
    ],
)
def test_older_ones_give_way(
    where: dict[str, Any], tmp_path: Path, policy: str, expected: dict[str, str]
) -> None:
    with RevisionPusher(tmp_path, mode="spool", max_pending=2, when_full=policy, **where) as pusher:
        for n in range(3):
            folder = write_checkpoint(tmp_path / f"model-{n}", size=2 * MIB)
            pusher.submit(folder, f"r{n}", metrics={})
        assert states(pusher) == expected
        for record in pusher.status():
            kept = (Path(pusher.spool) / record.id / "files").exists()
            assert kept == (record.state == "queued")


@pytest.mark.parametrize("policy", ["drop_oldest", "newest_only"])
@pytest.mark.parametrize("what", ["a link to nothing", "half of a save", "no folder"])
def test_nothing_gives_way_to_a_checkpoint_that_is_refused(
    where: dict[str, Any], tmp_path: Path, policy: str, what: str
) -> None:
    refused = tmp_path / "refused"
    if what != "no folder":
        write_checkpoint(refused)
        if what == "half of a save":
            (refused / "checkpoint-is-incomplete.txt").touch()
        else:
            (refused / "link").symlink_to("nothing")
    with RevisionPusher(tmp_path, mode="spool", max_pending=2, when_full=policy, **where) as pusher:
        for n in range(2):
            pusher.submit(write_checkpoint(tmp_path / f"model-{n}"), f"r{n}", metrics={})
        with pytest.raises(InvalidCheckpointError):
            pusher.submit(refused, "r2", metrics={})
        assert states(pusher) == {"r0": "queued", "r1": "queued", "r2": "failed"}


def test_what_a_checkpoint_replaces_gives_way_first(where: dict[str, Any], tmp_path: Path) -> None:
    full = {"mode": "spool", "max_pending": 3, "when_full": "drop_oldest"}
    with RevisionPusher(tmp_path, **full, **where) as pusher:
        for n in range(3):
            pusher.submit(write_checkpoint(tmp_path / f"model-{n}"), f"r{n}", metrics={})
        pusher.submit(write_checkpoint(tmp_path / "again"), "r1", metrics={})
        kept = [record.revision for record in pusher.status() if record.state == "queued"]
        assert kept == ["r0", "r2", "r1"]


def test_wait_waits_for_room_and_no_longer_than_it_may(
    hub: LocalHub, where: dict[str, Any], tmp_path: Path
) -> None:
    folders = [write_checkpoint(tmp_path / f"model-{n}", size=2 * MIB) for n in range(3)]
    with RevisionPusher(tmp_path, max_pending=1, when_full="wait", **where) as pusher:
        for n, folder in enumerate(folders):
            pusher.submit(folder, f"r{n}", metrics={})
            assert "skipped" not in states(pusher).values()
        assert pusher.wait(timeout=60)
        assert set(states(pusher).values()) == {"done"}
    # Nothing listens there, so nothing makes room.
    stuck = where | {"endpoint": "http://127.0.0.1:9", "max_retries": 100, "retry_max_delay": 60}
    with RevisionPusher(
        tmp_path / "stuck", max_pending=1, when_full="wait", when_full_timeout=0.3, **stuck
    ) as pusher:
        for n, folder in enumerate(folders[:2]):
            pusher.submit(folder, f"r{n}", metrics={})
        assert states(pusher)["r1"] == "skipped"
        pusher.close(0)


def test_what_deleted_checkpoints_hold_is_limited(where: dict[str, Any], tmp_path: Path) -> None:
    with RevisionPusher(tmp_path, mode="spool", max_spool_bytes="5MiB", **where) as pusher:
        for n in range(3):
            folder = write_solid(tmp_path / f"model-{n}", 4 * MIB)
            pusher.submit(folder, f"r{n}", metrics={})
        assert "skipped" not in states(pusher).values(), "live checkpoints cost nothing"
        for n in range(3):
            shutil.rmtree(tmp_path / f"model-{n}")
        pusher.submit(write_solid(tmp_path / "late", 4 * MIB), "late", metrics={})
        assert states(pusher)["late"] == "skipped"
        error = pusher.status()[-1].error
        assert error is not None
        assert "'max_spool_bytes'" in error.message


@pytest.mark.parametrize("policy", ["drop_oldest", "newest_only"])
def test_nothing_is_dropped_where_that_makes_no_room(
    where: dict[str, Any], tmp_path: Path, policy: str
) -> None:
    # Live checkpoints: their snapshots are links, and what they hold would not do.
    for n in range(3):
        write_checkpoint(tmp_path / f"model-{n}", size=2 * MIB)
    with RevisionPusher(tmp_path, mode="spool", **where) as pusher:
        for n in range(2):
            pusher.submit(tmp_path / f"model-{n}", f"r{n}", metrics={})
    full = {"min_free_bytes": "100000 GB", "when_full": policy}
    with RevisionPusher(tmp_path, mode="spool", **full, **where) as pusher:
        pusher.submit(tmp_path / "model-2", "r2", metrics={})
        assert states(pusher) == {"r0": "queued", "r1": "queued", "r2": "skipped"}


def test_the_oldest_that_holds_bytes_gives_way(where: dict[str, Any], tmp_path: Path) -> None:
    limit = {"max_spool_bytes": "7MiB", "when_full": "drop_oldest", "mode": "spool"}
    with RevisionPusher(tmp_path, **limit, **where) as pusher:
        for n in range(4):
            pusher.submit(write_solid(tmp_path / f"model-{n}", 4 * MIB), f"r{n}", metrics={})
        for n in (1, 2):
            shutil.rmtree(tmp_path / f"model-{n}")
        pusher.submit(write_solid(tmp_path / "late", 4 * MIB), "late", metrics={})
        kept = ("r0", "r2", "r3", "late")
        assert states(pusher) == {"r1": "dropped"} | dict.fromkeys(kept, "queued")


@pytest.mark.parametrize(
    ("limit", "fits"),  # the latter once one has gone
    [({"max_spool_bytes": "7MiB"}, 3.5), ({"max_pending": 2}, 3.5), ({}, 6.5)],
)
@pytest.mark.parametrize("policy", ["drop_oldest", "newest_only"])
def test_nothing_is_dropped_for_a_checkpoint_that_does_not_fit_anyway(
    where: dict[str, Any],
    tmp_path: Path,
    small_disk: Path,
    policy: str,
    limit: dict[str, Any],
    fits: float,
) -> None:
    place = {"spool_dir": str(small_disk / "spool"), "min_free_bytes": 0, "mode": "spool"}
    with RevisionPusher(tmp_path, **place, **limit, when_full=policy, **where) as pusher:
        for n in range(2):
            pusher.submit(write_solid(tmp_path / f"model-{n}", 3 * MIB), f"r{n}", metrics={})
        pusher.submit(write_solid(tmp_path / "large", 20 * MIB), "large", metrics={})
        assert states(pusher) == {"r0": "queued", "r1": "queued", "large": "skipped"}
        pusher.submit(write_solid(tmp_path / "late", int(fits * MIB)), "late", metrics={})
        gone = ("r0",) if policy == "drop_oldest" else ("r0", "r1")
        assert {name for name, state in states(pusher).items() if state == "dropped"} == set(gone)
        assert states(pusher)["late"] == "queued"


def test_nothing_is_dropped_for_a_place_where_bytes_are_missing_too(
    where: dict[str, Any], tmp_path: Path
) -> None:
    for n in range(3):
        write_checkpoint(tmp_path / f"model-{n}", size=2 * MIB)
    with RevisionPusher(tmp_path, mode="spool", **where) as pusher:
        for n in range(2):
            pusher.submit(tmp_path / f"model-{n}", f"r{n}", metrics={})
    full = {"min_free_bytes": "100000 GB", "max_pending": 2, "when_full": "newest_only"}
    with RevisionPusher(tmp_path, mode="spool", **full, **where) as pusher:
        pusher.submit(tmp_path / "model-2", "r2", metrics={})
        assert states(pusher) == {"r0": "queued", "r1": "queued", "r2": "skipped"}


def test_min_free_bytes_is_left(where: dict[str, Any], tmp_path: Path) -> None:
    with RevisionPusher(tmp_path, mode="spool", min_free_bytes="100000 GB", **where) as pusher:
        pusher.submit(write_checkpoint(tmp_path / "model"), "r", metrics={})
        assert states(pusher) == {"r": "skipped"}


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 12 MiB."""
    mount = tmp_path / "disk"
    mount.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=12m", "tmpfs", str(mount)]
    made = subprocess.run(command, capture_output=True, text=True)
    if made.returncode != 0:
        pytest.skip(f"cannot mount a tmpfs here: {made.stderr.strip()}")
    yield mount
    subprocess.run(["umount", "-l", str(mount)], check=True)


def fill(file: Path) -> None:
    """Write until the disk is full."""
    with file.open("wb", buffering=0) as others, suppress(OSError):
        while True:
            others.write(b"x" * 4096)


def test_a_full_disk_never_raises_and_frees_itself(
    hub: LocalHub, where: dict[str, Any], tmp_path: Path, small_disk: Path
) -> None:
    folders = [write_checkpoint(tmp_path / f"model-{n}", size=3 * MIB + n) for n in range(5)]
    place = {"spool_dir": str(small_disk / "spool"), "min_free_bytes": 0}
    with RevisionPusher(tmp_path, mode="spool", **place, **where) as pusher:
        for n, folder in enumerate(folders):
            pusher.submit(folder, f"r{n}", metrics={})
        assert sorted(states(pusher).values()) == ["queued"] * 3 + ["skipped"] * 2
        # Somebody else takes the rest: not even a record can be written any more.
        fill(small_disk / "others")
        last = write_checkpoint(tmp_path / "model-last", size=2 * MIB)
        pusher.submit(last, "last", metrics={})
        assert states(pusher)["last"] == "skipped"
    with RevisionPusher(tmp_path, **place, **where) as pusher:
        assert pusher.wait(timeout=120)
        done = {name for name, state in states(pusher).items() if state == "done"}
        assert done == {f"r{n}" for n in range(5)}, states(pusher)
        # Its record was only in the memory of the first process, which told so in its log.
        pusher.submit(last, "last", metrics={})
        assert pusher.wait(timeout=60)
        assert states(pusher)["last"] == "done"
    assert set(branches(hub, where["repo_id"])) >= {*(f"r{n}" for n in range(5)), "last"}


def test_a_record_that_did_not_fit_is_written_at_the_end(
    where: dict[str, Any], tmp_path: Path, small_disk: Path
) -> None:
    place = {"spool_dir": str(small_disk / "spool"), "min_free_bytes": 0, "mode": "spool"}
    with RevisionPusher(tmp_path, **place, **where) as pusher:
        fill(small_disk / "others")
        pusher.submit(write_checkpoint(tmp_path / "model"), "r", metrics={})
        assert not list((small_disk / "spool").glob("*/job.json"))
        (small_disk / "others").unlink()
    with RevisionPusher(tmp_path, **place, **where) as pusher:
        assert set(states(pusher)) == {"r"}


def test_what_the_server_has_is_done_though_its_end_found_no_room(
    where: dict[str, Any], tmp_path: Path
) -> None:
    with RevisionPusher(tmp_path, mode="spool", **where) as pusher:
        job = pusher.submit(write_checkpoint(tmp_path / "model"), "r", metrics={})
        folder = Path(pusher.spool) / job
    # As a kill leaves it: the snapshot had to go, and still there was no room for the record.
    record = json.loads((folder / "job.json").read_text())
    (folder / "job.json").write_text(
        json.dumps(record | {"state": "confirming", "commit": "1" * 40})
    )
    shutil.rmtree(folder / "files")
    with RevisionPusher(tmp_path, **where) as pusher:
        assert states(pusher) == {"r": "done"}
    assert json.loads((folder / "job.json").read_text())["state"] == "done"


def test_a_backlog_is_pushed_no_faster_than_the_hour_allows(
    hub: LocalHub, where: dict[str, Any], tmp_path: Path
) -> None:
    with RevisionPusher(tmp_path, max_pushes_per_hour=2, **where) as pusher:
        for n in range(4):
            folder = write_checkpoint(tmp_path / f"model-{n}")
            pusher.submit(folder, f"r{n}", metrics={})
        until(lambda: list(states(pusher).values()).count("done") == 2)
        assert not pusher.wait(timeout=1.5)
        assert sorted(states(pusher).values()) == ["done", "done", "queued", "queued"]
        log = Path(pusher.spool) / "worker.log"
        until(lambda: "'max_pushes_per_hour'" in log.read_text())
        pusher.close(0)
    # A restart does not begin a new hour; a higher limit does let the rest through.
    with RevisionPusher(tmp_path, max_pushes_per_hour=3, **where) as pusher:
        until(lambda: list(states(pusher).values()).count("done") == 3)
        assert not pusher.wait(timeout=1.0)
        pusher.close(0)
    with RevisionPusher(tmp_path, max_pushes_per_hour=None, **where) as pusher:
        assert pusher.wait(timeout=60)


def test_requests_slow_down_before_the_servers_quota_is_used_up(
    hub: LocalHub, where: dict[str, Any], tmp_path: Path
) -> None:
    folder = write_checkpoint(tmp_path / "model")
    # With the first answer all of the quota is used; after two seconds it is full again.
    headers = {"RateLimit": '"api";r=0;t=1', "Content-Type": "application/json"}
    body = json.dumps({"type": "user", "name": hub.user}).encode()
    asked: list[float] = []

    def note(_: Request) -> Answer:
        asked.append(time.monotonic())
        return Answer(200, headers, body)

    with HoldingProxy(hub) as proxy:
        proxy.answer("/api/whoami-v2", note)
        proxy.answer("/auth-check/write", note)
        with RevisionPusher(tmp_path, **where | {"endpoint": proxy.endpoint}) as pusher:
            pusher.submit(folder, "paced", metrics={})
            assert pusher.wait(timeout=60)
    assert pusher.status()[0].state == "done"
    assert pusher.status()[0].progress.retries == 0, "the server had to refuse nothing"
    assert asked[1] - asked[0] >= 2.0
    log = (Path(pusher.spool) / "worker.log").read_text()
    assert "request quota is nearly used up; slowing down for 2 s" in log


def test_uploads_keep_to_their_bandwidth(
    hub: LocalHub, where: dict[str, Any], tmp_path: Path
) -> None:
    folder = write_checkpoint(tmp_path / "model", size=6 * MIB)
    with RevisionPusher(tmp_path, max_upload_rate="2MiB", **where) as pusher:
        began = time.monotonic()
        pusher.submit(folder, "slow", metrics={})
        rates: list[float] = []

        def look() -> None:
            while not pusher.wait(timeout=0.1):
                rate = pusher.status()[0].progress.bytes_per_second
                if rate is not None:
                    rates.append(rate)

        looking = threading.Thread(target=look)
        looking.start()
        looking.join(60)
        took = time.monotonic() - began
    assert pusher.status()[0].state == "done"
    assert took > 2.0, "6 MiB at 2 MiB/s, less what the first burst may hold"
    assert rates, "the rate is told while it is pushed"
