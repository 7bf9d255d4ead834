"""Tables, sizes and waiting, as people see them."""

from __future__ import annotations

import contextlib
import fcntl
import logging
import math
import os
import pty
import re
import struct
import termios
import threading
from pathlib import Path
from typing import Any

import pytest
from hub_revisions import JobRecord, RevisionPusher
from hub_revisions._native import JobError, Progress, to_json
from hub_revisions.drain import drain
from hub_revisions.progress import ERASE_LINE, progress_display
from hub_revisions.tables import (
    format_bytes,
    main_metric,
    summarise,
    summary_table,
)
from own_log import own_messages
from tiny_training import write_checkpoint


def record(job: str, state: str = "done", error: str = "", **metrics: float) -> JobRecord:
    return JobRecord(
        id=job,
        revision=f"revision-{job}",
        directory="/out/checkpoint-1",
        step=1,
        epoch=None,
        tokens=None,
        metrics=metrics,
        eos_token_id=None,
        created_ms=0,
        updated_ms=0,
        state=state,
        error=JobError("auth", error) if error else None,
        fixes=(),
        warnings=(),
        excluded=(),
        repo_id="me/model",
        commit="",
        freeze_ms=1.5,
        push_seconds=2.0,
        bytes_total=2_000_000,
        bytes_sent=1_000,
        bytes_present=0,
        attempts=1,
        settings={},
        progress=Progress(),
    )


@pytest.mark.parametrize(
    ("count", "text"),
    [(0, "0 B"), (999, "999 B"), (1000, "1.0 kB"), (4_500_000_000, "4.5 GB"), (2e15, "2000.0 TB")],
)
def test_bytes(count: float, text: str) -> None:
    assert format_bytes(count) == text


def test_the_table_shows_the_metric_that_matters() -> None:
    records = [record("a", eval_loss=1.0, eval_f1=0.5, loss=2.0), record("b")]
    assert main_metric(records) == "eval_loss"
    assert main_metric(records, "f1") == "eval_f1"
    assert main_metric(records, "loss") == "loss"
    assert main_metric([record("a", eval_f1=0.5, loss=2.0)]) == "eval_f1"
    assert main_metric([record("a", loss=2.0)]) == "loss"
    assert main_metric([]) == "eval_loss"


def test_a_row_says_what_became_of_a_job() -> None:
    records = [record("a", eval_loss=1.25), record("b", "failed", "the token is wrong")]
    rows = summarise(records, "eval_loss", {"a": 7.125})
    assert (rows[0].metric, rows[0].waited_ms) == (1.25, 7.125)
    assert (rows[1].metric, rows[1].waited_ms) == (None, 1.5)
    text = summary_table(rows, "eval_loss", None)
    for part in ("revision-a", "1.25", "2.0 MB", "1.0 kB", "7.12", "failed: the token is wrong"):
        assert part in text, part


def test_json_has_no_nan() -> None:
    assert to_json({"x": [math.nan, math.inf, 1.0]}, indent=None) == '{"x": [null, null, 1.0]}'


def test_waiting_is_bounded_and_logged(
    where: dict[str, Any], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    folder = write_checkpoint(tmp_path / "checkpoint-1", step=1)
    away = where | {"endpoint": "http://127.0.0.1:1", "max_retries": 100, "retry_max_delay": 60}
    with caplog.at_level(logging.INFO, "hub_revisions"):
        pusher = RevisionPusher(tmp_path, **away)
        assert drain(pusher, 0.1, progress_bar=True)  # nothing to wait for
        pusher.submit(folder)
        assert not drain(pusher, 0.1, progress_bar=False)
        assert not pusher.close(0)
    assert [message.split(":")[0] for message in own_messages(caplog)] == [
        "waiting for 1 of 1 revisions"
    ]


def test_a_bar_is_drawn_on_a_terminal(
    where: dict[str, Any],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    folder = write_checkpoint(tmp_path / "checkpoint-1", step=1, size=50_000_000)
    with Terminal(columns=70) as terminal, RevisionPusher(tmp_path, **where) as pusher:
        monkeypatch.setattr("sys.stderr", terminal.stream)
        pusher.submit(folder)
        assert drain(pusher, 60, progress_bar=True)
        assert pusher.records()[0].state == "done"
    drawn = terminal.text.split(ERASE_LINE)
    assert drawn[0] == drawn[-1] == ""  # it leaves nothing behind
    assert all(len(line) < 70 for line in drawn)
    assert re.fullmatch(r"\[#*-*\]  waiting for 1 of 1 revisions: .*", drawn[1])


def test_the_line_of_a_bar() -> None:
    with Terminal(columns=200) as terminal, pytest.MonkeyPatch.context() as patch:
        patch.setattr("sys.stderr", terminal.stream)
        with progress_display(progress_bar=True, log_seconds=1) as display:
            display.show("unknown", 0, 0)
            display.show("half", 10, 20)
            display.show("more than all", 30, 20)
    half = "#" * 15
    lines = [
        f"[{'-' * 30}]  unknown",
        f"[{half}{'-' * 15}]  half",
        f"[{half}{half}]  more than all",
    ]
    assert terminal.text.split(ERASE_LINE) == ["", *lines, ""]


class Terminal:
    """A terminal that a program writes to: `stream`; what it got is `text`, afterwards."""

    def __init__(self, columns: int) -> None:
        self._master, slave = pty.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
        self.stream = os.fdopen(slave, "w")
        self.text = ""
        self._reader = threading.Thread(target=self._read)

    def _read(self) -> None:
        with contextlib.suppress(OSError):  # EIO: nobody has the other side open
            while piece := os.read(self._master, 65536):
                self.text += piece.decode()

    def __enter__(self) -> Terminal:
        self._reader.start()
        return self

    def __exit__(self, *error: object) -> None:
        self.stream.close()
        self._reader.join()
        os.close(self._master)
