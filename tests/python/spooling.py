"""Processes that share a spool, in these tests: one submits, another pushes, maybe elsewhere."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from child_process import Child, environment, until
from hub_revisions import _core
from hub_revisions._native import JobRecord, decode_spool

COMMAND = "import sys; from hub_revisions.cli import main; sys.exit(main())"

# Submits each folder that is named on a line of its input, and says so.
SPOOLER = """
import json, sys
from hub_revisions import RevisionPusher
output, settings = sys.argv[1], json.loads(sys.argv[2])
with RevisionPusher(output, mode="spool", **settings) as pusher:
    print("spooling", flush=True)
    for line in sys.stdin:
        pusher.submit(line.strip(), metrics={})
        print("submitted", flush=True)
"""


class Spooler:
    """A process that has the spool of `output` open to submit; leaving the block ends it."""

    def __init__(self, output: Path, where: dict[str, Any]) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-c", SPOOLER, str(output), json.dumps(where)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=environment(),
        )
        self._answer("spooling")

    def submit(self, folder: Path) -> None:
        """Have it freeze a checkpoint."""
        assert self._process.stdin is not None
        self._process.stdin.write(f"{folder}\n")
        self._process.stdin.flush()
        self._answer("submitted")

    def kill(self) -> None:
        """End it as a batch system does."""
        self._process.kill()
        self._process.wait()

    def _answer(self, expected: str) -> None:
        assert self._process.stdout is not None
        assert self._process.stdout.readline().strip() == expected

    def __enter__(self) -> Spooler:
        return self

    def __exit__(self, *_: object) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait(60)
        assert self._process.stdout is not None
        self._process.stdout.close()


def command_child(folder: Path, *arguments: object, **variables: str) -> Child:
    """`hub-revisions ARGUMENTS` in a process of its own."""
    return Child(folder, COMMAND, *arguments, **variables)


def records(output: Path) -> list[JobRecord]:
    """What stands in the spool."""
    return list(decode_spool(_core.read_spool(str(output / "_hub_revisions"))).records)


def states(output: Path) -> dict[str, str]:
    """The state of each revision, of its newest job."""
    return {record.revision: record.state for record in records(output)}


def until_states(output: Path, expected: dict[str, str]) -> None:
    """Wait until the jobs have come to that."""
    until(lambda: states(output) == expected, f"never {expected}")


def elsewhere(shared: Path, mounted: Path, *command: object, network: bool) -> list[str]:
    """The command as another machine would run it: `shared` is at `mounted` there, and only there.

    It has another name, and without `network` not even a loopback device that is up. Skips the test
    where this user may not make such a machine.
    """
    unshare = shutil.which("unshare")
    if unshare is None:
        pytest.skip("needs unshare (Debian: util-linux)")
    spaces = ["--mount", "--uts"] + ([] if network else ["--net"])
    tried = subprocess.run([unshare, *spaces, "true"], capture_output=True, text=True, check=False)
    if tried.returncode != 0:
        pytest.skip(f"cannot have namespaces here: {tried.stderr.strip()}")
    script = """
        set -e
        hostname login-node
        mount --bind "$1" "$2"
        mount -t tmpfs none "$1"
        shift 2
        exec "$@"
    """
    words = [str(word) for word in (shared, mounted, *command)]
    return [unshare, *spaces, "sh", "-c", script, "sh", *words]
