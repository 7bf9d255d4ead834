"""`prune`: delete the revisions that nobody needs."""

from __future__ import annotations

import sys
from dataclasses import asdict
from typing import Annotated, Literal

import typer

from .._native import Contents, config_error
from ..prune import Mode, PruneReport, prune, ranking_of
from ..repository import Repository
from ..retention import Retention
from ..selection.best import decide
from ..selection.decision import Decision
from ..selection.rule import Source, make_rule
from ..tables import format_bytes
from .common import (
    FAILED,
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


@guarded
def prune_command(
    repo: RepoArgument,
    keep_best: Annotated[
        int | None, typer.Option("--keep-best", metavar="N", help="Keep the N best, by --metric.")
    ] = None,
    keep_last: Annotated[
        int | None, typer.Option("--keep-last", metavar="N", help="Keep the N newest.")
    ] = None,
    keep_every: Annotated[
        int | None,
        typer.Option("--keep-every", metavar="N", help="Keep those whose step N divides."),
    ] = None,
    metric: Annotated[
        str | None,
        typer.Option(
            "--metric", metavar="M[:mode]", help="What --keep-best compares. Default: eval_loss."
        ),
    ] = None,
    source: Annotated[
        Literal["trainer", "evaluation"] | None,
        typer.Option("--source", help="Whose numbers, where both have the metric."),
    ] = None,
    purge_lfs: Annotated[
        bool,
        typer.Option("--purge-lfs", help="Delete large files for good that no revision has then."),
    ] = False,
    dry_run: Annotated[
        bool | None,
        typer.Option("--dry-run/--yes", help="Only say what would happen, or do it."),
    ] = None,
    config: ConfigOption = None,
    endpoint: EndpointOption = None,
    as_json: JsonOption = False,
) -> int:
    """Delete revisions that none of the --keep options keeps.

    In a terminal nothing is deleted without --yes; elsewhere, --yes or --dry-run has to be given.
    Never deleted are: main, branches that hub-revisions did not make, what another branch or a tag
    points to, what was promoted, what is being evaluated, what has no step, and the last revision.
    Results of evaluations stay.

    A branch takes no room; its large files do, until they are purged. --purge-lfs alone deletes
    those that no branch or tag has and that are older than a day, which an interrupted prune or
    push has left.
    """
    mode = _mode(dry_run)
    retention = Retention(keep_best, keep_last, keep_every)
    if retention == Retention() and not purge_lfs:
        raise config_error("say what stays: --keep-best, --keep-last or --keep-every")
    repository = Repository(repo, config, **keywords(endpoint=endpoint))
    contents = repository.read()
    decision = None
    if metric or keep_best is not None:
        decision = _compare(contents, metric or "eval_loss", source)
    report = prune(
        repository,
        contents,
        retention,
        ranking=ranking_of(decision) if decision else (),
        purge="purge" if purge_lfs else "keep",
        mode=mode,
    )
    if as_json:
        _emit(report, decision)
    else:
        _show(report, decision)
    if report.files.problem:
        message(f"large files were not freed: {report.files.problem}")
    return FAILED if report.files.problem else 0


def _mode(dry_run: bool | None) -> Mode:
    if dry_run is None and not sys.stdout.isatty():
        raise config_error(
            "this is no terminal: say --yes to delete revisions, or --dry-run to see which"
        )
    return "apply" if dry_run is False else "plan"


def _compare(contents: Contents, metric: str, source: Source | None) -> Decision:
    decision = decide(make_rule(metric, source=source), contents)
    for sentence in decision.provisional:
        message(f"provisional: {sentence}")
    return decision


def _emit(report: PruneReport, decision: Decision | None) -> None:
    scores = _scores(decision)
    revisions = [{**asdict(one), "score": scores.get(one.revision)} for one in report.revisions]
    rule = decision.rule if decision else ""
    emit_json({**asdict(report), "rule": rule, "revisions": revisions})


def _show(report: PruneReport, decision: Decision | None) -> None:
    from rich.table import Table

    scores = _scores(decision)
    table = Table("revision", box=None, pad_edge=False)
    for heading in ("step", *([printable(decision.rule)] if decision else [])):
        table.add_column(heading, justify="right")
    table.add_column("deleted" if report.mode == "apply" else "goes")
    table.add_column("why", overflow="fold")
    for one in report.revisions:
        score = scores.get(one.revision)
        cells = ["" if one.step is None else str(one.step)]
        if decision:
            cells.append("" if score is None else f"{score:.6g}")
        answer = {"deleted": "yes", "gone": "gone", "kept": "no"}[one.verdict]
        table.add_row(one.revision, *cells, answer, printable(one.reason))
    stdout_console().print(table)
    for sentence in _totals(report):
        typer.echo(sentence)


def _totals(report: PruneReport) -> list[str]:
    kept = sum(one.verdict == "kept" for one in report.revisions)
    count, files = len(report.deleted), report.files
    freed = f"{files.objects} large files of {format_bytes(files.bytes)}"
    if report.mode == "apply":
        sentences = [f"deleted {count} revisions, kept {kept}; freed {freed}"]
    else:
        sentences = [
            f"would delete {count} revisions, keep {kept} and free {freed}",
            "nothing was changed; --yes does it",
        ]
    if files.young_objects:
        sentences.append(
            f"{files.young_objects} large files of {format_bytes(files.young_bytes)} are of no "
            "revision, but less than a day old: perhaps of a push under way; they stay"
        )
    return sentences


def _scores(decision: Decision | None) -> dict[str, float]:
    return {one.revision: one.score for one in decision.scored} if decision else {}
