"""The doctor: what it finds where everything is well, and each thing that it must find."""

from __future__ import annotations

import json
import signal
from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from email.utils import format_datetime
from pathlib import Path
from typing import Any

import pytest
from child_process import Child
from command_line import document, run
from fault_proxy import Authority, FaultProxy
from holding_proxy import AT_ANSWER, HoldingProxy
from hub_revisions.doctor import OLDEST_TRANSFORMERS, check_versions
from hub_revisions.local_hub import LocalHub
from loop_mount import file_system
from loop_mount import run as run_command
from tiny_training import branches

ORDER = ["versions", "token", "endpoint", "route", "repository", "round trip", "spool",
         "free space", "clock"]  # fmt: skip


@pytest.fixture(scope="module")
def hub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalHub]:
    with LocalHub(tmp_path_factory.mktemp("hub"), "--faults", "none") as running:
        yield running


@pytest.fixture(autouse=True)
def token(hub: LocalHub, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("HF_TOKEN", hub.token)
    monkeypatch.setenv("HF_ENDPOINT", hub.endpoint)
    yield
    hub.set_faults()


def examined(*options: object) -> dict[str, dict[str, str]]:
    """The findings by check. What fails or warns has a remedy, and decides the exit status."""
    result = run("doctor", *options, "--json")
    found = document(result)
    assert [one["check"] for one in found] == ORDER
    for one in found:
        assert bool(one["remedy"]) == (one["verdict"] in ("warn", "fail")), one
    assert result.exit_code == any(one["verdict"] == "fail" for one in found)
    return {one["check"]: one for one in found}


def failing(found: dict[str, dict[str, str]]) -> list[str]:
    return [name for name, one in found.items() if one["verdict"] == "fail"]


def objects(hub: LocalHub) -> set[Path]:
    return {path for path in hub.root.rglob("*") if path.is_file() and len(path.name) == 64}


def test_all_is_well(hub: LocalHub, repo_id: str, tmp_path: Path) -> None:
    before = objects(hub)
    found = examined("--repo", repo_id, "--output-dir", tmp_path)
    assert {one["verdict"] for one in found.values()} == {"ok"}
    for word in ("hub-revisions", "libgit2", "libcurl", "OpenSSL", "transformers", "git-lfs"):
        assert word in found["versions"]["detail"]
    assert "HF_TOKEN" in found["token"]["detail"]
    assert "'write'" in found["token"]["detail"]
    assert hub.token not in json.dumps(found)
    assert "no proxy" in found["route"]["detail"]
    assert "evaluations" not in branches(hub, repo_id)
    assert branches(hub, repo_id) <= {"main"}
    assert objects(hub) == before
    assert not list(tmp_path.glob("_hub*"))


def test_a_table_for_people(repo_id: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("HF_TOKEN")
    result = run("doctor", "--repo", repo_id, "--output-dir", tmp_path)
    assert result.exit_code == 1
    lines = [line.split() for line in result.stdout.splitlines()]
    assert ["fail", "token", "no", "token", "was", "found"] in lines
    assert ["remedy:", "set", "HF_TOKEN"] in [line[:3] for line in lines]


def test_an_old_library_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    info = tmp_path / "transformers-4.40.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: transformers\nVersion: 4.40.0\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    found = check_versions()
    assert found.verdict == "warn"
    assert "transformers 4.40.0 is older" in found.detail
    assert OLDEST_TRANSFORMERS in found.remedy


def test_the_oldest_library_is_the_one_that_is_asked_for() -> None:
    project = (Path(__file__).parents[2] / "pyproject.toml").read_text()
    assert f'"transformers>={OLDEST_TRANSFORMERS}"' in project


@pytest.mark.parametrize("kind", ["unknown", "read"])
def test_a_token_that_may_not(
    hub: LocalHub, repo_id: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    monkeypatch.setenv("HF_TOKEN", hub.read_token if kind == "read" else "hf_nobody")
    found = examined("--repo", repo_id, "--output-dir", tmp_path)
    assert failing(found) == ["token", "repository"]
    assert found["endpoint"]["verdict"] == "ok"
    assert found["round trip"]["verdict"] == "skipped"
    if kind == "read":
        assert "'read', which may not write" in found["token"]["detail"]


def test_nobody_answers(tmp_path: Path) -> None:
    found = examined("--endpoint", "http://127.0.0.1:1", "--repo", "me/model",
                     "--output-dir", tmp_path, "--set", "max_retries=0")  # fmt: skip
    assert failing(found) == ["endpoint"]
    skipped = {name for name, one in found.items() if one["verdict"] == "skipped"}
    assert skipped == {"token", "repository", "round trip", "clock"}


def test_what_answers_is_no_hub(tmp_path: Path) -> None:
    page = b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\nConnection: close\r\n\r\nlog in"
    with FaultProxy(answer=page) as portal:
        found = examined("--endpoint", portal.url, "--output-dir", tmp_path)
    assert failing(found) == ["endpoint"]
    assert "neither a Hub's nor a git server's" in found["endpoint"]["detail"]


def test_certificates(
    hub: LocalHub, repo_id: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    authority = Authority.create(tmp_path / "authority")
    (tmp_path / "out").mkdir()
    with FaultProxy(hub.endpoint, tls=authority.context("IP:127.0.0.1")) as tls:
        options = ("--endpoint", tls.url, "--repo", repo_id, "--output-dir", tmp_path / "out",
                   "--set", "max_retries=0")  # fmt: skip
        found = examined(*options)
        assert failing(found) == ["endpoint"]
        assert "certificate" in found["endpoint"]["detail"]
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(tmp_path / "nothing.pem"))
        found = examined(*options)
        assert failing(found) == ["endpoint", "route"]
        assert "REQUESTS_CA_BUNDLE" in found["route"]["detail"]
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(authority.bundle))
        found = examined(*options)
        assert found["endpoint"]["verdict"] == found["repository"]["verdict"] == "ok"
        assert f"{authority.bundle} (REQUESTS_CA_BUNDLE)" in found["route"]["detail"]


def test_a_proxy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://somebody:secret@127.0.0.1:1")
    monkeypatch.delenv("NO_PROXY", raising=False)
    monkeypatch.delenv("no_proxy", raising=False)
    options = ("--endpoint", "https://hub.example", "--output-dir", tmp_path,
               "--set", "max_retries=0")  # fmt: skip
    found = examined(*options)
    assert failing(found) == ["endpoint"]
    assert "proxy http://127.0.0.1:1 (HTTPS_PROXY)" in found["route"]["detail"]
    assert "secret" not in json.dumps(found)
    for exception in ("hub.example", "other.org, .example", "*"):
        monkeypatch.setenv("NO_PROXY", exception)
        assert "no proxy" in examined(*options)["route"]["detail"]
    monkeypatch.setenv("NO_PROXY", "b.example,ub.example")
    assert "HTTPS_PROXY" in examined(*options)["route"]["detail"]


def test_a_repository_that_may_not_be_written(hub: LocalHub, repo_id: str, tmp_path: Path) -> None:
    hub.set_faults({"path": "*/auth-check/write", "do": "answer", "status": 403})
    found = examined("--repo", repo_id, "--output-dir", tmp_path)
    assert failing(found) == ["repository"]
    assert f"may not write to {repo_id}" in found["repository"]["detail"]
    assert found["round trip"]["verdict"] == "skipped"


def test_without_a_repository_nothing_is_pushed(tmp_path: Path) -> None:
    found = examined("--output-dir", tmp_path)
    assert failing(found) == []
    assert found["repository"]["verdict"] == found["round trip"]["verdict"] == "skipped"


STORE_REFUSES: dict[str, Any] = {"on": "storage", "method": "PUT", "do": "answer", "status": 403,
                                 "times": None}  # fmt: skip
STORE_KEEPS: dict[str, Any] = {**STORE_REFUSES, "method": "GET"}
PUSH_REFUSED = {"do": "refuse-push", "message": "no more branches", "times": None,
                "path": "*/git-receive-pack"}  # fmt: skip


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        ("full", "storage limit"),
        (STORE_REFUSES, "403"),
        (STORE_KEEPS, "403"),
        (PUSH_REFUSED, "no more branches"),
    ],
    ids=["full", "store", "download", "hook"],
)
def test_a_round_trip_that_fails_leaves_nothing(
    hub: LocalHub, repo_id: str, tmp_path: Path, fault: Any, words: str
) -> None:
    examined("--repo", repo_id, "--output-dir", tmp_path)
    before = objects(hub)
    hub.set_faults(fault)
    found = examined("--repo", repo_id, "--output-dir", tmp_path, "--set", "max_retries=0")
    assert failing(found) == ["round trip"]
    assert words in found["round trip"]["detail"]
    assert branches(hub, repo_id) <= {"main"}
    assert objects(hub) == before


