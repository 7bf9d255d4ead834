"""`doctor`: whether a push would work from here."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from .. import _core
from .._native import decode_checks
from ..credentials import find_token
from ..settings import resolve
from .common import (
    FAILED,
    ConfigOption,
    EndpointOption,
    JsonOption,
    SetOption,
    emit_json,
    guarded,
    keywords,
)


@guarded
def doctor(
    repo: Annotated[
        str | None,
        typer.Option("--repo", metavar="REPO", help="Also check that it can be written."),
    ] = None,
    output_dir: Annotated[
        Path, typer.Option("--output-dir", metavar="DIR", help="The training's output_dir.")
    ] = Path(),
    config: ConfigOption = None,
    endpoint: EndpointOption = None,
    settings: SetOption = None,
    as_json: JsonOption = False,
) -> int:
    """Check endpoint, token, write access, spool and free space. Creates REPO if it is missing."""
    effective = resolve(keywords(settings, repo_id=repo, endpoint=endpoint), config)
    checks = decode_checks(
        _core.doctor(effective.to_json(), find_token().value, str(output_dir.absolute()))
    )
    if as_json:
        emit_json(checks)
    else:
        for check in checks:
            typer.echo(f"{'ok    ' if check.ok else 'FAILED'} {check.check}: {check.detail}")
    return 0 if all(check.ok for check in checks) else FAILED
