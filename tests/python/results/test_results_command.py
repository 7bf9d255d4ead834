"""`results add` and `results list`, on a hub."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
from command_line import document, run
from hub_revisions.local_hub import LocalHub
from hub_revisions.repository import Repository
from hub_revisions.results.store import Pending, pending_file, read_records
from published import Branch, publish

from .documents import lm_eval, vllm


@pytest.fixture
def at(hub: LocalHub, monkeypatch: pytest.MonkeyPatch) -> tuple[str, ...]:
    """The token in the environment, and options that lead to the local hub."""
    monkeypatch.setenv("HF_TOKEN", hub.token)
    return ("--endpoint", hub.endpoint)


@pytest.fixture
def commits(hub: LocalHub, repo_id: str) -> dict[str, str]:
    """A repository of two revisions and a branch of somebody else."""
    branches = [Branch(f"step-{step}", step) for step in (100, 200)]
    return publish(hub, repo_id, [*branches, Branch("notes", is_revision=False)])


@pytest.fixture
def repository(where: dict[str, Any], commits: dict[str, str]) -> Repository:
    return Repository(**where)


def write(folder: Path, document: Any, name: str = "results.json") -> Path:
    path = folder / name
    path.write_text(document if isinstance(document, str) else json.dumps(document))
    return path


def test_results_are_added_once_and_the_revision_does_not_move(
    repository: Repository,
    repo_id: str,
    commits: dict[str, str],
    at: tuple[str, ...],
    tmp_path: Path,
) -> None:
    path = write(tmp_path, vllm(f"pretrained={repo_id},revision=step-100"))
    os.utime(path, (1_700_000_000, 1_700_000_000))
    added = run("results", "add", repo_id, "step-100", path, "--suite", "bench", *at)
    assert added.exit_code == 0, added.stderr
    assert added.stdout.startswith("step-100  bench  added: gsm8k@5/exact_match[flexible-extract]=")
    first = repository.read()
    (stored,) = read_records(first.records).results
    assert (stored.commit, stored.step, stored.format) == (commits["step-100"], 100, "lm-eval")
    assert (stored.attempt, stored.finished) == (1, 1_700_000_000)
    assert {one.revision: one.commit for one in first.revisions} == commits

    # Also from a copy, whose time is another.
    os.utime(path, (1_800_000_000, 1_800_000_000))
    again = run("results", "add", repo_id, "step-100", path, "--suite", "bench", "--json", *at)
    assert document(again)["added"] is False
    assert repository.read().records_commit == first.records_commit

    path = write(
        tmp_path, lm_eval(config={"model_args": f"pretrained={repo_id},revision=step-100"})
    )
    changed = json.loads(path.read_text())
    changed["results"]["gsm8k"]["exact_match,strict-match"] = 0.6
    write(tmp_path, changed)
    other = document(
        run("results", "add", repo_id, "step-100", path, "--suite", "bench", "--json", *at)
    )
    assert other["added"] is True
    assert other["result"]["attempt"] == 2
    assert len(read_records(repository.read().records).results) == 2


def test_a_revision_may_be_named_by_its_commit_or_a_pointer(
    repository: Repository,
    repo_id: str,
    commits: dict[str, str],
    at: tuple[str, ...],
    tmp_path: Path,
) -> None:
    path = write(tmp_path, {"acc": 0.5})
    repository.move_pointers({"latest": commits["step-200"]})
    for named in (commits["step-200"], commits["step-200"][:10], "latest"):
        added = document(run("results", "add", repo_id, named, path, "--json", *at))
        assert added["result"]["revision"] == "step-200"
    assert added["result"]["suite"] == "flat"
    assert [metric["key"] for metric in added["result"]["metrics"]] == ["acc"]


def test_numbers_that_are_none_are_told(
    repository: Repository, repo_id: str, at: tuple[str, ...], tmp_path: Path
) -> None:
    path = write(tmp_path, '{"acc": NaN, "f1": 0.5}')
    added = run("results", "add", repo_id, "step-100", path, "--suite", "mine", *at)
    assert added.exit_code == 0
    assert added.stdout == "step-100  mine  added: mine/acc is NaN, mine/f1=0.5\n"
    assert "warning: 'mine/acc' is NaN and cannot be picked by" in added.stderr


@pytest.mark.parametrize(
    ("revision", "content", "status", "words"),
    [
        ("step-999", '{"acc": 1}', 2, "has no revision 'step-999'"),
        ("f" * 40, '{"acc": 1}', 2, "none is at such a commit (any more)"),
        ("notes", '{"acc": 1}', 2, "no revision that hub-revisions made"),
        ("stable", '{"acc": 1}', 2, "it was made equal to 'step-200', add the results there"),
        ("step-100", "", 1, "it is empty"),
        ("step-100", '{"acc": 0.', 1, "no valid JSON"),
        ("step-100", '{"acc": 1, "model": "you/other"}', 1, "the model 'you/other'"),
        ("step-100", '{"acc": 1, "sha": "' + "f" * 40 + '"}', 1, "is about commit ffffffffff"),
    ],
)
def test_what_is_not_added(
    repository: Repository,
    repo_id: str,
    at: tuple[str, ...],
    tmp_path: Path,
    revision: str,
    content: str,
    status: int,
    words: str,
) -> None:
    repository.promote("step-200", "stable")
    before = repository.read()
    added = run("results", "add", repo_id, revision, write(tmp_path, content), *at)
    assert added.exit_code == status
    assert words in added.stderr
    assert len(added.stderr.splitlines()) == 1
    assert repository.read() == before


@pytest.mark.parametrize("suite", ["../../bench", "my bench", "-bench", "b" * 65])
def test_a_suites_name_is_one_that_paths_may_have(
    repository: Repository, repo_id: str, at: tuple[str, ...], tmp_path: Path, suite: str
) -> None:
    path = write(tmp_path, {"acc": 0.5})
    added = run("results", "add", repo_id, "step-100", path, f"--suite={suite}", *at)
    assert added.exit_code == 2
    assert f"the suite's name '{suite}' is not valid" in added.stderr
    assert repository.read().records == {}


def test_what_is_there_is_listed(
    repository: Repository,
    repo_id: str,
    commits: dict[str, str],
    at: tuple[str, ...],
    tmp_path: Path,
) -> None:
    run(
        "results",
        "add",
        repo_id,
        "step-200",
        write(tmp_path, {"acc": 0.75, "acc_stderr": 0.01}),
        *at,
    )
    waiting = Pending(
        "ev-p", commits["step-100"], "step-100", 100, "bench", "slurm", "17", 1.0, 2.0
    )
    files = dict([pending_file(waiting)]) | {"results/ev-x/0.json": "{"}
    repository.commit_files("evaluations", files, "More")
    listed = run("results", "list", repo_id, *at)
    assert listed.exit_code == 0, listed.stderr
    assert "acc=0.75 ±0.01" in listed.stdout
    assert "on slurm, job 17" in listed.stdout
    assert "warning: results/ev-x/0.json is no valid JSON" in listed.stderr
    item = document(run("results", "list", repo_id, "--json", *at))
    assert item["pending"] == [waiting.to_json()]
    assert item["results"][0]["metrics"] == [{"key": "acc", "stderr": 0.01, "value": 0.75}]
    assert len(item["problems"]) == 1


def test_a_commit_that_is_gone_is_listed_as_such(
    hub: LocalHub,
    repo_id: str,
    commits: dict[str, str],
    at: tuple[str, ...],
    tmp_path: Path,
) -> None:
    run("results", "add", repo_id, "step-100", write(tmp_path, {"acc": 0.5}), *at)
    publish(hub, repo_id, [Branch("step-100", 100, files={"config.json": "{}"})])
    assert "(no revision is there now)" in run("results", "list", repo_id, *at).stdout
    picked = run("pick", repo_id, "--metric", "acc:max", *at)
    assert picked.exit_code == 3
    assert f"its results are of commit {commits['step-100'][:10]}, and it is at" in picked.stdout
