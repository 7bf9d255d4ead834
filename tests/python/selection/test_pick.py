"""`pick`, on a hub: what it prints, records and promotes, and its statuses."""

from __future__ import annotations

import shutil
import subprocess
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from command_line import document, run
from hub_revisions import best_revision
from hub_revisions.local_hub import LocalHub
from hub_revisions.repository import Repository
from hub_revisions.results.store import add, pending_file, read_records
from hub_revisions.results.types import Metric, Result
from hub_revisions.selection.decision import read_decisions
from published import Branch, publish

from .making import pending, result

STEPS = (100, 200, 300, 400)


@pytest.fixture
def at(hub: LocalHub, monkeypatch: pytest.MonkeyPatch) -> tuple[str, ...]:
    """The token in the environment, and options that lead to the local hub."""
    monkeypatch.setenv("HF_TOKEN", hub.token)
    return ("--endpoint", hub.endpoint)


@pytest.fixture
def commits(hub: LocalHub, repo_id: str) -> dict[str, str]:
    """A repository of four revisions; their commits by name."""
    metrics = dict(zip(STEPS, (2.0, 1.5, 1.25, 1.75), strict=True))
    branches = [Branch(f"step-{step}", step, {"eval_loss": metrics[step]}) for step in STEPS]
    return publish(hub, repo_id, branches)


@pytest.fixture
def repository(where: dict[str, Any], commits: dict[str, str]) -> Repository:
    return Repository(**where)


def evaluated(commits: dict[str, str], step: int, *metrics: Metric, **changes: Any) -> Result:
    name = f"step-{step}"
    return result(name, *metrics, commit=commits[name], step=step, **changes)


def decisions(repository: Repository) -> list[Any]:
    return list(read_decisions(repository.read().records).decisions)


def test_the_default_is_the_smallest_eval_loss(
    repository: Repository, repo_id: str, commits: dict[str, str], at: tuple[str, ...]
) -> None:
    picked = run("pick", repo_id, *at)
    assert picked.exit_code == 0, picked.stderr
    lines = picked.stdout.splitlines()
    assert lines[0] == f"step-300  eval_loss=1.25  {commits['step-300']}"
    assert lines[1] == "the best score; 4 compared"
    assert [line.split()[0] for line in lines[4:]] == [
        "step-300",
        "step-200",
        "step-400",
        "step-100",
    ]
    (decision,) = decisions(repository)
    assert decision.winner.commit == commits["step-300"]
    assert decision.criteria[0].source == "trainer"


def test_results_decide_and_say_who_was_left_out(
    repository: Repository, repo_id: str, commits: dict[str, str], at: tuple[str, ...]
) -> None:
    add(
        repository,
        [
            evaluated(commits, 100, Metric("gsm8k@5/em", 0.50, 0.02, 1319, mode="max")),
            evaluated(commits, 200, Metric("gsm8k@5/em", 0.51, 0.02, 1319, mode="max")),
            evaluated(commits, 300, Metric("gsm8k@5/em", None, problem="is 'N/A'")),
            evaluated(commits, 400, outcome="failed", reason="exit code 7\x1b[2J"),
        ],
    )
    picked = run("pick", repo_id, "--metric", "gsm8k*", *at)
    assert picked.exit_code == 0, picked.stderr
    assert picked.stdout.startswith("step-200  gsm8k@5/em=0.51  ")
    assert "2 compared; 1 more within 1 standard error: step-100" in picked.stdout
    assert "'gsm8k@5/em' is 'N/A'" in picked.stdout
    assert "failed: exit code 7" in picked.stdout
    assert "\x1b" not in picked.stdout
    earliest = document(run("pick", repo_id, "--metric", "gsm8k*", "--within-se", 1, "--json", *at))
    assert earliest["best"]["revision"] == "step-100"
    assert earliest["decision"]["why"] == "the earliest within 1 standard error of step-200"
    assert {one["revision"] for one in earliest["decision"]["excluded"]} == {"step-300", "step-400"}


def test_nobody_eligible_is_a_status_of_its_own(
    repository: Repository, repo_id: str, commits: dict[str, str], at: tuple[str, ...]
) -> None:
    add(repository, [evaluated(commits, 100, Metric("acc", 0.5)), *()])
    before = repository.read().records_commit
    options = ("--metric", "acc:max", "--require", "acc>0.9", "--promote", "main")
    picked = run("pick", repo_id, *options, *at)
    assert picked.exit_code == 3
    assert "acc is 0.5, not >0.9" in picked.stdout
    assert picked.stdout.count("no result") == 3
    assert "no revision is eligible" in picked.stderr
    as_json = run("pick", repo_id, *options, "--json", *at)
    assert as_json.exit_code == 3
    assert document(as_json)["best"] is None
    assert document(as_json)["promotion"] is None
    assert repository.read().records_commit == before


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--metric", "bleu"), "recorded are: eval_loss"),
        (("--metric", "eval_loss", "--mode", "best"), "best"),
        (("--metric", "eval_loss", "--require", "x"), "metric>=0.7"),
        (("--metric", "eval_loss", "--weights", "a=1"), "either a metric or weights"),
        (("--tolerance", "-1"), "tolerance"),
        (("--suite", "bench"), "no metrics of suite 'bench'"),
        (("--promote", "evaluations"), "'evaluations' is the branch of results"),
    ],
)
def test_wrong_usage(
    repository: Repository,
    repo_id: str,
    at: tuple[str, ...],
    options: tuple[str, ...],
    words: str,
) -> None:
    picked = run("pick", repo_id, *options, *at)
    assert picked.exit_code == 2
    assert words in picked.stderr
    assert picked.stdout == ""


