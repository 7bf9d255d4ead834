"""How a checkpoint is frozen on each file system, and what becomes of one that is rewritten."""

from __future__ import annotations

import errno
import json
import mmap
import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from holding_proxy import HoldingProxy
from hub_revisions import RevisionPusher
from hub_revisions.local_hub import LocalHub
from huggingface_hub import HfApi
from loop_mount import file_system, run
from tiny_training import branches, download, write_checkpoint

MIB = 1 << 20
WEIGHTS = "model.safetensors"


def write_weights(folder: Path, size: int = 3 * MIB) -> Path:
    """A checkpoint whose weights are no two alike, and on the disk."""
    write_checkpoint(folder, step=1, size=size)
    with (folder / WEIGHTS).open("r+b") as file:
        file.seek(-size, os.SEEK_END)
        file.write(os.urandom(size))
        os.fsync(file.fileno())
    return folder


@dataclass
class Place:
    """Where a checkpoint is saved, where its spool is, and how it is frozen there."""

    checkpoint: Path
    spool: Path
    method: str


def _together(root: Path) -> tuple[Path, Path]:
    return root / "checkpoint-1", root / "spool"


def _in_subvolumes(root: Path) -> tuple[Path, Path]:
    # A hard link does not cross them, shared extents do.
    for name in ("a", "b"):
        run("btrfs", "-q", "subvolume", "create", str(root / name))
    return root / "a" / "checkpoint-1", root / "b" / "spool"


def _in_projects(root: Path) -> tuple[Path, Path]:
    # What is in a project cannot be linked into another's folder; extents know of no projects.
    spool = root / "spool"
    spool.mkdir(mode=0o700)
    run("xfs_io", "-c", "chproj 42", "-c", "chattr +P", str(spool))
    return root / "checkpoint-1", spool


def _apart(one: Path, other: Path) -> tuple[Path, Path]:
    return one / "checkpoint-1", other / "spool"


# File systems, how checkpoint and spool lie in them, and how the first gets into the second.
PLACES = {
    "ext4": (["ext4"], _together, "hardlink"),
    "btrfs": (["btrfs"], _together, "hardlink"),
    "xfs": (["xfs"], _together, "hardlink"),
    "tmpfs": (["tmpfs"], _together, "hardlink"),
    "btrfs, two subvolumes": (["btrfs"], _in_subvolumes, "reflink"),
    "xfs, two projects": (["xfs"], _in_projects, "reflink"),
    "tmpfs to ext4": (["tmpfs", "ext4"], _apart, "copy"),
    "btrfs to xfs": (["btrfs", "xfs"], _apart, "copy"),
}


@pytest.fixture
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Place]:
    """The place that a test names: one or two file systems, made for it."""
    kinds, prepare, method = PLACES[request.param]
    with ExitStack() as stack:
        roots = [stack.enter_context(file_system(kind, tmp_path)) for kind in kinds]
        yield Place(*prepare(*roots), method)


def room_in(place: Place) -> dict[str, Any]:
    """Settings for its spool, on a disk that is smaller than what is left free by default."""
    return {"spool_dir": str(place.spool), "min_free_bytes": 0}


def submitted_offline(place: Place, where: dict[str, Any], output: Path) -> tuple[str, Path]:
    """Freeze the checkpoint without pushing it: the job's id and its weights in the spool."""
    with RevisionPusher(output, **where, **room_in(place), mode="spool") as pusher:
        job = pusher.submit(place.checkpoint)
    return job, place.spool / job / "files" / WEIGHTS


def pushed(place: Place, where: dict[str, Any], output: Path) -> Any:
    """Push what is in the spool; the one job's record."""
    with RevisionPusher(output, **where, **room_in(place)) as pusher:
        assert pusher.wait(timeout=60)
    (record,) = pusher.status()
    return record


def frozen_by(place: Place, job: str) -> dict[str, str]:
    """How each file was frozen, as the job's record has it."""
    record = json.loads((place.spool / job / "job.json").read_text())
    return {file["path"]: file["method"] for file in record["frozen"]}


