"""Telling the repository: what is pending, and what has ended, together in one commit.

The ledger holds a result before the repository does. What could not be recorded is recorded later;
a result's name is its content, so that recording it twice is recording it once.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Protocol

from ..results.store import BRANCH, Pending, pending_file, read_records, result_file
from ..results.types import Result
from .evaluations import Evaluation


class Contents(Protocol):
    """What of a repository's contents is read here."""

    @property
    def records(self) -> Mapping[str, str]:
        """The files of the branch of evaluations."""


class Repository(Protocol):
    """What of `hub_revisions.repository.Repository` is used here."""

    def read(self) -> Contents:
        """All branches and the records."""

    def commit_files(self, branch: str, files: Mapping[str, str | None], message: str) -> None:
        """Append one commit; None removes a file, also one that is not there."""


def succeeded(repository: Repository) -> list[Result]:
    """The results of evaluations that have succeeded. Raises `HubRevisionError`."""
    results = read_records(repository.read().records).results
    return [result for result in results if result.outcome == "succeeded"]


def needs_recording(evaluation: Evaluation) -> bool:
    """Whether the repository knows less than it should."""
    return bool(evaluation.unrecorded) or pending_text(evaluation) != evaluation.published


def pending_text(evaluation: Evaluation) -> str | None:
    """What its pending file should hold; None if it should have none.

    Between two attempts it stays as it is.
    """
    if evaluation.final or not evaluation.attempt:
        return None
    job = evaluation.job
    if job is None:
        return evaluation.published
    pending = Pending(
        key=evaluation.key,
        commit=evaluation.commit,
        revision=evaluation.revision,
        step=evaluation.step,
        suite=evaluation.suite.name,
        engine=job.engine,
        job=job.id,
        submitted=job.submitted,
        deadline=evaluation.deadline,
    )
    return pending_file(pending)[1]


def record(repository: Repository, evaluations: Iterable[Evaluation]) -> list[Result]:
    """Make one commit of all that the repository does not know; the results in it.

    Raises `HubRevisionError`; then nothing has changed here.
    """
    files: dict[str, str | None] = {}
    results: list[Result] = []
    pending = {}
    for evaluation in evaluations:
        results += evaluation.unrecorded
        text = pending[evaluation.key] = pending_text(evaluation)
        if text != evaluation.published:
            files[f"pending/{evaluation.key}.json"] = text
    files |= dict(result_file(result) for result in results)
    if files:
        repository.commit_files(BRANCH, files, _message(results, len(files)))
    for evaluation in evaluations:
        evaluation.published = pending[evaluation.key]
    return results


def _message(results: list[Result], count: int) -> str:
    if len(results) == 1:
        return f"{results[0].suite} of {results[0].revision}: {results[0].outcome}"
    return f"{len(results)} results" if results else f"{count} evaluations are pending"
