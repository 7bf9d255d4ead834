"""Pruning a repository of pushed checkpoints on a hub."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from child_process import Child, until
from hub_revisions import AuthError
from hub_revisions.local_hub import LocalHub
from hub_revisions.prune import PruneReport, apply_retention, prune
from hub_revisions.results.store import BRANCH, Pending, add, pending_file, read_records
from hub_revisions.results.types import Metric, Result
from hub_revisions.retention import Retention
from published import git
from tiny_training import download

from .pushed import DAY, SHARED, Pushed, name_of, push, sha256

FIRST_HALF = Retention(keep_last=2)
BATCH = "*/lfs-files/batch"


@pytest.fixture(scope="module")
def faulty_hub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalHub]:
    """A hub that can be told to fail."""
    with LocalHub(tmp_path_factory.mktemp("faulty"), "--faults", "none") as running:
        yield running


@pytest.fixture
def four(faulty_hub: LocalHub, where: dict[str, Any], tmp_path: Path) -> Pushed:
    """Four revisions, of the steps 100 to 400."""
    faulty_hub.set_faults()
    where |= {"endpoint": faulty_hub.endpoint, "token": faulty_hub.token}
    return push(faulty_hub, where, tmp_path / "run", (100, 200, 300, 400))


def apply(pushed: Pushed, retention: Retention = FIRST_HALF, **options: Any) -> PruneReport:
    repository = pushed.repository
    return prune(repository, repository.read(), retention, **{"mode": "apply", **options})


def reasons(report: PruneReport) -> dict[int, str]:
    """Why a step's revision is kept; "deleted" for those that are not."""
    return {
        one.step or 0: one.reason if one.verdict == "kept" else one.verdict
        for one in report.revisions
    }


def check_whole(pushed: Pushed, step: int, folder: Path) -> None:
    """The stock client downloads what was pushed, to the byte."""
    got = download(pushed.hub, pushed.repo_id, name_of(step), folder)
    weights = (got / "model.safetensors").read_bytes()
    assert sha256(weights) == sha256(pushed.weights(step).read_bytes())
    assert (got / "tokenizer.model").read_bytes() == SHARED


def test_what_nobody_needs_goes_and_its_room_is_freed(four: Pushed, tmp_path: Path) -> None:
    before = four.objects()
    doomed = {sha256(four.weights(step).read_bytes()) for step in (100, 200)}
    report = apply(four, purge="purge")
    assert report.deleted == (name_of(100), name_of(200))
    assert four.steps() == [300, 400]
    assert set(before) - set(four.objects()) == doomed
    assert report.files.objects == 2
    assert report.files.bytes == sum(before.values()) - sum(four.objects().values())
    assert (report.files.young_objects, report.files.problem) == (0, "")
    assert sha256(SHARED) in four.objects()
    for step in (300, 400):
        check_whole(four, step, tmp_path / str(step))
    again = apply(four, purge="purge")
    assert (again.deleted, again.files.objects, len(again.revisions)) == ((), 0, 2)


def test_without_purge_the_large_files_stay(four: Pushed) -> None:
    before = four.objects()
    report = apply(four)
    assert four.steps() == [300, 400]
    assert (four.objects(), report.files.objects, report.files.bytes) == (before, 0, 0)


def test_a_plan_tells_the_same_and_changes_nothing(four: Pushed) -> None:
    git(four.folder, "tag", "v1", name_of(100))
    branches, objects = four.branches(), four.objects()
    planned = apply(four, purge="purge", mode="plan")
    assert (four.branches(), four.objects()) == (branches, objects)
    assert reasons(planned)[100] == "tag 'v1' points to it"
    applied = apply(four, purge="purge")
    assert (planned.revisions, planned.files) == (applied.revisions, applied.files)
    assert applied.deleted == (name_of(200),)