def extents(path: Path) -> list[str]:
    """Where the parts of a file begin on the disk."""
    told = subprocess.run(["filefrag", "-v", str(path)], capture_output=True, text=True, check=True)
    rows = [line.split() for line in told.stdout.splitlines() if line.strip()[:1].isdigit()]
    return [row[3].rstrip(".") for row in rows]


def is_refused(source: Path, target: Path) -> bool:
    """Whether a hard link from one to the other cannot be made."""
    try:
        target.hardlink_to(source)
    except OSError as error:
        assert error.errno in (errno.EXDEV, errno.EPERM)
        return True
    target.unlink()
    return False


@pytest.mark.parametrize("place", PLACES, indirect=True)
def test_a_checkpoint_is_frozen_and_published(
    hub: LocalHub, where: dict[str, Any], tmp_path: Path, place: Place
) -> None:
    write_weights(place.checkpoint)
    source = (place.checkpoint / WEIGHTS).stat()
    bytes_before = (place.checkpoint / WEIGHTS).read_bytes()
    job, weights = submitted_offline(place, where, tmp_path / "out")
    assert frozen_by(place, job) == {
        "config.json": "packed",
        WEIGHTS: place.method,
        "trainer_state.json": "packed",
    }
    linked = place.method == "hardlink"
    assert is_refused(place.checkpoint / WEIGHTS, place.spool / "try") is not linked
    found = weights.stat()
    assert ((found.st_dev, found.st_ino) == (source.st_dev, source.st_ino)) is linked
    assert found.st_nlink == (2 if linked else 1)
    assert found.st_size == source.st_size
    if place.method == "reflink":
        assert extents(weights) == extents(place.checkpoint / WEIGHTS) != []
    shutil.rmtree(place.checkpoint)

    assert pushed(place, where, tmp_path / "out").state == "done"
    got = download(hub, where["repo_id"], "step-000000001", tmp_path / "got")
    assert (got / WEIGHTS).read_bytes() == bytes_before
    assert not weights.exists()


# ---- rewritten while it is pending ------------------------------------------------------------


def _truncating(path: Path) -> None:
    size = path.stat().st_size
    with path.open("wb") as file:
        file.write(os.urandom(size))


def _in_the_middle(path: Path) -> None:
    with path.open("r+b") as file:
        file.seek(-MIB, os.SEEK_END)
        file.write(b"one other word")


def _mapped(path: Path) -> None:
    with path.open("r+b") as file, mmap.mmap(file.fileno(), 0) as mapped:
        mapped[-16:] = b"sixteen of bytes"


def _longer(path: Path) -> None:
    with path.open("ab") as file:
        file.write(b"x")


def _shorter(path: Path) -> None:
    os.truncate(path, path.stat().st_size - 1)


REWRITES = {
    "truncated and written": _truncating,
    "written in the middle": _in_the_middle,
    "mapped": _mapped,
    "longer": _longer,
    "shorter": _shorter,
}


@pytest.mark.parametrize("how", REWRITES)
def test_a_rewrite_before_the_push_is_caught(
    hub: LocalHub, where: dict[str, Any], tmp_path: Path, how: str
) -> None:
    place = Place(tmp_path / "checkpoint-1", tmp_path / "spool", "hardlink")
    write_weights(place.checkpoint)
    _, weights = submitted_offline(place, where, tmp_path)
    assert weights.stat().st_nlink == 2, "this file system has no hard links"
    REWRITES[how](place.checkpoint / WEIGHTS)
    record = pushed(place, where, tmp_path)
    _is_caught(record)
    api = HfApi(endpoint=hub.endpoint, token=hub.token)
    assert not api.repo_exists(where["repo_id"])  # nothing was asked of the hub
    assert not weights.exists()  # it is of no use any more


def _is_caught(record: Any) -> None:
    assert record.state == "failed"
    assert record.error.kind == "corrupt"
    assert WEIGHTS in record.error.message
    assert "changed while pending" in record.error.message


