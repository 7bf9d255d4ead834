"""What people write themselves: our own small format, an object of numbers, the Trainer's log, and
the Hub's lists of evaluation results."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from ..._native import failure
from ..types import Metric
from .form import About, Document, checked, digest, mapping, measure, metric_key, text

NATIVE = "ckpt-metrics/1"
_NATIVE_FIELDS = frozenset({"value", "stderr", "n", "partial", "mode", "fingerprint"})
_NATIVE_TOP = frozenset({"schema", "sha", "commit", "revision", "model", "fingerprint", "metrics"})
_STDERR = "_stderr"
# How programs write that there is no number.
_NO_NUMBER = frozenset(
    {"", "n/a", "na", "nan", "none", "null", "inf", "-inf", "infinity", "-infinity"}
)
# The Trainer's measurements of itself, not of the model.
_TIMINGS = (
    "_runtime",
    "_samples_per_second",
    "_steps_per_second",
    "_jit_compilation_time",
    "_preparation_time",
)


def read_native(document: Mapping[str, Any], name: str, suite: str) -> Document:
    """`{"schema": "ckpt-metrics/1", "sha": ..., "metrics": {name: number or object}}`."""
    _refuse_unknown(document, _NATIVE_TOP, name)
    rows = document.get("metrics")
    if not isinstance(rows, Mapping):
        raise failure(f"{name}: 'metrics' must be an object of numbers or objects", "corrupt")
    metrics = (_native_metric(key, row, document, name, suite) for key, row in rows.items())
    return Document(NATIVE, _told(document), checked(metrics, name))


def _native_metric(
    key: str, row: Any, document: Mapping[str, Any], name: str, suite: str
) -> Metric:
    fields = row if isinstance(row, Mapping) else {"value": row}
    _refuse_unknown(fields, _NATIVE_FIELDS, f"{name}: '{key[:60]}'")
    mode, partial = fields.get("mode"), fields.get("partial", False)
    if mode not in (None, "min", "max") or not isinstance(partial, bool):
        raise failure(
            f"{name}: '{key[:60]}': 'mode' is 'min' or 'max', 'partial' is true or false", "corrupt"
        )
    return measure(
        _placed(key, suite),
        fields.get("value"),
        stderr=fields.get("stderr"),
        n=fields.get("n"),
        partial=partial,
        mode=mode,
        fingerprint=text(fields.get("fingerprint")) or text(document.get("fingerprint")),
    )


def looks_flat(document: Mapping[str, Any]) -> bool:
    """Whether it is an object with numbers, and nothing nested."""
    nested = any(isinstance(value, Mapping | list) for value in document.values())
    return not nested and any(_is_measured(value) for value in document.values())


def read_flat(document: Mapping[str, Any], name: str, suite: str) -> Document:
    """`{"acc": 0.5, "acc_stderr": 0.01}`; texts beside the numbers are labels."""
    metrics = (
        measure(_placed(key, suite), value, stderr=document.get(key + _STDERR))
        for key, value in document.items()
        if _is_measured(value)
        and not key.endswith(_TIMINGS)
        and not (key.endswith(_STDERR) and key.removesuffix(_STDERR) in document)
    )
    return Document("flat", _told(document), checked(metrics, name))


def read_trainer(document: Mapping[str, Any], name: str, suite: str) -> Document:
    """`trainer_state.json`: what was logged of the evaluation at the checkpoint's own step."""
    history = document.get("log_history")
    rows = [row for row in history if isinstance(row, Mapping)] if isinstance(history, list) else []
    step = document.get("global_step", rows[-1].get("step") if rows else None)
    # A step may have several rows: training's, and one for each evaluation data set.
    values = {key: value for row in rows if row.get("step") == step for key, value in row.items()}
    metrics = (
        measure(_placed(key, suite), value)
        for key, value in values.items()
        if key.startswith("eval_") and not key.endswith(_TIMINGS)
    )
    return Document("trainer", About(), checked(metrics, f"{name}, at step {step},"))


def looks_published(document: Any) -> bool:
    """Whether it is a list such as the Hub's `.eval_results/*.yaml`."""
    return (
        isinstance(document, list)
        and bool(document)
        and all(isinstance(item, Mapping) and "dataset" in item for item in document)
    )


def read_published(document: list[Mapping[str, Any]], name: str) -> Document:
    """The Hub's form: entries of data set, task and value."""
    return Document("eval_results", About(), checked(_published(document, name), name))


def _published(document: list[Mapping[str, Any]], name: str) -> Iterator[Metric]:
    for item in document:
        dataset = mapping(item["dataset"])
        identity, task = text(dataset.get("id")), text(dataset.get("task_id"))
        if not identity:
            raise failure(f"{name}: an entry has no 'dataset' with an 'id'", "corrupt")
        metric = measure(
            metric_key(task or "value", identity),
            _number(item.get("value")),
            fingerprint=digest({"dataset": identity, "at": text(dataset.get("revision"))}),
        )
        yield replace(metric, benchmark=f"{identity}#{task}" if task else identity)


def _number(value: Any) -> Any:
    """What a YAML scalar means; it comes as text."""
    try:
        return float(value) if isinstance(value, str) else value
    except ValueError:
        return value


def _placed(key: str, suite: str) -> str:
    """The key, under the suite's name where it names no task itself."""
    return key if not suite or "/" in key else metric_key(key, suite)


def _told(document: Mapping[str, Any]) -> About:
    return About(
        model=text(document.get("model")),
        revision=text(document.get("revision")),
        commit=text(document.get("sha")) or text(document.get("commit")),
    )


def _is_measured(value: Any) -> bool:
    """A number, or what stands where a number should be."""
    if isinstance(value, str):
        return value.strip().lower() in _NO_NUMBER
    return value is None or (isinstance(value, int | float) and not isinstance(value, bool))


def _refuse_unknown(fields: Mapping[str, Any], known: frozenset[str], where: str) -> None:
    unknown = sorted(set(fields) - known)
    if unknown:
        raise failure(
            f"{where}: unknown field '{unknown[0][:60]}'; known are {', '.join(sorted(known))}",
            "corrupt",
        )