def test_what_is_pointed_to_promoted_or_evaluated_stays(four: Pushed, tmp_path: Path) -> None:
    repository = four.repository
    commits = four.branches()
    repository.move_pointers({"best": commits[name_of(100)]})
    repository.promote(name_of(200))
    pending = Pending(
        "ev-1", commits[name_of(300)], name_of(300), 300, "bench", "local", "7", 0.0, 2.0**40
    )
    repository.commit_files(BRANCH, dict([pending_file(pending)]), "started")
    report = apply(four, Retention(keep_last=1), purge="purge")
    assert reasons(report) == {
        100: "branch 'best' points to it",
        200: "it was promoted into branch 'main'",
        300: "it is being evaluated: bench on local",
        400: "one of the last 1",
    }
    assert report.files.objects == 0
    # Once its deadline has passed, nothing is expected of an evaluation any more.
    late = Pending(**{**pending.__dict__, "deadline": 1.0})
    repository.commit_files(BRANCH, dict([pending_file(late)]), "late")
    assert reasons(apply(four, Retention(keep_last=1)))[300] == "deleted"
    check_whole(four, 100, tmp_path / "best")


def test_what_was_promoted_long_ago_stays_whole(four: Pushed, tmp_path: Path) -> None:
    for step in (100, 200, 300):
        four.repository.promote(name_of(step))
    four.age(2 * DAY)
    report = apply(four, Retention(keep_last=1), purge="purge")
    assert reasons(report)[100] == "it was promoted into branch 'main'"
    assert (report.deleted, report.files.objects) == ((), 0)
    check_whole(four, 100, tmp_path / "old")


def test_a_promoted_tree_of_a_deleted_revision_keeps_its_files(
    four: Pushed, tmp_path: Path
) -> None:
    """Somebody made main's tree equal without the revision as a parent: only the files tell."""
    tree = git(four.folder, "rev-parse", f"{name_of(100)}^{{tree}}").strip()
    commit = git(
        four.folder, "-c", "user.name=A", "-c", "user.email=a@example.org",
        "commit-tree", tree, "-p", "main", "-m", "by hand",
    ).strip()  # fmt: skip
    git(four.folder, "update-ref", "refs/heads/main", commit)
    report = apply(four, purge="purge")
    assert report.deleted == (name_of(100), name_of(200))
    assert report.files.objects == 1
    got = download(four.hub, four.repo_id, "main", tmp_path / "main")
    assert (got / "model.safetensors").read_bytes() == four.weights(100).read_bytes()


def test_what_moved_since_it_was_read_stays(four: Pushed) -> None:
    repository = four.repository
    contents = repository.read()
    newer = four.branches()[name_of(400)]
    git(four.folder, "update-ref", f"refs/heads/{name_of(100)}", newer)
    report = prune(repository, contents, FIRST_HALF, mode="apply", purge="purge")
    assert reasons(report)[100] == f"it is at {newer} now: somebody else changed it meanwhile"
    assert four.branches()[name_of(100)] == newer
    assert report.deleted == (name_of(200),)


def test_what_moves_at_the_last_moment_stays(four: Pushed, tmp_path: Path) -> None:
    old = four.branches()[name_of(100)]
    ref = f"refs/heads/{name_of(100)}"
    four.hub.set_faults({"path": "*/git-receive-pack", "do": "move-ref", "ref": ref})
    report = apply(four, purge="purge")
    assert report.deleted == (name_of(200),)
    assert ref in reasons(report)[100]
    assert four.branches()[name_of(100)] != old


def test_a_server_that_refuses_keeps_one_and_says_why(four: Pushed) -> None:
    refusal = {"path": "*/git-receive-pack", "do": "refuse-push", "message": "protected branch"}
    four.hub.set_faults({**refusal, "times": 2})  # both at once, and then one of them alone
    report = apply(four)
    assert "protected branch" in reasons(report)[100]
    assert report.deleted == (name_of(200),)


def test_what_is_gone_already_is_no_failure(four: Pushed) -> None:
    repository = four.repository
    contents = repository.read()
    assert apply(four).deleted == (name_of(100), name_of(200))
    again = prune(repository, contents, FIRST_HALF, mode="apply", purge="purge")
    assert reasons(again)[100] == "gone"
    assert four.steps() == [300, 400]


