"""`eval` and `watch-evals` on a real hub, with evaluators that are real processes."""

from __future__ import annotations

import json
import signal
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from child_process import Child, until
from command_line import run
from hub_revisions import RevisionPusher
from hub_revisions.evaluation.engines.process import read_started
from hub_revisions.local_hub import LocalHub
from hub_revisions.repository import Repository
from hub_revisions.results.store import Stored, read_records
from huggingface_hub import HfApi
from marked_token import assert_clean_tree
from tiny_training import make_model, make_tokenizer, write_checkpoint

CONFIGS = Path(__file__).parents[3] / "configs"
STEPS = (1, 2, 3)
GOOD = "import json, sys; json.dump({'acc': float(sys.argv[1])}, open('results.json', 'w'))"
SECOND_FAILS = f"import sys; sys.argv[1] == '2' and sys.exit('no luck'); {GOOD}"
WAITS = (
    "import pathlib, time; pathlib.Path('began').touch()\n"
    "while not pathlib.Path('go').exists(): time.sleep(0.02)\n" + GOOD
)
EVAL = """
import sys
from hub_revisions.cli import main
sys.argv[0] = "hub-revisions"
sys.exit(main())
"""


@pytest.fixture
def pushed(
    hub: LocalHub, where: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> str:
    """A repository with a revision for each step."""
    monkeypatch.setenv("HF_TOKEN", hub.token)
    monkeypatch.setenv("HF_ENDPOINT", hub.endpoint)
    with RevisionPusher(tmp_path / "training", **where) as pusher:
        for step in STEPS:
            pusher.submit(write_checkpoint(tmp_path / f"checkpoint-{step}", step=step, size=step))
        assert pusher.wait(timeout=60)
    return str(where["repo_id"])


@pytest.fixture
def configured(tmp_path: Path) -> Iterator[Any]:
    """Writes a configuration with one suite; what still runs ends with the test."""

    def write(code: str, **fields: Any) -> Path:
        suite = {"name": "s", "command": [sys.executable, "-c", code, "{step}"]}
        path = tmp_path / "eval.json"
        path.write_text(json.dumps({"suites": [suite], "options": {"max_parallel": 3}, **fields}))
        return path

    yield write
    for path in tmp_path.rglob("started"):
        if started := read_started(path.parent):
            started.signal(signal.SIGKILL)


def stored(hub: LocalHub, repo_id: str) -> Stored:
    repository = Repository(repo_id, endpoint=hub.endpoint, token=hub.token)
    return read_records(repository.read().records)


def job_folders(workdir: Path) -> list[Path]:
    return sorted((workdir / "_hub_revisions" / "evaluations" / "jobs").glob("*/*"))


def test_every_revision_is_evaluated_once(
    hub: LocalHub, pushed: str, configured: Any, tmp_path: Path
) -> None:
    config = configured(GOOD)
    first = run("eval", pushed, "--config", config, "--workdir", tmp_path / "work", "--json")
    assert first.exit_code == 0, first.output
    told = json.loads(first.stdout)["evaluations"]
    assert [(t["step"], t["state"], t["recorded"]) for t in told] == [
        (step, "succeeded", True) for step in STEPS
    ]
    found = stored(hub, pushed)
    assert found.problems == ()
    assert found.pending == ()
    assert {(r.step, r.metrics[0].key, r.metrics[0].value) for r in found.results} == {
        (step, "s/acc", float(step)) for step in STEPS
    }
    # Again, and from a machine that knows nothing: the repository tells that all is done.
    for workdir in ("work", "elsewhere"):
        again = run("eval", pushed, "--config", config, "--workdir", tmp_path / workdir)
        assert again.exit_code == 0, again.output
    assert len(job_folders(tmp_path / "work")) == 3
    assert job_folders(tmp_path / "elsewhere") == []
    assert stored(hub, pushed) == found
    # Revisions are what they were: results do not move them.
    contents = Repository(pushed, endpoint=hub.endpoint, token=hub.token).read()
    assert {r.commit for r in contents.revisions if r.managed} == {r.commit for r in found.results}
    assert_clean_tree(tmp_path / "work")


def test_a_failure_is_told_and_tried_again_the_next_time(
    hub: LocalHub, pushed: str, configured: Any, tmp_path: Path
) -> None:
    config = configured(SECOND_FAILS)
    first = run("eval", pushed, "--config", config, "--workdir", tmp_path)
    assert first.exit_code == 3
    assert "exit code 1: no luck" in " ".join(first.stdout.split())
    assert sorted(r.outcome for r in stored(hub, pushed).results) == [
        *("failed", "succeeded", "succeeded"),
    ]
    only = run("eval", pushed, "--config", config, "--workdir", tmp_path, "--revision", "step-2")
    assert only.exit_code == 2
    assert "did you mean 'step-000000002'?" in only.stderr
    again = run(
        *("eval", pushed, "--config", config, "--workdir", tmp_path),
        *("--revision", "step-000000002", "--json"),
    )
    assert again.exit_code == 3
    assert [e["attempt"] for e in json.loads(again.stdout)["evaluations"]] == [2]


def test_what_was_only_submitted_is_watched_later(
    hub: LocalHub, pushed: str, configured: Any, tmp_path: Path
) -> None:
    config = configured(WAITS)
    submitted = run("eval", pushed, "--config", config, "--workdir", tmp_path, "--no-wait")
    assert submitted.exit_code == 0, submitted.output
    assert f"hub-revisions watch-evals {tmp_path}" in submitted.stderr
    found = stored(hub, pushed)
    assert {p.step for p in found.pending} == {*STEPS}
    assert {p.engine for p in found.pending} == {"local"}
    early = run("watch-evals", tmp_path, "--deadline", 0.3)
    assert early.exit_code == 3
    for folder in job_folders(tmp_path):
        (folder / "go").touch()
    done = run("watch-evals", tmp_path, "--json")
    assert done.exit_code == 0, done.output
    assert {e["state"] for e in json.loads(done.stdout)["evaluations"]} == {"succeeded"}
    found = stored(hub, pushed)
    assert (len(found.results), found.pending) == (3, ())
    assert run("watch-evals", tmp_path).exit_code == 0  # nothing is left, nothing happens


def test_interrupted_it_says_how_to_go_on(
    hub: LocalHub, pushed: str, configured: Any, tmp_path: Path
) -> None:
    config = configured(WAITS)
    arguments = ("eval", pushed, "--config", config, "--workdir", tmp_path / "work")
    with Child(tmp_path, EVAL, *arguments) as child:
        until(
            lambda: len(list((tmp_path / "work").rglob("began"))) == 3,
            "the evaluators never began",
        )
        beside = run("watch-evals", tmp_path / "work")
        assert beside.exit_code == 2
        assert f"looked after by process {child.process.pid}" in " ".join(beside.stderr.split())
        child.send(signal.SIGINT)
        assert child.ends() == 130
        assert "hub-revisions watch-evals" in child.output
    for folder in job_folders(tmp_path / "work"):
        (folder / "go").touch()
    assert run("watch-evals", tmp_path / "work").exit_code == 0
    assert len(stored(hub, pushed).results) == 3


def test_wrong_usage(pushed: str, configured: Any, tmp_path: Path) -> None:
    nothing = run("watch-evals", tmp_path / "nowhere")
    assert nothing.exit_code == 2
    assert "holds no evaluations" in " ".join(nothing.stderr.split())
    assert not (tmp_path / "nowhere").exists()
    wrong = run("eval", pushed, "--config", configured(GOOD, engin="local"))
    assert wrong.exit_code == 2
    assert "did you mean 'engine'?" in wrong.stderr
    unusable = configured(GOOD, engine="command", options={"submit": ["no-such-scheduler"]})
    away = run("eval", pushed, "--config", unusable, "--workdir", tmp_path)
    assert away.exit_code == 1
    assert "'no-such-scheduler' cannot be found" in " ".join(away.stderr.split())


def test_the_built_in_evaluator_reads_a_private_revision(
    hub: LocalHub, repo_id: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_TOKEN", hub.token)
    monkeypatch.setenv("HF_ENDPOINT", hub.endpoint)
    api = HfApi(endpoint=hub.endpoint, token=hub.token)
    api.create_repo(repo_id, private=True)
    tokenizer = make_tokenizer()
    tokenizer.save_pretrained(tmp_path / "model")
    make_model(tokenizer).save_pretrained(tmp_path / "model")
    api.upload_folder(repo_id=repo_id, folder_path=tmp_path / "model")
    (tmp_path / "heldout.txt").write_text("the otter swims. " * 30)
    example = json.loads((CONFIGS / "eval-local.json").read_text())
    config = tmp_path / "eval.json"
    monkeypatch.setenv("PYTHONPATH", ":".join(sys.path))
    for pass_token, expected in [(False, 3), (True, 0)]:
        config.write_text(json.dumps(example | {"pass_token": pass_token}))
        done = run(
            *("eval", repo_id, "--config", config, "--workdir", tmp_path, "--revision", "main"),
            "--json",
        )
        assert done.exit_code == expected, done.output
        (told,) = json.loads(done.stdout)["evaluations"]
        assert ("pass_token" in told["reason"]) is not pass_token
    (result,) = [r for r in stored(hub, repo_id).results if r.outcome == "succeeded"]
    assert {m.key for m in result.metrics} == {"heldout/loss", "heldout/perplexity"}
