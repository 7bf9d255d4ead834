"""`list` and `promote`: the revisions of a repository, read from it."""

from __future__ import annotations

import math
from typing import Annotated

import typer

from ..selection import list_revisions, promote
from ..tables import format_bytes
from .common import (
    ConfigOption,
    EndpointOption,
    JsonOption,
    RepoArgument,
    emit_json,
    guarded,
    keywords,
    stdout_console,
    tell,
)


@guarded
def list_command(
    repo: RepoArgument,
    config: ConfigOption = None,
    endpoint: EndpointOption = None,
    as_json: JsonOption = False,
) -> None:
    """List a repository's revisions with their metrics."""
    from rich.table import Table

    revisions = list_revisions(repo, config, **keywords(endpoint=endpoint))
    if as_json:
        emit_json(revisions)
        return
    metrics = sorted({name for revision in revisions for name in revision.metrics})
    table = Table("revision", "commit")
    for name in ("step", *metrics, "size"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("promoted")
    for revision in revisions:
        table.add_row(
            revision.revision,
            revision.commit[:10],
            "" if revision.step is None else str(revision.step),
            *(_number(revision.metrics.get(name)) for name in metrics),
            format_bytes(revision.size),
            revision.promoted,
        )
    stdout_console().print(table)


@guarded
def promote_command(
    repo: RepoArgument,
    revision: Annotated[str, typer.Argument(metavar="REVISION")],
    branch: Annotated[str, typer.Option("--to", metavar="BRANCH")] = "main",
    config: ConfigOption = None,
    endpoint: EndpointOption = None,
    as_json: JsonOption = False,
) -> None:
    """Make a branch equal to a revision by one new commit; no weights are sent."""
    promotion = promote(repo, revision, branch, config, **keywords(endpoint=endpoint))
    if as_json:
        emit_json(promotion)
    else:
        tell(promotion)


def _number(value: float | None) -> str:
    if value is None:
        return ""
    return f"{value:.4g}" if math.isfinite(value) else str(value)
