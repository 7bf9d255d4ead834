"""A whole training that evaluates, points, picks, promotes and prunes by itself."""

from __future__ import annotations

import hashlib
import json
import logging
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml
from child_process import until
from holding_proxy import HoldingProxy
from hub_revisions import ConfigError, HubRevisionCallback, RevisionPusher
from hub_revisions.drain import finish
from hub_revisions.local_hub import LocalHub
from hub_revisions.repository import Repository
from hub_revisions.results.store import read_records
from hub_revisions.selection.decision import read_decisions
from tiny_training import branches, download, make_trainer, write_checkpoint

# Step 2 is the best, step 3 cannot be evaluated.
EVALUATOR = """
import json, sys
step = int(sys.argv[1])
if step == 3:
    sys.exit("the evaluator has no opinion")
score = {1: 0.25, 2: 0.75}.get(step, 0.5)
metrics = {"score": {"value": score, "mode": "max", "stderr": 0.01, "n": 100}}
json.dump({"schema": "ckpt-metrics/1", "sha": sys.argv[2], "metrics": metrics}, open("r.json", "w"))
"""


@pytest.fixture
def evaluate(tmp_path: Path) -> dict[str, Any]:
    """A configuration whose one suite takes milliseconds."""
    script = tmp_path / "evaluator.py"
    script.write_text(EVALUATOR)
    command = ["{python}", str(script), "{step}", "{commit}"]
    suite = {"name": "quality", "command": command, "results": "r.json"}
    return {"suites": [suite | {"benchmarks": {"quality/*": "me/benchmark#hard"}}]}


def repository(where: dict[str, Any]) -> Repository:
    settings = dict(where)
    return Repository(settings.pop("repo_id"), **settings)


def test_a_training_evaluates_picks_and_promotes(
    hub: LocalHub, where: dict[str, Any], evaluate: dict[str, Any], tmp_path: Path
) -> None:
    callback = HubRevisionCallback(
        **where,
        evaluate=evaluate,
        pick="quality/score",
        promote="main",
        pointers=["latest", "best"],
    )
    make_trainer(tmp_path / "out", callback, max_steps=3).train()
    contents = repository(where).read()
    by_name = {revision.revision: revision for revision in contents.revisions}
    assert by_name["main"].promoted == "step-000000002"
    assert by_name["best"].pointer_to == "step-000000002"
    assert by_name["latest"].pointer_to == "step-000000003"

    stored = read_records(contents.records)
    assert stored.problems == ()
    assert stored.pending == ()
    outcomes = {result.step: result.outcome for result in stored.results}
    assert outcomes == {1: "succeeded", 2: "succeeded", 3: "failed"}
    [decision] = read_decisions(contents.records).decisions
    assert decision.winner is not None
    assert (decision.winner.revision, decision.winner.score) == ("step-000000002", 0.75)
    assert decision.excluded[0].reason.endswith("the evaluator has no opinion")

    folder = download(hub, where["repo_id"], "main", tmp_path / "main")
    card = (folder / "README.md").read_text()
    assert "quality/score" in card
    assert "0.75 ± 0.01 (n = 100)" in card
    assert "![" in card
    [entry] = yaml.safe_load((folder / ".eval_results" / "quality.yaml").read_text())
    assert entry["dataset"] == {"id": "me/benchmark", "task_id": "hard"}
    assert entry["value"] == 0.75
    assert (folder / "revisions.svg").read_text().startswith("<svg")
    best = download(hub, where["repo_id"], "best", tmp_path / "best")
    assert (folder / "model.safetensors").read_bytes() == (best / "model.safetensors").read_bytes()


def test_a_loop_of_ones_own_chooses_at_its_end(where: dict[str, Any], tmp_path: Path) -> None:
    with RevisionPusher(tmp_path, **where, promote="main") as pusher:
        for step, loss in ((1, 0.5), (2, 0.25), (3, 0.75)):
            folder = tmp_path / f"checkpoint-{step}"
            pusher.submit(write_checkpoint(folder, step=step, eval_loss=loss))
    by_name = {r.revision: r for r in repository(where).read().revisions}
    assert by_name["main"].promoted == "step-000000002"


