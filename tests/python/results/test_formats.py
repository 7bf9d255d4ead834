"""What is read of the files that evaluators write."""

from __future__ import annotations

import copy
import json
import os
from pathlib import Path
from typing import Any

import pytest
from hub_revisions import HubRevisionError
from hub_revisions.results.formats import read_file, read_results
from hub_revisions.results.types import Metric

from .documents import (
    COMMIT,
    REPO,
    REVISION,
    lighteval,
    lm_eval,
    old_lighteval,
    trainer_state,
    vllm,
)


def write(folder: Path, document: Any, name: str = "results.json") -> Path:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(document if isinstance(document, str) else json.dumps(document))
    return path


def read(path: Path, suite: str = "", **changes: str) -> tuple[str, dict[str, Metric]]:
    about = {"commit": COMMIT, "revision": REVISION, "repo_id": REPO} | changes
    form, metrics = read_file(path, **about, suite=suite)
    return form, {metric.key: metric for metric in metrics}


def metrics_of(folder: Path, document: Any, suite: str = "") -> dict[str, Metric]:
    return read(write(folder, document), suite)[1]


# lighteval.


def test_lighteval(tmp_path: Path) -> None:
    form, metrics = read(write(tmp_path, lighteval()))
    assert form == "lighteval"
    assert sorted(metrics) == [
        "all/acc",
        "all/extractive_match",
        "gsm8k@5/extractive_match",
        "mmlu:_average@0/acc",
        "mmlu:art@0/acc",
        "mmlu:art@0/pass@k:k=1",
        "mmlu:law@0/acc",
    ]
    gsm8k = metrics["gsm8k@5/extractive_match"]
    assert (gsm8k.value, gsm8k.stderr, gsm8k.n, gsm8k.mode) == (0.7, 0.0126, 1319, "max")
    assert not gsm8k.partial
    assert metrics["mmlu:art@0/acc"].mode == "max"
    assert metrics["mmlu:art@0/acc"].n is None
    assert metrics["mmlu:law@0/acc"].mode is None


def test_lightevals_old_names_are_todays(tmp_path: Path) -> None:
    metrics = metrics_of(tmp_path, old_lighteval())
    assert sorted(metrics) == [
        "arc:challenge@25/acc_norm",
        # Two suites have this task, so that the suite must be told.
        "leaderboard|gsm8k@0/em",
        "lighteval|gsm8k@0/em",
    ]
    assert metrics["lighteval|gsm8k@0/em"].mode == "max"


def test_lightevals_limit_makes_it_partial(tmp_path: Path) -> None:
    limited = lighteval(max_samples=10)
    limited["config_tasks"]["gsm8k|5"]["effective_num_docs"] = 10
    metrics = metrics_of(tmp_path, limited)
    assert {metric.partial for metric in metrics.values()} == {True}
    assert metrics["gsm8k@5/extractive_match"].n == 10
    # A limit above what there is leaves nothing out.
    large = lighteval(max_samples=5000)
    assert not metrics_of(tmp_path, large)["gsm8k@5/extractive_match"].partial


def test_means_compare_over_the_same_tasks_only(tmp_path: Path) -> None:
    whole = metrics_of(tmp_path, lighteval())
    fewer = lighteval()
    del fewer["results"]["gsm8k|5"]
    fewer["results"]["mmlu:law|5"] = {"acc": 0.5}  # of another mean
    some = metrics_of(tmp_path, fewer)
    assert whole["all/acc"].fingerprint != some["all/acc"].fingerprint
    assert whole["mmlu:law@0/acc"].fingerprint == some["mmlu:law@0/acc"].fingerprint
    assert whole["mmlu:_average@0/acc"].fingerprint == some["mmlu:_average@0/acc"].fingerprint


# lm-evaluation-harness.


def test_lm_eval(tmp_path: Path) -> None:
    form, metrics = read(write(tmp_path, lm_eval()))
    assert form == "lm-eval"
    assert sorted(metrics) == [
        "gsm8k@5/exact_match[flexible-extract]",
        "gsm8k@5/exact_match[strict-match]",
        "mmlu@0/acc",
        "mmlu_art@0/acc",
        "mmlu_law@0/acc",
        "wikitext@0/word_perplexity",
    ]
    strict = metrics["gsm8k@5/exact_match[strict-match]"]
    assert (strict.value, strict.stderr, strict.n, strict.mode) == (0.51, 0.0138, 1319, "max")
    flexible = metrics["gsm8k@5/exact_match[flexible-extract]"]
    assert (flexible.value, flexible.stderr) == (0.53, None)  # its error is "N/A"
    assert metrics["wikitext@0/word_perplexity"].mode == "min"
    assert metrics["mmlu@0/acc"].n == 150
    assert metrics["mmlu_law@0/acc"].mode is None


