"""`report`: one page about a repository's revisions."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from .._native import JobRecord, config_error, failure
from ..report import build_report, render_page
from ..repository import Repository
from ..selection.best import decide
from ..selection.rule import make_rule
from .common import (
    ConfigOption,
    EndpointOption,
    JsonOption,
    RepoArgument,
    SpoolOption,
    emit_json,
    guarded,
    keywords,
    message,
)
from .spool import existing_spool, read_jobs

STDOUT = Path("-")


@guarded
def report(
    repo: RepoArgument,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output", "-o", metavar="FILE", help="Where to write the page; '-' is stdout."
        ),
    ] = None,
    metric: Annotated[
        str | None,
        typer.Option(
            "--metric",
            metavar="METRIC[:MODE]",
            help="Choose by this metric, instead of reporting what was decided last.",
        ),
    ] = None,
    output_dir: Annotated[
        Path | None,
        typer.Option(
            "--output-dir", metavar="DIR", help="A training's output_dir: adds how it was pushed."
        ),
    ] = None,
    spool_dir: SpoolOption = None,
    config: ConfigOption = None,
    endpoint: EndpointOption = None,
    as_json: JsonOption = False,
) -> None:
    """Write one HTML page: metrics over steps, the best revision, who was left out, the pushes.

    It needs no other file and no network. Default: report.html, or no file with --json.
    """
    if as_json and output == STDOUT:
        raise config_error("--json and '-o -' both write to stdout; give one of them")
    repository = Repository(repo, config, **keywords(endpoint=endpoint))
    contents = repository.read()
    data = build_report(
        contents.repo_id,
        contents.revisions,
        contents.records,
        endpoint=repository.settings["endpoint"],
        tags=contents.tags,
        decision=decide(make_rule(metric), contents) if metric else None,
        jobs=_jobs(contents.repo_id, output_dir, spool_dir),
    )
    if as_json:
        emit_json(data)
    if output == STDOUT:
        typer.echo(render_page(data), nl=False)
    elif output is not None or not as_json:
        path = output or Path("report.html")
        write_whole(path, render_page(data))
        message(f"written: {path.absolute()}")


def _jobs(repo_id: str, output_dir: Path | None, spool_dir: Path | None) -> Sequence[JobRecord]:
    if output_dir is None and spool_dir is None:
        return ()
    spool = existing_spool(output_dir or Path(), spool_dir)
    # What was never asked for at the server has no full name yet.
    return [job for job in read_jobs(spool).records if job.repo_id in ("", repo_id)]


def write_whole(path: Path, text: str) -> None:
    """Write a file so that a reader sees the old one or the new one, never half."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        temporary.write_text(text, encoding="utf-8")
        temporary.replace(path)
    except OSError as error:
        raise failure(f"{path} cannot be written: {error.strerror}", "io") from error
    finally:
        temporary.unlink(missing_ok=True)
