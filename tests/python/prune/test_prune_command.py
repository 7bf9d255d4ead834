"""`hub-revisions prune`: what it asks for, prints and deletes."""

from __future__ import annotations

import os
import pty
import subprocess
import sys
from typing import Any

import pytest
from child_process import environment
from command_line import document, run
from hub_revisions.local_hub import LocalHub
from published import Branch, git, publish

STEPS = (100, 200, 300, 400, 500)


@pytest.fixture
def at(hub: LocalHub, monkeypatch: pytest.MonkeyPatch) -> tuple[str, ...]:
    """The token in the environment, and options that lead to the local hub."""
    monkeypatch.setenv("HF_TOKEN", hub.token)
    return ("--endpoint", hub.endpoint)


@pytest.fixture
def repo(hub: LocalHub, repo_id: str) -> str:
    """Five revisions, of which step 300 has the smallest eval_loss and step 500 has none."""
    losses = {100: 2.0, 200: 1.5, 300: 1.0, 400: 1.25}
    publish(
        hub,
        repo_id,
        [
            Branch(f"s{step}", step, {"eval_loss": losses[step]} if step in losses else {})
            for step in STEPS
        ],
    )
    return repo_id


def steps(hub: LocalHub, repo: str) -> set[str]:
    listing = git(hub.root / f"{repo}.git", "for-each-ref", "--format=%(refname:lstrip=2)")
    return {name for name in listing.split() if name != "main"}


def test_outside_a_terminal_it_must_be_said(hub: LocalHub, at: Any, repo: str) -> None:
    result = run("prune", repo, "--keep-last", 1, *at)
    assert result.exit_code == 2
    assert "--yes" in result.stderr
    assert "--dry-run" in result.stderr
    assert len(steps(hub, repo)) == 5


def test_it_must_be_said_what_stays(at: Any, repo: str) -> None:
    result = run("prune", repo, "--yes", *at)
    assert result.exit_code == 2
    assert "--keep-best" in result.stderr


def test_a_limit_below_1_is_refused(at: Any, repo: str) -> None:
    result = run("prune", repo, "--keep-best", 0, "--yes", *at)
    assert result.exit_code == 2
    assert "keep_best must be a whole number from 1 on, not 0" in result.stderr


def test_an_unknown_metric_lists_the_known_ones(hub: LocalHub, at: Any, repo: str) -> None:
    result = run("prune", repo, "--keep-best", 1, "--metric", "acc:max", "--yes", *at)
    assert result.exit_code == 2
    assert "eval_loss" in result.stderr
    assert len(steps(hub, repo)) == 5


def test_a_dry_run_shows_who_goes_and_why(hub: LocalHub, at: Any, repo: str) -> None:
    result = run(
        "prune", repo, "--keep-best", 2, "--keep-last", 1, "--keep-every", 200, "--dry-run", *at
    )
    assert result.exit_code == 0, result.stderr
    rows = {line.split()[0]: line.split() for line in result.stdout.splitlines() if line}
    assert rows["revision"] == ["revision", "step", "eval_loss", "goes", "why"]
    assert rows["s100"][:4] == ["s100", "100", "2", "yes"]
    assert rows["s200"][:4] == ["s200", "200", "1.5", "no"]
    assert " ".join(rows["s300"]) == "s300 300 1 no best 1 of 4"
    assert "not among the best 2, the last 1, every 200 steps" in result.stdout
    assert "would delete 1 revisions, keep 4" in result.stdout
    assert "--yes does it" in result.stdout
    assert len(steps(hub, repo)) == 5


def test_yes_deletes(hub: LocalHub, at: Any, repo: str) -> None:
    options = ("--keep-best", 1, "--metric", "eval_loss:min")
    result = run("prune", repo, *options, "--yes", "--json", *at)
    assert result.exit_code == 0, result.stderr
    answer = document(result)
    assert (answer["repo_id"], answer["mode"], answer["rule"]) == (repo, "apply", "eval_loss:min")
    verdicts = {one["revision"]: one["verdict"] for one in answer["revisions"]}
    assert verdicts == {f"s{step}": "kept" if step == 300 else "deleted" for step in STEPS}
    scores = {one["revision"]: one["score"] for one in answer["revisions"]}
    assert scores == {"s100": 2.0, "s200": 1.5, "s300": 1.0, "s400": 1.25, "s500": None}
    assert steps(hub, repo) == {"s300"}


def test_it_frees_what_is_left_without_any_limit(hub: LocalHub, at: Any, repo: str) -> None:
    folder = hub.root / f"{repo}.git" / "lfs" / "objects" / "aa" / "aa"
    folder.mkdir(parents=True)
    for name, size, age in (("a" * 64, 1000, 2), ("a" * 63 + "b", 10, 0)):
        (folder / name).write_bytes(bytes(size))
        at_seconds = (folder / name).stat().st_mtime - age * 24 * 60 * 60
        os.utime(folder / name, (at_seconds, at_seconds))
    planned = run("prune", repo, "--purge-lfs", "--dry-run", *at)
    assert planned.exit_code == 0, planned.stderr
    assert "would delete 0 revisions, keep 5 and free 1 large files of 1.0 kB" in planned.stdout
    assert "1 large files of 10 B are of no revision, but less than a day old" in planned.stdout
    assert len(list(folder.iterdir())) == 2
    done = run("prune", repo, "--purge-lfs", "--yes", *at)
    assert "deleted 0 revisions, kept 5; freed 1 large files of 1.0 kB" in done.stdout
    assert [path.name[-1] for path in folder.iterdir()] == ["b"]
    assert len(steps(hub, repo)) == 5


def test_files_that_could_not_be_freed_are_a_failure(hub: LocalHub, at: Any, repo: str) -> None:
    tree = git(hub.root / f"{repo}.git", "rev-parse", "s100^{tree}").strip()
    git(hub.root / f"{repo}.git", "update-ref", "refs/tags/tree", tree)
    result = run("prune", repo, "--keep-last", 1, "--purge-lfs", "--yes", *at)
    assert result.exit_code == 1
    assert "large files were not freed: refs/tags/tree" in result.stderr
    assert "deleted 4 revisions" in result.stdout


def test_in_a_terminal_nothing_is_deleted_unless_said(hub: LocalHub, at: Any, repo: str) -> None:
    ours, theirs = pty.openpty()
    with os.fdopen(ours, "rb", buffering=0) as terminal:
        process = subprocess.Popen(
            [sys.executable, "-m", "hub_revisions", "prune", repo, "--keep-last", "1", *at],
            stdin=subprocess.DEVNULL,
            stdout=theirs,
            stderr=theirs,
            env=environment(),
        )
        os.close(theirs)
        shown = b""
        try:
            while chunk := terminal.read(4096):
                shown += chunk
        except OSError:  # Linux ends a terminal that nobody writes to any more in this way
            pass
        assert process.wait(60) == 0, shown
    assert b"would delete 4 revisions" in shown
    assert len(steps(hub, repo)) == 5
