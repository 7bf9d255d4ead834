"""One repository on a server: read, extended by several writers, promoted, pointed to."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import pytest
from hub_revisions import ConfigError, HubRevisionError, RevisionPusher
from hub_revisions.local_hub import LocalHub
from hub_revisions.repository import Repository
from huggingface_hub import HfApi
from tiny_training import download, write_checkpoint


@pytest.fixture
def repository(where: dict[str, Any], tmp_path: Path) -> Repository:
    """A repository of three revisions."""
    with RevisionPusher(tmp_path, **where) as pusher:
        for step in (1, 2, 3):
            folder = tmp_path / f"checkpoint-{step}"
            write_checkpoint(folder, step=step, size=100 + step, eval_loss=3.0 - step)
            pusher.submit(folder)
        assert pusher.wait(timeout=60)
        assert {record.state for record in pusher.records()} == {"done"}
    settings = dict(where)
    return Repository(settings.pop("repo_id"), **settings)


def commits(repository: Repository) -> dict[str, str]:
    return {revision.revision: revision.commit for revision in repository.read().revisions}


def test_one_look_tells_branches_tags_and_records(hub: LocalHub, repository: Repository) -> None:
    api = HfApi(endpoint=hub.endpoint, token=hub.token)
    api.create_tag(repository.repo_id, tag="plain", revision="step-000000001")
    api.create_tag(
        repository.repo_id, tag="noted", revision="step-000000002", tag_message="worth a note"
    )
    repository.commit_files("evaluations", {"results/a/1.json": "{}\n"}, "Record")
    contents = repository.read()
    assert contents.repo_id == repository.repo_id
    names = [revision.revision for revision in contents.revisions]
    assert names == ["main", "step-000000001", "step-000000002", "step-000000003"]
    by_name = commits(repository)
    assert contents.tags == {
        "plain": by_name["step-000000001"],
        "noted": by_name["step-000000002"],
    }
    assert contents.records == {"results/a/1.json": "{}\n"}
    weights = next(f for f in contents.revisions[1].files if f.path == "model.safetensors")
    assert (len(weights.oid), weights.lfs) == (64, True)


def test_a_repository_without_records(repository: Repository) -> None:
    contents = repository.read()
    assert (contents.records, contents.records_commit) == ({}, "")
    # Removing from a branch that is not there makes none.
    repository.commit_files("evaluations", {"pending/a.json": None}, "Remove")
    assert repository.read().records_commit == ""


def test_files_are_added_replaced_and_removed(repository: Repository) -> None:
    repository.commit_files("evaluations", {"a/1": "one", "a/2": "two", "b": "three"}, "First")
    before = repository.read().records_commit
    repository.commit_files("evaluations", {"a/1": "one"}, "The same again")
    assert repository.read().records_commit == before
    repository.commit_files("evaluations", {"a/1": None, "b": "other"}, "Second")
    assert repository.read().records == {"a/2": "two", "b": "other"}


def test_writers_at_the_same_time_lose_nothing(repository: Repository) -> None:
    def write(writer: int) -> None:
        for number in range(3):
            repository.commit_files("evaluations", {f"{writer}/{number}": "x"}, "Record")

    threads = [threading.Thread(target=write, args=(writer,)) for writer in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(repository.read().records) == [f"{w}/{n}" for w in range(4) for n in range(3)]


def test_a_promotion_may_change_files(
    hub: LocalHub, repository: Repository, tmp_path: Path
) -> None:
    chosen = commits(repository)["step-000000002"]
    card = "---\nlicense: mit\n---\nchosen\n"
    promotion = repository.promote("step-000000002", commit=chosen, files={"README.md": card})
    assert (promotion.target, promotion.revision, promotion.changed) == (
        "main",
        "step-000000002",
        True,
    )
    again = repository.promote("step-000000002", commit=chosen, files={"README.md": card})
    assert (again.commit, again.changed) == (promotion.commit, False)
    folder = download(hub, repository.repo_id, "main", tmp_path / "main")
    assert (folder / "README.md").read_text() == card
    original = tmp_path / "checkpoint-2" / "model.safetensors"
    assert (folder / "model.safetensors").read_bytes() == original.read_bytes()
    main = next(r for r in repository.read().revisions if r.revision == "main")
    assert main.parents[-1] == chosen
    assert main.promoted == "step-000000002"


def test_what_moved_since_it_was_chosen_is_not_promoted(repository: Repository) -> None:
    with pytest.raises(HubRevisionError, match=r"no longer at .* which was chosen") as caught:
        repository.promote("step-000000002", commit="1" * 40)
    assert caught.value.kind == "conflict"
    with pytest.raises(HubRevisionError, match="no longer at"):
        repository.tag("step-000000002", "v1", commit="1" * 40)


@pytest.mark.parametrize(("revision", "branch"), [("step-000000001", "evaluations"),
                                                  ("evaluations", "main")])  # fmt: skip
def test_the_branch_of_records_is_no_side_of_a_promotion(
    repository: Repository, revision: str, branch: str
) -> None:
    repository.commit_files("evaluations", {"results/a/1.json": "{}\n"}, "Record")
    before = commits(repository)
    with pytest.raises(ConfigError, match="branch of results and decisions"):
        repository.promote(revision, branch)
    assert commits(repository) == before
    assert repository.read().records == {"results/a/1.json": "{}\n"}


def test_a_revision_is_not_hidden_by_another(repository: Repository) -> None:
    by_name = commits(repository)
    with pytest.raises(HubRevisionError, match="is a revision of its own") as caught:
        repository.promote("step-000000002", "step-000000001")
    assert caught.value.kind == "conflict"
    assert commits(repository) == by_name


def test_a_tag_moves_to_the_revisions_own_commit(repository: Repository) -> None:
    by_name = commits(repository)
    assert repository.tag("step-000000001", "v1").changed
    assert repository.read().tags == {"v1": by_name["step-000000001"]}
    assert repository.tag("step-000000003", "v1").changed
    assert not repository.tag("step-000000003", "v1").changed
    assert repository.read().tags == {"v1": by_name["step-000000003"]}


def test_pointers_follow_and_are_no_revisions(repository: Repository) -> None:
    by_name = commits(repository)
    first = {"latest": by_name["step-000000001"], "best": by_name["step-000000001"]}
    assert [one.changed for one in repository.move_pointers(first)] == [True, True]
    [moved] = repository.move_pointers({"latest": by_name["step-000000003"]})
    assert (moved.target, moved.revision) == ("latest", "step-000000003")
    assert [one.changed for one in repository.move_pointers(first | {"latest": moved.commit})] == [
        False,
        False,
    ]
    pointers = {r.revision: r.pointer_to for r in repository.read().revisions if r.pointer_to}
    assert pointers == {"latest": "step-000000003", "best": "step-000000001"}
    assert not any(r.managed for r in repository.read().revisions if r.pointer_to)


def test_a_pointer_replaces_nobodys_work(repository: Repository) -> None:
    by_name = commits(repository)
    for name in ("main", "step-000000001"):
        with pytest.raises(HubRevisionError, match=f"'{name}' is no pointer") as caught:
            repository.move_pointers({name: by_name["step-000000002"]})
        assert caught.value.kind == "conflict"
    with pytest.raises(HubRevisionError, match="no branch has commit"):
        repository.move_pointers({"latest": "1" * 40})
    assert commits(repository) == by_name


def test_files_of_a_branch_and_of_a_commit(repository: Repository) -> None:
    commit = commits(repository)["step-000000001"]
    paths = ["config.json", "model.safetensors", "missing"]
    by_branch = repository.read_files("step-000000001", paths)
    assert list(by_branch) == ["config.json"]
    assert repository.read_files(commit, paths) == by_branch
    with pytest.raises(HubRevisionError, match="no revision 'other'"):
        repository.read_files("other", paths)