def test_lm_eval_partial(tmp_path: Path) -> None:
    limited = lm_eval()
    limited["n-samples"]["mmlu_law"]["effective"] = 10
    metrics = metrics_of(tmp_path, limited)
    partial = {key for key, metric in metrics.items() if metric.partial}
    assert partial == {"mmlu_law@0/acc", "mmlu@0/acc"}
    assert metrics["mmlu@0/acc"].n == 60
    uncounted = lm_eval()
    del uncounted["n-samples"]
    assert not metrics_of(tmp_path, uncounted)["mmlu@0/acc"].partial
    uncounted["config"]["limit"] = 100
    assert metrics_of(tmp_path, uncounted)["mmlu@0/acc"].partial


def test_lm_eval_of_old(tmp_path: Path) -> None:
    old = {
        "results": {"arc": {"acc": 0.3, "acc_stderr": 0.01, "bypass": 999}},
        "versions": {"arc": 0},
        "config": {"model_args": f"pretrained={REPO},revision={REVISION}"},
    }
    assert metrics_of(tmp_path, old) == {
        "arc/acc": Metric(
            "arc/acc", 0.3, 0.01, fingerprint=metrics_of(tmp_path, old)["arc/acc"].fingerprint
        )
    }


def test_groups_that_contain_themselves_end(tmp_path: Path) -> None:
    circular = lm_eval()
    circular["group_subtasks"]["mmlu_humanities"] = ["mmlu", "mmlu_law"]
    assert metrics_of(tmp_path, circular)["mmlu@0/acc"].n == 100


@pytest.mark.parametrize(
    ("change", "kept"),
    [
        (lambda d: d["versions"].update(gsm8k=4.0), False),
        (lambda d: d["n-shot"].update(gsm8k=8), False),
        (lambda d: d.update(chat_template_sha="ff"), False),
        (lambda d: d.update(lm_eval_version="0.4.14"), False),
        (lambda d: d["configs"]["gsm8k"]["generation_kwargs"].update(temperature=1), False),
        (lambda d: d["config"].update(gen_kwargs="top_p=0.9"), False),
        (lambda d: d["n-samples"]["gsm8k"].update(effective=9), False),
        (lambda d: d["results"]["gsm8k"].update({"exact_match,strict-match": 0.1}), True),
        (lambda d: d.update(date=1.0, git_hash="x", transformers_version="6"), True),
        (lambda d: d["versions"].update(mmlu_law=9), True),
    ],
)
def test_what_a_fingerprint_stands_for(tmp_path: Path, change: Any, kept: bool) -> None:
    def fingerprint(document: dict[str, Any]) -> str:
        found = metrics_of(tmp_path, document).values()
        (only,) = {one.fingerprint for one in found if one.key.endswith("[strict-match]")}
        return only

    changed = lm_eval()
    change(changed)
    assert (fingerprint(changed) == fingerprint(lm_eval())) is kept


def test_a_groups_fingerprint_covers_its_tasks(tmp_path: Path) -> None:
    changed = lm_eval()
    changed["versions"]["mmlu_law"] = 9
    before, after = metrics_of(tmp_path, lm_eval()), metrics_of(tmp_path, changed)
    assert before["mmlu@0/acc"].fingerprint != after["mmlu@0/acc"].fingerprint


# What people write themselves.


def test_the_trainers_state(tmp_path: Path) -> None:
    path = write(tmp_path, trainer_state())
    form, metrics = read(path)
    assert form == "trainer"
    assert {key: metric.value for key, metric in metrics.items()} == {
        "eval_loss": 2.0,
        "eval_code_loss": 2.25,
    }
    assert "heldout/eval_loss" in read(path, suite="heldout")[1]


def test_a_step_that_was_not_evaluated_has_no_numbers_of_another(tmp_path: Path) -> None:
    later = trainer_state() | {"global_step": 150}
    with pytest.raises(HubRevisionError, match="at step 150, holds no metrics"):
        read(write(tmp_path, later))


