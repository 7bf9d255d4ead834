"""`results add`: take results of evaluations from anywhere."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from pathlib import Path

from ..repository import Repository
from ..results.adding import find_revision, read_result
from ..results.store import add, read_records
from ..results.types import listed
from ..text_table import printable
from .common import add_options, add_repo, emit_json, keywords, message, say


def add_arguments(parser: ArgumentParser) -> None:
    add_repo(parser)
    parser.add_argument("revision", metavar="REVISION", help="Its name or commit.")
    parser.add_argument("file", type=Path, metavar="FILE", help="What the evaluator wrote.")
    parser.add_argument(
        "--suite",
        default="",
        metavar="NAME",
        help="What was run; otherwise the file's form is its name.",
    )
    add_options(parser, "--config", "--endpoint", "--json")


def run(options: Namespace) -> None:
    """Add a file of results to a revision.

    Read are lighteval, lm-evaluation-harness, trainer_state.json, an object of numbers,
    'ckpt-metrics/1' and .eval_results; told by the content. The revision itself does not change:
    results stand on the branch 'evaluations'. Adding the same again changes nothing.
    """
    given = keywords(endpoint=options.endpoint)
    repository = Repository(options.repo, options.config, **given)
    contents = repository.read()
    found = find_revision(contents.revisions, options.revision, contents.repo_id)
    earlier = read_records(contents.records).results
    result, is_new = read_result(options.file, found, contents.repo_id, earlier, options.suite)
    if is_new:
        add(repository, [result])
    if options.as_json:
        emit_json({"added": is_new, "result": result.to_json()})
        return
    verb = "added" if is_new else "was there already"
    say(f"{result.revision}  {result.suite}  {verb}: {printable(listed(result.metrics))}")
    for metric in result.metrics:
        if metric.problem:
            message(f"warning: '{metric.key}' {metric.problem} and cannot be picked by")