def test_a_branch_that_cannot_be_removed_is_named(
    hub: LocalHub, repo_id: str, tmp_path: Path
) -> None:
    examined("--repo", repo_id, "--output-dir", tmp_path)
    hub.set_faults({**PUSH_REFUSED, "after": 1})
    found = examined("--repo", repo_id, "--output-dir", tmp_path, "--set", "max_retries=0")
    (left,) = branches(hub, repo_id) - {"main"}
    assert f"branch '{left}' could not be removed" in found["round trip"]["detail"]


def test_what_a_killed_one_has_left_is_removed_later(
    hub: LocalHub, repo_id: str, tmp_path: Path
) -> None:
    examined("--repo", repo_id, "--output-dir", tmp_path)
    hub.set_faults({**PUSH_REFUSED, "after": 1})
    examined("--repo", repo_id, "--output-dir", tmp_path, "--set", "max_retries=0")
    hub.set_faults()
    (left,) = branches(hub, repo_id) - {"main"}
    repository = next(path for path in hub.root.rglob(f"{repo_id.split('/')[1]}*") if path.is_dir())
    old = f"hub-revisions-doctor-{int(left.rpartition('-')[2]) - 3_700_000}"
    run_command("git", "-C", str(repository), "branch", old, left)
    examined("--repo", repo_id, "--output-dir", tmp_path)
    assert branches(hub, repo_id) - {"main"} == {left}


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_what_was_pushed_is_removed_after_a_signal(
    hub: LocalHub, repo_id: str, tmp_path: Path, number: int
) -> None:
    code = """
    import sys
    from hub_revisions.cli import main
    endpoint, repo, folder = sys.argv[1:]
    sys.exit(main(["doctor", "--repo", repo, "--endpoint", endpoint, "--output-dir", folder]))
    """
    examined("--repo", repo_id, "--output-dir", tmp_path)
    before = objects(hub)
    with HoldingProxy(hub) as proxy:
        hold = proxy.hold(r"POST .*/git-receive-pack", AT_ANSWER)
        with Child(tmp_path, code, proxy.endpoint, repo_id, tmp_path, HF_TOKEN=hub.token) as child:
            hold.wait()
            assert branches(hub, repo_id) - {"main"}
            child.send(signal.Signals(number))
            hold.release()
            assert child.ends() == 130, child.output
    assert branches(hub, repo_id) <= {"main"}
    assert objects(hub) == before


