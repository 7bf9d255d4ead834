"""`watch`: the checkpoints of a trainer without our callback, each once, and only whole ones."""

from __future__ import annotations

import json
import logging
import shutil
import signal
import threading
import time
from pathlib import Path
from typing import Any

import pytest
from child_process import PATIENCE, Child, published_steps, snapshots_left, until
from command_line import document, run
from hub_revisions import HubRevisionError, RevisionPusher, _core
from hub_revisions.local_hub import LocalHub
from hub_revisions.sidecar import Sidecar
from own_log import own_messages
from spooling import command_child, records
from tiny_training import branches, download, write_checkpoint

MIB = 1 << 20
TRAINING = """
import sys
from pathlib import Path
from tiny_training import make_trainer
make_trainer(Path(sys.argv[1]), max_steps=4, save_total_limit=int(sys.argv[2])).train()
"""


@pytest.fixture
def options(hub: LocalHub, where: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What leads `watch` to the hub, and makes it quick."""
    monkeypatch.setenv("HF_TOKEN", hub.token)
    return [
        "--repo", where["repo_id"], "--endpoint", where["endpoint"],
        "--set", "quiet_period=0.5",
    ]  # fmt: skip


def sidecar_of(
    output: Path, where: dict[str, Any], needs_state: bool = True, **settings: Any
) -> tuple[RevisionPusher, Sidecar]:
    """A sidecar that takes for quiet whatever is the same at two looks."""
    pusher = RevisionPusher(output, **{"quiet_period": 0} | where | settings)
    return pusher, Sidecar(pusher, needs_state=needs_state)


def taken(pusher: RevisionPusher) -> list[str]:
    """The revisions that were submitted."""
    return [record.revision for record in pusher.status()]


def test_a_training_is_followed_from_before_it_begins(
    hub: LocalHub, where: dict[str, Any], options: list[str], tmp_path: Path
) -> None:
    output = tmp_path / "out"
    with command_child(tmp_path, "watch", output, *options) as watcher:
        with Child(tmp_path, TRAINING, output, 10) as training:
            assert training.ends(4 * PATIENCE) == 0, training.output
        until(lambda: len(records(output)) == 4, "not all are taken")
        watcher.send(signal.SIGTERM)
        assert watcher.ends() == 0, watcher.output
        assert "Traceback" not in watcher.output
    assert published_steps(hub, where["repo_id"]) == [1, 2, 3, 4]
    assert snapshots_left(output) == []
    # A restart knows what was published.
    again = run("watch", output, *options, "--once", "--json")
    assert (again.exit_code, document(again)["jobs"]) == (0, [])
    assert len(records(output)) == 4


def test_metrics_and_eos_are_those_of_the_checkpoint(
    hub: LocalHub, where: dict[str, Any], options: list[str], tmp_path: Path
) -> None:
    write_checkpoint(tmp_path / "out" / "checkpoint-7", step=7, eval_loss=1.5)
    result = run("watch", tmp_path / "out", *options, "--once", "--json")
    assert result.exit_code == 0, result.stderr
    (job,) = document(result)["jobs"]
    assert (job["state"], job["step"], job["metrics"]) == ("done", 7, {"eval_loss": 1.5})


def test_what_is_saved_again_is_published_again(where: dict[str, Any], tmp_path: Path) -> None:
    folder = write_checkpoint(tmp_path / "checkpoint-1", step=1)
    pusher, sidecar = sidecar_of(tmp_path, where, mode="spool")
    with pusher:
        assert sidecar.look() == {folder}
        assert sidecar.look() == set()
        shutil.rmtree(folder)
        write_checkpoint(folder, step=1, size=32)
        while sidecar.look():
            pass
        assert [record.state for record in pusher.status()] == ["superseded", "queued"]


def _without_state(folder: Path) -> str:
    (folder / "trainer_state.json").unlink()
    return "trainer_state.json"


def _being_written(folder: Path) -> str:
    (folder / "checkpoint-is-incomplete.txt").touch()
    return "checkpoint-is-incomplete.txt"


def _without_a_shard(folder: Path) -> str:
    name = "model-00001-of-00002.safetensors"
    (folder / "model.safetensors").rename(folder / name)
    weights = {"weight": name, "other": "model-00002-of-00002.safetensors"}
    (folder / "model.safetensors.index.json").write_text(json.dumps({"weight_map": weights}))
    return "model-00002-of-00002.safetensors"


def _short(folder: Path) -> str:
    weights = folder / "model.safetensors"
    with weights.open("r+b") as file:
        file.truncate(weights.stat().st_size - 1)
    return "model.safetensors"


def _without_weights(folder: Path) -> str:
    (folder / "model.safetensors").unlink()
    return "no weights"


@pytest.mark.parametrize(
    "damage", [_without_state, _being_written, _without_a_shard, _short, _without_weights]
)
def test_what_is_incomplete_is_left_out_until_it_is_whole(
    where: dict[str, Any], tmp_path: Path, damage: Any, caplog: pytest.LogCaptureFixture
) -> None:
    folder = write_checkpoint(tmp_path / "checkpoint-1", step=1)
    told = damage(folder)
    pusher, sidecar = sidecar_of(tmp_path, where, mode="spool")
    with pusher:
        for _ in range(4):
            sidecar.look()
        assert taken(pusher) == []
        (problem,) = sidecar.incomplete().values()
        assert told in problem
        assert len([line for line in caplog.messages if told in line]) == 1
        shutil.rmtree(folder)
        write_checkpoint(folder, step=1)
        while sidecar.look():
            pass
        assert taken(pusher) == ["step-000000001"]
        assert sidecar.incomplete() == {}


def test_a_folder_that_something_happens_to_is_not_quiet(
    where: dict[str, Any], tmp_path: Path
) -> None:
    folder = write_checkpoint(tmp_path / "checkpoint-1", step=1)
    pusher, sidecar = sidecar_of(tmp_path, where, mode="spool")
    with pusher:
        for n in range(5):
            (folder / "optimizer.pt").write_bytes(b"x" * n)
            assert sidecar.look() == {folder}
        assert taken(pusher) == []
        assert sidecar.look() == set()
        assert taken(pusher) == ["step-000000001"]


@pytest.mark.parametrize(
    ("name", "revision"),
    [("checkpoint-12", "step-000000012"), ("checkpoint-final", "checkpoint-final")],
)
def test_other_trainers_have_no_state(
    where: dict[str, Any], tmp_path: Path, name: str, revision: str
) -> None:
    write_checkpoint(tmp_path / name)
    pusher, sidecar = sidecar_of(tmp_path, where, needs_state=False, mode="spool")
    with pusher:
        while sidecar.look():
            pass
        assert taken(pusher) == [revision]


def test_a_save_that_vanishes_in_the_middle_of_it_hurts_nobody(
    hub: LocalHub, where: dict[str, Any], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    ended = threading.Event()

    def train() -> None:
        for step in range(1, 41):
            write_checkpoint(tmp_path / f"checkpoint-{step}", step=step, size=2 * MIB)
            shutil.rmtree(tmp_path / f"checkpoint-{step - 2}", ignore_errors=True)
            time.sleep(0.15)
        ended.set()

    pusher, sidecar = sidecar_of(tmp_path, where, max_pushes_per_hour=None, quiet_period=0.2)
    with pusher:
        training = threading.Thread(target=train)
        training.start()
        while not ended.is_set() or sidecar.look():
            sidecar.look()
        training.join()
        assert pusher.wait(timeout=4 * PATIENCE)
    assert {record.state for record in pusher.status()} == {"done"}
    assert {"step-000000039", "step-000000040"} <= branches(hub, where["repo_id"])
    assert own_messages(caplog, logging.WARNING) == []
    for record in pusher.status():
        got = download(hub, where["repo_id"], record.revision, tmp_path / record.revision)
        assert (got / "model.safetensors").stat().st_size > 2 * MIB
        assert (got / "config.json").exists()


@pytest.mark.parametrize("happens", [shutil.rmtree, _without_state, _short])
def test_freezing_proves_that_nothing_has_happened_since(
    where: dict[str, Any], tmp_path: Path, happens: Any
) -> None:
    folder = write_checkpoint(tmp_path / "checkpoint-1", step=1)
    seen = _core.fingerprint(str(folder))
    happens(folder)
    with RevisionPusher(tmp_path, mode="spool", **where) as pusher:
        with pytest.raises(HubRevisionError) as raised:
            pusher.submit(folder, step=1, fingerprint=seen)
        assert raised.value.kind == "conflict"
        assert pusher.status() == []
    assert snapshots_left(tmp_path) == []


def test_beside_our_callback_it_is_refused(
    where: dict[str, Any], options: list[str], tmp_path: Path
) -> None:
    with RevisionPusher(tmp_path, **where):
        result = run("watch", tmp_path, *options, "--once")
    assert result.exit_code == 2
    assert "in use by this process" in result.stderr
