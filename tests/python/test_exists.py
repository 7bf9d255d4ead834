"""The setting `exists`: whose commits give way, and whose do not."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from hub_revisions import RevisionPusher, list_revisions
from hub_revisions._native import JobRecord
from hub_revisions.local_hub import LocalHub
from tiny_training import download, write_checkpoint


def push(root: Path, revision: str, where: dict[str, Any], seed: int, **more: Any) -> JobRecord:
    """Push from a spool of its own, as another training would."""
    folder = write_checkpoint(root / f"model-{seed}", size=2_000_000 + seed)
    with RevisionPusher(root, **(where | more)) as pusher:
        job = pusher.submit(folder, revision, metrics={})
        assert pusher.wait(job, timeout=60)
        return next(record for record in pusher.status() if record.id == job)


def branches(where: dict[str, Any]) -> dict[str, str]:
    """The commit of each branch."""
    found = list_revisions(where["repo_id"], endpoint=where["endpoint"], token=where["token"])
    return {revision.revision: revision.commit for revision in found}


def test_another_runs_revision_stays(hub: LocalHub, where: dict[str, Any], tmp_path: Path) -> None:
    first = push(tmp_path / "a", "best", where, 1)
    second = push(tmp_path / "b", "best", where, 2)
    assert first.state == "done"
    assert second.state == "failed"
    assert second.error is not None
    assert second.error.kind == "conflict"
    assert first.commit in second.error.message
    assert "'exists'" in second.error.message
    assert branches(where)["best"] == first.commit


def test_the_same_content_of_another_run_is_a_success(
    hub: LocalHub, where: dict[str, Any], tmp_path: Path
) -> None:
    first = push(tmp_path / "a", "best", where, 1)
    second = push(tmp_path / "b", "best", where, 1)
    assert (second.state, second.commit) == ("done", first.commit)
    assert branches(where)["best"] == first.commit


def test_ones_own_revision_is_replaced(
    hub: LocalHub, where: dict[str, Any], tmp_path: Path
) -> None:
    first = push(tmp_path, "best", where, 1)
    second = push(tmp_path, "best", where, 2)
    assert (first.state, second.state) == ("done", "done")
    assert first.commit != second.commit
    assert branches(where)["best"] == second.commit


def test_ones_own_revision_is_not_replaced_once_somebody_else_has_moved_it(
    hub: LocalHub, where: dict[str, Any], tmp_path: Path
) -> None:
    push(tmp_path / "a", "best", where, 1)
    theirs = push(tmp_path / "b", "best", where, 2, exists="overwrite")
    ours = push(tmp_path / "a", "best", where, 3)
    assert ours.state == "failed"
    assert branches(where)["best"] == theirs.commit


def test_overwrite_replaces(hub: LocalHub, where: dict[str, Any], tmp_path: Path) -> None:
    push(tmp_path / "a", "best", where, 1)
    second = push(tmp_path / "b", "best", where, 2, exists="overwrite")
    assert second.state == "done"
    assert branches(where)["best"] == second.commit


def test_suffix_finds_a_free_name(hub: LocalHub, where: dict[str, Any], tmp_path: Path) -> None:
    records = [
        push(tmp_path / str(seed), "best", where, seed, exists="suffix") for seed in (1, 2, 3)
    ]
    assert [record.revision for record in records] == ["best", "best-2", "best-3"]
    assert {record.state for record in records} == {"done"}
    found = branches(where)
    assert [found[record.revision] for record in records] == [r.commit for r in records]
    got = download(hub, where["repo_id"], "best-3", tmp_path / "got")
    assert 'revision="best-3"' in (got / "README.md").read_text()
    # The same content again takes the name that it has.
    again = push(tmp_path / "again", "best", where, 1, exists="suffix")
    assert (again.revision, again.commit) == ("best", records[0].commit)