def test_a_mistake_of_ours_at_the_end_is_told_and_ends_nothing(
    where: dict[str, Any],
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("hub_revisions.choosing.promote_revision", lambda *_, **__: 1 / 0)
    rule = {"metric": "eval_loss", "require": ["eval_loss<9"]}
    with RevisionPusher(tmp_path, **where, pick=rule, promote="main") as pusher:
        pusher.submit(write_checkpoint(tmp_path / "checkpoint-1", step=1, eval_loss=0.5))
    assert "main was not moved: ZeroDivisionError" in caplog.text
    command = f"pick {where['repo_id']} --metric eval_loss --require 'eval_loss<9.0' --promote main"
    assert command in caplog.text


def test_the_latest_of_two_saves_in_one_millisecond(where: dict[str, Any], tmp_path: Path) -> None:
    with RevisionPusher(tmp_path / "out", **where) as pusher:
        for step in (1, 2):
            pusher.submit(write_checkpoint(tmp_path / f"checkpoint-{step}", step=step))
    at_once = [replace(record, created_ms=0) for record in pusher.records()]
    with RevisionPusher(tmp_path / "other", **where, pointers=["latest"]) as pusher:
        assert pusher.choosing is not None
        pusher.choosing.pushed(reversed(at_once))  # the order in which their pushes ended
    by_name = {revision.revision: revision for revision in repository(where).read().revisions}
    assert by_name["latest"].pointer_to == "step-000000002"


def test_without_an_answer_main_stays(
    where: dict[str, Any],
    evaluate: dict[str, Any],
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    evaluate["suites"][0]["command"] = ["{python}", "-c", "raise SystemExit(7)"]
    settings = dict(where, evaluate=evaluate, pick="quality/score:max", promote="main")
    pusher = RevisionPusher(tmp_path, **settings)
    pusher.submit(write_checkpoint(tmp_path / "checkpoint-1", step=1))
    with caplog.at_level(logging.INFO, "hub_revisions"):
        assert finish(pusher, progress_bar=False)
    assert "main was not moved" in caplog.text
    assert "hub-revisions pick" in caplog.text
    by_name = {r.revision: r for r in repository(where).read().revisions}
    assert by_name["main"].promoted == ""


def test_what_was_pushed_before_a_crash_is_evaluated_at_the_next_start(
    where: dict[str, Any], evaluate: dict[str, Any], tmp_path: Path
) -> None:
    with RevisionPusher(tmp_path, **where) as pusher:
        pusher.submit(write_checkpoint(tmp_path / "checkpoint-2", step=2))
    with RevisionPusher(tmp_path, **where, evaluate=evaluate) as pusher:
        assert pusher.choosing is not None
        assert pusher.choosing.runner is not None
        assert pusher.choosing.runner.wait(60)
    [result] = read_records(repository(where).read().records).results
    assert (result.revision, result.outcome) == ("step-000000002", "succeeded")


def test_retention_deletes_during_training(
    hub: LocalHub, where: dict[str, Any], tmp_path: Path
) -> None:
    settings = dict(where, retention={"keep_best": 1, "keep_last": 1}, pick="eval_loss:min")
    pusher = RevisionPusher(tmp_path, **settings)
    for step, loss in enumerate((0.1, 0.9, 0.8, 0.7), 1):
        folder = write_checkpoint(tmp_path / f"checkpoint-{step}", step=step, eval_loss=loss)
        pusher.wait(pusher.submit(folder))
    assert finish(pusher, progress_bar=False)
    assert branches(hub, where["repo_id"]) == {"main", "step-000000001", "step-000000004"}


def test_weights_that_a_push_may_refer_to_stay_until_it_has_ended(
    hub: LocalHub, where: dict[str, Any], tmp_path: Path
) -> None:
    keep = {"keep_best": 1, "purge_lfs": True}
    settings = dict(where, retention=keep, pick="eval_loss:min")
    losses = {1: 0.1, 2: 0.9, 3: 0.8, 4: 0.7, 5: 0.6}
    folders = {
        step: write_checkpoint(
            tmp_path / f"checkpoint-{step}", step=step, size=16 + step, eval_loss=loss
        )
        for step, loss in losses.items()
    }
    weights = hashlib.sha256((folders[3] / "model.safetensors").read_bytes()).hexdigest()
    names = {step: f"step-{step:09d}" for step in losses}
    with HoldingProxy(hub) as proxy:
        hold = proxy.hold(f"PUT .*{weights}")
        pusher = RevisionPusher(tmp_path, **settings | {"endpoint": proxy.endpoint})
        pusher.wait(pusher.submit(folders[1]), timeout=60)
        pusher.submit(folders[3])
        hold.wait()
        for step in (2, 4, 5):
            pusher.wait(pusher.submit(folders[step]), timeout=60)
        until(lambda: names[2] not in branches(hub, where["repo_id"]), "nothing is deleted")
        assert branches(hub, where["repo_id"]) == {"main", *(names[step] for step in (1, 4, 5))}
        hold.release()
        assert finish(pusher, progress_bar=False)
    assert branches(hub, where["repo_id"]) == {"main", names[1]}


def test_retention_waits_for_evaluations(
    hub: LocalHub, where: dict[str, Any], evaluate: dict[str, Any], tmp_path: Path
) -> None:
    keep = {"keep_best": 1}
    settings = dict(where, retention=keep, evaluate=evaluate, pick="quality/score:max")
    pusher = RevisionPusher(tmp_path, **settings)
    for step in (1, 2, 4):
        pusher.submit(write_checkpoint(tmp_path / f"checkpoint-{step}", step=step))
    assert pusher.choosing is not None
    assert pusher.choosing.runner is not None
    assert pusher.wait(timeout=60)
    pusher.choosing.pushed(pusher.status())
    # Were one deleted before its turn, its evaluation would have failed.
    assert pusher.choosing.runner.wait(60)
    assert finish(pusher, progress_bar=False)
    results = read_records(repository(where).read().records).results
    assert {(one.step, one.outcome) for one in results} == {
        (1, "succeeded"),
        (2, "succeeded"),
        (4, "succeeded"),
    }
    assert branches(hub, where["repo_id"]) == {"main", "evaluations", "step-000000002"}


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"pick": "a:min, b"}, ""),
        ({"pick": {"metric": "a", "tolerence": 1}}, "'pick' has an unknown key 'tolerence'"),
        ({"pick": {"metric": "a", "mode": "least"}}, "'pick': mode must be 'min' or 'max'"),
        ({"retention": {"keep_best": 0}}, "'retention': keep_best must be a whole number"),
        ({"retention": {"keep": 1}}, "'retention' has an unknown key 'keep'"),
        ({"retention": {"keep_last": 1, "purge_lfs": 1}}, "purge_lfs must be true or false"),
        ({"pointers": ["newest"]}, "'pointers' must be a list of latest, best"),
        ({"promote": "evaluations"}, "'evaluations' is the branch of results"),
        ({"evaluate": "no-such.json"}, "no-such.json: cannot be read"),
        ({"evaluate": {"suits": []}}, "did you mean 'suites'"),
        ({"evaluate": 3}, "'evaluate' must be string, object, null"),
    ],
)
def test_wrong_settings_are_told_at_once(settings: dict[str, Any], words: str) -> None:
    if not words:
        HubRevisionCallback(**settings)  # a name may hold anything
        return
    for as_config in (False, True):
        with pytest.raises(ConfigError) as caught:
            HubRevisionCallback(settings) if as_config else HubRevisionCallback(**settings)
        assert words in str(caught.value), json.dumps(str(caught.value))
