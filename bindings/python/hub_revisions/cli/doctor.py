"""`doctor`: whether a push would work from here."""

from __future__ import annotations

import signal
from argparse import ArgumentParser, Namespace
from pathlib import Path

from ..credentials import find_token
from ..doctor import examine
from ..settings import resolve
from ..text_table import Column
from .common import FAILED, add_options, emit_json, keywords, show_table


def add_arguments(parser: ArgumentParser) -> None:
    add = parser.add_argument
    add("--repo", metavar="REPO", help="Also check that it can be written.")
    add("--output-dir", type=Path, default=Path(), metavar="DIR",
        help="The training's output_dir. Default: here.")  # fmt: skip
    add_options(parser, "--config", "--endpoint", "--set", "--json")


def run(options: Namespace) -> int:
    """Check what a push needs: versions, token, endpoint, write access, LFS, disk, clock.

    Creates REPO if it is missing, and pushes a revision of one kibibyte to a branch of its own,
    which is removed again. Exit status 1: something would keep a push from working; what only
    warns does not count.
    """
    given = keywords(options.settings, repo_id=options.repo, endpoint=options.endpoint)
    effective = resolve(given, options.config)
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)  # to remove what was pushed
    try:
        checks = examine(effective, find_token(), options.output_dir)
    finally:
        signal.signal(signal.SIGTERM, before)
    if options.as_json:
        emit_json(checks)
    else:
        rows = []
        for check in checks:
            rows.append((check.verdict, check.check, check.detail))
            if check.remedy:
                rows.append(("", "", f"remedy: {check.remedy}"))
        show_table([*map(Column, ("", "check", "what was found"))], rows)
    return FAILED if any(check.verdict == "fail" for check in checks) else 0
