"""`sync`: push what a run has left."""

from __future__ import annotations

import os
from argparse import ArgumentParser, Namespace
from typing import Any

from ..address import server_of
from ..drain import drain
from ..pusher import RevisionPusher
from .common import INTERRUPTED, JOBS_LEFT, add_options, emit_json, keywords, message
from .spool import add_output_dir, existing_spool, read_jobs, show_jobs


def add_arguments(parser: ArgumentParser) -> None:
    add_output_dir(parser)
    add_options(parser, "--endpoint", "--config", "--spool-dir", "--set", "--json")


def run(options: Namespace) -> int:
    """Push what an interrupted, killed or offline run left in its spool; try failed jobs again.

    Jobs go where they were meant to go, with the token found now, unless --endpoint or HF_ENDPOINT
    says that the Hub has moved. --config and --set are for this run's worker.
    """
    spool = existing_spool(options.output_dir, options.spool_dir)
    contents = read_jobs(spool)
    pending = [r for r in contents.records if not r.is_final or r.state == "failed"]
    if not pending:
        message(f"nothing to push in {spool}")
        if options.as_json:
            emit_json({"spool": str(spool), "jobs": []})
        return 0
    given = keywords(options.settings, endpoint=options.endpoint)
    worker: dict[str, Any] = {"repo_id": pending[-1].settings["repo_id"]}
    # The spool's path here; it may have been filled where it is mounted elsewhere.
    worker |= given | {"spool_dir": str(spool), "mode": "sync"}
    # Where no file is given, the newest job's settings say how to talk to its server.
    base = options.config if options.config is not None else dict(pending[-1].settings)
    if isinstance(base, dict) and (options.endpoint or os.environ.get("HF_ENDPOINT")):
        del base["endpoint"]
    pusher = RevisionPusher(options.output_dir, base, **worker)
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
    if interrupted:
        return INTERRUPTED
    unsettled = any(record.state == "failed" or not record.is_final for record in records)
    return JOBS_LEFT if unsettled else 0
