"""`sync`: push what a run has left, or leaves while this goes on."""

from __future__ import annotations

import sys
from argparse import ArgumentParser, Namespace
from pathlib import Path
from typing import Any

from .._native import JobRecord
from ..address import server_of
from ..drain import drain
from ..outcomes import outcome_json
from ..settings import spool_path
from ..signals import stopped_by_signals
from ..sync import follow, open_spool, unfinished
from .common import INTERRUPTED, JOBS_LEFT, add_options, emit_json, keywords, message
from .spool import add_output_dir, existing_spool, read_jobs, show_jobs


def add_arguments(parser: ArgumentParser) -> None:
    add_output_dir(parser)
    parser.add_argument(
        "--follow", action="store_true", help="Go on with what arrives, until Ctrl-C or SIGTERM."
    )
    add_options(parser, "--endpoint", "--config", "--spool-dir", "--set", "--json")


def run(options: Namespace) -> int:
    """Push what an interrupted or killed run, or one without network, left in its spool.

    Failed jobs are tried again. Works on any machine that sees the folder, also while a training
    with the mode 'spool' goes on. Jobs go where they were meant to go, with the token found now,
    unless --endpoint or HF_ENDPOINT says that the Hub has moved. --config and --set are for this
    run's worker.

    With --follow the folder need not be there yet, a server that is away is waited for, and --json
    writes one line for each job that has ended.
    """
    given = keywords(options.settings, endpoint=options.endpoint)
    if options.follow:
        return _follow(options, given)
    spool = existing_spool(options.output_dir, options.spool_dir)
    read_jobs(spool)
    jobs = unfinished(spool)
    if not jobs:
        message(f"nothing to push in {spool}")
        if options.as_json:
            emit_json({"spool": str(spool), "jobs": []})
        return 0
    pusher = open_spool(options.output_dir, spool, jobs[-1], options.config, given)
    message(f"pushing to {server_of(pusher.settings['endpoint'], pusher.settings['repo_id'])}")
    interrupted = False
    try:
        drain(pusher, None, progress_bar=True)
    except KeyboardInterrupt:
        interrupted = True
        message(f"interrupted; go on with: {pusher.resume_command}")
    finally:
        pusher.close(0)
    records = pusher.records()
    if options.as_json:
        emit_json({"spool": str(spool), "jobs": records})
    else:
        show_jobs(records)
    return INTERRUPTED if interrupted else _status(records)


def _follow(options: Namespace, given: dict[str, Any]) -> int:
    spool = spool_path(options.output_dir, str(options.spool_dir or ""))
    output_dir: Path = options.output_dir
    message(f"following {spool}; Ctrl-C or SIGTERM ends it")
    with stopped_by_signals() as stop:
        hook = _write_line if options.as_json else None
        records = follow(output_dir, spool, options.config, given, stop, hook)
    left = [record for record in records if not record.is_final]
    if left:
        message(f"{len(left)} not pushed yet; they stay in {spool}")
    return _status(records)


def _write_line(record: JobRecord) -> None:
    sys.stdout.write(f"{outcome_json(record)}\n")
    sys.stdout.flush()


def _status(records: list[JobRecord]) -> int:
    unsettled = any(record.state == "failed" or not record.is_final for record in records)
    return JOBS_LEFT if unsettled else 0
