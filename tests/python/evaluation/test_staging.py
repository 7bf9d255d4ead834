"""A job's folder and the script in it, run as an engine runs it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from child_process import until
from hub_revisions import ConfigError
from hub_revisions.evaluation.staging import job_folder, stage
from hub_revisions.evaluation.verdict import read_done

from .conftest import Requests

HOSTILE = (
    *("a b", "", "'", '"', "$(touch pwned)", "`touch pwned`", ";touch pwned", "\\", "*", "~"),
    *("line\nbreak", "-n", "{commit}", "tab\there", "ünïcödé", "\udcff\udcfe", "a=b", "%s", "!!"),
)

SHOW_ARGUMENTS = (
    "import os, sys; os.write(1, b'\\0'.join(os.fsencode(a) for a in sys.argv[1:])); "
    "os.write(2, os.fsencode(os.getcwd()))"
)

TELL_SIGNALS = """
import signal, sys, time
def got(number, frame):
    print(signal.Signals(number).name, flush=True)
    if number == signal.SIGTERM:
        sys.exit(5)
for number in (signal.SIGTERM, signal.SIGINT, signal.SIGUSR1):
    signal.signal(number, got)
print("ready", flush=True)
while True:
    time.sleep(60)
"""


def run(folder: Path) -> int:
    return subprocess.run(["bash", folder / "run.sh", folder], check=False, timeout=60).returncode


def test_arguments_arrive_as_they_are(make_request: Requests) -> None:
    request = make_request(sys.executable, "-c", SHOW_ARGUMENTS, *HOSTILE)
    stage(request)
    assert run(request.out_dir) == 0
    arrived = (request.out_dir / "stdout.log").read_bytes()
    assert arrived == b"\0".join(os.fsencode(word) for word in HOSTILE)
    assert (request.out_dir / "stderr.log").read_text() == str(request.out_dir)
    assert {path.name for path in request.out_dir.iterdir()} == {
        *("request.json", "argv0", "run.sh", "done.json", "stdout.log", "stderr.log")
    }


def test_a_programs_name_may_look_like_a_variable(make_request: Requests, tmp_path: Path) -> None:
    program = tmp_path / "a=b"
    program.write_text("#!/bin/sh\necho ran\n")
    program.chmod(0o755)
    request = make_request(str(program))
    stage(request)
    assert run(request.out_dir) == 0
    assert (request.out_dir / "stdout.log").read_text() == "ran\n"


@pytest.mark.parametrize(
    ("argv", "exit_code"),
    [(("true",), 0), (("bash", "-c", "exit 7"), 7), (("bash", "-c", "kill -9 $$"), 137)],
)
def test_the_last_word_is_the_commands_exit_code(
    make_request: Requests, argv: tuple[str, ...], exit_code: int
) -> None:
    request = make_request(*argv)
    stage(request)
    assert run(request.out_dir) == exit_code
    done = read_done(request.out_dir)
    assert done is not None
    assert (done.exit_code, done.host) == (exit_code, os.uname().nodename)
    assert done.ended > 1e9


def test_a_program_that_does_not_exist_says_so(make_request: Requests) -> None:
    request = make_request("no-such-evaluator")
    stage(request)
    assert run(request.out_dir) == 127
    assert "no-such-evaluator" in (request.out_dir / "stderr.log").read_text()


def test_signals_reach_the_command_and_its_exit_code_is_kept(make_request: Requests) -> None:
    request = make_request(sys.executable, "-c", TELL_SIGNALS)
    stage(request)
    log = request.out_dir / "stdout.log"
    script = subprocess.Popen(["bash", request.out_dir / "run.sh", request.out_dir])
    try:
        for number, said in [(None, "ready"), (signal.SIGUSR1, "SIGUSR1"), (signal.SIGINT, "INT")]:
            if number:
                script.send_signal(number)
            until(lambda said=said: log.exists() and said in log.read_text(), f"no {said}")
        assert read_done(request.out_dir) is None
        script.send_signal(signal.SIGTERM)
        assert script.wait(60) == 5
    finally:
        script.kill()
        script.wait()
    done = read_done(request.out_dir)
    assert done is not None
    assert done.exit_code == 5


def test_a_signal_to_all_processes_at_once(make_request: Requests) -> None:
    # As schedulers send it. Which process is the first to notice differs from time to time.
    for attempt in range(1, 11):
        request = make_request("bash", "-c", "echo; exec sleep 600", attempt=attempt)
        stage(request)
        script = request.out_dir / "run.sh"
        process = subprocess.Popen(["bash", script, request.out_dir], start_new_session=True)
        stdout = request.out_dir / "stdout.log"
        until(lambda: stdout.exists() and stdout.stat().st_size > 0, "it does not begin")  # noqa: B023
        os.killpg(process.pid, signal.SIGTERM)
        assert process.wait(60) == 143
        done = read_done(request.out_dir)
        assert done is not None
        assert done.exit_code == 143


def test_an_interrupt_is_not_ignored(make_request: Requests) -> None:
    request = make_request(sys.executable, "-c", "import signal; print(signal.getsignal(2))")
    stage(request)
    assert run(request.out_dir) == 0
    assert "default_int_handler" in (request.out_dir / "stdout.log").read_text()


def test_without_its_folder_nothing_runs(make_request: Requests, tmp_path: Path) -> None:
    request = make_request("touch", str(tmp_path / "ran"))
    script = stage(request)
    status = subprocess.run(["bash", script, tmp_path / "missing"], check=False, timeout=60)
    assert status.returncode == 97
    assert not (tmp_path / "ran").exists()


def test_the_folder_is_the_owners_and_the_request_can_be_read(make_request: Requests) -> None:
    request = make_request("true", env={"A": "1"})
    stage(request)
    assert request.out_dir == job_folder(make_request.jobs, request.key, request.attempt)
    assert request.out_dir.stat().st_mode & 0o077 == 0
    item = json.loads((request.out_dir / "request.json").read_text())
    assert item["schema"] == "hub-revisions-request/1"
    assert (item["commit"], item["argv"], item["env"]) == (request.commit, ["true"], {"A": "1"})


@pytest.mark.parametrize("argv", [(), ("",), ("a\0b",)])
def test_what_cannot_be_run_is_refused(make_request: Requests, argv: tuple[str, ...]) -> None:
    with pytest.raises(ConfigError, match="suite 'suite'"):
        stage(make_request(*argv))
