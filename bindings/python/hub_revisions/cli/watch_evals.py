"""`watch-evals`: go on with evaluations."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from pathlib import Path

from .._native import config_error
from ..credentials import find_token
from ..evaluation.runner import FOLDER, EvaluationRunner
from ..settings import SPOOL_NAME, spool_path
from .common import INTERRUPTED, JOBS_LEFT, add_options
from .evaluations import add_deadline, all_done, show_evaluations, wait_for_all


def add_arguments(parser: ArgumentParser) -> None:
    parser.add_argument(
        "output_dir",
        type=Path,
        metavar="OUTPUT_DIR",
        help="A training's output_dir, or eval's --workdir.",
    )
    add_deadline(parser)
    add_options(parser, "--spool-dir", "--json")


def run(options: Namespace) -> int:
    """Go on with evaluations of a training, or an 'eval', that has ended, until all have.

    Works on any machine that sees the folder, beside nobody else who does the same.
    """
    spool = spool_path(options.output_dir, str(options.spool_dir) if options.spool_dir else "")
    if not (spool / FOLDER).is_dir():
        raise config_error(
            f"{spool} holds no evaluations; give the folder that holds {SPOOL_NAME}, or --spool-dir"
        )
    runner = EvaluationRunner(spool, None, token=find_token().value)
    try:
        interrupted = wait_for_all(runner, options.deadline)
    finally:
        runner.close()
    statuses = runner.status()
    show_evaluations(statuses, options.output_dir, as_json=options.as_json)
    if interrupted:
        return INTERRUPTED
    return 0 if all_done(statuses) else JOBS_LEFT
