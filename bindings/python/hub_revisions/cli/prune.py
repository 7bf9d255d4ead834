"""`prune`: delete the revisions that nobody needs."""

from __future__ import annotations

import sys
from argparse import ArgumentParser, Namespace
from dataclasses import asdict

from .._native import Contents, config_error
from ..prune import Mode, PruneReport, prune, ranking_of
from ..repository import Repository
from ..retention import Retention
from ..selection.best import decide
from ..selection.decision import Decision
from ..selection.rule import Source, make_rule
from ..tables import format_bytes
from ..text_table import Column
from .common import (
    FAILED,
    add_options,
    add_repo,
    emit_json,
    keywords,
    message,
    say,
    show_table,
)


def add_arguments(parser: ArgumentParser) -> None:
    add = parser.add_argument
    add_repo(parser)
    add("--keep-best", type=int, metavar="N", help="Keep the N best, by --metric.")
    add("--keep-last", type=int, metavar="N", help="Keep the N newest.")
    add("--keep-every", type=int, metavar="N", help="Keep those whose step N divides.")
    add("--metric", metavar="M[:mode]", help="What --keep-best compares. Default: eval_loss.")
    add("--source", choices=("trainer", "evaluation"),
        help="Whose numbers, where both have the metric.")  # fmt: skip
    add("--purge-lfs", dest="purge", action="store_const", const="purge", default="keep",
        help="Delete large files for good that no revision has then.")  # fmt: skip
    mode = parser.add_mutually_exclusive_group()
    mode.add_argument("--dry-run", dest="mode", action="store_const", const="plan",
                      help="Only say what would happen.")  # fmt: skip
    mode.add_argument("--yes", dest="mode", action="store_const", const="apply", help="Do it.")
    add_options(parser, "--config", "--endpoint", "--json")


def run(options: Namespace) -> int:
    """Delete revisions that none of the --keep options keeps.

    In a terminal nothing is deleted without --yes; elsewhere, --yes or --dry-run has to be given.
    Never deleted are: main, branches that hub-revisions did not make, what another branch or a tag
    points to, what was promoted, what is being evaluated, what has no step, and the last revision.
    Results of evaluations stay.

    A branch takes no room; its large files do, until they are purged. --purge-lfs alone deletes
    those that no branch or tag has and that are older than a day, which an interrupted prune or
    push has left. A branch has what any commit in its history has, so main also what was promoted
    to it before.
    """
    mode = _mode(options.mode)
    retention = Retention(options.keep_best, options.keep_last, options.keep_every)
    if retention == Retention() and options.purge == "keep":
        raise config_error("say what stays: --keep-best, --keep-last or --keep-every")
    given = keywords(endpoint=options.endpoint)
    repository = Repository(options.repo, options.config, **given)
    contents = repository.read()
    decision = None
    if options.metric or options.keep_best is not None:
        decision = _compare(contents, options.metric or "eval_loss", options.source)
    report = prune(
        repository,
        contents,
        retention,
        ranking=ranking_of(decision) if decision else (),
        purge=options.purge,
        mode=mode,
    )
    if options.as_json:
        _emit(report, decision)
    else:
        _show(report, decision)
    if report.files.problem:
        message(f"large files were not freed: {report.files.problem}")
    return FAILED if report.files.problem else 0


def _mode(given: Mode | None) -> Mode:
    if given is None and not sys.stdout.isatty():
        raise config_error(
            "this is no terminal: say --yes to delete revisions, or --dry-run to see which"
        )
    return given or "plan"


def _compare(contents: Contents, metric: str, source: Source | None) -> Decision:
    decision = decide(make_rule(metric, source=source), contents)
    for sentence in decision.provisional:
        message(f"provisional: {sentence}")
    return decision


def _emit(report: PruneReport, decision: Decision | None) -> None:
    scores = _scores(decision)
    revisions = [{**asdict(one), "score": scores.get(one.revision)} for one in report.revisions]
    rule = decision.rule if decision else ""
    emit_json({**asdict(report), "rule": rule, "revisions": revisions})


def _show(report: PruneReport, decision: Decision | None) -> None:
    scores = _scores(decision)
    columns = [Column("revision"), Column("step", "right")]
    if decision:
        columns.append(Column(decision.rule, "right"))
    columns += map(Column, ("deleted" if report.mode == "apply" else "goes", "why"))
    rows = []
    for one in report.revisions:
        score = scores.get(one.revision)
        cells = [one.revision, "" if one.step is None else str(one.step)]
        if decision:
            cells.append("" if score is None else f"{score:.6g}")
        answer = {"deleted": "yes", "gone": "gone", "kept": "no"}[one.verdict]
        rows.append([*cells, answer, one.reason])
    show_table(columns, rows)
    for sentence in _totals(report):
        say(sentence)


def _totals(report: PruneReport) -> list[str]:
    kept = sum(one.verdict == "kept" for one in report.revisions)
    count, files = len(report.deleted), report.files
    freed = f"{files.objects} large files of {format_bytes(files.bytes)}"
    if report.mode == "apply":
        sentences = [f"deleted {count} revisions, kept {kept}; freed {freed}"]
    else:
        sentences = [
            f"would delete {count} revisions, keep {kept} and free {freed}",
            "nothing was changed; --yes does it",
        ]
    if files.young_objects:
        sentences.append(
            f"{files.young_objects} large files of {format_bytes(files.young_bytes)} are of no "
            "revision, but less than a day old: perhaps of a push under way; they stay"
        )
    return sentences


def _scores(decision: Decision | None) -> dict[str, float]:
    return {one.revision: one.score for one in decision.scored} if decision else {}