def test_what_others_wrote_commands_no_terminal(
    hub: LocalHub, repo_id: str, at: tuple[str, ...]
) -> None:
    publish(hub, repo_id, [Branch("step-1", 1, {"eval_\x1b[31mred": 1.0})])
    shown = [
        run("pick", repo_id, "--metric", "eval_*:min", *at).stdout,
        run("pick", repo_id, "--metric", "bleu", *at).stderr,
        run("list", repo_id, *at).stdout,
    ]
    for text in shown:
        assert "\x1b" not in text
        assert "eval_ [31mred" in text


def test_a_decision_is_recorded_once(
    repository: Repository, repo_id: str, commits: dict[str, str], at: tuple[str, ...]
) -> None:
    run("pick", repo_id, "--no-record", *at)
    assert decisions(repository) == []
    started = int(time.time())
    for _ in range(3):
        assert run("pick", repo_id, *at).exit_code == 0
    (decision,) = decisions(repository)
    assert decision.rule == "eval_loss"
    assert started <= decision.time <= time.time()
    add(repository, [evaluated(commits, 100, Metric("eval_loss", 9.0))])
    assert run("pick", repo_id, *at).exit_code == 2  # both have it now
    run("pick", repo_id, "--source", "evaluation", *at)
    assert [one.rule for one in decisions(repository)] == [
        "eval_loss",
        "eval_loss; source evaluation",
    ]


