"""The way back: a revision as a folder, from which training goes on."""

from __future__ import annotations

import logging
import os
from pathlib import Path
from typing import Any

from . import _core
from ._native import (
    Contents,
    Fetched,
    FetchProgress,
    decode_fetch_progress,
    decode_fetched,
    failure,
)
from .credentials import hf_home
from .progress import progress_display
from .repository import Repository
from .settings import Config
from .tables import format_bytes

logger = logging.getLogger("hub_revisions")

_STATE = "trainer_state.json"  # without it the Trainer resumes from nothing
_LOG_SECONDS = 10.0
# At the top of a checkpoint, what the Trainer and the engines below it keep an optimizer in.
_OPTIMIZER = ("optimizer.pt", "optimizer.bin", "optimizer_", "global_step")


def resume_from(
    repo_id: str,
    revision: str | None = None,
    config: Config = None,
    *,
    output_dir: str | os.PathLike[str] | None = None,
    token: str | None = None,
    progress_bar: bool = True,
    **settings: Any,
) -> str:
    """Bring back a revision; a folder for `trainer.train(resume_from_checkpoint=...)`.

    `revision` is a branch, a tag or a commit id; "best" and "latest" are those that the repository
    names, and None is the newest step. The folder is `<output_dir>/checkpoint-<step>`, as if the
    Trainer had saved it there, or without `output_dir` one below HF_HOME. What is there already is
    not fetched again. Settings as for `RevisionPusher`.

    Only a revision that was published with `contents="full"` has the state of optimizer, scheduler
    and random numbers; without it training goes on from the weights and the step alone, which is
    logged as a warning. Raises `HubRevisionError`: of kind "not_found" without such a revision,
    "conflict" if the folder holds something else, "invalid_input" if the Trainer could not resume
    from it.
    """
    repository = Repository(repo_id, config, token=token, **settings)
    contents = repository.read()
    commit = commit_of(contents, revision)
    found = next((one for one in contents.revisions if one.commit == commit), None)
    name = f"checkpoint-{commit if found is None or found.step is None else found.step}"
    if output_dir is not None:
        folder = Path(output_dir, name)
    else:
        folder = hf_home() / "hub-revisions" / contents.repo_id / commit / name
    if found is not None:
        _check_resumable(repo_id, found.revision, {file.path for file in found.files})
    fetched = fetch(repository, commit, folder, progress_bar=progress_bar)
    _check_resumable(repo_id, revision or commit, set(fetched.files))
    if not any(path.startswith(_OPTIMIZER) for path in fetched.files):
        logger.warning(
            "revision '%s' of %s has no optimizer state, since it was not published with "
            'contents="full": training goes on from its weights and step, with a new optimizer, '
            "scheduler and random state",
            fetched.published_as or revision or commit,
            repo_id,
        )
    return fetched.directory


def fetch(
    repository: Repository,
    revision: str,
    folder: str | os.PathLike[str],
    *,
    progress_bar: bool = True,
) -> Fetched:
    """Bring back a revision, as `commit_of` finds it, into a folder that is not there, or empty.

    It appears whole or not at all; an interrupted fetch goes on where it was. Every file is checked
    against its SHA-256. Ctrl-C raises `KeyboardInterrupt`.
    """
    path = Path(folder).absolute()
    if path.is_symlink():
        path = path.resolve()  # what is renamed into place would take the place of the link
    named = commit_of(repository.read(), revision) if revision in ("best", "latest") else revision
    running = _core.Fetch(repository.settings.to_json(), repository.token.value, named, str(path))
    try:
        with progress_display(progress_bar=progress_bar, log_seconds=_LOG_SECONDS) as display:
            while not running.wait(display.interval):
                display.show(*_shown(revision, decode_fetch_progress(running.progress())))
    finally:
        running.cancel()
    return decode_fetched(running.outcome(), str(path))


def commit_of(contents: Contents, revision: str | None) -> str:
    """What a name stands for in a repository: a commit, or the name itself if it is none of these.

    A branch of that name comes first. Else "best" is what the last decision named (without one, the
    smallest `eval_loss`), and "latest", as None, the newest step. Raises `HubRevisionError` of kind
    "not_found" if there is none.
    """
    for one in contents.revisions:
        if one.revision == revision:
            return one.commit
    if revision == "best":
        return _best(contents)
    if revision is not None and revision != "latest":
        return contents.tags.get(revision, revision)
    steps = [one for one in contents.revisions if one.managed and one.step is not None]
    if not steps:
        raise failure(f"repository {contents.repo_id} has no revision with a step", "not_found")
    return max(steps, key=lambda one: (one.step or 0, one.time)).commit


def _best(contents: Contents) -> str:
    from .selection.best import best_of, decide
    from .selection.decision import read_decisions
    from .selection.rule import make_rule

    there = {one.commit for one in contents.revisions}
    for decision in reversed(read_decisions(contents.records).decisions):
        if decision.winner is not None and decision.winner.commit in there:
            return decision.winner.commit
    return best_of(decide(make_rule("eval_loss"), contents)).commit


def _check_resumable(repo_id: str, revision: str, files: set[str]) -> None:
    if _STATE not in files:
        raise failure(
            f"revision '{revision}' of {repo_id} has no {_STATE}, so the Trainer cannot resume "
            "from it; load its weights with from_pretrained, and train from step 0",
            "invalid_input",
        )


def _shown(revision: str, progress: FetchProgress) -> tuple[str, int, int]:
    """What a display shows of a fetch."""
    here, total = progress.bytes_here, progress.bytes_total
    text = f"fetching {revision}: {format_bytes(here)} of {format_bytes(total)}"
    if progress.last_error:
        text += f"; trying again after: {progress.last_error}"
    return text, here, total
