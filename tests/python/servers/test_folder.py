"""A bare repository in a folder: several writers, and checkpoints that share files with it."""

from __future__ import annotations

import shutil
import signal
import subprocess
from pathlib import Path

import pytest
from child_process import Child, synced, until
from hub_revisions import RevisionPusher
from tiny_training import write_checkpoint

from .conftest import in_folder
from .place import Place

MIB = 1 << 20
SIZE = 3 * MIB  # frozen by a hard link, not packed
PUSHER = """
    import sys
    from pathlib import Path
    from hub_revisions import RevisionPusher
    output, address, *checkpoints = sys.argv[1:]
    with RevisionPusher(output, repo_id=address) as pusher:
        for checkpoint in checkpoints:
            pusher.submit(checkpoint, f"{Path(output).name}-{Path(checkpoint).name}")
        print("submitted", flush=True)
        assert pusher.wait()
        assert {record.state for record in pusher.records()} == {"done"}, pusher.records()
"""


@pytest.fixture
def folder(tmp_path: Path) -> Place:
    return in_folder(tmp_path / "shared" / "model.git")


def fsck(place: Place) -> None:
    subprocess.run(["git", "fsck", "--full", "--strict"], cwd=place.folder, check=True)


def test_the_file_of_a_checkpoint_that_is_gone_takes_no_room(folder: Place, tmp_path: Path) -> None:
    made = write_checkpoint(tmp_path / "checkpoint-1", step=1, size=SIZE)
    with RevisionPusher(tmp_path, **folder.where, mode="spool") as pusher:
        pusher.submit(made)
    (frozen,) = (tmp_path / "_hub_revisions").rglob("model.safetensors")
    inode = frozen.stat().st_ino
    shutil.rmtree(made)
    with RevisionPusher(tmp_path, **folder.where) as pusher:
        assert pusher.wait(timeout=60)
        (record,) = pusher.status()
    assert record.state == "done", record.error
    assert record.bytes_sent == 0
    (stored,) = (folder.folder / "lfs" / "objects").glob("??/??/*")
    assert stored.stat().st_ino == inode
    assert stored.stat().st_nlink == 1
    folder.clone("step-000000001", tmp_path / "got")


def test_a_checkpoint_that_is_saved_again_does_not_change_its_revision(
    folder: Place, tmp_path: Path
) -> None:
    made = write_checkpoint(tmp_path / "checkpoint-1", step=1, size=SIZE)
    weights = (made / "model.safetensors").read_bytes()
    with RevisionPusher(tmp_path, **folder.where) as pusher:
        pusher.submit(made)
        assert pusher.wait(timeout=60)
    with (made / "model.safetensors").open("r+b") as file:  # as safetensors writes: the same inode
        file.write(b"something else")
    got = folder.clone("step-000000001", tmp_path / "got")
    assert (got / "model.safetensors").read_bytes() == weights


def test_two_trainings_at_once(folder: Place, tmp_path: Path) -> None:
    steps = range(1, 6)
    shared = [
        write_checkpoint(tmp_path / f"checkpoint-{step}", step=step, size=SIZE + step)
        for step in steps
    ]
    outputs = [tmp_path / name for name in ("a", "b")]
    children = [Child(tmp_path, PUSHER, output, folder.address, *shared) for output in outputs]
    with children[0], children[1]:
        for child in children:
            assert child.ends() == 0, child.output
    expected = {f"{name}-checkpoint-{step}" for name in ("a", "b") for step in steps}
    assert set(folder.branches()) == expected
    assert len(folder.objects()) == len(shared)
    fsck(folder)
    folder.clone("b-checkpoint-5", tmp_path / "got")


def test_killed_while_it_copies(folder: Place, tmp_path: Path) -> None:
    made = write_checkpoint(tmp_path / "checkpoint-1", step=1, size=400 * MIB)
    incoming = folder.folder / "lfs" / "tmp"
    with Child(tmp_path, PUSHER, tmp_path / "out", folder.address, made) as child:
        until(lambda: incoming.is_dir() and any(incoming.iterdir()), "it never began to copy")
        child.send(signal.SIGKILL)
        child.ends()
    assert not folder.branches()
    assert not folder.objects()
    synced(tmp_path / "out", "")
    fsck(folder)
    got = folder.clone("out-checkpoint-1", tmp_path / "got")
    assert (got / "model.safetensors").stat().st_size > 400 * MIB


def test_an_endpoint_may_be_a_folder_of_repositories(tmp_path: Path) -> None:
    made = write_checkpoint(tmp_path / "checkpoint-1", step=1)
    endpoint = f"file://{tmp_path}/models"
    with RevisionPusher(tmp_path, repo_id="group/model", endpoint=endpoint) as pusher:
        pusher.submit(made)
        assert pusher.wait(timeout=60)
    place = in_folder(tmp_path / "models" / "group" / "model.git")
    assert set(place.branches()) == {"step-000000001"}
