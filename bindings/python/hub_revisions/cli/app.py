"""The commands, put together.

A command is a module here, named as it is (`results add` is `results_add`), with two functions:
`add_arguments(parser)`, and `run(options)`, whose docstring is the command's description and which
returns the exit status, None for 0. Only the module of the command that was asked for is imported.
"""

from __future__ import annotations

import argparse
import inspect
import logging
import os
import sys
from collections.abc import Sequence
from importlib import import_module
from types import ModuleType
from typing import NoReturn

from .. import _core
from ..progress import ERASE_LINE
from .common import FAILED, INTERRUPTED, WRONG_USAGE, message

COMMANDS = {
    "push": "Push a checkpoint folder as a revision, and wait until it is there.",
    "status": "List the jobs in a spool. Works beside a running training.",
    "sync": "Push what is left in a spool; with --follow, also what arrives there.",
    "watch": "Publish the checkpoints that a trainer without our callback saves.",
    "cancel": "Cancel pending jobs, also those of a running training.",
    "list": "List a repository's revisions with their metrics.",
    "pick": "Name the best revision and say why; between equals, the earlier step.",
    "promote": "Make a branch equal to a revision, or move a tag to it; no weights are sent.",
    "fetch": "Bring back a revision as a folder, each file checked against its SHA-256.",
    "prune": "Delete revisions that none of the --keep options keeps.",
    "report": "Write one HTML page: metrics over steps, the best revision, the pushes.",
    "eval": "Evaluate revisions that have no result yet; results go into the repository.",
    "watch-evals": "Go on with evaluations of a training, or an 'eval', that has ended.",
    "results add": "Add a file of results to a revision.",
    "results list": "List all results, and the evaluations that are running.",
    "config show": "Show the settings that hold and where each one came from.",
    "config check": "Check configuration files.",
    "config schema": "Print the JSON schema of configuration files.",
    "doctor": "Check what a push needs: versions, token, endpoint, access, LFS, disk, clock.",
    "hub": "Serve a local hub from a folder.",
}
GROUPS = {
    "results": "Results of evaluations.",
    "config": "Show and check settings; configs/README.md explains each.",
}

_NAME = "hub-revisions"
_DESCRIPTION = "Publish training checkpoints as revisions of a Hub model repository."
EPILOG = (
    "The token is never an option, since others can read a command line: it comes from "
    "HF_TOKEN or the file of 'hf auth login'. Exit status: 0 done, 1 failed, 2 wrong usage or "
    "settings, 3 some jobs failed or are left, or no revision is eligible, 4 the answer may "
    "still change, 130 interrupted."
)


def main(arguments: Sequence[str] | None = None) -> int:
    """One command; `arguments` default to those of the process. Returns the exit status.

    Raises `SystemExit` for wrong usage, --help and --version.
    """
    words = list(sys.argv[1:] if arguments is None else arguments)
    # A progress bar may stand where a line is about to be written.
    start = ERASE_LINE if sys.stderr.isatty() else ""
    logging.basicConfig(level=logging.INFO, format=f"{start}%(message)s", stream=sys.stderr)
    try:
        return _run(words)
    except KeyboardInterrupt:
        message("interrupted")
        return INTERRUPTED
    except BrokenPipeError:  # nobody reads on, as in `hub-revisions list | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return FAILED
    except _core.ConfigError as error:
        message(f"error: {error}")
        return WRONG_USAGE
    except (_core.HubRevisionError, OSError) as error:
        message(f"error: {error}")
        return FAILED


def _run(words: Sequence[str]) -> int:
    name = next((" ".join(words[:n]) for n in (2, 1) if " ".join(words[:n]) in COMMANDS), None)
    if name is None:
        _explain(words)
    command = _module_of(name)
    # Options may stand between positional arguments, which parse_args does not allow everywhere.
    options = parser_of(name).parse_intermixed_args(words[len(name.split()) :])
    status: int | None = command.run(options)
    sys.stdout.flush()
    return status or 0


def parser_of(name: str) -> argparse.ArgumentParser:
    """The parser of one of COMMANDS."""
    command = _module_of(name)
    parser = argparse.ArgumentParser(
        prog=f"{_NAME} {name}",
        description=inspect.getdoc(command.run),
        formatter_class=_Formatter,
        allow_abbrev=False,
    )
    command.add_arguments(parser)
    return parser


def _module_of(name: str) -> ModuleType:
    return import_module(f".{name.replace(' ', '_').replace('-', '_')}", __package__)


def _explain(words: Sequence[str]) -> NoReturn:
    """Answer words that name no command: with help, the version, or what is wrong."""
    group = words[0] if words and words[0] in GROUPS else ""
    parser = argparse.ArgumentParser(
        prog=f"{_NAME} {group}".rstrip(),
        description=GROUPS.get(group, _DESCRIPTION),
        epilog=EPILOG,
        allow_abbrev=False,
    )
    if not group:
        version = f"{_NAME} {_core.__version__}"
        parser.add_argument(
            "--version", action="version", version=version, help="Show the version."
        )
    commands = parser.add_subparsers(metavar="COMMAND", title="commands", required=True)
    for name, text in (COMMANDS | GROUPS).items():
        parent, _, own = name.rpartition(" ")
        if parent == group:
            commands.add_parser(own, help=text)
    rest = words[1:] if group else words
    if not rest:
        parser.print_help(sys.stderr)
        sys.exit(WRONG_USAGE)
    parser.parse_args(rest)
    raise AssertionError(f"{words} is a command")


class _Formatter(argparse.HelpFormatter):
    """Keeps paragraphs apart."""

    def _fill_text(self, text: str, width: int, indent: str) -> str:
        paragraphs = text.split("\n\n")
        return "\n\n".join(super(_Formatter, self)._fill_text(p, width, indent) for p in paragraphs)