def test_an_object_of_numbers(tmp_path: Path) -> None:
    document = {
        "acc": 0.5,
        "acc_stderr": 0.01,
        "count": 3,
        "broken": "N/A",
        "nothing": None,
        "eval_runtime": 3.0,
        "note": "of today",
        "done": True,
        "sha": COMMIT,
    }
    path = write(tmp_path, document)
    form, metrics = read(path)
    assert form == "flat"
    assert metrics == {
        "acc": Metric("acc", 0.5, stderr=0.01),
        "count": Metric("count", 3.0),
        "broken": Metric("broken", None, problem="is 'N/A'"),
        "nothing": Metric("nothing", None, problem="is null"),
    }
    assert sorted(read(path, suite="mine")[1]) == sorted(f"mine/{key}" for key in metrics)


def test_our_own_form(tmp_path: Path) -> None:
    document = {
        "schema": "ckpt-metrics/1",
        "sha": COMMIT,
        "fingerprint": "v1",
        "metrics": {
            "acc": 0.51,
            "gsm8k@5/em": {
                "value": 0.4,
                "stderr": 0.013,
                "n": 1319,
                "partial": True,
                "mode": "max",
                "fingerprint": "v2",
            },
        },
    }
    form, metrics = read(write(tmp_path, document), suite="mine")
    assert form == "ckpt-metrics/1"
    assert metrics == {
        "mine/acc": Metric("mine/acc", 0.51, fingerprint="v1"),
        "gsm8k@5/em": Metric("gsm8k@5/em", 0.4, 0.013, 1319, True, "max", "v2"),
    }


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"metrics": [1]}, "'metrics' must be an object"),
        ({"metrics": {}}, "holds no metrics"),
        ({"metric": {}}, "unknown field 'metric'"),
        ({"metrics": {"a": {"val": 1}}}, "'a': unknown field 'val'; known are fingerprint"),
        ({"metrics": {"a": {"value": 1, "mode": "up"}}}, "'mode' is 'min' or 'max'"),
        ({"metrics": {"a": {"value": 1, "partial": 1}}}, "'partial' is true or false"),
        ({"metrics": {"a\n": 1}}, "cannot be printed"),
        ({"metrics": {"a" * 400: 1}}, "too long"),
    ],
)
def test_mistakes_in_our_own_form(tmp_path: Path, change: dict[str, Any], words: str) -> None:
    document = {"schema": "ckpt-metrics/1", "metrics": {"acc": 1}} | change
    with pytest.raises(HubRevisionError, match=words) as caught:
        read(write(tmp_path, document))
    assert "results.json" in str(caught.value)


@pytest.mark.parametrize("as_yaml", [False, True])
def test_the_hubs_evaluation_results(tmp_path: Path, as_yaml: bool) -> None:
    yaml = """\
# Of the Hub.
- dataset:
    id: cais/hle
    task_id: default
    revision: abc
  value: 20.90
  date: "2025-01-15"
- dataset: {id: openai/gsm8k}
  value: n/a
"""
    document = [
        {"dataset": {"id": "cais/hle", "task_id": "default", "revision": "abc"}, "value": 20.9},
        {"dataset": {"id": "openai/gsm8k"}, "value": "n/a"},
    ]
    form, metrics = read(write(tmp_path, yaml if as_yaml else document, "x.yaml"))
    assert form == "eval_results"
    assert {key: metric.value for key, metric in metrics.items()} == {
        "cais/hle/default": 20.9,
        "openai/gsm8k/value": None,
    }
    assert metrics["cais/hle/default"].fingerprint
    assert metrics["cais/hle/default"].benchmark == "cais/hle#default"


# Numbers that are none.


@pytest.mark.parametrize(
    ("written", "problem"),
    [
        ("NaN", "is NaN"),
        ("Infinity", "is infinite"),
        ("-Infinity", "is infinite"),
        ("1e999", "is infinite"),
        ("1" + "0" * 390, "is infinite"),
        ("1" + "0" * 100_000, "is infinite"),
        ('"N/A"', "is 'N/A'"),
        ("null", "is null"),
        ("[0.5]", "is no number"),
        ("true", "is true"),
    ],
)
def test_what_is_no_number_is_no_value(tmp_path: Path, written: str, problem: str) -> None:
    text = json.dumps(lm_eval()).replace("0.51", written)
    metric = metrics_of(tmp_path, text)["gsm8k@5/exact_match[strict-match]"]
    assert (metric.value, metric.problem, metric.stderr) == (None, problem, 0.0138)


