"""`watch`: publish the checkpoints of a trainer that cannot take a callback."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from pathlib import Path

from ..drain import finish
from ..pusher import RevisionPusher
from ..sidecar import PATTERN, Sidecar, watch, watch_once
from ..signals import stopped_by_signals
from .common import FAILED, JOBS_LEFT, add_options, emit_json, keywords, message
from .spool import add_output_dir, show_jobs

_POLL_SECONDS = 1.0


def add_arguments(parser: ArgumentParser) -> None:
    add_output_dir(parser)
    add = parser.add_argument
    add("--repo", metavar="REPO", help="'namespace/name', or 'name' in your own. "
        "Default: the name of OUTPUT_DIR.")  # fmt: skip
    add("--once", action="store_true", help="Publish what is complete now, and end.")
    add("--pattern", metavar="GLOB", default=PATTERN,
        help=f"The checkpoints' folders. Default: {PATTERN}.")  # fmt: skip
    add("--no-trainer-state", dest="needs_state", action="store_false",
        help="Take checkpoints without trainer_state.json, too.")  # fmt: skip
    add_options(parser, "--config", "--endpoint", "--spool-dir", "--set", "--json")


def run(options: Namespace) -> int:
    """Publish each checkpoint that appears in OUTPUT_DIR, once, until Ctrl-C or SIGTERM.

    For a trainer that cannot take a callback. A checkpoint is taken when its weights and its
    trainer_state.json are there and nothing has happened to its files for 'quiet_period' seconds
    (a setting); what was taken is known after a restart. At the end it waits for the pushes, at
    most 'drain_timeout' seconds; 'hub-revisions sync' pushes what is left then.
    """
    output_dir: Path = options.output_dir
    given = keywords(
        options.settings,
        repo_id=options.repo,
        endpoint=options.endpoint,
        spool_dir=str(options.spool_dir.absolute()) if options.spool_dir else None,
    )
    with stopped_by_signals() as stop:
        # The spool is not made before the trainer has made its folder: many refuse one that has
        # something in it.
        while not output_dir.is_dir():
            if options.once:
                message(f"{output_dir} does not exist")
                return FAILED
            if stop.wait(_POLL_SECONDS):
                return 0
        pusher = RevisionPusher(output_dir, options.config, **given)
        sidecar = Sidecar(pusher, pattern=options.pattern, needs_state=options.needs_state)
        try:
            message(f"watching {output_dir} for {options.pattern}")
            (watch_once if options.once else watch)(sidecar, stop)
        finally:
            left_out = sidecar.incomplete()
            finish(pusher, progress_bar=True)
    for path, problem in left_out.items():
        message(f"{path.name} was not published: {problem}")
    records = pusher.records()
    if options.as_json:
        emit_json({"spool": pusher.spool, "jobs": records})
    else:
        show_jobs(records)
    spooled = pusher.settings["mode"] == "spool"
    unsettled = any(r.state == "failed" or not (r.is_final or spooled) for r in records)
    return JOBS_LEFT if unsettled else 0
