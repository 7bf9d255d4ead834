"""`list`: the revisions of a repository, read from it."""

from __future__ import annotations

import math
from argparse import ArgumentParser, Namespace
from dataclasses import asdict
from typing import Any

from .._native import Revision
from ..selection.best import list_revisions
from ..tables import format_bytes
from ..text_table import Column
from .common import add_options, add_repo, emit_json, keywords, show_table


def add_arguments(parser: ArgumentParser) -> None:
    add_repo(parser)
    add_options(parser, "--config", "--endpoint", "--json")


def run(options: Namespace) -> None:
    """List a repository's revisions with their metrics."""
    given = keywords(endpoint=options.endpoint)
    revisions = list_revisions(options.repo, options.config, **given)
    if options.as_json:
        emit_json([_described(revision) for revision in revisions])
        return
    metrics = sorted({name for revision in revisions for name in revision.metrics})
    counts = ["step"]
    if any(revision.tokens is not None for revision in revisions):
        counts.append("tokens")
    numbers = (*counts, *metrics, "size")
    show_table(
        [
            *map(Column, ("revision", "commit")),
            *(Column(name, "right") for name in numbers),
            Column("promoted"),
        ],
        [
            (
                revision.revision,
                revision.commit[:10],
                *(_count(getattr(revision, name)) for name in counts),
                *(_number(revision.metrics.get(name)) for name in metrics),
                format_bytes(revision.size),
                revision.promoted,
            )
            for revision in revisions
        ],
    )


def _described(revision: Revision) -> dict[str, Any]:
    """Its fields, and what follows from them."""
    derived = {"managed": revision.managed, "pointer_to": revision.pointer_to}
    files = [{**asdict(file), "lfs": file.lfs} for file in revision.files]
    return {**asdict(revision), **derived, "files": files}


def _count(value: int | None) -> str:
    return "" if value is None else str(value)


def _number(value: float | None) -> str:
    if value is None:
        return ""
    return f"{value:.4g}" if math.isfinite(value) else str(value)
