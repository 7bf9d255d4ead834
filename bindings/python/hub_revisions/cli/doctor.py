"""`doctor`: whether a push would work from here."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from pathlib import Path

from .. import _core
from .._native import decode_checks
from ..credentials import find_token
from ..settings import resolve
from .common import FAILED, add_options, emit_json, keywords, say


def add_arguments(parser: ArgumentParser) -> None:
    add = parser.add_argument
    add("--repo", metavar="REPO", help="Also check that it can be written.")
    add("--output-dir", type=Path, default=Path(), metavar="DIR",
        help="The training's output_dir. Default: here.")  # fmt: skip
    add_options(parser, "--config", "--endpoint", "--set", "--json")


def run(options: Namespace) -> int:
    """Check endpoint, token, write access, spool and free space. Creates REPO if it is missing."""
    given = keywords(options.settings, repo_id=options.repo, endpoint=options.endpoint)
    effective = resolve(given, options.config)
    folder = str(options.output_dir.absolute())
    checks = decode_checks(_core.doctor(effective.to_json(), find_token().value, folder))
    if options.as_json:
        emit_json(checks)
    else:
        for check in checks:
            say(f"{'ok    ' if check.ok else 'FAILED'} {check.check}: {check.detail}")
    return 0 if all(check.ok for check in checks) else FAILED
