"""`config`: the settings that hold, and whether a file is valid."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from .. import _core
from .._core import ConfigError
from .._native import config_error, to_json
from ..credentials import find_token
from ..evaluation.config import load_config
from ..plan import make_plan
from ..settings import check_config, read_object, resolve
from .common import (
    ConfigOption,
    JsonOption,
    SetOption,
    emit_json,
    guarded,
    keywords,
    stdout_console,
)

config_app = typer.Typer(
    no_args_is_help=True, help="Show and check settings; configs/README.md explains each."
)


@config_app.command("show")
@guarded
def show(
    output_dir: Annotated[
        Path, typer.Argument(metavar="[OUTPUT_DIR]", help="The training's output_dir.")
    ] = Path(),
    config: ConfigOption = None,
    settings: SetOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show the settings that hold and where each one came from. Secrets are not shown.

    What a training script sets in TrainingArguments is not known here.
    """
    from rich.table import Table

    effective = resolve(keywords(settings), config, output_dir=output_dir)
    token = str(find_token())
    if as_json:
        pairs = {
            key: {"value": value, "origin": effective.origins[key]}
            for key, value in effective.values.items()
        }
        emit_json({"settings": pairs, "token": token})
        return
    table = Table("setting", "value", "origin")
    for key, value in effective.values.items():
        table.add_row(key, to_json(value, indent=None), effective.origins[key])
    table.add_row("token", token, "", style="dim")
    stdout_console().print(table)


@config_app.command("check")
@guarded
def check(
    files: Annotated[list[Path], typer.Argument(metavar="FILE...", help="Configuration files.")],
    as_json: JsonOption = False,
) -> None:
    """Check configuration files; the first that is wrong is told and ends with status 2.

    Those of evaluations, which have 'suites', are checked as such.
    """
    checked = {str(file): _checked(file) for file in files}
    if as_json:
        emit_json(checked)
    else:
        for name in checked:
            typer.echo(f"{name}: valid")


def _checked(file: Path) -> dict[str, Any]:
    """What a file says. Raises `ConfigError` naming it."""
    if "suites" in read_object(file):
        return load_config(file).to_json()
    values = check_config(file)
    try:
        make_plan(values)
    except ConfigError as error:
        raise config_error(f"{file}: {error}") from error
    return values


@config_app.command("schema")
@guarded
def schema() -> None:
    """Print the JSON schema of configuration files."""
    typer.echo(_core.settings_schema().rstrip())
