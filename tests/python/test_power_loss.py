"""The power fails while checkpoints are saved: at most the newest job is lost, and nothing lies."""

from __future__ import annotations

import random
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from hub_revisions import _core
from hub_revisions._native import SpoolContents, decode_spool
from hub_revisions.local_hub import LocalHub
from storm.checkpoints import write_checkpoints
from storm.control import (
    Expected,
    delete_repository,
    read_control,
    repository_of,
    run_environment,
)
from storm.disk import FULL, ROOMY, Disk, UnavailableError

# Offline, nothing but the submits writes; online, pushes end and are put on record meanwhile.
ROUNDS = ("offline", "online", "offline", "online")
CHECKPOINTS = 6
PAUSE_SECONDS = 1.0  # between two saves; no training saves faster


@pytest.fixture
def size() -> int:
    """That of the disk, in bytes."""
    return ROOMY


@pytest.fixture(params=["ext4", "xfs"])
def disk(request: pytest.FixtureRequest, tmp_path: Path, size: int) -> Iterator[Disk]:
    try:
        with Disk(tmp_path, request.param, size) as mounted:
            yield mounted
    except UnavailableError as error:
        pytest.skip(str(error))


class Run:
    """The storm's run program with its output on the disk."""

    def __init__(self, hub: LocalHub, repo_id: str, checkpoints: Path, output: Path) -> None:
        self._arguments = [str(output), str(checkpoints), repo_id]
        self._environment = run_environment(hub)
        self._output = output

    def start(self, pause: float, **variables: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, "-m", "storm.run", *self._arguments, str(pause)],
            env=self._environment | variables,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def finish(self) -> str:
        """Run to the end; what it says of what it could not publish."""
        return self.start(0).communicate(timeout=240)[1]

    def spool(self) -> SpoolContents:
        return decode_spool(_core.read_spool(str(self._output / "_hub_revisions")))


def submit_until_the_power_fails(run: Run, disk: Disk, mode: str, count: int = 1) -> list[str]:
    """The revisions that were handed over, `count` or more, the newest last."""
    process = run.start(PAUSE_SECONDS, HF_HUB_OFFLINE=str(int(mode == "offline")))
    assert process.stdout is not None
    lines = process.stdout
    submitted = [lines.readline().strip() for _ in range(count)]
    reader = threading.Thread(target=lambda: submitted.extend(line.strip() for line in lines))
    reader.start()
    time.sleep(random.uniform(0, 4))
    disk.cut_power()
    process.kill()
    process.wait()
    reader.join()
    disk.restore_power()
    return submitted


def check_published(hub: LocalHub, repo_id: str, expected: Expected) -> set[str]:
    """The revisions on the hub; all of them hold what was saved."""
    repository = repository_of(hub, repo_id)
    if not repository.path.exists():
        return set()
    branches = repository.branches()
    for name, branch in branches.items():
        assert branch.tree == expected.branches[name].tree
        for oid, _ in expected.pointers[name].values():
            assert repository.stored_sha256(oid) == oid
    return set(branches)


def check_told(run: Run, published: set[str], submitted: list[str], said: str) -> None:
    """Each job is published, or a sentence says why not."""
    for record in run.spool().records:
        if record.state == "done":
            assert record.revision in published
        else:
            assert record.state == "failed"
            assert record.error is not None
            assert record.error.message
    named = {line.split()[0] for line in said.splitlines()}
    assert published | named >= set(submitted)


def test_at_most_the_newest_job_is_lost(
    hub: LocalHub, repo_id: str, tmp_path: Path, disk: Disk, capsys: pytest.CaptureFixture[str]
) -> None:
    source = tmp_path / "checkpoints"
    checkpoints = write_checkpoints(source, 1, CHECKPOINTS)
    assert Run(hub, repo_id, source, tmp_path / "control").finish() == ""
    expected = read_control(hub, repo_id, checkpoints)
    losses = []
    for number, mode in enumerate(ROUNDS):
        delete_repository(hub, repo_id)
        output = disk.path / f"run-{number}"
        run = Run(hub, repo_id, source, output)
        submitted = submit_until_the_power_fails(run, disk, mode)
        contents = run.spool()
        on_record = {record.revision for record in contents.records}
        lost = [name for name in submitted if name not in on_record]
        losses.append((submitted, lost))
        with capsys.disabled():
            problems = f"{len(contents.problems)} told as problems"
            counts = f"{len(submitted)} submitted, {len(lost)} records lost"
            print(f"\n{mode}: {counts}, {problems}", end="")
        # What the trainer had saved may be lost as well; a training that is resumed saves it again.
        for folder in output.glob("checkpoint-*"):
            shutil.rmtree(folder)
        output.mkdir(exist_ok=True)
        said = run.finish()
        check_told(run, check_published(hub, repo_id, expected), submitted, said)
    for submitted, lost in losses:
        assert lost in ([], submitted[-1:])


@pytest.mark.parametrize("size", [FULL])
def test_what_found_no_room_is_not_forgotten(
    hub: LocalHub, repo_id: str, tmp_path: Path, disk: Disk
) -> None:
    source = tmp_path / "checkpoints"
    write_checkpoints(source, 1, CHECKPOINTS)
    run = Run(hub, repo_id, source, disk.path / "run")
    submitted = submit_until_the_power_fails(run, disk, "offline", count=3)
    records = run.spool().records
    assert {record.state for record in records} == {"skipped"}
    on_record = {record.revision for record in records}
    assert [name for name in submitted if name not in on_record] in ([], submitted[-1:])
