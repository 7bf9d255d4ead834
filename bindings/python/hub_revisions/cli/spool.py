"""What the commands about a spool share: finding it, reading it, showing its jobs."""

from __future__ import annotations

from argparse import ArgumentParser
from collections.abc import Sequence
from pathlib import Path

from .. import _core
from .._native import JobRecord, SpoolContents, config_error, decode_spool
from ..settings import SPOOL_NAME, spool_path
from ..tables import format_bytes
from ..text_table import Column
from .common import message, show_table


def add_output_dir(parser: ArgumentParser) -> None:
    """The argument OUTPUT_DIR, as `output_dir`."""
    parser.add_argument(
        "output_dir", type=Path, metavar="OUTPUT_DIR", help="The training's output_dir."
    )


def existing_spool(output_dir: Path, spool_dir: Path | None) -> Path:
    """The spool of a training's folder. Raises `ConfigError` if there is none."""
    spool = spool_path(output_dir, str(spool_dir) if spool_dir else "")
    if not spool.is_dir():
        raise config_error(
            f"{spool} does not exist; give the folder that holds {SPOOL_NAME}, or --spool-dir"
        )
    return spool


def read_jobs(spool: Path) -> SpoolContents:
    """What a spool holds; what could not be read is told."""
    contents = decode_spool(_core.read_spool(str(spool)))
    for problem in contents.problems:
        message(f"warning: {problem}")
    return contents


def show_jobs(records: Sequence[JobRecord]) -> None:
    """A table on stdout."""
    numbers = ("size", "done", "rate", "left", "attempts")
    show_table(
        [
            *map(Column, ("job", "revision", "state")),
            *(Column(name, "right") for name in numbers),
            Column("error"),
        ],
        [
            (
                record.id,
                record.revision,
                record.state,
                format_bytes(record.bytes_total),
                *_speed(record),
                str(record.attempts),
                record.error.message if record.error else record.progress.last_error,
            )
            for record in records
        ],
    )


def _speed(record: JobRecord) -> tuple[str, str, str]:
    """How much is at the server, how fast it goes there, and how long it will take."""
    progress = record.progress
    done = f"{progress.bytes_done / progress.bytes_total:.0%}" if progress.bytes_total else ""
    if record.is_final:
        return ("100%" if record.state == "done" else done, "", "")
    rate = (
        "" if progress.bytes_per_second is None else f"{format_bytes(progress.bytes_per_second)}/s"
    )
    left = "" if progress.eta_seconds is None else f"{progress.eta_seconds:.0f} s"
    return done, rate, left
