"""`config check`: whether configuration files are valid."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from pathlib import Path
from typing import Any

from .._core import ConfigError
from .._native import config_error
from ..evaluation.config import load_config
from ..outcomes import shown_hook
from ..plan import make_plan
from ..settings import check_config, read_object
from .common import add_options, emit_json, say


def add_arguments(parser: ArgumentParser) -> None:
    parser.add_argument("files", type=Path, nargs="+", metavar="FILE", help="Configuration files.")
    add_options(parser, "--json")


def run(options: Namespace) -> None:
    """Check configuration files; the first that is wrong is told and ends with status 2.

    Those of evaluations, which have 'suites', are checked as such.
    """
    checked = {str(file): _checked(file) for file in options.files}
    if options.as_json:
        emit_json(checked)
    else:
        for name in checked:
            say(f"{name}: valid")


def _checked(file: Path) -> dict[str, Any]:
    """What a file says, as it may be shown. Raises `ConfigError` naming it."""
    if "suites" in read_object(file):
        return load_config(file).to_json()
    values = check_config(file)
    try:
        make_plan(values)
    except ConfigError as error:
        raise config_error(f"{file}: {error}") from error
    if "on_outcome" in values:
        values["on_outcome"] = shown_hook(values["on_outcome"])
    return values
