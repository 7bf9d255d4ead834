"""The command line, run inside the test's process."""

from __future__ import annotations

import io
import json
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from typing import Any

from hub_revisions.cli import main


@dataclass(frozen=True)
class Result:
    """What a command printed, and its exit status."""

    exit_code: int
    stdout: str
    stderr: str


def run(*arguments: object) -> Result:
    """One command, with what it printed and its status."""
    out, errors = io.StringIO(), io.StringIO()
    with redirect_stdout(out), redirect_stderr(errors):
        try:
            status = main([str(argument) for argument in arguments])
        except SystemExit as end:  # as argparse ends --help and wrong usage
            status = end.code if isinstance(end.code, int) else int(end.code is not None)
    return Result(status, out.getvalue(), errors.getvalue())


def document(result: Result) -> Any:
    """The one JSON document on stdout."""
    return json.loads(result.stdout)
