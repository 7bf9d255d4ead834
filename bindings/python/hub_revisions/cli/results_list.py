"""`results list`: what evaluations have found, and which are running."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from datetime import datetime, timezone

from ..repository import Repository
from ..results.store import read_records
from ..results.types import Result, listed
from ..text_table import Column
from .common import add_options, add_repo, emit_json, keywords, message, show_table


def add_arguments(parser: ArgumentParser) -> None:
    add_repo(parser)
    add_options(parser, "--config", "--endpoint", "--json")


def run(options: Namespace) -> None:
    """List all results, and the evaluations that are running."""
    given = keywords(endpoint=options.endpoint)
    contents = Repository(options.repo, options.config, **given).read()
    stored = read_records(contents.records)
    if options.as_json:
        emit_json(
            {
                "results": [result.to_json() for result in stored.results],
                "pending": [pending.to_json() for pending in stored.pending],
                "problems": list(stored.problems),
            }
        )
        return
    there = {revision.commit for revision in contents.revisions}
    rows = []
    for result in sorted(stored.results, key=_place):
        outcome = result.outcome if result.attempt == 1 else f"{result.outcome} ({result.attempt}.)"
        gone = "" if result.commit in there else " (no revision is there now)"
        said = listed(result.metrics) if result.outcome == "succeeded" else result.reason
        where = (result.revision, f"{result.commit[:10]}{gone}", result.suite)
        rows.append((*where, outcome, _date(result.finished), said))
    for pending in stored.pending:
        where = (pending.revision, pending.commit[:10], pending.suite)
        rows.append((*where, "running", "", f"on {pending.engine}, job {pending.job}"))
    headings = ("revision", "commit", "suite", "outcome", "ended", "metrics or reason")
    show_table([*map(Column, headings)], rows)
    for problem in stored.problems:
        message(f"warning: {problem}")


def _place(result: Result) -> tuple[float, str, int, int]:
    return result.step or 0, result.revision, result.finished, result.attempt


def _date(seconds: int) -> str:
    moment = datetime.fromtimestamp(seconds, tz=timezone.utc) if seconds else None
    return f"{moment:%Y-%m-%d %H:%M}" if moment else ""
