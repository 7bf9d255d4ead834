"""Which setting wins, what is said about where it came from, and what is refused."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from hub_revisions import ConfigError, RevisionPusher
from hub_revisions.credentials import find_token
from hub_revisions.settings import resolve

ROOT = Path(__file__).resolve().parents[2]
SECRET = "hf_do_not_show_me"


def training_args(**values: Any) -> SimpleNamespace:
    return SimpleNamespace(**values)


def test_defaults_are_the_schemas() -> None:
    schema = json.loads((ROOT / "configs" / "schema.json").read_text())["properties"]
    effective = resolve(environment={})
    assert effective.values == {key: rule["default"] for key, rule in schema.items()}
    assert set(effective.origins.values()) == {"default"}


def test_each_layer_wins_over_the_one_below(tmp_path: Path) -> None:
    file = tmp_path / "run.json"
    file.write_text('{"repo_id": "file", "revision": "file"}')
    effective = resolve(
        {"repo_id": "keyword"},
        file,
        training_args=training_args(
            hub_model_id="args", hub_revision="args", hub_private_repo=True, push_to_hub=False
        ),
        output_dir=tmp_path,
        environment={"HF_ENDPOINT": "http://environment", "HF_HUB_OFFLINE": "1"},
    )
    found = {key: (effective[key], effective.origins[key]) for key in effective.values}
    assert found["repo_id"] == ("keyword", "keyword argument")
    assert found["revision"] == ("file", str(file))
    assert found["private"] == (True, "TrainingArguments.hub_private_repo")
    assert found["endpoint"] == ("http://environment", "HF_ENDPOINT")
    assert found["mode"] == ("spool", "HF_HUB_OFFLINE")
    assert found["eos"] == ("align", "default")


def test_a_keyword_wins_over_the_environment() -> None:
    effective = resolve({"mode": "push"}, environment={"HF_HUB_OFFLINE": "yes"})
    assert effective["mode"] == "push"


def test_the_repository_is_named_after_output_dir(tmp_path: Path) -> None:
    effective = resolve(training_args=training_args(hub_model_id=None), output_dir=tmp_path)
    assert effective["repo_id"] == tmp_path.name
    assert effective.origins["repo_id"] == "name of output_dir"


def test_open_r1s_name_of_the_revision_is_known() -> None:
    both = training_args(hub_revision=None, hub_model_revision="v01")
    effective = resolve(training_args=both)
    assert effective["revision"] == "v01"
    assert effective.origins["revision"] == "TrainingArguments.hub_model_revision"


@pytest.mark.parametrize(
    ("keywords", "words"),
    [
        ({"repo": "x"}, ["keyword argument", "'repo'", "did you mean"]),
        ({"concurency": 2}, ["'concurency'", "'concurrency'"]),
        ({"concurrency": "two"}, ["'concurrency'", "integer"]),
        ({"concurrency": 0}, ["'concurrency'", "between 1 and 64"]),
        ({"eos": "maybe"}, ["'eos'", "align, replace, off"]),
        ({"repo_id": object()}, ["'repo_id'", "object"]),
        ({"retry_max_delay": float("nan")}, ["'retry_max_delay'"]),
        ({"hub_token": SECRET}, ["'hub_token'", "HF_TOKEN"]),
    ],
)
def test_a_wrong_setting_names_origin_key_and_remedy(
    keywords: dict[str, Any], words: list[str]
) -> None:
    with pytest.raises(ConfigError) as caught:
        resolve(keywords)
    assert all(word in str(caught.value) for word in words), str(caught.value)
    assert SECRET not in str(caught.value)
    assert (caught.value.kind, caught.value.retryable) == ("config", False)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('{\n  "eos": "align",\n}', ["line 3"]),
        ("", ["line 1"]),
        ("[]", ["JSON object"]),
        ('{"evaluation": true}', ["unknown setting 'evaluation'"]),
        ('{"token": "hf_do_not_show_me"}', ["tokens are never settings"]),
        (b"\xff\xfe{\x00", ["UTF-8"]),
    ],
)
def test_a_wrong_file_is_named(tmp_path: Path, text: str | bytes, words: list[str]) -> None:
    file = tmp_path / "wrong.json"
    file.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(ConfigError) as caught:
        resolve(config=file)
    assert all(word in str(caught.value) for word in [str(file), *words]), str(caught.value)
    assert SECRET not in str(caught.value)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"nowhere\.json: cannot be read \(No such file"):
        resolve(config=tmp_path / "nowhere.json")


@pytest.mark.parametrize("name", ["minimal.json", "sft.json", "grpo.json"])
def test_the_example_files_are_valid(name: str) -> None:
    file = ROOT / "configs" / name
    effective = resolve(config=file)
    assert effective.origins["repo_id"] == str(file)


def test_the_reference_is_current() -> None:
    done = subprocess.run(
        [sys.executable, ROOT / "scripts" / "make_reference", "--check"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr


def test_the_token_is_found_where_huggingface_hub_finds_it(tmp_path: Path) -> None:
    (tmp_path / "token").write_text("from-file\n")
    environment = {"HF_HOME": str(tmp_path)}
    assert find_token(environment=environment).value == "from-file"
    assert find_token(environment=environment).origin == str(tmp_path / "token")
    environment["HUGGING_FACE_HUB_TOKEN"] = "old-name"
    assert find_token(environment=environment).value == "old-name"
    environment["HF_TOKEN"] = " from-environment\n"
    assert find_token(environment=environment).value == "from-environment"
    args = training_args(hub_token="from-args")
    assert find_token(None, args, environment).origin == "TrainingArguments.hub_token"
    assert find_token("from-argument", args, environment).value == "from-argument"


def test_a_token_file_elsewhere(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("elsewhere")
    found = find_token(environment={"HF_TOKEN_PATH": str(tmp_path / "secret"), "HF_HOME": "/x"})
    assert found.value == "elsewhere"


def test_no_token_is_found(tmp_path: Path) -> None:
    missing = find_token(environment={"HF_HOME": str(tmp_path)})
    assert not missing
    assert str(missing) == "missing"


def test_a_token_does_not_show() -> None:
    token = find_token(environment={"HF_TOKEN": SECRET})
    assert SECRET not in f"{token!r} {token}"
    assert str(token) == "set (HF_TOKEN)"


def test_a_token_is_written_nowhere(tmp_path: Path) -> None:
    with RevisionPusher(tmp_path, repo_id="me/model", token=SECRET, mode="spool") as pusher:
        assert SECRET not in repr(pusher.status())
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert files
    assert not [path for path in files if SECRET in path.read_text(errors="replace")]
