"""`config schema`: what an editor checks configuration files with."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace

from .. import _core
from .common import say


def add_arguments(parser: ArgumentParser) -> None:
    """It has none."""


def run(options: Namespace) -> None:
    """Print the JSON schema of configuration files."""
    say(_core.settings_schema().rstrip())
