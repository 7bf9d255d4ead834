"""The ledger: what survives, and who may write."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest
from child_process import Child, until
from hub_revisions import ConfigError
from hub_revisions.evaluation.ledger import Ledger, read_events

HOLD = """
import sys, time
from pathlib import Path
from hub_revisions.evaluation.ledger import Ledger
ledger = Ledger(Path(sys.argv[1]))
ledger.append({"event": "theirs"})
print("held", flush=True)
time.sleep(600)
"""


def test_lines_are_there_for_the_next_one(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path / "evaluations")
    assert ledger.events == []
    ledger.append({"event": "a", "text": "line\nbreak"})
    ledger.append({"event": "b"})
    ledger.close()
    again = Ledger(tmp_path / "evaluations")
    assert again.events == [{"event": "a", "text": "line\nbreak"}, {"event": "b"}]
    again.close()
    assert (tmp_path / "evaluations").stat().st_mode & 0o077 == 0


@pytest.mark.parametrize("torn", [b'{"event": "c', b'{"event": "c"}', b"\0\0\0"])
def test_a_torn_last_line_is_as_if_it_was_never_written(tmp_path: Path, torn: bytes) -> None:
    ledger = Ledger(tmp_path)
    ledger.append({"event": "a"})
    ledger.close()
    path = tmp_path / "ledger.jsonl"
    path.write_bytes(path.read_bytes() + torn)
    assert read_events(tmp_path) == [{"event": "a"}]
    ledger = Ledger(tmp_path)
    ledger.append({"event": "d"})
    ledger.close()
    assert read_events(tmp_path) == [{"event": "a"}, {"event": "d"}]


def test_a_damaged_line_costs_only_itself(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "ledger.jsonl").write_bytes(b'{"event": "a"}\n\xff{\n{"event": "b"}\n')
    assert read_events(tmp_path) == [{"event": "a"}, {"event": "b"}]
    assert "line 2" in caplog.text


def test_one_process_works_and_another_says_so(tmp_path: Path) -> None:
    with Child(tmp_path, HOLD, tmp_path / "evaluations") as child:
        child.says("held")
        pid = child.process.pid
        with pytest.raises(ConfigError, match=f"process {pid} on {os.uname().nodename}"):
            Ledger(tmp_path / "evaluations")
        assert read_events(tmp_path / "evaluations") == [{"event": "theirs"}]
    # It was killed: nothing is in the way.
    Ledger(tmp_path / "evaluations").close()


def test_a_fork_that_lives_on_keeps_nobody_out(tmp_path: Path) -> None:
    fork = (
        "import os\nif os.fork() == 0:\n    print(os.getpid(), flush=True)\n    time.sleep(600)\n"
    )
    with Child(tmp_path, HOLD.replace('print("held"', fork + 'print("held"'), tmp_path) as child:
        child.says("held")
        until(lambda: any(line.isdigit() for line in child.output.splitlines()), "no fork")
        child.send(signal.SIGKILL)
        child.ends()
        pid = next(int(line) for line in child.output.splitlines() if line.isdigit())
        try:
            Ledger(tmp_path).close()
        finally:
            os.kill(pid, signal.SIGKILL)


def test_one_process_cannot_hold_it_twice(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path)
    with pytest.raises(ConfigError, match="looked after by process"):
        Ledger(tmp_path)
    ledger.close()


def test_a_full_disk_leaves_no_half_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ledger = Ledger(tmp_path)
    ledger.append({"event": "a"})
    write = os.write
    monkeypatch.setattr(os, "write", lambda file, data: write(file, data[:5]))
    with pytest.raises(OSError, match="No space"):
        ledger.append({"event": "b"})
    monkeypatch.undo()
    ledger.append({"event": "c"})
    ledger.close()
    assert read_events(tmp_path) == [{"event": "a"}, {"event": "c"}]
