"""`results`: take results of evaluations from anywhere, and list them."""

from __future__ import annotations

from datetime import datetime, timezone
from pathlib import Path
from typing import Annotated

import typer

from ..repository import Repository
from ..results.adding import find_revision, read_result
from ..results.store import add, read_records
from ..results.types import Result, listed
from .common import (
    ConfigOption,
    EndpointOption,
    JsonOption,
    RepoArgument,
    emit_json,
    guarded,
    keywords,
    message,
    printable,
    stdout_console,
)

results_app = typer.Typer(no_args_is_help=True, help="Results of evaluations.")


@results_app.command("add")
@guarded
def add_command(
    repo: RepoArgument,
    revision: Annotated[str, typer.Argument(metavar="REVISION", help="Its name or commit.")],
    file: Annotated[Path, typer.Argument(metavar="FILE", help="What the evaluator wrote.")],
    suite: Annotated[
        str, typer.Option("--suite", help="What was run; otherwise the file's form is its name.")
    ] = "",
    config: ConfigOption = None,
    endpoint: EndpointOption = None,
    as_json: JsonOption = False,
) -> None:
    """Add a file of results to a revision.

    Read are lighteval, lm-evaluation-harness, trainer_state.json, an object of numbers,
    'ckpt-metrics/1' and .eval_results; told by the content. The revision itself does not change:
    results stand on the branch 'evaluations'. Adding the same again changes nothing.
    """
    repository = Repository(repo, config, **keywords(endpoint=endpoint))
    contents = repository.read()
    found = find_revision(contents.revisions, revision, contents.repo_id)
    earlier = read_records(contents.records).results
    result, is_new = read_result(file, found, contents.repo_id, earlier, suite)
    if is_new:
        add(repository, [result])
    if as_json:
        emit_json({"added": is_new, "result": result.to_json()})
        return
    verb = "added" if is_new else "was there already"
    typer.echo(f"{result.revision}  {result.suite}  {verb}: {printable(listed(result.metrics))}")
    for metric in result.metrics:
        if metric.problem:
            message(f"warning: '{metric.key}' {metric.problem} and cannot be picked by")


@results_app.command("list")
@guarded
def list_command(
    repo: RepoArgument,
    config: ConfigOption = None,
    endpoint: EndpointOption = None,
    as_json: JsonOption = False,
) -> None:
    """List all results, and the evaluations that are running."""
    from rich.table import Table

    contents = Repository(repo, config, **keywords(endpoint=endpoint)).read()
    stored = read_records(contents.records)
    if as_json:
        emit_json(
            {
                "results": [result.to_json() for result in stored.results],
                "pending": [pending.to_json() for pending in stored.pending],
                "problems": list(stored.problems),
            }
        )
        return
    there = {revision.commit for revision in contents.revisions}
    table = Table("revision", "commit", "suite", "outcome", "ended", "metrics or reason", box=None)
    for result in sorted(stored.results, key=_place):
        outcome = result.outcome if result.attempt == 1 else f"{result.outcome} ({result.attempt}.)"
        gone = "" if result.commit in there else " (no revision is there now)"
        said = listed(result.metrics) if result.outcome == "succeeded" else result.reason
        where = (result.revision, f"{result.commit[:10]}{gone}", result.suite)
        table.add_row(*map(printable, (*where, outcome, _date(result.finished), said)))
    for pending in stored.pending:
        where = (pending.revision, pending.commit[:10], pending.suite)
        said = f"on {pending.engine}, job {pending.job}"
        table.add_row(*map(printable, (*where, "running", "", said)))
    stdout_console().print(table)
    for problem in stored.problems:
        message(f"warning: {problem}")


def _place(result: Result) -> tuple[float, str, int, int]:
    return result.step or 0, result.revision, result.finished, result.attempt


def _date(seconds: int) -> str:
    moment = datetime.fromtimestamp(seconds, tz=timezone.utc) if seconds else None
    return f"{moment:%Y-%m-%d %H:%M}" if moment else ""
