"""`eval` and `watch-evals`: evaluate the revisions of a repository, and go on with that."""

from __future__ import annotations

import difflib
import logging
import math
import time
from collections import Counter
from collections.abc import Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from .._native import Revision, config_error, failure
from ..credentials import find_token
from ..evaluation.config import load_config
from ..evaluation.runner import FOLDER, EvaluationRunner, EvaluationStatus
from ..repository import Repository
from ..settings import SPOOL_NAME, resolve, spool_path
from ..tables import stderr_console
from .common import (
    INTERRUPTED,
    JOBS_LEFT,
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

logger = logging.getLogger("hub_revisions")

_POLL_SECONDS = 0.2
_LOG_SECONDS = 30.0

DeadlineOption = Annotated[
    float | None,
    typer.Option("--deadline", metavar="SECONDS", min=0, help="Longest wait. Default: no limit."),
]


@guarded
def evaluate(
    repo: Annotated[
        str, typer.Argument(metavar="REPO", help="'namespace/name', or 'name' in your own.")
    ],
    config: Annotated[
        Path,
        typer.Option(
            "--config", metavar="FILE", help="What to run, and where; see configs/eval-*."
        ),
    ],
    revision: Annotated[
        list[str] | None,
        typer.Option("--revision", metavar="NAME", help="Only these. Default: all published ones."),
    ] = None,
    workdir: Annotated[
        Path,
        typer.Option(
            "--workdir", metavar="DIR", help="Where jobs and logs are kept; jobs must see it."
        ),
    ] = Path(),
    wait: Annotated[
        bool, typer.Option("--wait/--no-wait", help="Wait for the results, or submit and end.")
    ] = True,
    deadline: DeadlineOption = None,
    endpoint: EndpointOption = None,
    settings: SetOption = None,
    as_json: JsonOption = False,
) -> int:
    """Evaluate revisions that have no result yet; results go into the repository.

    'hub-revisions watch-evals DIR' goes on where this was interrupted.
    """
    checked = load_config(config)
    effective = resolve(keywords(settings, repo_id=repo, endpoint=endpoint))
    contents = Repository.of(effective, find_token()).read()
    chosen = _chosen(contents.revisions, revision, contents.repo_id)
    runner = EvaluationRunner(
        spool_path(workdir, effective["spool_dir"]), checked, effective.values, find_token().value
    )
    try:
        if problem := runner.probe():
            raise failure(f"{config}: engine '{checked.engine}': {problem}", "io")
        for item in chosen:
            runner.add(contents.repo_id, item.revision, item.commit, item.step)
        interrupted = wait and _wait(runner, deadline)
    finally:
        runner.close()
    commits = {item.commit for item in chosen}
    statuses = [s for s in runner.status() if s.commit in commits]
    _tell(statuses, workdir, as_json)
    if interrupted:
        return INTERRUPTED
    accepted = all(s.state in ("queued", "running", "succeeded") for s in statuses)
    return 0 if (accepted and not wait) or _all_done(statuses) else JOBS_LEFT


@guarded
def watch_evals(
    output_dir: Annotated[
        Path,
        typer.Argument(metavar="OUTPUT_DIR", help="A training's output_dir, or eval's --workdir."),
    ],
    spool_dir: SpoolOption = None,
    deadline: DeadlineOption = None,
    as_json: JsonOption = False,
) -> int:
    """Go on with evaluations of a training, or an 'eval', that has ended, until all have.

    Works on any machine that sees the folder, beside nobody else who does the same.
    """
    spool = spool_path(output_dir, str(spool_dir) if spool_dir else "")
    if not (spool / FOLDER).is_dir():
        raise config_error(
            f"{spool} holds no evaluations; give the folder that holds {SPOOL_NAME}, or --spool-dir"
        )
    runner = EvaluationRunner(spool, None, token=find_token().value)
    try:
        interrupted = _wait(runner, deadline)
    finally:
        runner.close()
    statuses = runner.status()
    _tell(statuses, output_dir, as_json)
    if interrupted:
        return INTERRUPTED
    return 0 if _all_done(statuses) else JOBS_LEFT


def _chosen(revisions: Sequence[Revision], names: list[str] | None, repo_id: str) -> list[Revision]:
    """The revisions of these names; without names, all published ones."""
    by_name = {item.revision: item for item in revisions}
    if names is None:
        chosen = [item for item in revisions if item.managed]
        if not chosen:
            raise config_error(f"{repo_id} has no revisions that hub-revisions made")
        return chosen
    for name in names:
        if name not in by_name:
            near = difflib.get_close_matches(name, by_name, 1)
            hint = f"did you mean '{near[0]}'?" if near else f"it has: {', '.join(by_name)}"
            raise config_error(f"{repo_id} has no revision '{name}'; {hint}")
    return [by_name[name] for name in names]


def _wait(runner: EvaluationRunner, timeout: float | None) -> bool:
    """Wait for all evaluations, showing progress; whether that was interrupted."""
    end = math.inf if timeout is None else time.monotonic() + timeout
    console = stderr_console()
    shown = console.status("Evaluating") if console.is_terminal else nullcontext()
    next_log = time.monotonic() + _LOG_SECONDS
    try:
        with shown as spinner:
            while not runner.wait(max(0.0, min(_POLL_SECONDS, end - time.monotonic()))):
                now = time.monotonic()
                if now >= end:
                    return False
                line = _progress(runner.status())
                if spinner is not None:
                    spinner.update(line)
                elif now >= next_log:
                    logger.info("%s", line)
                    next_log = now + _LOG_SECONDS
    except KeyboardInterrupt:
        return True
    return False


def _progress(statuses: Sequence[EvaluationStatus]) -> str:
    counts = Counter(status.state for status in statuses)
    return f"Evaluations: {', '.join(f'{count} {state}' for state, count in counts.items())}"


def _all_done(statuses: Sequence[EvaluationStatus]) -> bool:
    return all(status.state == "succeeded" and status.recorded for status in statuses)


def _tell(statuses: Sequence[EvaluationStatus], folder: Path, as_json: bool) -> None:
    if as_json:
        emit_json({"evaluations": list(statuses)})
    else:
        stdout_console().print(_table(statuses))
    left = sum(not status.recorded for status in statuses)
    if left:
        message(f"{left} are left; go on with: hub-revisions watch-evals {folder}")


def _table(statuses: Sequence[EvaluationStatus]) -> Table:
    from rich.table import Table

    table = Table()
    table.add_column("revision", overflow="fold")
    table.add_column("step", justify="right", no_wrap=True)
    table.add_column("suite", overflow="fold")
    table.add_column("state", no_wrap=True)
    table.add_column("job", overflow="fold")
    table.add_column("reason", overflow="fold")
    for status in statuses:
        table.add_row(
            status.revision,
            "" if status.step is None else str(status.step),
            status.suite,
            status.state if status.recorded or not status.final else f"{status.state}, to record",
            status.job,
            status.reason,
        )
    return table
