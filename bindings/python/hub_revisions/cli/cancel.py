"""`cancel`: give up pending jobs."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace

from .. import _core
from .common import FAILED, add_options, emit_json, message
from .spool import add_output_dir, existing_spool


def add_arguments(parser: ArgumentParser) -> None:
    add_output_dir(parser)
    parser.add_argument(
        "job", nargs="?", metavar="JOB", help="A job's id. Default: all that are pending."
    )
    add_options(parser, "--spool-dir", "--json")


def run(options: Namespace) -> int:
    """Cancel pending jobs, also those of a running training."""
    spool = existing_spool(options.output_dir, options.spool_dir)
    asked = _core.request_cancel(str(spool), options.job or "")
    if options.as_json:
        emit_json({"spool": str(spool), "job": options.job, "cancelled": asked})
    elif asked:
        message("cancelled; whoever owns the spool drops it within a second, or when it starts")
    if not asked:
        message(f"no pending job {options.job}" if options.job else "no pending jobs")
        return FAILED
    return 0
