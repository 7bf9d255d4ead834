"""Scripts and commands in processes of their own, and what they leave for the next one."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any

from hub_revisions import list_revisions

PATIENCE = 60.0  # seconds that a test waits for what must happen


def until(condition: Callable[[], bool], what: str) -> None:
    """Wait for a condition that must come true."""
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline, what
        time.sleep(0.005)


def environment(**variables: str) -> dict[str, str]:
    """The environment of a child that finds the same modules as this process."""
    return (
        os.environ | {"PYTHONPATH": os.pathsep.join(sys.path), "PYTHONUNBUFFERED": "1"} | variables
    )


def command(*arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """`hub-revisions ARGUMENTS`, to its end."""
    return subprocess.run(
        [sys.executable, "-m", "hub_revisions", *arguments],
        env=environment(**variables),
        capture_output=True,
        text=True,
        check=False,
        timeout=PATIENCE,
    )


class Child:
    """A Python script in a process of its own; leaving the `with` block kills it.

    What it writes is in `output`: a file, since a pipe that nobody reads would hold it up.
    """

    def __init__(self, folder: Path, code: str, *arguments: object, **variables: str) -> None:
        self._log = folder / f"child-{time.monotonic_ns()}.log"
        with self._log.open("wb") as sink:
            self.process = subprocess.Popen(
                [sys.executable, "-c", textwrap.dedent(code), *map(str, arguments)],
                stdin=subprocess.DEVNULL,
                stdout=sink,
                stderr=subprocess.STDOUT,
                env=environment(**variables),
            )

    @property
    def output(self) -> str:
        """What it has written so far."""
        return self._log.read_text(errors="replace")

    def says(self, text: str) -> None:
        """Wait until it has written that."""
        until(lambda: text in self.output or self.process.poll() is not None, f"never: {text}")
        assert text in self.output, self.output

    def send(self, number: signal.Signals) -> None:
        """Send it a signal."""
        self.process.send_signal(number)

    def ends(self, within: float = PATIENCE) -> int:
        """Its exit status; it must end in so many seconds."""
        try:
            return self.process.wait(within)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"still there after {within} s:\n{self.output}") from None

    def __enter__(self) -> Child:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.process.kill()
        self.process.wait()


def synced(output_dir: Path, token: str) -> str:
    """`hub-revisions sync`, twice: the second finds nothing to do. What the first one said."""
    first = command("sync", str(output_dir), HF_TOKEN=token)
    assert first.returncode == 0, first.stdout + first.stderr
    second = command("sync", str(output_dir), HF_TOKEN=token)
    assert second.returncode == 0, second.stdout + second.stderr
    assert "nothing to push" in second.stderr
    return first.stdout + first.stderr


def published_steps(hub: Any, repo_id: str) -> list[int | None]:
    """The steps of the revisions in the repository, in order, each as often as it is there."""
    found = list_revisions(repo_id, endpoint=hub.endpoint, token=hub.token)
    return sorted(revision.step for revision in found if revision.managed)


def snapshots_left(output_dir: Path) -> list[str]:
    """What a spool holds beside records, log and lock, when every job has ended."""
    spool = output_dir / "_hub_revisions"
    kept = {"job.json", "cancel", "worker.log", "spool.log", "lock", "lock.submit"}
    return sorted(
        str(path.relative_to(spool))
        for path in spool.rglob("*")
        if path.name not in kept and not (path / "job.json").exists()
    )