def test_the_last_copy_is_never_deleted(four: Pushed, tmp_path: Path) -> None:
    report = apply(four, Retention(keep_every=1000), purge="purge")
    assert four.steps() == [400]
    assert reasons(report)[400] == "it is the last revision of this repository"
    assert reasons(apply(four, Retention(keep_every=1000)))[400].startswith("it is the last")
    check_whole(four, 400, tmp_path / "last")


def test_results_of_deleted_revisions_stay(four: Pushed) -> None:
    commit = four.branches()[name_of(100)]
    metric = Metric("task/acc", 0.5)
    add(
        four.repository,
        [Result("ev-1", commit, name_of(100), 100, "bench", "succeeded", metrics=(metric,))],
    )
    assert name_of(100) in apply(four).deleted
    (result,) = read_records(four.repository.read().records).results
    assert (result.commit, result.revision) == (commit, name_of(100))


def test_a_prune_that_was_killed_is_finished_by_the_next_one(four: Pushed, tmp_path: Path) -> None:
    four.hub.set_faults({"path": BATCH, "do": "stall", "seconds": 120})
    code = """
        import sys
        from hub_revisions.prune import prune
        from hub_revisions.repository import Repository
        from hub_revisions.retention import Retention
        repository = Repository(sys.argv[1], endpoint=sys.argv[2])
        print("begin")
        prune(repository, repository.read(), Retention(keep_last=2), purge="purge", mode="apply")
        print("end")
    """
    with Child(tmp_path, code, four.repo_id, four.hub.endpoint, HF_TOKEN=four.hub.token) as child:
        child.says("begin")
        _until_taken(four.hub, child)
    four.hub.set_faults()
    assert "end" not in child.output
    assert four.steps() == [300, 400]
    left = {sha256(four.weights(step).read_bytes()) for step in (100, 200)}
    assert left < set(four.objects())

    # They could as well be of a push that has not reached its commit.
    first = apply(four, purge="purge")
    assert (first.files.objects, first.files.young_objects) == (0, 2)
    assert first.files.young_bytes == sum(four.objects()[oid] for oid in left)
    assert left < set(four.objects())

    four.age(2 * DAY)
    second = apply(four, Retention(), purge="purge")
    assert (second.files.objects, second.files.young_objects) == (2, 0)
    assert not left & set(four.objects())
    for step in (300, 400):
        check_whole(four, step, tmp_path / str(step))


def _until_taken(hub: LocalHub, child: Child) -> None:
    until(lambda: hub.fault_counts()[0]["hits"] == 1, f"no batch: {child.output}")


def test_an_upload_under_way_is_left_alone(four: Pushed) -> None:
    young = four.store_object(b"sent, and not committed yet")
    old = four.store_object(b"given up long ago")
    four.age(2 * DAY, [old])
    report = apply(four, Retention(), purge="purge")
    assert (report.files.objects, report.files.young_objects) == (1, 1)
    assert young in four.objects()
    assert old not in four.objects()


def test_what_is_committed_at_the_last_moment_keeps_its_files(four: Pushed, tmp_path: Path) -> None:
    """The revision goes; somebody makes a branch of its files before they are purged."""
    tree = git(four.folder, "rev-parse", f"{name_of(100)}^{{tree}}").strip()
    four.hub.set_faults({"path": "*/lfs-files", "do": "stall", "seconds": 2})
    reports: list[PruneReport] = []
    thread = threading.Thread(target=lambda: reports.append(apply(four, purge="purge")))
    thread.start()
    until(lambda: four.hub.fault_counts()[0]["hits"] == 1, "the files are never listed")
    commit = git(
        four.folder, "-c", "user.name=A", "-c", "user.email=a@example.org",
        "commit-tree", tree, "-m", "by hand",
    ).strip()  # fmt: skip
    git(four.folder, "update-ref", "refs/heads/rescued", commit)
    thread.join()
    assert reports[0].deleted == (name_of(100), name_of(200))
    assert reports[0].files.objects == 1
    got = download(four.hub, four.repo_id, "rescued", tmp_path / "rescued")
    assert (got / "model.safetensors").read_bytes() == four.weights(100).read_bytes()