def test_a_folder_as_the_server(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    repository = tmp_path / "shared" / "model.git"
    found = examined("--repo", f"file://{repository}", "--output-dir", tmp_path / "out")
    assert failing(found) == []
    assert found["round trip"]["verdict"] == "ok"
    assert not [path for path in (repository / "lfs").rglob("*") if path.is_file()]


def test_a_spool_on_another_file_system_is_copied_to(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    with file_system("tmpfs", tmp_path) as other:
        found = examined("--output-dir", tmp_path / "out", "--set", f"spool_dir={other}/spool")
        assert found["spool"]["verdict"] == "warn"
        assert "copied" in found["spool"]["detail"]
        assert not list(other.iterdir())


def test_a_spool_that_is_full_or_cannot_be_written(tmp_path: Path) -> None:
    with file_system("tmpfs", tmp_path) as disk:
        (disk / "checkpoint-7").mkdir()
        (disk / "checkpoint-7" / "model.safetensors").write_bytes(bytes(40 << 20))
        found = examined("--output-dir", disk, "--set", "min_free_bytes=0")
        assert found["free space"]["verdict"] == "warn"
        assert "checkpoint-7 has 0.0 GB" in found["free space"]["detail"]
        found = examined("--output-dir", disk, "--set", "min_free_bytes=1 GB")
        assert failing(found) == ["free space"]
        assert "min_free_bytes" in found["free space"]["detail"]
        (disk / "rest").write_bytes(bytes(23 << 20) + bytes(900 << 10))
        found = examined("--output-dir", disk, "--set", "min_free_bytes=0")
        assert failing(found) == ["spool"]
        (disk / "rest").unlink()
        run_command("mount", "-o", "remount,ro", str(disk))
        assert failing(examined("--output-dir", disk, "--set", "min_free_bytes=0")) == ["spool"]


@pytest.mark.parametrize(
    ("minutes", "verdict"), [(0, "ok"), (-5, "warn"), (-1000, "fail"), (5, "warn")]
)
def test_a_clock_that_is_wrong(tmp_path: Path, minutes: int, verdict: str) -> None:
    there = format_datetime(datetime.now(timezone.utc) + timedelta(minutes=minutes), usegmt=True)
    answer = f"HTTP/1.1 404 Not Found\r\nDate: {there}\r\nContent-Length: 0\r\n"
    with FaultProxy(answer=f"{answer}Connection: close\r\n\r\n".encode()) as server:
        found = examined("--endpoint", server.url, "--output-dir", tmp_path)
    assert found["clock"]["verdict"] == verdict
    if minutes:
        assert ("ahead" if minutes < 0 else "behind") in found["clock"]["detail"]
