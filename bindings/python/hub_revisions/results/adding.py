"""Take results from anywhere: which revision they are of, and whether they are there already."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from .._native import Revision, config_error
from ..evaluation.config import evaluation_key
from .formats import read_file
from .types import SUITE_NAME, Result

_SHORTEST_COMMIT = 7


def find_revision(revisions: Sequence[Revision], wanted: str, repo_id: str) -> Revision:
    """The revision that is meant: by its name, its commit, or a pointer to it.

    Raises `ConfigError` if there is none, or if it is no revision of its own.
    """
    by_name = {revision.revision: revision for revision in revisions}
    found = by_name.get(wanted)
    if found is None and len(wanted) >= _SHORTEST_COMMIT:
        at = [revision for revision in revisions if revision.commit.startswith(wanted.lower())]
        found = next((revision for revision in at if revision.managed), at[0] if at else None)
    if found is None:
        known = ", ".join(sorted(r.revision for r in revisions if r.managed)[:20]) or "none"
        raise config_error(
            f"{repo_id} has no revision '{wanted}', and none is at such a commit (any more); "
            f"its revisions are: {known}"
        )
    found = by_name.get(found.pointer_to, found)
    if found.promoted:
        raise config_error(
            f"'{found.revision}' has a commit of its own that nothing is picked by: "
            f"it was made equal to '{found.promoted}', add the results there"
        )
    if not found.managed:
        raise config_error(f"'{found.revision}' is no revision that hub-revisions made")
    return found


def read_result(
    path: Path, revision: Revision, repo_id: str, earlier: Sequence[Result], suite: str = ""
) -> tuple[Result, bool]:
    """The result that a file holds for a revision, and whether it is new.

    It is not new if one of `earlier`, the repository's results, says the same. Without a `suite` it
    is named after the file's form. Its time is the file's. Raises `ConfigError` for a name that no
    suite has, `HubRevisionError` if the file cannot be read or is about another commit.
    """
    if suite and not SUITE_NAME.fullmatch(suite):
        raise config_error(
            f"the suite's name '{suite}' is not valid: it begins with a letter or digit, and has "
            "at most 64 letters, digits, '.', '_' and '-'"
        )
    form, metrics = read_file(
        path, commit=revision.commit, revision=revision.revision, repo_id=repo_id, suite=suite
    )
    name = suite or form.partition("/")[0]
    key = evaluation_key(repo_id, revision.commit, name, {"added": True}, revision.step)
    same = [result for result in earlier if result.key == key]
    written = int(path.stat().st_mtime)
    result = Result(
        key=key,
        commit=revision.commit,
        revision=revision.revision,
        step=revision.step,
        suite=name,
        outcome="succeeded",
        attempt=1 + max((one.attempt for one in same), default=0),
        format=form,
        started=written,
        finished=written,
        metrics=metrics,
    )
    for one in same:
        timed = replace(result, attempt=one.attempt, started=one.started, finished=one.finished)
        if timed == one:
            return one, False
    return result, True
