"""The command line, run inside the test's process."""

from __future__ import annotations

import json
from typing import Any

from hub_revisions.cli.app import app
from typer.testing import CliRunner, Result


def run(*arguments: object) -> Result:
    """One command, with what it printed and its status."""
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def document(result: Result) -> Any:
    """The one JSON document on stdout."""
    return json.loads(result.stdout)
