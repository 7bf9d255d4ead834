"""`report`: one page about a repository's revisions."""

from __future__ import annotations

import os
import sys
from argparse import ArgumentParser, Namespace
from collections.abc import Sequence
from pathlib import Path

from .._native import JobRecord, config_error, failure
from ..report import build_report, render_page
from ..repository import Repository
from ..selection.best import decide
from ..selection.rule import make_rule
from .common import add_options, add_repo, emit_json, keywords, message
from .spool import existing_spool, read_jobs

_STDOUT = Path("-")


def add_arguments(parser: ArgumentParser) -> None:
    add = parser.add_argument
    add_repo(parser)
    add("-o", "--output", type=Path, metavar="FILE",
        help="Where to write the page; '-' is stdout.")  # fmt: skip
    add("--metric", metavar="METRIC[:MODE]",
        help="Choose by this metric, instead of reporting what was decided last.")  # fmt: skip
    add("--output-dir", type=Path, metavar="DIR",
        help="A training's output_dir: adds how it was pushed.")  # fmt: skip
    add_options(parser, "--spool-dir", "--config", "--endpoint", "--json")


def run(options: Namespace) -> None:
    """Write one HTML page: metrics over steps, the best revision, who was left out, the pushes.

    It needs no other file and no network. Default: report.html, or no file with --json.
    """
    output: Path | None = options.output
    if options.as_json and output == _STDOUT:
        raise config_error("--json and '-o -' both write to stdout; give one of them")
    given = keywords(endpoint=options.endpoint)
    repository = Repository(options.repo, options.config, **given)
    contents = repository.read()
    data = build_report(
        contents.repo_id,
        contents.revisions,
        contents.records,
        endpoint=repository.settings["endpoint"],
        tags=contents.tags,
        decision=decide(make_rule(options.metric), contents) if options.metric else None,
        jobs=_jobs(contents.repo_id, options.output_dir, options.spool_dir),
    )
    if options.as_json:
        emit_json(data)
    if output == _STDOUT:
        sys.stdout.write(render_page(data))
    elif output is not None or not options.as_json:
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
