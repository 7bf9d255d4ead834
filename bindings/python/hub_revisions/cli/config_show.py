"""`config show`: the settings that hold."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from pathlib import Path

from .._native import to_json
from ..credentials import find_token
from ..outcomes import shown_hook
from ..settings import resolve
from ..text_table import Column
from .common import add_options, emit_json, keywords, show_table


def add_arguments(parser: ArgumentParser) -> None:
    parser.add_argument(
        "output_dir",
        type=Path,
        nargs="?",
        default=Path(),
        metavar="OUTPUT_DIR",
        help="The training's output_dir.",
    )
    add_options(parser, "--config", "--set", "--json")


def run(options: Namespace) -> None:
    """Show the settings that hold and where each one came from.

    Secrets are not shown, and of a webhook's address only scheme and host.

    What a training script sets in TrainingArguments is not known here.
    """
    given = keywords(options.settings)
    effective = resolve(given, options.config, output_dir=options.output_dir)
    shown = {**effective.values, "on_outcome": shown_hook(effective["on_outcome"])}
    token = str(find_token())
    if options.as_json:
        pairs = {
            key: {"value": value, "origin": effective.origins[key]} for key, value in shown.items()
        }
        emit_json({"settings": pairs, "token": token})
        return
    rows = [
        (key, to_json(value, indent=None), effective.origins[key]) for key, value in shown.items()
    ]
    show_table([*map(Column, ("setting", "value", "origin"))], [*rows, ("token", token, "")])
