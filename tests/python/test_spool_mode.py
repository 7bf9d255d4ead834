"""The mode 'spool': freezing without network, and sharing the spool with who pushes from it."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from child_process import PATIENCE, command, environment, snapshots_left, until
from command_line import run
from holding_proxy import HoldingProxy
from hub_revisions import ConfigError, HubRevisionCallback, RevisionPusher
from hub_revisions.local_hub import LocalHub
from spooling import (
    Spooler,
    command_child,
    elsewhere,
    records,
    states,
    until_states,
)
from tiny_training import branches, download, make_trainer, write_checkpoint

MIB = 1 << 20

# A training that has not even a loopback device.
TRAINING = """
import sys
from pathlib import Path
from tiny_training import make_trainer
from hub_revisions import HubRevisionCallback
callback = HubRevisionCallback(repo_id=sys.argv[2], endpoint=sys.argv[3])
make_trainer(Path(sys.argv[1]), callback, save_total_limit=1).train()
"""


def threads() -> int:
    """How many threads this process has."""
    return len(list(Path("/proc/self/task").iterdir()))


def test_no_thread_is_there_for_pushing(where: dict[str, Any], tmp_path: Path) -> None:
    before = threads()
    with RevisionPusher(tmp_path, mode="spool", **where):
        # The worker's watcher and heart, and Python's for outcomes.
        assert threads() - before == 3


def test_an_offline_training_asks_for_nothing_and_waits_for_nothing(
    hub: LocalHub,
    where: dict[str, Any],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with HoldingProxy(hub) as proxy:
        callback = HubRevisionCallback(**where | {"endpoint": proxy.endpoint})
        make_trainer(tmp_path / "out", callback).train()
        assert proxy.count() == 0
    assert [record.state for record in callback.records()] == ["queued", "queued"]
    said = [line for line in caplog.messages if "2 checkpoints wait in" in line]
    assert said, caplog.messages
    assert said[0].endswith(f"hub-revisions sync {tmp_path / 'out'}")


def test_the_spool_is_pushed_from_another_machine(
    hub: LocalHub, where: dict[str, Any], tmp_path: Path
) -> None:
    shared, mounted = tmp_path / "shared", tmp_path / "mounted"
    for folder in (shared, mounted):
        folder.mkdir()
    compute_node = subprocess.run(
        ["unshare", "--net", sys.executable, "-c", TRAINING, str(shared / "out"),
         where["repo_id"], where["endpoint"]],
        env=environment(HF_HUB_OFFLINE="1"),
        capture_output=True, text=True, check=False, timeout=4 * PATIENCE,
    )  # fmt: skip
    if "unshare" in compute_node.stderr:
        pytest.skip(f"cannot have namespaces here: {compute_node.stderr.strip()}")
    assert compute_node.returncode == 0, compute_node.stderr
    assert sorted(path.name for path in (shared / "out").glob("checkpoint-*")) == ["checkpoint-2"]

    sync = (sys.executable, "-m", "hub_revisions", "sync", mounted / "out")
    login_node = subprocess.run(
        elsewhere(shared, mounted, *sync, network=True),
        env=environment(HF_TOKEN=hub.token),
        capture_output=True, text=True, check=False, timeout=PATIENCE,
    )  # fmt: skip
    assert login_node.returncode == 0, login_node.stdout + login_node.stderr
    assert {"step-000000001", "step-000000002"} <= branches(hub, where["repo_id"])
    got = download(hub, where["repo_id"], "step-000000001", tmp_path / "got")
    assert (got / "model.safetensors").exists()
    assert snapshots_left(shared / "out") == []


def test_a_skipped_checkpoint_is_found_where_it_is_mounted(
    hub: LocalHub, where: dict[str, Any], tmp_path: Path
) -> None:
    shared, mounted = tmp_path / "shared", tmp_path / "mounted"
    for folder in (shared, mounted):
        folder.mkdir()
    output = shared / "out"
    with RevisionPusher(output, mode="spool", max_pending=1, **where) as pusher:
        for step in (1, 2):
            folder = write_checkpoint(output / f"checkpoint-{step}", step=step, size=2 * MIB)
            pusher.submit(folder)
    assert states(output) == {"step-000000001": "queued", "step-000000002": "skipped"}
    sync = (sys.executable, "-m", "hub_revisions", "sync", mounted / "out")
    done = subprocess.run(
        elsewhere(shared, mounted, *sync, network=True),
        env=environment(HF_TOKEN=hub.token),
        capture_output=True, text=True, check=False, timeout=PATIENCE,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    assert states(output) == {"step-000000001": "done", "step-000000002": "done"}


def test_two_machines_cannot_push_from_one_spool(where: dict[str, Any], tmp_path: Path) -> None:
    shared, mounted = tmp_path / "shared", tmp_path / "mounted"
    for folder in (shared, mounted):
        folder.mkdir()
    stuck = where | {"endpoint": "http://127.0.0.1:9", "max_retries": 100, "retry_max_delay": 60}
    with RevisionPusher(shared / "out", mode="spool", **stuck) as pusher:
        pusher.submit(write_checkpoint(shared / "out" / "checkpoint-1", step=1))
    follow = (sys.executable, "-m", "hub_revisions", "sync", mounted / "out", "--follow")
    other = subprocess.Popen(
        elsewhere(shared, mounted, *follow, network=True),
        env=environment(),
        stderr=subprocess.DEVNULL,
    )
    try:
        lock = shared / "out" / "_hub_revisions" / "lock"
        until(lambda: lock.exists() and "login-node" in lock.read_text(), "it does not begin")
        here = run("sync", shared / "out")
    finally:
        other.kill()
        other.wait()
    assert here.exit_code == 2
    assert f"in use by process {other.pid} on login-node" in here.stderr


def test_a_spool_is_synced_while_training_fills_it(
    hub: LocalHub, where: dict[str, Any], tmp_path: Path
) -> None:
    with Spooler(tmp_path, where | {"max_pending": 1}) as spooler:
        for step in (1, 2):
            spooler.submit(write_checkpoint(tmp_path / f"checkpoint-{step}", step=step))
        assert states(tmp_path) == {"step-000000001": "queued", "step-000000002": "skipped"}
        # The second is the training's to freeze, so it is left.
        assert command("sync", str(tmp_path), HF_TOKEN=hub.token).returncode == 3
        # What was pushed has made room, and the training sees that.
        until_states(tmp_path, {"step-000000001": "done", "step-000000002": "queued"})
        assert command("sync", str(tmp_path), HF_TOKEN=hub.token).returncode == 0
    assert set(states(tmp_path).values()) == {"done"}
    assert snapshots_left(tmp_path) == []


def test_what_a_killed_submit_left_goes_unless_somebody_submits(
    hub: LocalHub, where: dict[str, Any], tmp_path: Path
) -> None:
    staged = tmp_path / "_hub_revisions" / "tmp-20260101T000000000Z-abcdef"
    with Spooler(tmp_path, where) as spooler:
        spooler.submit(write_checkpoint(tmp_path / "checkpoint-1", step=1))
        staged.mkdir()  # as if it were in the middle of the next one
        assert command("sync", str(tmp_path), HF_TOKEN=hub.token).returncode == 0
        assert staged.exists()
        spooler.submit(write_checkpoint(tmp_path / "checkpoint-2", step=2))
        spooler.kill()
    assert command("sync", str(tmp_path), HF_TOKEN=hub.token).returncode == 0
    assert not staged.exists()
    assert set(states(tmp_path).values()) == {"done"}


def test_one_process_has_each_right(
    hub: LocalHub, where: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_TOKEN", hub.token)
    stuck = where | {"endpoint": "http://127.0.0.1:9"}
    with Spooler(tmp_path, stuck) as spooler:
        with pytest.raises(ConfigError, match=r"in use by process \d+, which saves checkpoints"):
            RevisionPusher(tmp_path, mode="spool", **where)
        with pytest.raises(ConfigError, match=r"in use by process \d+, which saves checkpoints"):
            RevisionPusher(tmp_path, **where)
        spooler.submit(write_checkpoint(tmp_path / "checkpoint-1", step=1))
        with command_child(tmp_path, "sync", tmp_path, "--follow") as follower:
            follower.says("pushing to")
            second = run("sync", tmp_path, "--follow")
            assert second.exit_code == 2
            assert f"in use by process {follower.process.pid};" in second.stderr
            assert run("sync", tmp_path).exit_code == 2


def test_what_was_saved_again_is_superseded_by_who_pushes(
    hub: LocalHub, where: dict[str, Any], tmp_path: Path
) -> None:
    stuck = where | {"endpoint": "http://127.0.0.1:9", "max_retries": 100, "retry_max_delay": 60}
    folder = write_checkpoint(tmp_path / "checkpoint-1", step=1)
    with Spooler(tmp_path, stuck) as spooler:
        spooler.submit(folder)
        with command_child(tmp_path, "sync", tmp_path, "--follow", HF_TOKEN=hub.token) as follower:
            follower.says("pushing to")
            spooler.submit(folder)
            follower.says("step-000000001: queued in the spool")
    first, second = records(tmp_path)
    assert first.state in ("superseded", "cancelled")
    assert second.state not in ("superseded", "cancelled")
    sync = command("sync", str(tmp_path), "--endpoint", hub.endpoint, HF_TOKEN=hub.token)
    assert sync.returncode == 0, sync.stderr
    assert records(tmp_path)[1].state == "done"


def test_the_oldest_gives_way_also_beside_a_follower(
    hub: LocalHub, where: dict[str, Any], tmp_path: Path
) -> None:
    stuck = where | {"endpoint": "http://127.0.0.1:9", "max_retries": 100, "retry_max_delay": 60}
    names = [f"step-{step:09d}" for step in range(1, 5)]
    with Spooler(tmp_path, stuck | {"max_pending": 3, "when_full": "drop_oldest"}) as spooler:

        def save(step: int) -> None:
            spooler.submit(write_checkpoint(tmp_path / f"checkpoint-{step}", step=step))

        save(1)
        save(2)
        with command_child(tmp_path, "sync", tmp_path, "--follow", HF_TOKEN=hub.token):
            until_states(tmp_path, dict.fromkeys(names[:2], "fixing"))
            save(3)
            save(4)  # 1 and 2 do not wait any more
            until_states(
                tmp_path,
                dict.fromkeys(names[:2], "fixing") | {names[2]: "cancelled", names[3]: "queued"},
            )


def test_a_copied_spool_is_refused_and_keeps_what_it_holds(
    hub: LocalHub, where: dict[str, Any], tmp_path: Path
) -> None:
    original, copy = tmp_path / "out", tmp_path / "copy"
    checkpoint = write_checkpoint(original / "checkpoint-1", step=1, size=2 << 20)
    with Spooler(original, where) as spooler:
        spooler.submit(checkpoint)
    shutil.copytree(original, copy)
    for _ in range(2):
        sync = command("sync", str(copy), HF_TOKEN=hub.token)
        assert sync.returncode == 3, sync.stderr
        (record,) = records(copy)
        assert record.state == "failed"
        assert "is not the file that was frozen" in str(record.error)
        kept = copy / "_hub_revisions" / record.id / "files" / "model.safetensors"
        assert kept.read_bytes() == (checkpoint / "model.safetensors").read_bytes()
    sync = command("sync", str(original), HF_TOKEN=hub.token)
    assert sync.returncode == 0, sync.stderr
    assert records(original)[0].state == "done"
