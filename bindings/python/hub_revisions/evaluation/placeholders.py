"""Placeholders in the words of a command. Each word is replaced by itself; there is no shell."""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping, Sequence

from .._native import config_error
from .contract import EvalRequest

SUITE = (
    *("python", "repo_id", "revision", "commit", "step", "suite"),
    *("out_dir", "endpoint", "config_dir", "cpus", "gpus"),
)
# What the words of the engine `command` may hold beside a request's facts.
JOB = ("script", "key", "attempt", "time_limit", "job_id")

_PLACEHOLDER = re.compile(r"\{([a-z_]+)\}")


def check(words: Sequence[str], known: Sequence[str], where: str) -> None:
    """Raise `ConfigError` for what is nearly a placeholder. Other braces mean themselves."""
    for word in words:
        for name in _PLACEHOLDER.findall(word):
            near = difflib.get_close_matches(name, known, 1, cutoff=0.75)
            if name not in known and near:
                raise config_error(
                    f"{where}: there is no placeholder {{{name}}}; did you mean {{{near[0]}}}?"
                )


def facts(request: EvalRequest) -> dict[str, object]:
    """What a request says about itself."""
    names = ("repo_id", "revision", "commit", "suite", "out_dir", "cpus", "gpus")
    step = "" if request.step is None else request.step
    return {"step": step, **{name: getattr(request, name) for name in names}}


def expand(words: Sequence[str], values: Mapping[str, object]) -> tuple[str, ...]:
    """The words with the placeholders that `values` has replaced; what is put in stays as it is."""

    def value(match: re.Match[str]) -> str:
        return str(values[match[1]]) if match[1] in values else match[0]

    return tuple(_PLACEHOLDER.sub(value, word) for word in words)