def test_who_can_only_read_gets_the_answer(
    hub: LocalHub,
    repository: Repository,
    repo_id: str,
    at: tuple[str, ...],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("HF_TOKEN", hub.read_token)
    picked = run("pick", repo_id, *at)
    assert picked.exit_code == 0
    assert picked.stdout.startswith("step-300  ")
    assert "the decision was not recorded" in picked.stderr
    quiet = run("pick", repo_id, "--no-record", *at)
    assert (quiet.exit_code, quiet.stderr) == (0, "")


def test_a_clone_is_enough_to_pick_the_same(
    hub: LocalHub,
    repository: Repository,
    repo_id: str,
    commits: dict[str, str],
    where: dict[str, Any],
    at: tuple[str, ...],
    tmp_path: Path,
) -> None:
    add(
        repository,
        [evaluated(commits, step, Metric("acc", step / 1000, 0.15, mode="max")) for step in STEPS],
    )
    rule = ("--metric", "acc", "--within-se", "1", "--require", "eval_loss<1.9")
    first = document(run("pick", repo_id, *rule, "--json", *at))
    assert first["best"]["revision"] == "step-300"

    other = f"{hub.user}/{Path(repo_id).name}-clone"
    publish(hub, other, [])
    shutil.rmtree(hub.root / f"{other}.git" / "refs" / "heads")
    (hub.root / f"{other}.git" / "refs" / "heads").mkdir()
    mirror = tmp_path / "mirror.git"
    subprocess.run(
        ["git", "clone", "-q", "--mirror", hub.root / f"{repo_id}.git", mirror], check=True
    )
    subprocess.run(
        ["git", "-C", hub.root / f"{other}.git", "fetch", "-q", mirror, "+refs/*:refs/*"],
        check=True,
    )
    again = document(run("pick", other, *rule, "--json", *at))
    for item in (first, again):
        item["decision"].pop("time")
        item["decision"].pop("repo_id")
    assert again == first


def test_an_answer_that_may_change_is_not_promoted(
    repository: Repository, repo_id: str, commits: dict[str, str], at: tuple[str, ...]
) -> None:
    add(repository, [evaluated(commits, 100, Metric("acc", 0.5, mode="max"))])
    waiting = pending(
        "step-200",
        commit=commits["step-200"],
        submitted=time.time(),
        deadline=time.time() + 600,
    )
    repository.commit_files("evaluations", dict([pending_file(waiting)]), "Wait")
    plain = run("pick", repo_id, "--metric", "acc", *at)
    assert plain.exit_code == 0
    assert "provisional: step-200: bench on local is still running" in plain.stderr
    assert "still running: bench on local" in plain.stdout

    final = run("pick", repo_id, "--metric", "acc", "--final", *at)
    assert final.exit_code == 4
    waited = run("pick", repo_id, "--metric", "acc", "--final", "--wait", "--deadline", 0.1, *at)
    assert waited.exit_code == 4
    assert "waiting: step-200: bench on local is still running" in waited.stderr

    promoting = run("pick", repo_id, "--metric", "acc", "--promote", "stable", *at)
    assert promoting.exit_code == 4
    assert "stable was not moved" in promoting.stderr
    assert "stable" not in {one.revision for one in repository.read().revisions}
    options = ("--promote", "stable", "--provisional-ok", "--json")
    promoted = run("pick", repo_id, "--metric", "acc", *options, *at)
    assert promoted.exit_code == 0
    assert document(promoted)["promotion"]["changed"] is True

    add(
        repository,
        [evaluated(commits, 200, Metric("acc", 0.75, mode="max"))],
        done_keys=[waiting.key],
    )
    assert read_records(repository.read().records).pending == ()
    final = run("pick", repo_id, "--metric", "acc", "--final", "--wait", "--promote", "stable", *at)
    assert final.exit_code == 0, final.stderr
    assert final.stdout.startswith("step-200  acc=0.75  ")
    assert "stable is now step-200" in final.stdout


def test_what_was_picked_before_stays_unless_another_one_is_better(
    repository: Repository,
    repo_id: str,
    commits: dict[str, str],
    at: tuple[str, ...],
    where: dict[str, Any],
) -> None:
    def pick(*options: object) -> Any:
        return document(run("pick", repo_id, "--metric", "acc:max", "--json", *options, *at))

    add(repository, [evaluated(commits, 200, Metric("acc", 0.5))])
    assert pick()["best"]["revision"] == "step-200"
    assert pick("--margin", 0.1)["best"]["revision"] == "step-200"
    # Equal and earlier: that alone is no reason to move.
    add(repository, [evaluated(commits, 100, Metric("acc", 0.5))])
    kept = pick()
    assert kept["best"]["revision"] == "step-200"
    assert kept["decision"]["why"] == "picked before, and step-100 is not better"
    # Whoever asks gets the same answer, and it is the last to be deleted.
    assert best_revision(metric="acc:max", **where).revision == "step-200"
    pruned = run(
        "prune", repo_id, "--keep-best", 1, "--metric", "acc:max", "--dry-run", "--json", *at
    )
    stays = [one["revision"] for one in document(pruned)["revisions"] if one["verdict"] == "kept"]
    assert stays == ["step-200"]
    add(repository, [evaluated(commits, 300, Metric("acc", 0.55))])
    assert pick("--margin", 0.1)["best"]["revision"] == "step-200"
    assert pick()["best"]["revision"] == "step-300"


def test_best_revision_reads_results(
    repository: Repository, commits: dict[str, str], where: dict[str, Any]
) -> None:
    add(
        repository,
        [evaluated(commits, step, Metric("acc", step / 1000, mode="max")) for step in STEPS[:2]],
    )
    best = best_revision(metric="acc", **where)
    assert (best.revision, best.value, best.skipped) == ("step-200", 0.2, ("step-300", "step-400"))
    assert {one.reason for one in best.excluded} == {"no result"}
    assert best.provisional == ()
    assert best_revision(metric="acc", require=["eval_loss>1.5"], **where).revision == "step-100"


def test_results_of_two_writers_are_both_kept(
    repository: Repository, commits: dict[str, str]
) -> None:
    one = evaluated(commits, 100, Metric("acc", 0.5))
    other = replace(one, attempt=2, metrics=(Metric("acc", 0.6),))
    for stored in ([one], [other], [one, other], [one]):
        add(repository, stored)
    assert set(read_records(repository.read().records).results) == {one, other}


def test_two_hundred_revisions_take_less_than_a_second(
    hub: LocalHub, repo_id: str, where: dict[str, Any]
) -> None:
    steps = range(1, 201)
    branches = [Branch(f"step-{step:09d}", step, {"eval_loss": 1 / step}) for step in steps]
    commits = publish(hub, repo_id, branches)
    repository = Repository(**where)
    metrics = [Metric(f"task-{n}@5/acc", 0.5, 0.01, 1000, mode="max") for n in range(20)]
    results = [
        result(
            f"step-{step:09d}",
            *metrics,
            Metric("gsm8k@5/em", step % 150 / 200, 0.01, 1319, mode="max"),
            commit=commits[f"step-{step:09d}"],
            step=step,
        )
        for step in steps
    ]
    add(repository, results)
    seconds = []
    for _ in range(3):
        start = time.perf_counter()
        best = best_revision(metric="gsm8k*", **where)
        seconds.append(time.perf_counter() - start)
    assert best.revision == "step-000000149"
    print(f"pick over 200 revisions: {min(seconds):.3f} s")
    assert min(seconds) < 1
