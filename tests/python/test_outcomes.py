"""What is told of each job: the log, the hook, the status of a running push."""

from __future__ import annotations

import http.server
import json
import logging
import sys
import threading
from pathlib import Path
from typing import Any

import pytest
from hub_revisions import ConfigError, RevisionPusher, outcomes
from hub_revisions._native import JobRecord
from hub_revisions.local_hub import LocalHub
from own_log import own_messages
from tiny_training import write_checkpoint


def push_two(root: Path, where: dict[str, Any], **more: Any) -> list[JobRecord]:
    """One revision that succeeds, and one that cannot."""
    good = write_checkpoint(root / "good")
    bad = write_checkpoint(root / "bad")
    (bad / "model.safetensors").write_bytes(b"no safetensors")
    with RevisionPusher(root, **where, **more) as pusher:
        pusher.submit(good, "good", step=3, metrics={"loss": 0.5})
        pusher.submit(bad, "bad", metrics={})
    return pusher.status()


def test_one_line_for_each_event_with_its_facts(
    where: dict[str, Any], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG, "hub_revisions")
    records = {record.revision: record for record in push_two(tmp_path, where)}
    facts = {
        entry.hub_revisions["revision"]: (entry.levelname, entry.hub_revisions)
        for entry in caplog.records
        if hasattr(entry, "hub_revisions")
    }
    level, good = facts["good"]
    assert (level, good["state"], good["step"]) == ("INFO", "done", 3)
    assert good["commit"] == records["good"].commit
    level, bad = facts["bad"]
    assert (level, bad["state"], bad["error"]) == ("ERROR", "failed", "invalid_input")
    assert sum("bad" in message for message in own_messages(caplog)) == 1
    log = (tmp_path / "_hub_revisions" / "worker.log").read_text()
    assert "good: done" in log
    assert "ERROR bad" in log


def test_a_function_is_told(where: dict[str, Any], tmp_path: Path) -> None:
    told: list[JobRecord] = []
    push_two(tmp_path, where, on_outcome=told.append)
    assert {record.revision: record.state for record in told} == {"good": "done", "bad": "failed"}


def test_a_function_that_fails_is_logged_once_and_harms_nothing(
    where: dict[str, Any], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(record: JobRecord) -> None:
        raise RuntimeError("the pager is broken")

    records = push_two(tmp_path, where, on_outcome=broken)
    assert {record.state for record in records} == {"done", "failed"}
    assert sum("the pager is broken" in message for message in own_messages(caplog)) == 1


def test_a_command_is_told_without_the_token(
    where: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_TOKEN", where["token"])
    sink = tmp_path / "told.jsonl"
    code = (
        "import os, sys; assert 'HF_TOKEN' not in os.environ; "
        f"open({str(sink)!r}, 'a').write(sys.stdin.read() + '\\n')"
    )
    push_two(tmp_path, where, on_outcome=[sys.executable, "-c", code])
    told = [json.loads(line) for line in sink.read_text().splitlines()]
    assert {item["revision"]: item["state"] for item in told} == {"good": "done", "bad": "failed"}
    assert next(t for t in told if t["revision"] == "good")["metrics"] == {"loss": 0.5}
    assert where["token"] not in sink.read_text()


def test_a_webhook_is_told(where: dict[str, Any], tmp_path: Path) -> None:
    told: list[dict[str, Any]] = []

    class Receiver(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            told.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(204)
            self.end_headers()

        def log_message(self, *args: Any) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Receiver) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        url = f"http://127.0.0.1:{server.server_port}/hook/not-so-public"
        push_two(tmp_path, where, on_outcome=url)
        server.shutdown()
        thread.join()
    assert {item["revision"]: item["state"] for item in told} == {"good": "done", "bad": "failed"}
    # The address of a webhook is often its password.
    for path in (tmp_path / "_hub_revisions").rglob("*"):
        assert not path.is_file() or b"not-so-public" not in path.read_bytes()


@pytest.mark.parametrize(
    ("hook", "told"),
    [
        ("http://127.0.0.1:1/not-so-public", "Connection refused"),
        ("http://127.0.0.1:1/hook not-so-public", "no address"),
        ("http://me:not-so-public@127.0.0.1/", "no address"),
        ([sys.executable, "-c", "exit(3)  # not-so-public"], "ended with status 3"),
        ([sys.executable, "-c", "import time; time.sleep(60)  # not-so-public"], "after 5 s"),
        (["/nowhere/notify", "not-so-public"], "/nowhere/notify"),
    ],
)
def test_what_a_hook_was_told_of_stays_out_of_its_failure(
    tmp_path: Path,
    where: dict[str, Any],
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
    hook: Any,
    told: str,
) -> None:
    monkeypatch.setattr(outcomes, "_HOOK_TIMEOUT_SECONDS", 5.0)
    with RevisionPusher(tmp_path, **where, on_outcome=hook) as pusher:
        pusher.submit(write_checkpoint(tmp_path / "checkpoint-1", step=1))
    assert [record.state for record in pusher.status()] == ["done"]
    (failure,) = [text for text in own_messages(caplog) if "'on_outcome' failed" in text]
    assert told in failure
    assert "not-so-public" not in caplog.text


@pytest.mark.parametrize("value", ["ftp://x", "notify-me", []])
def test_what_is_no_hook_is_refused(tmp_path: Path, value: Any) -> None:
    with pytest.raises(ConfigError, match="on_outcome"):
        RevisionPusher(tmp_path, repo_id="me/model", mode="spool", on_outcome=value)
    # The spool is free again.
    RevisionPusher(tmp_path, repo_id="me/model", mode="spool").close()


def test_a_file_with_a_token_in_it_is_withheld(
    hub: LocalHub, where: dict[str, Any], tmp_path: Path
) -> None:
    folder = write_checkpoint(tmp_path / "model")
    (folder / "run.sh").write_text(f"export HF_TOKEN={where['token']}\n")
    (folder / "notes.txt").write_text("HF_TOKEN=hf_" + "A1b2" * 9)
    with RevisionPusher(tmp_path, **where) as pusher:
        pusher.submit(folder, "clean", metrics={})
        assert pusher.wait(timeout=60)
        (record,) = pusher.status()
    assert record.state == "done"
    (warning,) = [text for text in record.warnings if "withheld" in text]
    assert "run.sh" in warning
    assert "notes.txt" in warning
    from tiny_training import download

    got = download(hub, where["repo_id"], "clean", tmp_path / "got")
    assert not (got / "run.sh").exists()
    assert not (got / "notes.txt").exists()
    with RevisionPusher(tmp_path / "strict", secret_scan="fail", **where) as pusher:
        pusher.submit(folder, "refused", metrics={})
        assert pusher.wait(timeout=60)
        (record,) = pusher.status()
    assert record.state == "failed"
    assert record.error is not None
    assert "run.sh" in record.error.message
