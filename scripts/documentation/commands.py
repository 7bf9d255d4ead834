"""The reference of the command line, from the parsers of its commands."""

from __future__ import annotations

import argparse
import os

from hub_revisions.cli.app import COMMANDS, EPILOG, parser_of

from .settings import plain

HEAD = """\
# Command line

Made by `scripts/make_reference` from what `hub-revisions COMMAND --help` shows.

"""
WIDTH = 80


def commands_page() -> str:
    """The whole page."""
    # argparse folds its text as for a terminal of this width.
    os.environ["COLUMNS"] = str(WIDTH)
    rows = [
        f"| [{name}](#{name.replace(' ', '-')}) | {plain(text)} |\n"
        for name, text in COMMANDS.items()
    ]
    overview = f"\n\n| command | what it does |\n|---|---|\n{''.join(rows)}"
    return HEAD + plain(EPILOG) + overview + "".join(section_of(name) for name in COMMANDS)


def section_of(name: str) -> str:
    """A command: what it does, how it is called, its options."""
    parser = parser_of(name)
    usage = parser.format_usage().removeprefix("usage: ").replace("\n       ", "\n")
    actions = [action for action in parser._actions if action.dest != "help"]
    rows = "".join(f"| {call_of(action)} | {plain(help_of(action))} |\n" for action in actions)
    table = f"\n| argument | meaning |\n|---|---|\n{rows}" if rows else ""
    return f"\n## {name}\n\n{plain(parser.description or '')}\n\n```text\n{usage}```\n{table}"


def call_of(action: argparse.Action) -> str:
    """How an argument is written."""
    if action.nargs == 0:
        value = ""
    elif action.metavar is not None:
        value = str(action.metavar)
    elif action.choices is not None:
        value = "{" + ",".join(map(str, action.choices)) + "}"
    else:
        value = action.dest.upper()
    names = ", ".join(f"`{name} {value}`".replace(" `", "`") for name in action.option_strings)
    return names or f"`{value}`"


def help_of(action: argparse.Action) -> str:
    """What `--help` says of it."""
    return (action.help or "") % {"default": action.default}
