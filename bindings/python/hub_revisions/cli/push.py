"""`push`: one checkpoint folder, now."""

from __future__ import annotations

import sys
from argparse import ArgumentParser, Namespace
from pathlib import Path

from ..drain import drain
from ..pusher import RevisionPusher
from ..tables import main_metric, summarise, summary_table
from ..text_table import terminal_width
from .common import (
    INTERRUPTED,
    JOBS_LEFT,
    add_options,
    emit_json,
    keywords,
    message,
    parse_metrics,
)


def add_arguments(parser: ArgumentParser) -> None:
    add = parser.add_argument
    add("directory", type=Path, metavar="DIR", help="The checkpoint folder.")
    add("--repo", metavar="REPO", help="'namespace/name', or 'name' in your own.")
    add("--revision", metavar="NAME", help="Its branch. Default: by the template, from the step.")
    add("--step", type=int, metavar="N", help="Default: from trainer_state.json.")
    add("--metric", dest="metrics", action="append", metavar="NAME=NUMBER",
        help="Default: from trainer_state.json.")  # fmt: skip
    add_options(parser, "--config", "--endpoint", "--spool-dir", "--set", "--json")


def run(options: Namespace) -> int:
    """Push a checkpoint folder as a revision, and wait until it is there.

    The folder is frozen in a spool beside it; 'hub-revisions sync' ends an interrupted push.
    """
    folder: Path = options.directory.absolute()
    given = keywords(
        options.settings,
        repo_id=options.repo,
        endpoint=options.endpoint,
        spool_dir=str(options.spool_dir.absolute()) if options.spool_dir else None,
    )
    metrics = parse_metrics(options.metrics)
    with RevisionPusher(folder.parent, options.config, **given) as pusher:
        job = pusher.submit(folder, options.revision, step=options.step, metrics=metrics)
        interrupted = False
        try:
            drain(pusher, None, progress_bar=True)
        except KeyboardInterrupt:
            interrupted = True
        left = not pusher.close(0)
        records = [record for record in pusher.status() if record.id == job]
        if left:
            message(f"kept in {pusher.spool}; push it with: {pusher.resume_command}")
    if options.as_json:
        emit_json(records[0])
    else:
        name = main_metric(records)
        rows = summarise(records, name)
        sys.stdout.write(summary_table(rows, name, terminal_width(sys.stdout)))
    if interrupted:
        return INTERRUPTED
    return 0 if records[0].state == "done" else JOBS_LEFT
