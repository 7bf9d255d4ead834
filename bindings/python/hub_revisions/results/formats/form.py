"""What the readers of the formats share: what a file says, and how its numbers become metrics."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from ..._native import failure
from ..types import Metric, Mode

_MAX_KEY = 300
_MAX_METRICS = 20_000
_MAX_COUNT = 2**53


@dataclass(frozen=True)
class About:
    """What a file says that it is about; "" where it says nothing.

    `model` is a repository's name or a folder, `revision` a branch or commit.
    """

    model: str = ""
    revision: str = ""
    commit: str = ""


@dataclass(frozen=True)
class Document:
    """A file of results, read. `format` is the name that stands in `Result.format`."""

    format: str
    about: About
    metrics: tuple[Metric, ...]


def metric_key(metric: str, task: str = "", shots: int | None = None, filter_name: str = "") -> str:
    """`task@shots/metric[filter]`, with the parts that there are."""
    where = task if shots is None else f"{task}@{shots}"
    what = metric if filter_name in ("", "none") else f"{metric}[{filter_name}]"
    return f"{where}/{what}" if where else what


def measure(
    key: str,
    value: Any,
    *,
    stderr: Any = None,
    n: Any = None,
    partial: bool = False,
    mode: Mode | None = None,
    fingerprint: str = "",
) -> Metric:
    """A metric of what stands in the file, whatever that is."""
    number = finite(value)
    error = finite(stderr)
    return Metric(
        key=key,
        value=number,
        stderr=error if error is not None and error >= 0 else None,
        n=count(n),
        partial=partial,
        mode=mode,
        fingerprint=fingerprint,
        problem="" if number is not None else f"is {_spelled(value)}",
    )


def finite(value: Any) -> float | None:
    """The value as a finite number; None if it is none."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        number = float(value)
    except OverflowError:
        return None
    return number if math.isfinite(number) else None


def count(value: Any) -> int | None:
    """The value as a number of things; None if it is none."""
    whole = isinstance(value, int) and not isinstance(value, bool) and 0 <= value < _MAX_COUNT
    return value if whole else None


def digest(facts: Mapping[str, Any]) -> str:
    """A fingerprint: equal for equal facts, whatever their order."""
    text = json.dumps(facts, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode("utf-8", "replace")).hexdigest()[:12]


def mapping(value: Any) -> Mapping[str, Any]:
    """The value if it is an object, else an empty one: what a file lacks, it does not say."""
    return value if isinstance(value, Mapping) else {}


def text(value: Any) -> str:
    """The value if it is text, else ""."""
    return value if isinstance(value, str) else ""


def mode_of(higher_is_better: Any) -> Mode | None:
    """The direction that an evaluator's `higher_is_better` means."""
    if not isinstance(higher_is_better, bool):
        return None
    return "max" if higher_is_better else "min"


def checked(metrics: Iterable[Metric], name: str) -> tuple[Metric, ...]:
    """The metrics, sorted by key. Raises `HubRevisionError` if there are none, or unusable keys."""
    by_key: dict[str, Metric] = {}
    for metric in metrics:
        if not metric.key.isprintable() or len(metric.key) > _MAX_KEY:
            raise failure(
                f"{name} has a metric whose name is too long or cannot be printed: "
                f"{metric.key[:60]!r}",
                "corrupt",
            )
        if by_key.setdefault(metric.key, metric) != metric:
            raise failure(f"{name} has two values of '{metric.key}'", "corrupt")
        if len(by_key) > _MAX_METRICS:
            raise failure(f"{name} has more than {_MAX_METRICS} metrics", "invalid_input")
    if not by_key:
        raise failure(f"{name} holds no metrics", "invalid_input")
    return tuple(by_key[key] for key in sorted(by_key))


def _spelled(value: Any) -> str:
    if value is None:
        return "null"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):
        return repr(value[:40])
    if isinstance(value, float) and math.isnan(value):
        return "NaN"
    if isinstance(value, int | float):
        return "infinite"
    return "no number"
