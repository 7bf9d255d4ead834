"""lighteval's `results_*.json`, of old and new releases.

A task was 'suite|task|shots' and is 'task|shots'; 'all' and 'name:_average|shots' are means over
the tasks of that run, so their fingerprints cover these: means over other tasks do not compare.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from ..types import Metric, Mode
from .form import (
    About,
    Document,
    checked,
    count,
    digest,
    mapping,
    measure,
    metric_key,
    mode_of,
    text,
)

FORMAT = "lighteval"
_STDERR = "_stderr"


@dataclass(frozen=True)
class _Task:
    """One row: `raw` is its name in the file, `short` the one without suite and shots."""

    raw: str
    short: str
    shots: int | None

    @property
    def is_mean(self) -> bool:
        return self.raw == "all" or self.short.endswith(":_average")

    def covers(self, other: _Task) -> bool:
        """Whether this mean is over `other`, among others."""
        if other.is_mean:
            return False
        return self.raw == "all" or (
            other.short.startswith(self.short.removesuffix("_average"))
            and other.shots == self.shots
        )


def read(document: Mapping[str, Any], name: str) -> Document:
    """Read a parsed file; `name` is for the errors."""
    general = mapping(document.get("config_general"))
    model = mapping(general.get("model_config"))
    about = About(
        model=text(model.get("model_name")) or text(general.get("model_name")),
        revision=text(model.get("revision")),
        commit=text(general.get("model_sha")),
    )
    rows = mapping(document.get("results"))
    return Document(FORMAT, about, checked(_metrics(document, general, model, rows), name))


def _metrics(
    document: Mapping[str, Any],
    general: Mapping[str, Any],
    model: Mapping[str, Any],
    rows: Mapping[str, Any],
) -> Iterator[Metric]:
    tasks = [_task(raw) for raw in rows]
    shared = Counter((task.short, task.shots) for task in tasks)
    samples = {task: _samples(task, document, general) for task in tasks if not task.is_mean}
    prints = {task: _fingerprint(task, document, general, model, samples[task]) for task in samples}
    for task in tasks:
        if task.is_mean:
            parts = [part for part in samples if task.covers(part)]
            partial = any(samples[part][1] for part in parts)
            fingerprint = digest({"mean of": sorted(prints[part] for part in parts)})
            n = None
        else:
            n, partial = samples[task]
            fingerprint = prints[task]
        modes = _modes(task, document)
        row = mapping(rows[task.raw])
        # Two suites may have a task of the same name.
        label = task.short if shared[task.short, task.shots] == 1 else task.raw.rpartition("|")[0]
        for metric, value in row.items():
            if metric.endswith(_STDERR) and metric.removesuffix(_STDERR) in row:
                continue
            yield measure(
                metric_key(metric, label, task.shots),
                value,
                stderr=row.get(metric + _STDERR),
                n=n,
                partial=partial,
                mode=modes.get(metric),
                fingerprint=fingerprint,
            )


def _task(raw: str) -> _Task:
    parts = raw.split("|")
    if len(parts) > 1 and parts[-1].isdecimal() and len(parts[-1]) < 10:
        return _Task(raw, parts[-2], int(parts[-1]))
    return _Task(raw, parts[-1], None)


def _config(task: _Task, document: Mapping[str, Any]) -> Mapping[str, Any]:
    configs = mapping(document.get("config_tasks"))
    names = (task.raw, task.raw.rpartition("|")[0], task.short)
    return next((mapping(configs[name]) for name in names if name in configs), {})


def _samples(
    task: _Task, document: Mapping[str, Any], general: Mapping[str, Any]
) -> tuple[int | None, bool]:
    """How many samples were evaluated, and whether these are not all."""
    config = _config(task, document)
    # -1 in releases that did not count.
    used, there = count(config.get("effective_num_docs")), count(config.get("original_num_docs"))
    if used and there:
        return used, used < there
    return used or None, general.get("max_samples") is not None


def _fingerprint(
    task: _Task,
    document: Mapping[str, Any],
    general: Mapping[str, Any],
    model: Mapping[str, Any],
    samples: tuple[int | None, bool],
) -> str:
    n, partial = samples
    return digest(
        {
            "harness": [FORMAT, general.get("lighteval_sha")],
            "task": [task.short, task.shots, mapping(document.get("versions")).get(task.raw)],
            "generation": model.get("generation_parameters", general.get("generation_parameters")),
            "chat": [
                model.get(name)
                for name in ("override_chat_template", "use_chat_template", "system_prompt")
            ],
            "part": [n, general.get("max_samples")] if partial else None,
        }
    )


def _modes(task: _Task, document: Mapping[str, Any]) -> dict[str, Mode | None]:
    config = _config(task, document)
    metrics = config.get("metrics", config.get("metric"))
    modes: dict[str, Mode | None] = {}
    for metric in metrics if isinstance(metrics, list) else []:
        names, better = mapping(metric).get("metric_name"), mapping(metric).get("higher_is_better")
        # One metric may make several numbers, each with its direction.
        for item in map(text, names if isinstance(names, list) else [names]):
            modes[item] = mode_of(better.get(item) if isinstance(better, Mapping) else better)
    return modes