@pytest.mark.parametrize("how", REWRITES)
def test_a_rewrite_during_the_push_is_caught(
    hub: LocalHub, where: dict[str, Any], tmp_path: Path, how: str
) -> None:
    folder = write_weights(tmp_path / "checkpoint-1")
    with HoldingProxy(hub) as proxy:
        hold = proxy.hold("/objects/verify")  # all is hashed and sent, and no commit names it
        with RevisionPusher(tmp_path, **where | {"endpoint": proxy.endpoint}) as pusher:
            pusher.submit(folder)
            hold.wait()
            REWRITES[how](folder / WEIGHTS)
            hold.release()
            assert pusher.wait(timeout=60)
            (record,) = pusher.status()
    _is_caught(record)
    assert "step-000000001" not in branches(hub, where["repo_id"])


@pytest.mark.parametrize(
    "place", ["btrfs, two subvolumes", "xfs, two projects", "tmpfs to ext4"], indirect=True
)
@pytest.mark.parametrize("how", ["truncated and written", "mapped", "shorter"])
def test_what_is_no_link_may_be_rewritten(
    hub: LocalHub, where: dict[str, Any], tmp_path: Path, place: Place, how: str
) -> None:
    write_weights(place.checkpoint)
    bytes_before = (place.checkpoint / WEIGHTS).read_bytes()
    submitted_offline(place, where, tmp_path / "out")
    REWRITES[how](place.checkpoint / WEIGHTS)
    assert pushed(place, where, tmp_path / "out").state == "done"
    got = download(hub, where["repo_id"], "step-000000001", tmp_path / "got")
    assert (got / WEIGHTS).read_bytes() == bytes_before


def test_small_files_may_be_rewritten(hub: LocalHub, where: dict[str, Any], tmp_path: Path) -> None:
    place = Place(tmp_path / "checkpoint-1", tmp_path / "spool", "hardlink")
    write_weights(place.checkpoint, size=1000)
    bytes_before = (place.checkpoint / WEIGHTS).read_bytes()
    submitted_offline(place, where, tmp_path)
    for path in place.checkpoint.iterdir():
        _truncating(path)
    assert pushed(place, where, tmp_path).state == "done"
    got = download(hub, where["repo_id"], "step-000000001", tmp_path / "got")
    assert (got / WEIGHTS).read_bytes() == bytes_before


def test_what_puts_the_time_back_is_not_seen(
    hub: LocalHub, where: dict[str, Any], tmp_path: Path
) -> None:
    # The limit of the promise: inode, size and time of modification are what is compared. (The
    # time of change would also differ after a rotation has removed the checkpoint's own link.) The
    # revision is a whole one even so, of what the file held when it was hashed.
    place = Place(tmp_path / "checkpoint-1", tmp_path / "spool", "hardlink")
    write_weights(place.checkpoint)
    _, weights = submitted_offline(place, where, tmp_path)
    before = weights.stat()
    _in_the_middle(place.checkpoint / WEIGHTS)
    os.utime(place.checkpoint / WEIGHTS, ns=(before.st_atime_ns, before.st_mtime_ns))
    bytes_after = (place.checkpoint / WEIGHTS).read_bytes()
    assert pushed(place, where, tmp_path).state == "done"
    got = download(hub, where["repo_id"], "step-000000001", tmp_path / "got")
    assert (got / WEIGHTS).read_bytes() == bytes_after


def test_a_replaced_file_is_published_as_it_was(
    hub: LocalHub, where: dict[str, Any], tmp_path: Path
) -> None:
    place = Place(tmp_path / "checkpoint-1", tmp_path / "spool", "hardlink")
    write_weights(place.checkpoint)
    bytes_before = (place.checkpoint / WEIGHTS).read_bytes()
    submitted_offline(place, where, tmp_path)
    new = tmp_path / "new"  # as safetensors writes since 0.8
    shutil.copy(place.checkpoint / WEIGHTS, new)
    _truncating(new)
    new.replace(place.checkpoint / WEIGHTS)
    assert pushed(place, where, tmp_path).state == "done"
    got = download(hub, where["repo_id"], "step-000000001", tmp_path / "got")
    assert (got / WEIGHTS).read_bytes() == bytes_before
