"""The setting `ignore_patterns`: what huggingface_hub's argument of that name would leave out."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hub_revisions import RevisionPusher
from hub_revisions.local_hub import LocalHub
from huggingface_hub import HfApi
from huggingface_hub.utils import filter_repo_objects
from tiny_training import write_checkpoint

EXTRA = ("ema.pt", "ema/weights.pt", "ema/deep/er.bin", "notes/log1.txt", "notes/log12.txt", "[x]")


def write(folder: Path) -> list[str]:
    """A checkpoint with more than a revision needs; the names of its files."""
    write_checkpoint(folder, step=1)
    for name in EXTRA:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(name.encode())
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


@pytest.mark.parametrize(
    "patterns",
    [
        [],
        ["*.pt"],
        ["ema/"],
        ["ema/*"],
        ["ema*"],
        ["*/log?.txt"],
        ["notes/log?.txt", "*.bin"],
        ["[[]x]", "not*there"],
        ["[!a-z]*"],
    ],
)
def test_they_mean_what_huggingface_hub_means(
    where: dict[str, Any], tmp_path: Path, patterns: list[str]
) -> None:
    names = write(tmp_path / "checkpoint-1")
    with RevisionPusher(tmp_path, mode="spool", ignore_patterns=patterns, **where) as pusher:
        job = pusher.submit(tmp_path / "checkpoint-1")
        record = json.loads((Path(pusher.spool) / job / "job.json").read_text())
    frozen = sorted(file["path"] for file in record["frozen"])
    assert frozen == sorted(filter_repo_objects(names, ignore_patterns=patterns))


def test_they_stay_out_of_the_revision(
    hub: LocalHub, where: dict[str, Any], tmp_path: Path
) -> None:
    names = write(tmp_path / "checkpoint-1")
    with RevisionPusher(tmp_path, ignore_patterns=["*.pt", "ema/", "notes/"], **where) as pusher:
        pusher.submit(tmp_path / "checkpoint-1")
        assert pusher.wait(timeout=60)
        (record,) = pusher.status()
    assert record.state == "done", record.error
    (contents,) = [fix for fix in record.fixes if fix.name == "contents"]
    assert contents.detail == "left out: ema.pt ema/ notes/"
    api = HfApi(endpoint=hub.endpoint, token=hub.token)
    published = api.list_repo_files(where["repo_id"], revision=record.revision)
    assert set(names) - set(published) == set(EXTRA) - {"[x]"}


def test_without_weights_there_is_no_revision(where: dict[str, Any], tmp_path: Path) -> None:
    write(tmp_path / "checkpoint-1")
    with RevisionPusher(tmp_path, ignore_patterns=["*.safetensors", "*.pt", "*.bin"], **where) as p:
        p.submit(tmp_path / "checkpoint-1")
        assert p.wait(timeout=60)
        (record,) = p.status()
    assert record.state == "failed"
    assert "'ignore_patterns'" in str(record.error)
