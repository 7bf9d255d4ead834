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

ODD = ("b^c.txt", "^", ":x", "]x", "[x", "alpha")


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
        ["[^b]^c.txt", "[^]*"],
        ["[[:alpha:]]*", "[]x]*", "[x"],
        ["b[!]]c*", "[a-c][^-a]c*"],
        ["ema\\*", "\\*"],
    ],
)
def test_they_mean_what_huggingface_hub_means(
    where: dict[str, Any], tmp_path: Path, patterns: list[str]
) -> None:
    names = write(tmp_path / "checkpoint-1")
    for name in ODD:
        (tmp_path / "checkpoint-1" / name).write_bytes(b"odd")
    names = sorted([*names, *ODD])
    with RevisionPusher(tmp_path, mode="spool", ignore_patterns=patterns, **where) as pusher:
        job = pusher.submit(tmp_path / "checkpoint-1")
        record = json.loads((Path(pusher.spool) / job / "job.json").read_text())
    frozen = sorted(file["path"] for file in record["frozen"])
    assert frozen == sorted(filter_repo_objects(names, ignore_patterns=patterns))


def test_what_is_meant_for_a_folder_leaves_a_link_to_a_file(
    where: dict[str, Any], tmp_path: Path
) -> None:
    folder = write_checkpoint(tmp_path / "checkpoint-1", step=1)
    (folder / "newest").symlink_to("config.json")
    (folder / "outside").symlink_to(tmp_path)
    (folder / "nothing").symlink_to("nowhere")
    patterns = ["newest/", "outside/", "nothing/"]
    with RevisionPusher(tmp_path, mode="spool", ignore_patterns=patterns, **where) as pusher:
        record = pusher.record(pusher.submit(folder))
        frozen = json.loads((Path(pusher.spool) / record.id / "job.json").read_text())["frozen"]
    assert record.excluded == ("nothing", "outside")
    assert "newest" in [file["path"] for file in frozen]


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
