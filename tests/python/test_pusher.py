"""The worker without a Trainer: submit, wait, cancel, close, offline, killed and resumed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path
from typing import Any

import pytest
from child_process import snapshots_left, until
from holding_proxy import HoldingProxy
from hub_revisions import ConfigError, InvalidCheckpointError, RevisionPusher, list_revisions
from hub_revisions.local_hub import LocalHub
from tiny_training import branches, download, write_checkpoint

MIB = 1 << 20


def test_a_folder_becomes_a_revision(hub: LocalHub, where: dict[str, Any], tmp_path: Path) -> None:
    folder = write_checkpoint(tmp_path / "checkpoint-7", step=7, loss=1.0)
    with RevisionPusher(tmp_path, **where) as pusher:
        job = pusher.submit(folder)
        assert pusher.wait(job, timeout=60)
        (record,) = pusher.records()
    assert (record.id, record.state, record.revision) == (job, "done", "step-000000007")
    assert (record.step, record.epoch, record.metrics) == (7, 0.7, {"loss": 1.0})
    assert {fix.name for fix in record.fixes if fix.outcome == "applied"} >= {"use_cache", "card"}
    got = download(hub, where["repo_id"], record.revision, tmp_path / "got")
    assert (got / "model.safetensors").read_bytes() == (folder / "model.safetensors").read_bytes()
    assert '"use_cache": true' in (got / "config.json").read_text()


def test_one_job_is_told_as_all_are(tmp_path: Path) -> None:
    folder = write_checkpoint(tmp_path / "model", step=1)
    with RevisionPusher(tmp_path, repo_id="me/model", mode="spool") as pusher:
        first, second = pusher.submit(folder, "a"), pusher.submit(folder, "b")
        assert [pusher.record(first), pusher.record(second)] == pusher.status()
        assert pusher.record("none") is None
    assert [pusher.record(first), pusher.record(second)] == pusher.status()
    assert pusher.record("none") is None


def test_what_is_given_wins_over_the_trainers_state(where: dict[str, Any], tmp_path: Path) -> None:
    folder = write_checkpoint(tmp_path / "checkpoint-7", step=7, eval_loss=1.0)
    with RevisionPusher(tmp_path, **where) as pusher:
        pusher.submit(folder, "named", step=8, metrics={"eval_loss": 3, "note": "x"})
        pusher.wait(timeout=60)
    (record,) = pusher.status()
    assert (record.revision, record.step, record.metrics) == ("named", 8, {"eval_loss": 3.0})


def test_a_folder_may_vanish_once_it_is_submitted(
    hub: LocalHub, where: dict[str, Any], tmp_path: Path
) -> None:
    folder = write_checkpoint(tmp_path / "model", size=3 * MIB)
    with RevisionPusher(tmp_path, **where) as pusher:
        pusher.submit(folder, "gone")
        for path in folder.iterdir():
            path.unlink()
        folder.rmdir()
    assert pusher.status()[0].state == "done"
    got = download(hub, where["repo_id"], "gone", tmp_path / "got")
    assert (got / "model.safetensors").stat().st_size > 3 * MIB


def test_without_a_name_or_a_step_there_is_no_revision(tmp_path: Path) -> None:
    folder = write_checkpoint(tmp_path / "model")
    with (
        RevisionPusher(tmp_path, repo_id="me/model", mode="spool") as pusher,
        pytest.raises(ConfigError, match="give the revision's name"),
    ):
        pusher.submit(folder)


def test_no_revision_is_called_as_the_branch_of_results(tmp_path: Path) -> None:
    folder = write_checkpoint(tmp_path / "model", step=1)
    with (
        RevisionPusher(tmp_path, repo_id="me/model", mode="spool") as pusher,
        pytest.raises(ConfigError, match="branch of results and decisions"),
    ):
        pusher.submit(folder, "evaluations")


@pytest.mark.parametrize("kind", ["missing", "empty", "file"])
def test_what_is_no_checkpoint_is_refused(tmp_path: Path, kind: str) -> None:
    folder = tmp_path / kind
    if kind == "empty":
        folder.mkdir()
    if kind == "file":
        folder.write_text("x")
    with RevisionPusher(tmp_path, repo_id="me/model", mode="spool") as pusher:
        with pytest.raises(InvalidCheckpointError, match=kind):
            pusher.submit(folder, "name")
        (record,) = pusher.records()
    assert record.state == "failed"
    assert record.error is not None
    assert record.error.kind == "invalid_input"


def test_two_cannot_own_a_spool(tmp_path: Path) -> None:
    with (
        RevisionPusher(tmp_path, repo_id="me/model", mode="spool"),
        pytest.raises(ConfigError, match="_hub_revisions"),
    ):
        RevisionPusher(tmp_path, repo_id="me/model", mode="spool")


def test_cancel_and_supersede(tmp_path: Path) -> None:
    folder = write_checkpoint(tmp_path / "model")
    with RevisionPusher(tmp_path, repo_id="me/model", mode="spool") as pusher:
        pusher.submit(folder, "same")
        kept = pusher.submit(folder, "same")
        other = pusher.submit(folder, "other")
        assert pusher.cancel(other)
        assert not pusher.cancel(other)
        states = {record.id: record.state for record in pusher.records()}
        assert sorted(states.values()) == ["cancelled", "queued", "superseded"]
        assert states[kept] == "queued"
        assert not pusher.wait(kept, timeout=0)


def test_offline_is_pushed_by_the_next_pusher(
    hub: LocalHub, where: dict[str, Any], tmp_path: Path
) -> None:
    folder = write_checkpoint(tmp_path / "checkpoint-1", step=1)
    with RevisionPusher(tmp_path, mode="spool", **where) as pusher:
        pusher.submit(folder)
    assert pusher.closed
    assert [record.state for record in pusher.records()] == ["queued"]
    with RevisionPusher(tmp_path, **where) as pusher:
        assert pusher.wait(timeout=60)
        assert [record.state for record in pusher.records()] == ["done"]
    assert "step-000000001" in branches(hub, where["repo_id"])
    with RevisionPusher(tmp_path, **where) as pusher:
        assert pusher.records() == []  # of an earlier session
        assert len(pusher.status()) == 1


def test_a_preflight_tells_what_is_wrong(
    hub: LocalHub, where: dict[str, Any], tmp_path: Path
) -> None:
    def outcome(name: str, **settings: Any) -> str:
        with RevisionPusher(tmp_path / name, **settings) as pusher:
            pusher.preflight()
            deadline = time.monotonic() + 30
            while (result := pusher.preflight_result()) is None:
                assert time.monotonic() < deadline
                time.sleep(0.02)
            return result

    assert outcome("good", **where) == ""
    assert "token" in outcome("wrong", **where | {"token": "hf_wrong"})
    assert "read" in outcome("reader", **where | {"token": hub.read_token})
    assert "127.0.0.1:1" in outcome("away", **where | {"endpoint": "http://127.0.0.1:1"})


def run_python(code: str, *arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(code), *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
    )


def test_killed_in_a_push_and_resumed_by_sync(
    hub: LocalHub, where: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    size = 200 * MIB
    folder = write_checkpoint(tmp_path / "checkpoint-1", step=1, size=size)
    process = run_python(
        """
        import sys, time
        from hub_revisions import RevisionPusher
        output, folder, endpoint, token, repo_id = sys.argv[1:]
        pusher = RevisionPusher(output, endpoint=endpoint, token=token, repo_id=repo_id)
        pusher.submit(folder)
        while pusher.status()[0].progress.bytes_sent < 1 << 20:
            time.sleep(0.001)
        print(pusher.status()[0].state, flush=True)
        time.sleep(60)
        """,
        str(tmp_path),
        str(folder),
        where["endpoint"],
        where["token"],
        where["repo_id"],
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "uploading\n"
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert "step-000000001" not in branches(hub, where["repo_id"])

    monkeypatch.setenv("HF_TOKEN", where["token"])
    for _ in range(2):  # the second time there is nothing to do
        done = subprocess.run(
            [sys.executable, "-m", "hub_revisions", "sync", str(tmp_path)],
            env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
    (revision,) = [
        r
        for r in list_revisions(where["repo_id"], endpoint=hub.endpoint, token=hub.token)
        if r.managed
    ]
    assert revision.step == 1
    got = download(hub, where["repo_id"], revision.revision, tmp_path / "got")
    assert (got / "model.safetensors").stat().st_size == (
        folder / "model.safetensors"
    ).stat().st_size


def test_progress_that_is_written_late_is_not_left_behind(
    hub: LocalHub, where: dict[str, Any], tmp_path: Path
) -> None:
    folder = write_checkpoint(tmp_path / "checkpoint-1", step=1)
    with HoldingProxy(hub) as proxy:
        hold = proxy.hold("/revision/")
        with RevisionPusher(tmp_path, **where | {"endpoint": proxy.endpoint}) as pusher:
            job = pusher.submit(folder)
            hold.wait()
            progress = Path(pusher.spool) / job / "progress.json"
            until(progress.exists, "no progress is shown")
            # The next time it is written, its writer waits in the middle for a reader.
            os.mkfifo(f"{progress}.tmp")
            pipe = os.open(f"{progress}.tmp", os.O_PATH)
            until(lambda: time.time() - progress.stat().st_mtime > 1.5, "it is still written")
            hold.release()
            pusher.wait(job, timeout=1)  # it may end now, or wait for the writer
            reader = os.open(f"/proc/self/fd/{pipe}", os.O_RDONLY | os.O_NONBLOCK)
            assert pusher.wait(job, timeout=60)
    os.close(reader)
    os.close(pipe)
    assert pusher.status()[0].state == "done"
    assert snapshots_left(tmp_path) == []


def test_ctrl_c_ends_a_wait(tmp_path: Path) -> None:
    folder = write_checkpoint(tmp_path / "checkpoint-1", step=1)
    process = run_python(
        """
        import sys
        from hub_revisions import RevisionPusher
        pusher = RevisionPusher(sys.argv[1], repo_id="me/model", endpoint="http://127.0.0.1:1")
        pusher.submit(sys.argv[2])
        print("waiting", flush=True)
        try:
            pusher.wait()
        except KeyboardInterrupt:
            print("interrupted", pusher.status()[0].is_final, flush=True)
        """,
        str(tmp_path),
        str(folder),
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "waiting\n"
    time.sleep(0.3)
    started = time.monotonic()
    process.send_signal(signal.SIGINT)
    output, errors = process.communicate(timeout=30)
    assert output == "interrupted False\n"
    assert "hub-revisions sync" in errors  # told when the process ended
    assert time.monotonic() - started < 10
