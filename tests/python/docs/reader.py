"""Does what a page says, block after block, in an empty folder."""

from __future__ import annotations

import configparser
import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import yaml

from .blocks import Block

TIMEOUT = 240


class Reader:
    """Somebody who follows a page: one folder, one environment, one Python interpreter.

    Shell blocks see the variables that earlier ones exported. A block that stays running is ended
    with the page.
    """

    def __init__(self, folder: Path, environment: dict[str, str]) -> None:
        self.folder = folder
        self._environment = environment
        self._kept = folder.parent / "environment"
        self._python: subprocess.Popen[str] | None = None
        self._running: list[tuple[str, subprocess.Popen[bytes]]] = []

    def __enter__(self) -> Reader:
        return self

    def __exit__(self, kind: type[BaseException] | None, *exception: object) -> None:
        ended = [where for where, process in self._running if _ends(process)]
        for _, process in self._running:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGTERM)
                process.wait(60)
        if self._python is not None:
            assert self._python.stdin
            self._python.stdin.close()
            self._python.wait(60)
        assert kind or not ended, f"{ended}: should have stayed running"

    def follow(self, block: Block) -> None:
        """Check that the block is well formed; then run it, or write the file that it stands for.

        Raises `AssertionError` naming page and line.
        """
        check(block)
        if block.not_run:
            print(f"{block.where}: not run: {block.not_run}")
        elif block.title:
            file = self.folder / block.title
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(block.text)
        elif block.language == "bash":
            self._run_shell(block)
        elif block.language == "python":
            self._run_python(block)

    def _run_shell(self, block: Block) -> None:
        command = ["bash", "-euo", "pipefail", "-c"]
        options: dict[str, Any] = {"cwd": self.folder, "env": self._environment}
        if block.stays_running:
            process = subprocess.Popen([*command, block.text], start_new_session=True, **options)
            self._running.append((block.where, process))
            return
        keep = f'{block.text}\nenv -0 >"{self._kept}"'
        done = subprocess.run(
            [*command, keep],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=TIMEOUT,
            **options,
        )
        print(f"{block.where}:\n{done.stdout}")
        assert done.returncode == 0, f"{block.where}: status {done.returncode}:\n{done.stdout}"
        variables = self._kept.read_text().split("\0")
        self._environment = dict(v.split("=", 1) for v in variables if v)

    def _run_python(self, block: Block) -> None:
        if self._python is None:
            self._python = subprocess.Popen(
                [sys.executable, Path(__file__).with_name("interpreter.py")],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
                cwd=self.folder,
                env=self._environment,
            )
        assert self._python.stdin
        assert self._python.stdout
        self._python.stdin.write(json.dumps({"text": block.text, "where": block.where}) + "\n")
        self._python.stdin.flush()
        answer = self._python.stdout.readline()
        assert answer, f"{block.where}: the interpreter ended"
        error = json.loads(answer)
        assert not error, f"{block.where}:\n{error}"


def _ends(process: subprocess.Popen[bytes]) -> bool:
    """Whether it ends by itself, at the latest when it has looked at its arguments."""
    try:
        process.wait(2)
    except subprocess.TimeoutExpired:
        return False
    return True


def check(block: Block) -> None:
    """What can be said of a block without running it."""
    assert block.language in CHECKS, f"{block.where}: how is {block.language!r} checked?"
    try:
        CHECKS[block.language](block)
    except Exception as error:
        raise AssertionError(f"{block.where}: {error}") from error


def _check_shell(block: Block) -> None:
    parsed = subprocess.run(
        ["bash", "-n"], input=block.text, stderr=subprocess.PIPE, text=True, check=False
    )
    assert parsed.returncode == 0, parsed.stderr


def _check_ini(block: Block) -> None:
    parser = configparser.ConfigParser(interpolation=None, strict=False)
    parser.read_string(block.text)


CHECKS = {
    "bash": _check_shell,
    "ini": _check_ini,
    "json": lambda block: json.loads(block.text),
    "python": lambda block: compile(block.text, block.where, "exec"),
    "text": lambda block: None,
    "yaml": lambda block: yaml.safe_load(block.text),
}
