"""The commands, put together."""

from __future__ import annotations

import logging
import sys
from typing import Annotated

import typer

from .. import _core
from .config import config_app
from .doctor import doctor
from .evaluate import evaluate, watch_evals
from .hub import hub
from .pick import pick
from .prune import prune_command
from .push import push
from .report import report
from .results import results_app
from .revisions import list_command, promote_command
from .spool import cancel, status, sync

app = typer.Typer(
    name="hub-revisions",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="Publish training checkpoints as revisions of a Hub model repository.",
    epilog=(
        "The token is never an option, since others can read a command line: it comes from "
        "HF_TOKEN or the file of 'hf auth login'. Exit status: 0 done, 1 failed, 2 wrong usage or "
        "settings, 3 some jobs failed or are left, or no revision is eligible, 4 the answer may "
        "still change, 130 interrupted."
    ),
)
for command in (push, status, sync, cancel, pick, report, doctor):
    app.command()(command)
app.command("list")(list_command)
app.command("promote")(promote_command)
app.command("prune")(prune_command)
app.command("eval")(evaluate)
app.command("watch-evals")(watch_evals)
# Its options are the local hub's own, which parses and documents them.
app.command(
    "hub",
    add_help_option=False,
    context_settings={"allow_extra_args": True, "ignore_unknown_options": True},
)(hub)
app.add_typer(config_app, name="config")
app.add_typer(results_app, name="results")


def _show_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"hub-revisions {_core.__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool,
        typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version."),
    ] = False,
) -> None:
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stderr)


def main() -> None:
    """Entry point of `hub-revisions`; ends the process with the command's status."""
    app()
