"""What the commands share: options, output, and how errors end them."""

from __future__ import annotations

import functools
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from .. import _core
from .._native import Promotion, config_error, to_json
from ..settings import check_keywords

if TYPE_CHECKING:
    from rich.console import Console

FAILED = 1
WRONG_USAGE = 2
JOBS_LEFT = 3
NONE_ELIGIBLE = 3
PROVISIONAL = 4
INTERRUPTED = 130

Command = Callable[..., int | None]

RepoArgument = Annotated[
    str, typer.Argument(metavar="REPO", help="'namespace/name', or 'name' in your own.")
]
ConfigOption = Annotated[
    Path | None, typer.Option("--config", metavar="FILE", help="A JSON file of settings.")
]
EndpointOption = Annotated[
    str | None, typer.Option("--endpoint", metavar="URL", help="The Hub; also HF_ENDPOINT.")
]
SpoolOption = Annotated[
    Path | None,
    typer.Option("--spool-dir", metavar="DIR", help="The spool, if it is not in its usual place."),
]
SetOption = Annotated[
    list[str] | None,
    typer.Option(
        "--set", metavar="KEY=VALUE", help="Any other setting, see 'hub-revisions config show'."
    ),
]
JsonOption = Annotated[bool, typer.Option("--json", help="One JSON document on stdout.")]


def guarded(command: Command) -> Callable[..., None]:
    """Turn a command's errors into one sentence on stderr and an exit status."""

    @functools.wraps(command)
    def run(*args: Any, **kwargs: Any) -> None:
        try:
            status = command(*args, **kwargs)
        except KeyboardInterrupt:
            message("interrupted")
            status = INTERRUPTED
        except _core.ConfigError as error:
            message(f"error: {error}")
            status = WRONG_USAGE
        except (_core.HubRevisionError, OSError) as error:
            message(f"error: {error}")
            status = FAILED
        raise typer.Exit(status or 0)

    return run


def message(text: str) -> None:
    """One line for a person, beside the output."""
    typer.echo(printable(text), err=True)


def printable(text: str) -> str:
    """Text of others on one line, without what would command a terminal."""
    return "".join(char if char.isprintable() else " " for char in text)


def tell(promotion: Promotion) -> None:
    """One line about what was promoted."""
    verb = "is now" if promotion.changed else "was already"
    typer.echo(f"{promotion.target} {verb} {promotion.revision}  {promotion.commit}")


def emit_json(value: object) -> None:
    """The command's result as the one JSON document on stdout."""
    typer.echo(to_json(value))


def stdout_console() -> Console:
    """Where tables go. In a pipe there is no width to fold at."""
    from rich.console import Console

    width = None if sys.stdout.isatty() else 200
    return Console(highlight=False, markup=False, width=width)


def keywords(overrides: list[str] | None = None, **options: Any) -> dict[str, Any]:
    """The settings given on the command line; options that were left out are None."""
    given = {key: value for key, value in options.items() if value is not None}
    known = json.loads(_core.settings_schema())["properties"]
    for item in overrides or []:
        key, equals, text = item.partition("=")
        if not equals:
            raise config_error(f"--set {item}: write KEY=VALUE")
        given[key] = text if "string" in known.get(key, {}).get("type", []) else _value(text)
    # Here, since what they are handed to has arguments that are no settings: a token, say, which
    # must not stand on a command line.
    check_keywords(given)
    return given


def _value(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return text


def parse_metrics(items: list[str] | None) -> dict[str, float] | None:
    """`NAME=NUMBER` options; None if there are none. Raises `ConfigError`."""
    metrics = {}
    for item in items or []:
        name, _, number = item.partition("=")
        try:
            metrics[name] = float(number)
        except ValueError as error:
            raise config_error(f"--metric {item}: write NAME=NUMBER") from error
    return metrics or None
