"""The evaluation configuration: what is accepted, and what an error says."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from hub_revisions import ConfigError
from hub_revisions.evaluation import config as module
from hub_revisions.evaluation.config import evaluation_key, load_config
from hub_revisions.evaluation.placeholders import expand

SCHEMA = json.loads(Path(module.__file__).with_name("schema.json").read_text())
SUITE = {"name": "heldout", "command": ["{python}", "eval.py"]}


def with_suite(**fields: Any) -> dict[str, Any]:
    return {"suites": [SUITE | fields]}


def test_the_schema_is_one() -> None:
    jsonschema.Draft202012Validator.check_schema(SCHEMA)


def test_what_is_left_out_has_the_schemas_defaults() -> None:
    config = load_config({"suites": [SUITE]})
    assert (config.engine, config.attempts, config.max_pending) == ("local", 2, None)
    assert config.options == {"max_parallel": 1, "gpus": []}
    assert (config.pass_token, config.pass_env) == (False, ())
    suite = config.suite("heldout")
    assert (suite.time_limit, suite.cpus, suite.gpus) == (3600, 1, 0)
    assert (suite.results, suite.required) == ("**/results*.json", ())


def test_a_file_says_where_it_lies(tmp_path: Path) -> None:
    path = tmp_path / "eval.json"
    path.write_text(json.dumps({"suites": [SUITE]}))
    assert load_config(path).config_dir == tmp_path
    assert load_config({"suites": [SUITE]}).config_dir == Path.cwd()


def test_its_plain_form_is_the_same_configuration(tmp_path: Path) -> None:
    config = load_config(
        with_suite(required=("a", "b"), env={"A": "1"}, command=("x", Path("y"))), tmp_path
    )
    plain = json.loads(json.dumps(config.to_json()))
    jsonschema.validate(plain, SCHEMA)
    assert load_config(plain, tmp_path) == config


@pytest.mark.parametrize(
    ("config", "says"),
    [
        ({}, "'suites' is missing"),
        ({"suites": []}, "'suites' must not be empty"),
        ({"suites": "x"}, "'suites' must be a list"),
        ({"suits": [SUITE]}, "'suits' is no known key; did you mean 'suites'?"),
        (with_suite(comand=["x"]), "'suites[0].comand' is no known key; did you mean 'command'?"),
        (with_suite(zzz=1), "'suites[0].zzz' is no known key; known are: name, command,"),
        ({"suites": [{"name": "a"}]}, "'suites[0].command' is missing"),
        (with_suite(command=[]), "'suites[0].command' must not be empty"),
        (with_suite(command=["", "x"]), "'suites[0].command' begins with an empty word"),
        (with_suite(command=["x", 1]), "'suites[0].command[1]' must be text"),
        (with_suite(command=["{comit}"]), "no placeholder {comit}; did you mean {commit}?"),
        (with_suite(name="a b"), "'suites[0].name' is 'a b'; it must match"),
        (with_suite(time_limit=0), "'suites[0].time_limit' is 0; it must be at least 1"),
        (with_suite(time_limit=True), "'suites[0].time_limit' must be an integer"),
        (with_suite(results="/etc/*"), "'suites[0].results' must be a pattern of paths inside"),
        (with_suite(results="../*"), "'suites[0].results' must be a pattern of paths inside"),
        (with_suite(gpus=1), "'options.gpus' lists 0 GPUs, but suite 'heldout' asks for 1"),
        ({"suites": [SUITE, SUITE]}, "'suites' has several named 'heldout'"),
        ({"suites": [SUITE], "engine": "slrum"}, "'engine' is 'slrum'; it must be one of: local,"),
        ({"suites": [SUITE], "attempts": 11}, "must be at least 1 and at most 10"),
        ({"suites": [SUITE], "max_pending": "3"}, "'max_pending' must be an integer or null"),
        ({"suites": [SUITE], "queue_limit": float("nan")}, "is no JSON object"),
        ({"suites": [SUITE], "options": {"max_paralel": 2}}, "did you mean 'max_parallel'?"),
        ({"suites": [SUITE], "engine": "webhook"}, "'options.url' is missing"),
        (
            {"suites": [SUITE], "engine": "command", "options": {"submit": ["x", "{job_di}"]}},
            "no placeholder {job_di}; did you mean {job_id}?",
        ),
        (
            {
                "suites": [SUITE],
                "engine": "command",
                "options": {"submit": ["x"], "id_regex": "job"},
            },
            "'options.id_regex' must have a group",
        ),
    ],
)
def test_an_error_names_the_key_and_the_remedy(config: dict[str, Any], says: str) -> None:
    with pytest.raises(ConfigError, match=re.escape(says)) as caught:
        load_config(config)
    assert str(caught.value).startswith("evaluation configuration: ")


@pytest.mark.parametrize(
    ("config", "place"),
    [
        (with_suite(command=["x", "hf_" + "a" * 34]), "suites[0].command[1]"),
        (with_suite(env={"A": "hf_" + "a" * 34}), "suites[0].env.A"),
        (with_suite(env={"OPENAI_API_KEY": "abc"}), "suites[0].env.OPENAI_API_KEY"),
        (with_suite(command=["curl", "https://me:pw@x.example"]), "suites[0].command[1]"),
        ({"suites": [SUITE], "pass_env": ["HF_TOKEN"]}, "pass_env"),
    ],
)
def test_secrets_are_refused_and_not_repeated(config: dict[str, Any], place: str) -> None:
    with pytest.raises(ConfigError, match=re.escape(place)) as caught:
        load_config(config)
    assert "aaaa" not in str(caught.value)
    assert "pw@" not in str(caught.value)
    assert "pass_" in str(caught.value)


def test_an_error_names_the_file(tmp_path: Path) -> None:
    path = tmp_path / "eval.json"
    path.write_text('{"suites": [}')
    with pytest.raises(ConfigError, match=rf"{path}: line 1"):
        load_config(path)
    path.write_text('{"suites": []}')
    with pytest.raises(ConfigError, match=rf"{path}: 'suites'"):
        load_config(path)


CONFIGS = Path(__file__).parents[3] / "configs"


@pytest.mark.parametrize("path", sorted(CONFIGS.glob("eval-*.json")), ids=lambda path: path.stem)
def test_the_examples_are_valid(path: Path) -> None:
    jsonschema.validate(json.loads(path.read_text()), SCHEMA)
    config = load_config(path)
    assert config.suites
    for suite in config.suites:
        assert any("{commit}" in word for word in suite.command)


def test_the_recipe_for_kubernetes_makes_a_pod() -> None:
    words = load_config(CONFIGS / "eval-command-kubernetes.json").options["submit"]
    values = {"key": "ev-1", "attempt": 1, "time_limit": 900, "cpus": 2, "gpus": 1}
    values |= {"script": "/shared/job/run.sh", "out_dir": "/shared/job"}
    expanded = expand(words, values)
    assert expanded[2] == "ev-1-1"
    overrides = next(word for word in expanded if word.startswith("--overrides="))
    spec = json.loads(overrides.partition("=")[2])["spec"]
    assert spec["activeDeadlineSeconds"] == 900
    assert spec["containers"][0]["command"] == ["bash", "/shared/job/run.sh", "/shared/job"]


def test_placeholders_are_replaced_once_and_in_place() -> None:
    values = {"commit": "{step}", "step": "a b", "gpus": 0}
    words = [
        "--x={commit},{gpus}",
        "{unknown}",
        "{.metadata.name}",
        '{"json": {"a": 1}}',
        "${step}",
    ]
    assert expand(words, values) == (
        *("--x={step},0", "{unknown}", "{.metadata.name}", '{"json": {"a": 1}}', "$a b"),
    )


def test_a_key_is_a_name_everywhere_and_changes_with_what_is_measured() -> None:
    suite = load_config({"suites": [SUITE]}).suite("heldout")
    key = evaluation_key("me/model", "c" * 40, "heldout", suite.identity, 100)
    assert re.fullmatch(r"ev-[0-9a-f]{12}-heldout-100", key)
    long = evaluation_key("me/model", "c" * 40, "A_b." * 30, suite.identity, None)
    assert re.fullmatch(r"[a-z0-9-]{1,59}[a-z0-9]", long)
    longer_limit = load_config(with_suite(time_limit=7)).suite("heldout")
    assert evaluation_key("me/model", "c" * 40, "heldout", longer_limit.identity, 100) == key
    others = [
        evaluation_key("me/other", "c" * 40, "heldout", suite.identity, 100),
        evaluation_key("me/model", "d" * 40, "heldout", suite.identity, 100),
        evaluation_key("me/model", "c" * 40, "other", suite.identity, 100),
        evaluation_key(
            "me/model",
            "c" * 40,
            "heldout",
            load_config(with_suite(command=["y"])).suite("heldout").identity,
            100,
        ),
    ]
    assert len({key[:15] for key in [key, *others]}) == 5