def test_more_files_than_one_page_and_one_batch(four: Pushed) -> None:
    oids = [four.store_object(b"left %d" % number) for number in range(2100)]
    four.age(2 * DAY, oids)
    report = apply(four, purge="purge")
    assert report.files.objects == len(oids) + 2
    assert len(four.objects()) == 3  # of two revisions, and the one that both have


def test_a_server_without_that_route_says_so(four: Pushed) -> None:
    absent = {"path": "*/lfs-files", "do": "answer", "status": 404, "times": None}
    four.hub.set_faults({**absent, "message": "Not Found"})
    before = four.objects()
    report = apply(four, purge="purge")
    assert report.deleted == (name_of(100), name_of(200))
    assert "has no way to delete large files" in report.files.problem
    assert (report.files.objects, four.objects()) == (0, before)


def test_a_plain_git_server_is_not_even_asked(four: Pushed) -> None:
    four.where["provider"] = "git"
    report = apply(four, purge="purge")
    assert report.deleted == (name_of(100), name_of(200))
    assert "has no way to delete large files" in report.files.problem


def test_a_purge_that_fails_is_told_with_what_was_deleted(four: Pushed) -> None:
    forbidden = {"path": BATCH, "do": "answer", "status": 403, "message": "not yours"}
    four.hub.set_faults({**forbidden, "times": None})
    report = apply(four, purge="purge")
    assert report.deleted == (name_of(100), name_of(200))
    assert "not yours" in report.files.problem
    assert report.files.objects == 0


def test_a_ref_that_leads_to_no_commit_forbids_the_purge(four: Pushed) -> None:
    tree = git(four.folder, "rev-parse", f"{name_of(100)}^{{tree}}").strip()
    git(four.folder, "update-ref", "refs/tags/tree", tree)
    before = four.objects()
    report = apply(four, purge="purge")
    assert report.deleted == (name_of(100), name_of(200))
    assert "refs/tags/tree leads to no commit" in report.files.problem
    assert four.objects() == before


def test_transient_failures_are_survived(four: Pushed) -> None:
    four.hub.set_faults(
        {"path": "*/git-receive-pack", "do": "lose-answer"},
        {"path": "*/lfs-files", "do": "answer", "status": 503, "message": "busy"},
        {"path": BATCH, "do": "lose-answer"},
    )
    report = apply(four, purge="purge")
    assert report.deleted == (name_of(100), name_of(200)), report
    assert (report.files.objects, report.files.problem) == (2, "")
    assert len(four.objects()) == 3


def test_a_token_that_only_reads_deletes_nothing(four: Pushed) -> None:
    four.where["token"] = four.hub.read_token
    before = four.branches()
    with pytest.raises(AuthError):
        apply(four, purge="purge")
    assert four.branches() == before
    assert apply(four, mode="plan").deleted == (name_of(100), name_of(200))


def test_two_at_once_do_no_harm(four: Pushed, tmp_path: Path) -> None:
    reports: list[PruneReport] = []
    threads = [
        threading.Thread(target=lambda: reports.append(apply(four, purge="purge")))
        for _ in range(2)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(reports) == 2
    assert [report.files.problem for report in reports] == ["", ""]
    assert four.steps() == [300, 400]
    for step in (300, 400):
        check_whole(four, step, tmp_path / str(step))


def test_during_training_what_is_busy_stays_and_so_does_the_newest(four: Pushed) -> None:
    ranking = [name_of(100), name_of(200), name_of(300), name_of(400)]
    report = apply_retention(
        four.repository, Retention(keep_best=1), ranking, {name_of(200)}, purge="purge"
    )
    assert reasons(report) == {
        100: "best 1 of 4",
        200: "it is still to be pushed or evaluated",
        300: "deleted",
        400: "a push under way may share its files",
    }
    report = apply_retention(four.repository, Retention(keep_best=1), ranking, set())
    assert four.steps() == [100]
    assert report.files.objects == 0