@pytest.mark.parametrize("written", ["NaN", '"N/A"', "-1.0", "null"])
def test_a_standard_error_that_is_none_costs_not_the_value(tmp_path: Path, written: str) -> None:
    text = json.dumps(lm_eval()).replace("0.0138", written)
    metric = metrics_of(tmp_path, text)["gsm8k@5/exact_match[strict-match]"]
    assert (metric.value, metric.stderr, metric.problem) == (0.51, None, "")


# About which model and commit.

OTHER = "f" * 40


@pytest.mark.parametrize(
    ("document", "words"),
    [
        (lighteval(model_sha=OTHER), "is about commit ffffffffff, not 0123456789"),
        (
            lighteval(model_config={"model_name": REPO, "revision": "main"}),
            "is about revision 'main', not 0123456789",
        ),
        (
            lighteval(model_config={"model_name": "you/model"}),
            "the model 'you/model', not me/model",
        ),
        (vllm(f"pretrained={REPO},revision={OTHER}"), f"is about revision '{OTHER}'"),
        # Without the argument, it evaluates main.
        (vllm(f"pretrained={REPO}"), "is about revision 'main'"),
        (vllm({"pretrained": "gpt2"}), "the model 'gpt2', not me/model"),
        (vllm(f"pretrained=a/b,peft={REPO},revision=main"), "is about revision 'main'"),
        (
            vllm(f"pretrained=/root/hub/models--me--model/snapshots/{OTHER}"),
            "is about commit ffffffffff",
        ),
        (
            vllm(f"pretrained=/root/hub/models--me--other/snapshots/{COMMIT}"),
            "the model 'me/other'",
        ),
        ({"acc": 1, "sha": OTHER}, "is about commit ffffffffff"),
        ({"acc": 1, "revision": "step-000000200"}, "is about revision 'step-000000200'"),
        ({"acc": 1, "model": "you/model"}, "the model 'you/model'"),
        ({"acc": 1, "sha": "012345"}, "is about commit 012345"),  # too short to tell anything
    ],
)
def test_what_is_about_something_else_is_refused(
    tmp_path: Path, document: dict[str, Any], words: str
) -> None:
    with pytest.raises(HubRevisionError, match=words) as caught:
        read(write(tmp_path, document))
    assert "results.json" in str(caught.value)
    assert caught.value.kind in ("conflict", "invalid_input")


@pytest.mark.parametrize(
    "document",
    [
        lighteval(model_config={"model_name": REPO, "revision": REVISION}),
        lighteval(model_config={"model_name": "Me/Model", "revision": COMMIT[:12]}),
        lighteval(model_config={"model_name": "/scratch/step-100", "revision": "main"}),
        vllm(f"pretrained={REPO},revision={REVISION}"),
        vllm({"pretrained": REPO, "revision": COMMIT}),
        vllm("pretrained=/out/checkpoint-100,dtype=auto"),
        vllm(f"pretrained=/root/hub/models--me--model/snapshots/{COMMIT}"),
        vllm(f"pretrained=a/b,peft={REPO},revision={COMMIT}"),
        lm_eval(config={"model_args": f"pretrained={REPO}", "model_sha": COMMIT}),
        {"acc": 1, "sha": COMMIT.upper(), "revision": "a label"},
    ],
)
def test_what_is_about_this_commit_is_taken(tmp_path: Path, document: dict[str, Any]) -> None:
    assert read(write(tmp_path, document))


def test_a_repository_may_be_named_without_its_owner(tmp_path: Path) -> None:
    assert read(write(tmp_path, {"acc": 1, "model": "me/model"}), repo_id="model")


# Which file, and files that are none.


def read_in(folder: Path, pattern: str) -> tuple[str, tuple[Metric, ...]]:
    return read_results(folder, pattern, commit=COMMIT, revision=REVISION, repo_id=REPO)


def test_the_newest_file_counts(tmp_path: Path) -> None:
    old = write(tmp_path, {"acc": 0.1}, "out/results_z.json")
    new = write(tmp_path, {"acc": 0.2}, "out/deep/results_a.json")
    os.utime(old, ns=(1, 1_000))
    os.utime(new, ns=(1, 2_000))
    assert read_in(tmp_path, "**/results_*.json")[1] == (Metric("acc", 0.2),)
    os.utime(new, ns=(1, 1_000))
    assert read_in(tmp_path, "**/results_*.json")[1] == (Metric("acc", 0.1),)


def test_the_jobs_own_files_are_no_results(tmp_path: Path) -> None:
    write(tmp_path, {"exit_code": 0, "ended": 5}, "done.json")
    write(tmp_path, {"step": 5}, "request.json")
    with pytest.raises(HubRevisionError, match=r"no file in .* matches '\*\.json'") as caught:
        read_in(tmp_path, "*.json")
    assert caught.value.kind == "not_found"


