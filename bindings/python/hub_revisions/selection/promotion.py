"""Promoting a revision with what is known about it: its numbers in the card, and the chart.

The promoted branch has the revision's files and our own: README.md completed, the chart
beside it, and `.eval_results/*.yaml` for suites that are registered benchmarks of the Hub
(hub-docs "Evaluation Results").
"""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Iterable

from .. import _core
from .._core import HubRevisionError
from .._native import Contents, Promotion
from ..repository import RECORDS_BRANCH, Repository
from ..results.store import result_file
from ..results.types import Metric, Result
from .candidates import Candidate, gather
from .decision import Decision, read_decisions

CARD = "README.md"
CHART = "revisions.svg"

logger = logging.getLogger("hub_revisions")


def promote_revision(
    repository: Repository,
    revision: str,
    branch: str = "main",
    *,
    commit: str = "",
    decision: Decision | None = None,
    contents: Contents | None = None,
) -> Promotion:
    """Make `branch` equal to `revision` by one new commit on top of it; no weights are sent.

    Its card gets the numbers of `decision` (by default the last one on record that named this
    commit) and of the evaluations of its commit. With the setting `card` "off" it stays as it is,
    and so it does if the server would refuse it, which is logged: a card is no reason to keep the
    weights back. `contents` is what was read of the repository before, to save a look. Raises
    `HubRevisionError`, of kind "conflict" if the revision no longer has `commit` or somebody moved
    the branch meanwhile.
    """
    files = {}
    if repository.settings["card"] != "off":
        contents = contents or repository.read()
        files = _files(repository, contents, revision, decision)
    try:
        return repository.promote(revision, branch, commit=commit, files=files)
    except HubRevisionError as error:
        if error.kind != "rejected" or not files:
            raise
        logger.warning("%s: the card keeps what it says: %s", revision, error)
        return repository.promote(revision, branch, commit=commit)


def _files(
    repository: Repository, contents: Contents, revision: str, decision: Decision | None
) -> dict[str, str]:
    candidates = gather(contents.repo_id, contents.revisions, contents.records)
    one = next((c for c in candidates.candidates if c.revision == revision), None)
    if one is None:
        return {}  # not one of ours: nothing is known of it
    if decision is None:
        decision = _last_decision(contents, one.commit)
    results = latest_results(one)
    chart = _chart(repository, contents, decision)
    choice = {
        "revision": revision,
        "chart": CHART if chart else "",
        "rows": _rows(decision, results),
        "scores": [_scores(repository, result, task) for result, task in _tasks(results)],
    }
    card = repository.read_files(one.commit, [CARD]).get(CARD, "")
    try:
        files = {CARD: _core.card_with_choice(card, json.dumps(choice))}
    except HubRevisionError as error:
        logger.warning("%s: the card keeps what it says: %s", revision, error)
        return {}
    if chart:
        files[CHART] = chart
    return files | _eval_results(repository, results)


def latest_results(candidate: Candidate) -> list[Result]:
    """The last result of each suite that succeeded, by suite."""
    latest = {r.suite: r for r in candidate.attempts if r.outcome == "succeeded"}
    return [latest[suite] for suite in sorted(latest)]


def _last_decision(contents: Contents, commit: str) -> Decision | None:
    named = [
        one
        for one in read_decisions(contents.records).decisions
        if one.winner is not None and one.winner.commit == commit
    ]
    return named[-1] if named else None


def _chart(repository: Repository, contents: Contents, decision: Decision | None) -> str:
    from ..report import build_report, card_chart

    report = build_report(
        contents.repo_id,
        contents.revisions,
        contents.records,
        endpoint=repository.settings["endpoint"],
        decision=decision,
    )
    return card_chart(report)


def _rows(decision: Decision | None, results: Iterable[Result]) -> list[tuple[str, str]]:
    rows = []
    if decision is not None and decision.winner is not None:
        rows.append(("rule", decision.rule))
        rows.append(("why", decision.why))
        rows.append(("compared", f"{len(decision.scored)} revisions"))
        if decision.excluded:
            rows.append(("left out", f"{len(decision.excluded)} revisions"))
        if decision.near is not None:
            rows.append(("within one standard error", f"{len(decision.near)} more"))
        if decision.provisional:
            rows.append(("provisional", "; ".join(decision.provisional[:3])))
    for result in results:
        rows += [
            (metric.key, _value(metric)) for metric in result.metrics if metric.value is not None
        ]
    return rows


def _value(metric: Metric) -> str:
    text = f"{metric.value:.6g}"
    if metric.stderr is not None:
        text += f" ± {metric.stderr:.2g}"
    if metric.n is not None:
        text += f" (n = {metric.n})"
    return f"{text}, of a part of the samples" if metric.partial else text


def _tasks(results: Iterable[Result]) -> list[tuple[Result, str]]:
    """Each result with each task that it has numbers of."""
    return [
        (result, task)
        for result in results
        for task in sorted({_task(metric) for metric in result.metrics if metric.value is not None})
    ]


def _task(metric: Metric) -> str:
    task, slash, _ = metric.key.rpartition("/")
    return task if slash else "evaluation"


def _scores(repository: Repository, result: Result, task: str) -> dict[str, object]:
    return {
        "dataset": task,
        "url": repository.file_url(RECORDS_BRANCH, result_file(result)[0]),
        "metrics": [
            [metric.key.rpartition("/")[2], metric.value]
            for metric in result.metrics
            if metric.value is not None and _task(metric) == task
        ],
    }


def _eval_results(repository: Repository, results: Iterable[Result]) -> dict[str, str]:
    files = {}
    for result in results:
        entries = [
            _entry(repository, result, metric)
            for metric in result.metrics
            if metric.benchmark and metric.value is not None and not metric.partial
        ]
        if entries:
            files[f".eval_results/{result.suite}.yaml"] = _core.write_yaml(json.dumps(entries))
    return files


def _entry(repository: Repository, result: Result, metric: Metric) -> dict[str, object]:
    dataset, _, task = metric.benchmark.partition("#")
    url = repository.file_url(RECORDS_BRANCH, result_file(result)[0])
    entry: dict[str, object] = {
        "dataset": {"id": dataset, "task_id": task or "default"},
        "value": metric.value,
        "source": {"url": url, "name": "hub-revisions"},
        "notes": metric.key,
    }
    if result.finished:
        entry["date"] = time.strftime("%Y-%m-%d", time.gmtime(result.finished))
    return entry
