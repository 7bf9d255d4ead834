"""`status`: the jobs in a spool."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace

from .common import add_options, emit_json
from .spool import add_output_dir, existing_spool, read_jobs, show_jobs


def add_arguments(parser: ArgumentParser) -> None:
    add_output_dir(parser)
    add_options(parser, "--spool-dir", "--json")


def run(options: Namespace) -> None:
    """List the jobs in a spool. Works beside a running training."""
    spool = existing_spool(options.output_dir, options.spool_dir)
    contents = read_jobs(spool)
    if options.as_json:
        emit_json({"spool": str(spool), "jobs": contents.records, "problems": contents.problems})
    else:
        show_jobs(contents.records)
