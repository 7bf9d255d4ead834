"""`status`, `sync` and `cancel`: the jobs that a training, or a push, has left or is busy with."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from .. import _core
from .._native import JobRecord, SpoolContents, config_error, decode_spool
from ..drain import drain
from ..pusher import RevisionPusher
from ..settings import SPOOL_NAME, spool_path
from ..tables import format_bytes
from .common import (
    FAILED,
    INTERRUPTED,
    JOBS_LEFT,
    ConfigOption,
    EndpointOption,
    JsonOption,
    SetOption,
    SpoolOption,
    emit_json,
    guarded,
    keywords,
    message,
    stdout_console,
)

if TYPE_CHECKING:
    from rich.table import Table

OutputArgument = Annotated[
    Path, typer.Argument(metavar="OUTPUT_DIR", help="The training's output_dir.")
]


@guarded
def status(
    output_dir: OutputArgument, spool_dir: SpoolOption = None, as_json: JsonOption = False
) -> None:
    """List the jobs in a spool. Works beside a running training."""
    spool = existing_spool(output_dir, spool_dir)
    contents = read_jobs(spool)
    if as_json:
        emit_json({"spool": str(spool), "jobs": contents.records, "problems": contents.problems})
    else:
        stdout_console().print(_jobs_table(contents.records))


@guarded
def sync(
    output_dir: OutputArgument,
    endpoint: EndpointOption = None,
    config: ConfigOption = None,
    spool_dir: SpoolOption = None,
    settings: SetOption = None,
    as_json: JsonOption = False,
) -> int:
    """Push what an interrupted, killed or offline run left in its spool; try failed jobs again.

    Jobs go where they were meant to go, with the token found now, unless --endpoint or HF_ENDPOINT
    says that the Hub has moved. --config and --set are for this run's worker.
    """
    spool = existing_spool(output_dir, spool_dir)
    contents = read_jobs(spool)
    pending = [r for r in contents.records if not r.is_final or r.state == "failed"]
    if not pending:
        message(f"nothing to push in {spool}")
        if as_json:
            emit_json({"spool": str(spool), "jobs": []})
        return 0
    worker: dict[str, Any] = {"repo_id": pending[-1].settings["repo_id"]}
    worker |= keywords(settings, endpoint=endpoint, spool_dir=str(spool)) | {"offline": False}
    # Where no file is given, the newest job's settings say how to talk to its server.
    base = config if config is not None else dict(pending[-1].settings)
    if isinstance(base, dict) and (endpoint or os.environ.get("HF_ENDPOINT")):
        del base["endpoint"]
    pusher = RevisionPusher(output_dir, base, **worker)
    message(f"pushing to {pusher.settings['endpoint']}")
    interrupted = False
    try:
        drain(pusher, None, progress_bar=True)
    except KeyboardInterrupt:
        interrupted = True
        message(f"interrupted; go on with: {pusher.resume_command}")
    finally:
        pusher.close(0)
    records = pusher.records()
    if as_json:
        emit_json({"spool": str(spool), "jobs": records})
    else:
        stdout_console().print(_jobs_table(records))
    if interrupted:
        return INTERRUPTED
    unsettled = any(record.state == "failed" or not record.is_final for record in records)
    return JOBS_LEFT if unsettled else 0


@guarded
def cancel(
    output_dir: OutputArgument,
    job: Annotated[
        str | None,
        typer.Argument(metavar="[JOB]", help="A job's id. Default: all that are pending."),
    ] = None,
    spool_dir: SpoolOption = None,
    as_json: JsonOption = False,
) -> int:
    """Cancel pending jobs, also those of a running training."""
    spool = existing_spool(output_dir, spool_dir)
    asked = _core.request_cancel(str(spool), job or "")
    if as_json:
        emit_json({"spool": str(spool), "job": job, "cancelled": asked})
    elif asked:
        message("cancelled; whoever owns the spool drops it within a second, or when it starts")
    if not asked:
        message(f"no pending job {job}" if job else "no pending jobs")
        return FAILED
    return 0


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


def _jobs_table(records: Sequence[JobRecord]) -> Table:
    from rich.table import Table

    table = Table()
    table.add_column("job", no_wrap=True)
    table.add_column("revision", overflow="fold")
    table.add_column("state")
    for name in ("size", "done", "rate", "left", "attempts"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("error", overflow="fold")
    for record in records:
        table.add_row(
            record.id,
            record.revision,
            record.state,
            format_bytes(record.bytes_total),
            *_speed(record),
            str(record.attempts),
            record.error.message if record.error else record.progress.last_error,
        )
    return table


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