@pytest.mark.parametrize("pattern", ["", "/etc/*.json", "../*.json", "a/../../b.json"])
def test_a_pattern_stays_inside(tmp_path: Path, pattern: str) -> None:
    with pytest.raises(HubRevisionError, match="must stay inside"):
        read_in(tmp_path, pattern)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "no valid JSON: it is empty"),
        (b"  \n", "it is empty"),
        (json.dumps(lm_eval()).encode()[:-40], "no valid JSON"),
        (b'{"acc": 0.5} {"acc": 0.6}', "no valid JSON"),
        (b'{"acc": 0.5, "acc": 0.6}', "'acc' stands twice"),
        (b'{"a": ' + b"[" * 100_000 + b"]" * 100_000 + b"}", "nested too deeply"),
        (b"\xff\xfe\x00", "no UTF-8"),
        (b"null", "in no known form"),
        (b"[]", "in no known form"),
        (b"[1, 2]", "in no known form"),
        (b"{}", "in no known form"),
        (b'"text"', "in no known form"),
        (b'{"results": {"a": {"b": 1}}}', "in no known form"),
        (b'{"note": "no numbers"}', "in no known form"),
        (b'{"schema": "ckpt-metrics/2", "metrics": {"a": 1}}', "in no known form"),
        (b'{"config_general": {}, "results": {}}', "holds no metrics"),
        (b'{"config_general": [], "results": {"a|0": 3, "b|x": {}}}', "holds no metrics"),
        (b'{"results": {"a": []}, "configs": 5, "versions": [], "config": 1}', "holds no metrics"),
        (b'{"log_history": {}}', "holds no metrics"),
        (b'{"log_history": [1, {"eval_loss": 2}]}', ""),
        (b"- dataset: [", "no YAML that can be read"),
        (b"- a\n- b\n", "in no known form"),
        (b"- &a [*a]\n", "no YAML that can be read"),
        (b"- dataset: x\n", "no 'dataset' with an 'id'"),
        ('{"\u2028": 1}'.encode(), "cannot be printed"),
        (b'{"\\ud800": 1}', "cannot be printed"),
    ],
)
def test_files_that_are_damaged_or_hostile(tmp_path: Path, content: bytes, words: str) -> None:
    path = tmp_path / "results.json"
    path.write_bytes(content)
    if not words:
        assert read(path)
        return
    with pytest.raises(HubRevisionError, match=words) as caught:
        read(path)
    assert str(path) in str(caught.value)


def test_files_that_are_no_files(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.json")
    (tmp_path / "folder.json").mkdir()
    with pytest.raises(HubRevisionError, match="no regular file"):
        read(tmp_path / "pipe.json")
    with pytest.raises(HubRevisionError, match="no regular file"):
        read(tmp_path / "folder.json")
    with pytest.raises(HubRevisionError, match=r"none\.json cannot be read: No such file"):
        read(tmp_path / "none.json")
    with pytest.raises(HubRevisionError, match="no file in"):
        read_in(tmp_path, "*.json")


def test_a_file_of_results_is_small(tmp_path: Path) -> None:
    path = tmp_path / "results.json"
    path.touch()
    os.truncate(path, 64 * 1024 * 1024 + 1)
    with pytest.raises(HubRevisionError, match="larger than 64 MiB"):
        read(path)


@pytest.mark.parametrize("document", [lighteval(), lm_eval(), trainer_state(), vllm("a=b")])
def test_a_file_with_anything_in_place_of_anything_gives_one_error(
    tmp_path: Path, document: dict[str, Any]
) -> None:
    """Each part of a real file is replaced in turn: it is read, or there is one error."""
    odd: list[Any] = [None, [], {}, "x", -1, {"a": [{}]}]
    for place in places(document):
        for value in odd:
            changed = copy.deepcopy(document)
            put(changed, place, value)
            try:
                read(write(tmp_path, changed))
            except HubRevisionError as error:
                assert "results.json" in str(error)


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    items: list[tuple[Any, Any]] = []
    if isinstance(value, dict):
        items = list(value.items())
    elif isinstance(value, list):
        items = list(enumerate(value))
    return [p for key, item in items for p in ((*path, key), *places(item, (*path, key)))]


def put(document: Any, place: tuple[Any, ...], value: Any) -> None:
    for key in place[:-1]:
        document = document[key]
    document[place[-1]] = value
