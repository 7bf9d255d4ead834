"""`eval`: evaluate the revisions of a repository."""

from __future__ import annotations

import difflib
from argparse import ArgumentParser, BooleanOptionalAction, Namespace
from collections.abc import Sequence
from pathlib import Path

from .._native import Revision, config_error, failure
from ..credentials import find_token
from ..evaluation.config import load_config
from ..evaluation.runner import EvaluationRunner
from ..repository import Repository
from ..settings import resolve, spool_path
from .common import INTERRUPTED, JOBS_LEFT, add_options, add_repo, keywords
from .evaluations import add_deadline, all_done, show_evaluations, wait_for_all


def add_arguments(parser: ArgumentParser) -> None:
    add = parser.add_argument
    add_repo(parser)
    add("--config", type=Path, required=True, metavar="FILE",
        help="What to run, and where; see configs/eval-*.")  # fmt: skip
    add("--revision", dest="revisions", action="append", metavar="NAME",
        help="Only these. Default: all published ones.")  # fmt: skip
    add("--workdir", type=Path, default=Path(), metavar="DIR",
        help="Where jobs and logs are kept; jobs must see it. Default: here.")  # fmt: skip
    add("--wait", action=BooleanOptionalAction, default=True,
        help="Wait for the results (the default), or submit and end.")  # fmt: skip
    add_deadline(parser)
    add_options(parser, "--endpoint", "--set", "--json")


def run(options: Namespace) -> int:
    """Evaluate revisions that have no result yet; results go into the repository.

    'hub-revisions watch-evals DIR' goes on where this was interrupted.
    """
    checked = load_config(options.config)
    effective = resolve(keywords(options.settings, repo_id=options.repo, endpoint=options.endpoint))
    contents = Repository.of(effective, find_token()).read()
    chosen = _chosen(contents.revisions, options.revisions, contents.repo_id)
    spool = spool_path(options.workdir, effective["spool_dir"])
    runner = EvaluationRunner(spool, checked, effective.values, find_token().value)
    try:
        if problem := runner.probe():
            raise failure(f"{options.config}: engine '{checked.engine}': {problem}", "io")
        for item in chosen:
            runner.add(contents.repo_id, item.revision, item.commit, item.step)
        interrupted = options.wait and wait_for_all(runner, options.deadline)
    finally:
        runner.close()
    commits = {item.commit for item in chosen}
    statuses = [s for s in runner.status() if s.commit in commits]
    show_evaluations(statuses, options.workdir, as_json=options.as_json)
    if interrupted:
        return INTERRUPTED
    accepted = all(s.state in ("queued", "running", "succeeded") for s in statuses)
    return 0 if (accepted and not options.wait) or all_done(statuses) else JOBS_LEFT


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
