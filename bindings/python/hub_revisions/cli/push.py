"""`push`: one checkpoint folder, now."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ..drain import drain
from ..pusher import RevisionPusher
from ..tables import main_metric, summarise, summary_table
from .common import (
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
    parse_metrics,
    stdout_console,
)


@guarded
def push(
    directory: Annotated[Path, typer.Argument(metavar="DIR", help="The checkpoint folder.")],
    repo: Annotated[
        str | None,
        typer.Option("--repo", metavar="REPO", help="'namespace/name', or 'name' in your own."),
    ] = None,
    revision: Annotated[
        str | None,
        typer.Option(
            "--revision",
            metavar="NAME",
            help="Its branch. Default: by the template, from the step.",
        ),
    ] = None,
    step: Annotated[
        int | None, typer.Option("--step", help="Default: from trainer_state.json.")
    ] = None,
    metric: Annotated[
        list[str] | None,
        typer.Option("--metric", metavar="NAME=NUMBER", help="Default: from trainer_state.json."),
    ] = None,
    config: ConfigOption = None,
    endpoint: EndpointOption = None,
    spool_dir: SpoolOption = None,
    settings: SetOption = None,
    as_json: JsonOption = False,
) -> int:
    """Push a checkpoint folder as a revision, and wait until it is there.

    The folder is frozen in a spool beside it; 'hub-revisions sync' ends an interrupted push.
    """
    folder = directory.absolute()
    given = keywords(
        settings,
        repo_id=repo,
        endpoint=endpoint,
        spool_dir=str(spool_dir.absolute()) if spool_dir else None,
    )
    with RevisionPusher(folder.parent, config, **given) as pusher:
        job = pusher.submit(folder, revision, step=step, metrics=parse_metrics(metric))
        interrupted = False
        try:
            drain(pusher, None, progress_bar=True)
        except KeyboardInterrupt:
            interrupted = True
        left = not pusher.close(0)
        records = [record for record in pusher.status() if record.id == job]
        if left:
            message(f"kept in {pusher.spool}; push it with: {pusher.resume_command}")
    if as_json:
        emit_json(records[0])
    else:
        metric_name = main_metric(records)
        stdout_console().print(summary_table(summarise(records, metric_name), metric_name))
    if interrupted:
        return INTERRUPTED
    return 0 if records[0].state == "done" else JOBS_LEFT
