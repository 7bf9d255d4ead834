"""`list` and `promote`: the revisions of a repository, read from it."""

from __future__ import annotations

import math
from dataclasses import asdict
from typing import Annotated, Any

import typer

from .._native import Revision
from ..repository import Repository
from ..selection.best import list_revisions
from ..selection.promotion import promote_revision
from ..tables import format_bytes
from .common import (
    ConfigOption,
    EndpointOption,
    JsonOption,
    RepoArgument,
    emit_json,
    guarded,
    keywords,
    printable,
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
        emit_json([_described(revision) for revision in revisions])
        return
    metrics = sorted({name for revision in revisions for name in revision.metrics})
    table = Table("revision", "commit")
    for name in ("step", *map(printable, metrics), "size"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("promoted")
    for revision in revisions:
        table.add_row(
            revision.revision,
            revision.commit[:10],
            "" if revision.step is None else str(revision.step),
            *(_number(revision.metrics.get(name)) for name in metrics),
            format_bytes(revision.size),
            printable(revision.promoted),
        )
    stdout_console().print(table)


@guarded
def promote_command(
    repo: RepoArgument,
    revision: Annotated[str, typer.Argument(metavar="REVISION")],
    branch: Annotated[
        str | None, typer.Option("--to", metavar="BRANCH", help="Default: main.")
    ] = None,
    tag: Annotated[
        str | None,
        typer.Option("--tag", metavar="TAG", help="Move a tag to the revision's own commit."),
    ] = None,
    commit: Annotated[
        str,
        typer.Option("--commit", metavar="COMMIT", help="Only if the revision still has it."),
    ] = "",
    config: ConfigOption = None,
    endpoint: EndpointOption = None,
    as_json: JsonOption = False,
) -> None:
    """Make a branch equal to a revision, or move a tag to it; no weights are sent.

    A branch gets one new commit on top of it, with the revision's numbers in its card. Without
    --to and --tag, that branch is main.
    """
    repository = Repository(repo, config, **keywords(endpoint=endpoint))
    promotions = []
    if tag:
        promotions.append(repository.tag(revision, tag, commit=commit))
    if branch or not tag:
        promotions.append(promote_revision(repository, revision, branch or "main", commit=commit))
    if as_json:
        emit_json(promotions if len(promotions) > 1 else promotions[0])
    else:
        for promotion in promotions:
            tell(promotion)


def _described(revision: Revision) -> dict[str, Any]:
    """Its fields, and what follows from them."""
    derived = {"managed": revision.managed, "pointer_to": revision.pointer_to}
    files = [{**asdict(file), "lfs": file.lfs} for file in revision.files]
    return {**asdict(revision), **derived, "files": files}


def _number(value: float | None) -> str:
    if value is None:
        return ""
    return f"{value:.4g}" if math.isfinite(value) else str(value)
