"""`fetch`: one revision as a folder."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from pathlib import Path

from ..fetch import fetch
from ..repository import Repository
from ..tables import format_bytes
from .common import add_options, add_repo, emit_json, keywords, say


def add_arguments(parser: ArgumentParser) -> None:
    add_repo(parser)
    add = parser.add_argument
    add("revision", metavar="REVISION", help="A branch, tag or commit, 'best' or 'latest'.")
    add("directory", type=Path, metavar="DIR", help="The folder, which is made.")
    add_options(parser, "--config", "--endpoint", "--set", "--json")


def run(options: Namespace) -> None:
    """Bring back a revision as a folder, each file checked against its SHA-256.

    The folder appears when all of it is there; an interrupted fetch goes on when it is asked for
    again. Of a revision published with contents=full, training can be resumed from it.
    """
    given = keywords(options.settings, endpoint=options.endpoint)
    repository = Repository(options.repo, options.config, **given)
    fetched = fetch(repository, options.revision, options.directory)
    if options.as_json:
        emit_json(fetched)
        return
    size = format_bytes(sum(fetched.files.values()))
    verb = "has" if fetched.changed else "had already"
    say(f"{fetched.directory} {verb} {len(fetched.files)} files, {size}  {fetched.commit}")
