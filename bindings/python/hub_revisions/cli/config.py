"""`config`: the settings that hold, and whether a file is valid."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from .. import _core
from .._native import to_json
from ..credentials import find_token
from ..settings import check_config, resolve
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
    """Check configuration files; the first that is wrong is told and ends with status 2."""
    checked = {str(file): check_config(file) for file in files}
    if as_json:
        emit_json(checked)
    else:
        for name in checked:
            typer.echo(f"{name}: valid")


@config_app.command("schema")
@guarded
def schema() -> None:
    """Print the JSON schema of configuration files."""
    typer.echo(_core.settings_schema().rstrip())
