"""`hub-revisions report`: what it reads, where it writes, how it fails."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from command_line import document, run
from hub_revisions import RevisionPusher
from hub_revisions.local_hub import LocalHub
from published import Branch, publish
from tiny_training import write_checkpoint

LOSSES = {1: 2.0, 2: 1.5, 3: 1.75}


@pytest.fixture
def repository(hub: LocalHub, repo_id: str, monkeypatch: pytest.MonkeyPatch) -> tuple[str, ...]:
    """The arguments that lead to a repository with three revisions."""
    publish(hub, repo_id, [Branch(f"step-{s}", s, {"eval_loss": v}) for s, v in LOSSES.items()])
    monkeypatch.setenv("HF_TOKEN", hub.token)
    return (repo_id, "--endpoint", hub.endpoint)


def test_the_page_is_written_and_named(
    repository: tuple[str, ...], hub: LocalHub, tmp_path: Path
) -> None:
    file = tmp_path / "out.html"
    file.write_text("old")
    done = run("report", *repository, "-o", file)
    assert (done.exit_code, done.stdout) == (0, "")
    assert str(file) in done.stderr
    page = file.read_text(encoding="utf-8")
    assert page.startswith("<!doctype html>") and "step-2" in page
    assert f"{hub.endpoint}/{repository[0]}/tree/" in page
    assert hub.token not in page
    assert [path.name for path in tmp_path.iterdir() if path.suffix != ""] == ["out.html"]


def test_without_a_file_it_is_report_html(
    repository: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert run("report", *repository).exit_code == 0
    assert (tmp_path / "report.html").exists()


def test_the_page_goes_to_stdout_if_asked(repository: tuple[str, ...]) -> None:
    assert run("report", *repository, "-o", "-").stdout.endswith("</html>\n")


def test_json_is_what_the_page_is_made_of(
    repository: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    report = document(run("report", *repository, "--json"))
    assert report["repo_id"] == repository[0]
    (series,) = report["series"]
    assert (series["key"], series["best"], series["mode"]) == ("eval_loss", "step-2", "min")
    assert [point["value"] for point in series["points"]] == list(LOSSES.values())
    assert not (tmp_path / "report.html").exists()
    both = run("report", *repository, "--json", "-o", "page.html")
    assert document(both) == report and (tmp_path / "page.html").exists()


def test_a_metric_decides(repository: tuple[str, ...]) -> None:
    report = document(run("report", *repository, "--json", "--metric", "eval_*:max"))
    assert report["decision"]["winner"]["revision"] == "step-1"
    assert [row["state"] for row in report["revisions"]] == ["best", "measured", "measured"]


@pytest.mark.parametrize(
    ("options", "status", "words"),
    [
        (["--metric", "reward"], 2, "recorded are: eval_loss"),
        (["--json", "-o", "-"], 2, "both write to stdout"),
        (["--output-dir", "/nowhere"], 2, "does not exist"),
        (["-o", "/nowhere/report.html"], 1, "/nowhere/report.html cannot be written: No such file"),
    ],
)
def test_errors_say_what_is_wrong(
    repository: tuple[str, ...], options: list[str], status: int, words: str
) -> None:
    done = run("report", *repository, *options)
    assert done.exit_code == status
    assert words in done.stderr
    assert done.stdout == ""


def test_a_repository_that_is_not_there_leaves_the_old_page(
    repository: tuple[str, ...], tmp_path: Path
) -> None:
    file = tmp_path / "report.html"
    file.write_text("old")
    assert run("report", "me/nothing", *repository[1:], "-o", file).exit_code == 1
    assert file.read_text() == "old"


def test_a_spool_adds_the_pushes_of_this_repository(
    hub: LocalHub, where: dict[str, Any], repo_id: str, tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.setenv("HF_TOKEN", hub.token)
    for name, steps in ((repo_id, (1, 2)), (f"{repo_id}-other", (3,))):
        with RevisionPusher(tmp_path, **where | {"repo_id": name}) as pusher:
            for step in steps:
                pusher.submit(write_checkpoint(tmp_path / f"{step}", step=step, size=step))
            assert pusher.wait(timeout=60)
    found = document(
        run("report", repo_id, "--endpoint", hub.endpoint, "--output-dir", tmp_path, "--json")
    )
    assert [push["revision"] for push in found["pushes"]] == ["step-000000001", "step-000000002"]
    assert all(push["stall_ms"] > 0 and push["bytes_sent"] > 0 for push in found["pushes"])
