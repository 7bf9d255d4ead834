"""What the commands share: options, output, exit statuses."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from .. import _core
from .._native import Promotion, config_error, to_json
from ..settings import check_keywords
from ..text_table import Column, printable, render_table, terminal_width

FAILED = 1
WRONG_USAGE = 2
JOBS_LEFT = 3
NONE_ELIGIBLE = 3
PROVISIONAL = 4
INTERRUPTED = 130

_OPTIONS: Mapping[str, Mapping[str, Any]] = {
    "--config": {"type": Path, "metavar": "FILE", "help": "A JSON file of settings."},
    "--endpoint": {"metavar": "URL", "help": "The Hub; also HF_ENDPOINT."},
    "--spool-dir": {
        "type": Path,
        "metavar": "DIR",
        "help": "The spool, if it is not in its usual place.",
    },
    "--set": {
        "dest": "settings",
        "action": "append",
        "metavar": "KEY=VALUE",
        "help": "Any other setting, see 'hub-revisions config show'.",
    },
    "--json": {
        "dest": "as_json",
        "action": "store_true",
        "help": "One JSON document on stdout.",
    },
}


def add_repo(parser: argparse.ArgumentParser) -> None:
    """The argument REPO, as `repo`."""
    parser.add_argument("repo", metavar="REPO", help="'namespace/name', or 'name' in your own.")


def add_options(parser: argparse.ArgumentParser, *names: str) -> None:
    """Options that mean the same in every command: `config`, `endpoint`, `spool_dir`, `settings`
    (of --set) and `as_json` (of --json)."""
    for name in names:
        parser.add_argument(name, **_OPTIONS[name])


def say(text: str) -> None:
    """One line of the command's answer, on stdout."""
    sys.stdout.write(f"{text}\n")


def message(text: str) -> None:
    """One line for a person, beside the output."""
    sys.stdout.flush()
    sys.stderr.write(f"{printable(text)}\n")


def tell(promotion: Promotion) -> None:
    """One line about what was promoted."""
    verb = "is now" if promotion.changed else "was already"
    say(f"{promotion.target} {verb} {promotion.revision}  {promotion.commit}")


def emit_json(value: object) -> None:
    """The command's result as the one JSON document on stdout."""
    say(to_json(value))


def show_table(columns: Sequence[Column], rows: Sequence[Sequence[str]]) -> None:
    """A table on stdout."""
    sys.stdout.write(render_table(columns, rows, width=terminal_width(sys.stdout)))


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
