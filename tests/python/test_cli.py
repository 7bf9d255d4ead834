"""The command line: output, exit status, and what it never shows."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from command_line import document, run
from hub_revisions import RevisionPusher
from hub_revisions.cli.app import COMMANDS
from hub_revisions.local_hub import LocalHub
from tiny_training import branches, write_checkpoint

SECRET = "hf_do_not_show_me"


@pytest.fixture
def hub_options(hub: LocalHub, monkeypatch: pytest.MonkeyPatch) -> tuple[str, ...]:
    """The token in the environment, and options that lead to the local hub."""
    monkeypatch.setenv("HF_TOKEN", hub.token)
    return ("--endpoint", hub.endpoint)


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_explains_itself(command: str) -> None:
    result = run(*command.split(), "--help")
    assert result.exit_code == 0
    assert len(result.stdout.splitlines()) > 3
    assert "--token" not in result.stdout


def test_the_help_says_where_the_token_comes_from_and_what_status_means() -> None:
    text = " ".join(run("--help").stdout.split())
    assert "HF_TOKEN" in text
    assert "130 interrupted" in text
    assert {name.split()[0] for name in COMMANDS} <= set(text.split())
    assert "schema" in run("config", "--help").stdout


@pytest.mark.parametrize("words", [(), ("config",)])
def test_without_a_command_there_is_help(words: tuple[str, ...]) -> None:
    result = run(*words)
    assert (result.exit_code, result.stdout) == (2, "")
    assert "commands:" in result.stderr


def test_it_starts_without_torch_and_transformers_and_the_version_without_commands() -> None:
    code = (
        "import contextlib, sys, hub_revisions.cli as cli\n"
        "with contextlib.suppress(SystemExit): cli.main(sys.argv[1:])\n"
        "heavy = {'torch', 'transformers', 'uvicorn', 'hub_revisions.pusher'}\n"
        "print(heavy & set(sys.modules))"
    )

    def loaded(*words: str) -> str:
        done = subprocess.run(
            [sys.executable, "-c", code, *words],
            env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
            capture_output=True,
            text=True,
            check=True,
        )
        return done.stdout.splitlines()[-1]

    assert loaded("--version") == "set()"
    assert loaded("push", "--help") == "{'hub_revisions.pusher'}"


def test_the_version_is_the_modules() -> None:
    import hub_revisions

    done = subprocess.run(
        [sys.executable, "-m", "hub_revisions", "--version"],
        env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == f"hub-revisions {hub_revisions.__version__}\n"


def test_a_checkpoint_is_pushed_listed_picked_and_promoted(
    hub: LocalHub, hub_options: tuple[str, ...], repo_id: str, tmp_path: Path
) -> None:
    folder = write_checkpoint(tmp_path / "checkpoint-3", step=3, eval_loss=2.0)
    pushed = run("push", folder, "--repo", repo_id, "--json", *hub_options)
    assert pushed.exit_code == 0, pushed.stderr
    assert document(pushed)["state"] == "done"
    assert document(pushed)["revision"] == "step-000000003"

    options = ("--revision", "better", "--metric", "eval_loss=1.5", "--step", "4")
    pushed = run("push", folder, "--repo", repo_id, *options, *hub_options)
    assert pushed.exit_code == 0, pushed.stderr
    assert "better" in pushed.stdout

    listed = document(run("list", repo_id, "--json", *hub_options))
    metrics = {item["revision"]: item["metrics"] for item in listed if item["managed"]}
    assert metrics == {"step-000000003": {"eval_loss": 2.0}, "better": {"eval_loss": 1.5}}
    assert "better" in run("list", repo_id, *hub_options).stdout

    picked = run("pick", repo_id, "--metric", "eval_loss", "--mode", "min", *hub_options)
    assert picked.stdout.startswith("better  eval_loss=1.5  ")
    picked = run("pick", repo_id, "--promote", "main", "--json", *hub_options)
    assert document(picked)["best"]["revision"] == "better"
    assert document(picked)["promotion"]["changed"] is True
    again = run("promote", repo_id, "better", *hub_options)
    assert again.stdout.startswith("main was already better  ")
    moved = run("promote", repo_id, "better", "--to", "stable", "--json", *hub_options)
    assert document(moved)["target"] == "stable"
    made = {"main", "better", "step-000000003", "stable", "evaluations"}
    assert branches(hub, repo_id) == made


def test_a_failing_push_has_a_status_of_its_own(tmp_path: Path) -> None:
    folder = write_checkpoint(tmp_path / "checkpoint-3", step=3)
    options = ("--endpoint", "http://127.0.0.1:1", "--set", "max_retries=0")
    result = run("push", folder, "--repo", "me/model", "--json", *options)
    assert result.exit_code == 3
    assert document(result)["state"] == "failed"
    assert "127.0.0.1:1" in document(result)["error"]["message"]

    told = document(run("status", tmp_path, "--json"))
    assert [job["state"] for job in told["jobs"]] == ["failed"]
    assert "failed" in run("status", tmp_path).stdout
    again = run("sync", tmp_path, "--json")
    assert again.exit_code == 3
    assert document(again)["jobs"][0]["attempts"] == 2


def test_what_was_kept_offline_is_synced(
    hub: LocalHub, hub_options: tuple[str, ...], where: dict[str, Any], tmp_path: Path
) -> None:
    folder = write_checkpoint(tmp_path / "checkpoint-3", step=3)
    with RevisionPusher(tmp_path, mode="spool", **where) as pusher:
        pusher.submit(folder)
    result = run("sync", tmp_path, "--json", "--set", "concurrency=1")
    assert result.exit_code == 0, result.stderr
    assert [job["state"] for job in document(result)["jobs"]] == ["done"]
    assert "step-000000003" in branches(hub, where["repo_id"])
    result = run("sync", tmp_path, "--json")
    assert (result.exit_code, document(result)["jobs"]) == (0, [])
    assert "nothing to push" in result.stderr


def test_ctrl_c_keeps_the_job(tmp_path: Path) -> None:
    folder = write_checkpoint(tmp_path / "checkpoint-3", step=3)
    process = subprocess.Popen(
        [sys.executable, "-m", "hub_revisions", "push", folder, "--repo", "me/model", "--json",
         "--endpoint", "http://127.0.0.1:1", "--set", "max_retries=100"],
        env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )  # fmt: skip
    assert process.stderr is not None
    assert process.stderr.readline().startswith("waiting for 1 of 1 revisions")
    process.send_signal(signal.SIGINT)
    output, errors = process.communicate(timeout=30)
    assert process.returncode == 130
    assert json.loads(output)["state"] == "queued"
    assert f"hub-revisions sync {tmp_path}" in errors
    assert "Traceback" not in errors


def test_jobs_are_cancelled(tmp_path: Path) -> None:
    folder = write_checkpoint(tmp_path / "checkpoint-3", step=3)
    with RevisionPusher(tmp_path, repo_id="me/model", mode="spool") as pusher:
        job = pusher.submit(folder)
        result = run("cancel", tmp_path, job, "--json")
        assert result.exit_code == 0, result.stderr
        assert document(result)["cancelled"] is True
        pusher.submit(folder, "other")
    assert run("cancel", tmp_path, "20200101T000000000Z-000000").exit_code == 1


@pytest.mark.parametrize("command", ["status", "sync", "cancel"])
def test_a_folder_without_a_spool_is_named(tmp_path: Path, command: str) -> None:
    result = run(command, tmp_path)
    assert result.exit_code == 2
    assert str(tmp_path / "_hub_revisions") in result.stderr
    assert result.stdout == ""


@pytest.mark.parametrize(
    ("arguments", "status", "words"),
    [
        (["nonsense"], 2, "nonsense"),
        (["push"], 2, "DIR"),
        (["push", "/nowhere", "--repo", "me/model", "--revision", "x"], 1, "/nowhere"),
        (["push", ".", "--repo", "a/b/c", "--revision", "x"], 2, "a/b/c"),
        (["push", ".", "--metric", "loss"], 2, "NAME=NUMBER"),
        (["pick", "me/model", "--mode", "best"], 2, "best"),
        (["list", "me/model", "--endpoint", "ftp://x"], 2, "endpoint"),
        (["config", "show", "--set", "concurrency"], 2, "KEY=VALUE"),
        (["config", "show", "--set", f"token={SECRET}"], 2, "HF_TOKEN"),
        (["push", "here", "--repo", "me/model", "--set", f"token={SECRET}"], 2, "HF_TOKEN"),
        (["push", "here", "--repo", "me/model", "--set", "output_dir=x"], 2, "output_dir"),
        (["config", "check", "/nowhere.json"], 2, "/nowhere.json"),
    ],
)
def test_errors_are_one_sentence(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    arguments: list[str],
    status: int,
    words: str,
) -> None:
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    result = run(*arguments)
    assert result.exit_code == status, result.stderr
    assert words in result.stderr
    assert "Traceback" not in result.stderr
    assert SECRET not in result.stderr
    assert result.stdout == ""


def test_config_show_tells_origins_and_no_secrets(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "run.json"
    file.write_text('{"revision": "v1"}')
    monkeypatch.setenv("HF_ENDPOINT", "https://hub.example")
    monkeypatch.setenv("HF_TOKEN", SECRET)
    options = ("--config", file, "--set", "concurrency=2", "--set", "revision_template=7-{step}")
    result = run("config", "show", tmp_path, *options, "--json")
    assert result.exit_code == 0, result.stderr
    shown = document(result)
    assert shown["token"] == "set (HF_TOKEN)"
    settings = shown["settings"]
    assert settings["revision"] == {"value": "v1", "origin": str(file)}
    assert settings["concurrency"] == {"value": 2, "origin": "keyword argument"}
    assert settings["revision_template"]["value"] == "7-{step}"
    assert settings["endpoint"]["origin"] == "HF_ENDPOINT"
    assert settings["repo_id"]["origin"] == "name of output_dir"
    assert settings["eos"] == {"value": "align", "origin": "default"}
    text = run("config", "show", tmp_path, *options).stdout
    assert "set (HF_TOKEN)" in text
    assert SECRET not in text + result.stdout


@pytest.mark.parametrize(
    ("on_outcome", "shown"),
    [
        ("https://hooks.example:8443/T0/not-so-public", "https://hooks.example:8443/..."),
        ("https://me:not-so-public@hooks.example?key=not-so-public", "https://hooks.example/..."),
        ("http://hooks.example/a b/not-so-public", "http://hooks.example/..."),
        (
            ["curl", "-d@-", "--url=https://hooks.example/not-so-public"],
            ["curl", "-d@-", "--url=https://hooks.example/..."],
        ),
        (["notify", "me"], ["notify", "me"]),
        (None, None),
    ],
)
def test_of_a_webhooks_address_scheme_and_host_are_shown(
    tmp_path: Path, on_outcome: Any, shown: Any
) -> None:
    file = tmp_path / "run.json"
    file.write_text(json.dumps({"on_outcome": on_outcome}))
    as_json = run("config", "show", tmp_path, "--config", file, "--json")
    assert document(as_json)["settings"]["on_outcome"] == {"value": shown, "origin": str(file)}
    table = run("config", "show", tmp_path, "--config", file)
    (row,) = [line for line in table.stdout.splitlines() if line.startswith("on_outcome")]
    assert row.split(maxsplit=1)[1].startswith(json.dumps(shown))
    checked = run("config", "check", file, "--json")
    assert document(checked) == {str(file): {"on_outcome": shown}}
    assert "not-so-public" not in as_json.stdout + table.stdout + checked.stdout


def test_config_check_and_schema(tmp_path: Path) -> None:
    configs = Path(__file__).resolve().parents[2] / "configs"
    files = [configs / name for name in ("minimal.json", "sft.json", "grpo.json")]
    result = run("config", "check", *files)
    assert (result.exit_code, result.stdout.count(": valid\n")) == (0, 3)
    assert set(document(run("config", "check", *files, "--json"))) == {str(f) for f in files}
    evaluations = sorted(configs.glob("eval-*.json"))
    assert run("config", "check", *evaluations).stdout.count(": valid\n") == len(evaluations) > 3
    schema = run("config", "schema")
    assert document(schema) == json.loads((configs / "schema.json").read_text())


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ({"pick": {"metrc": "loss"}}, "'pick' has an unknown key 'metrc'"),
        ({"retention": {"keep": 1}}, "'retention' has an unknown key 'keep'"),
        ({"promote": "evaluations"}, "branch of results and decisions"),
        ({"suites": [{"name": "s", "comand": ["true"]}]}, "did you mean 'command'?"),
    ],
)
def test_config_check_looks_into_what_settings_hold(
    tmp_path: Path, content: dict[str, Any], words: str
) -> None:
    file = tmp_path / "config.json"
    file.write_text(json.dumps(content))
    result = run("config", "check", file)
    assert result.exit_code == 2
    assert words in result.stderr
    assert str(file) in result.stderr


def test_the_hub_has_its_own_options() -> None:
    assert "--root" in run("hub", "--help").stdout
    assert run("hub").exit_code == 2
