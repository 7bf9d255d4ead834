"""`list`, `pick` and `promote`: the revisions of a repository, read from it."""

from __future__ import annotations

import math
from typing import Annotated, Literal

import typer

from .._native import Promotion
from ..selection import choose, list_revisions, promote
from ..tables import format_bytes
from .common import (
    ConfigOption,
    EndpointOption,
    JsonOption,
    emit_json,
    guarded,
    keywords,
    message,
    stdout_console,
)

RepoArgument = Annotated[
    str, typer.Argument(metavar="REPO", help="'namespace/name', or 'name' in your own.")
]


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
def pick(
    repo: RepoArgument,
    metric: Annotated[str, typer.Option("--metric", help="The metric to compare.")] = "eval_loss",
    mode: Annotated[
        Literal["min", "max"], typer.Option("--mode", help="Whether small or large is good.")
    ] = "min",
    promote_to: Annotated[
        str | None,
        typer.Option("--promote", metavar="BRANCH", help="Make this branch equal to the best."),
    ] = None,
    config: ConfigOption = None,
    endpoint: EndpointOption = None,
    as_json: JsonOption = False,
) -> None:
    """Name the revision with the best metric; between equals, the earlier step."""
    given = keywords(endpoint=endpoint)
    best = choose(list_revisions(repo, config, **given), repo, metric, mode)
    for name in best.skipped:
        message(f"skipped: {name} has no finite {metric}")
    promotion = promote(repo, best.revision, promote_to, config, **given) if promote_to else None
    if as_json:
        emit_json({"best": best, "promotion": promotion})
        return
    typer.echo(f"{best.revision}  {metric}={best.value:.6g}  {best.commit}")
    if promotion:
        _tell(promotion)


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
        _tell(promotion)


def _tell(promotion: Promotion) -> None:
    verb = "is now" if promotion.changed else "was already"
    typer.echo(f"{promotion.branch} {verb} {promotion.revision}  {promotion.commit}")


def _number(value: float | None) -> str:
    if value is None:
        return ""
    return f"{value:.4g}" if math.isfinite(value) else str(value)
