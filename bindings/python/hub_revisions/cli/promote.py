"""`promote`: make a branch equal to a revision."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace

from ..repository import Repository
from ..selection.promotion import promote_revision
from .common import add_options, add_repo, emit_json, keywords, tell


def add_arguments(parser: ArgumentParser) -> None:
    add = parser.add_argument
    add_repo(parser)
    add("revision", metavar="REVISION", help="Its name.")
    add("--to", dest="branch", metavar="BRANCH", help="Default: main.")
    add("--tag", metavar="TAG", help="Move a tag to the revision's own commit.")
    add("--commit", default="", metavar="COMMIT", help="Only if the revision still has it.")
    add_options(parser, "--config", "--endpoint", "--json")


def run(options: Namespace) -> None:
    """Make a branch equal to a revision, or move a tag to it; no weights are sent.

    A branch gets one new commit on top of it, with the revision's numbers in its card. Without
    --to and --tag, that branch is main.
    """
    given = keywords(endpoint=options.endpoint)
    repository = Repository(options.repo, options.config, **given)
    revision, commit = options.revision, options.commit
    promotions = []
    if options.tag:
        promotions.append(repository.tag(revision, options.tag, commit=commit))
    if options.branch or not options.tag:
        branch = options.branch or "main"
        promotions.append(promote_revision(repository, revision, branch, commit=commit))
    if options.as_json:
        emit_json(promotions if len(promotions) > 1 else promotions[0])
    else:
        for promotion in promotions:
            tell(promotion)
