"""lm-evaluation-harness' `results_*.json`, whatever the backend.

Only the `hf` backend writes which commit it evaluated; of the others the model's arguments tell the
revision. A group is a mean over its tasks: its fingerprint covers theirs.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from ..types import Metric
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

FORMAT = "lm-eval"
_NO_METRICS = ("alias", "name", "sample_len", "sample_count")
# Its marker for "nothing was computed".
_NOTHING = "bypass"
_STDERR = "_stderr"


def read(document: Mapping[str, Any], name: str) -> Document:
    """Read a parsed file; `name` is for the errors."""
    return Document(FORMAT, _about(document), checked(_Reader(document).metrics(), name))


def _about(document: Mapping[str, Any]) -> About:
    config = mapping(document.get("config"))
    arguments = _arguments(config.get("model_args"))
    adapter = arguments.get("peft") or arguments.get("delta")
    model = adapter or next(
        (arguments[name] for name in ("pretrained", "model", "path") if name in arguments), ""
    )
    # Without the argument, the harness takes `main`.
    revision = arguments.get("revision") or text(config.get("model_revision"))
    return About(
        model=model or text(document.get("model_name")),
        revision=revision or ("main" if model else ""),
        commit=text(config.get("peft_sha" if adapter else "model_sha")),
    )


def _arguments(given: Any) -> dict[str, str]:
    """The model's arguments: 'a=1,b=2', or an object in newer releases."""
    if isinstance(given, Mapping):
        return {name: str(value) for name, value in given.items() if value is not None}
    pairs = (item.partition("=") for item in text(given).split(","))
    return {name.strip(): value for name, equals, value in pairs if equals}


class _Reader:
    """The rows of one file, and what they need to be read."""

    def __init__(self, document: Mapping[str, Any]) -> None:
        self._document = document
        self._rows = {**mapping(document.get("results")), **mapping(document.get("groups"))}
        self._config = mapping(document.get("config"))
        self._subtasks = {
            group: [item for item in items if isinstance(item, str)]
            for group, items in mapping(document.get("group_subtasks")).items()
            if isinstance(items, list)
        }

    def metrics(self) -> Iterator[Metric]:
        for task in self._rows:
            row = mapping(self._rows[task])
            leaves = self._leaves(task)
            shots = self._shots(task, leaves)
            n = self._count(task, leaves)
            partial = any(self._is_partial(leaf) for leaf in leaves)
            fingerprint = self._fingerprint(task, leaves)
            better = mapping(self._about("higher_is_better", task))
            for name, value in row.items():
                metric, _, filter_name = name.partition(",")
                if metric in _NO_METRICS or metric == _NOTHING or not metric.strip():
                    continue
                if metric.endswith(_STDERR):
                    continue
                error = f"{metric}{_STDERR}" + (f",{filter_name}" if filter_name else "")
                yield measure(
                    metric_key(metric, task, shots, filter_name),
                    value,
                    stderr=row.get(error),
                    n=n,
                    partial=partial,
                    mode=mode_of(better.get(metric)),
                    fingerprint=fingerprint,
                )

    def _about(self, section: str, task: str) -> Any:
        return mapping(self._document.get(section)).get(task)

    def _leaves(self, task: str) -> list[str]:
        """The tasks that a group is over, sorted; of a task, itself."""
        leaves, seen, waiting = set(), set(), [task]
        while waiting:
            name = waiting.pop()
            if name in seen:
                continue
            seen.add(name)
            if self._subtasks.get(name):
                waiting.extend(self._subtasks[name])
            else:
                leaves.add(name)
        return sorted(leaves)

    def _shots(self, task: str, leaves: list[str]) -> int | None:
        own = count(self._about("n-shot", task))
        if own is not None:
            return own
        each = {count(self._about("n-shot", leaf)) for leaf in leaves}
        return each.pop() if len(each) == 1 else None

    def _count(self, task: str, leaves: list[str]) -> int | None:
        counts = [self._samples(leaf)[0] for leaf in leaves]
        if counts and None not in counts:
            return sum(number for number in counts if number is not None)
        return count(mapping(self._rows[task]).get("sample_len"))

    def _samples(self, task: str) -> tuple[int | None, int | None]:
        """How many samples of a task were evaluated, and how many there are."""
        samples = mapping(self._about("n-samples", task))
        return count(samples.get("effective")), count(samples.get("original"))

    def _is_partial(self, task: str) -> bool:
        used, there = self._samples(task)
        if used is not None and there is not None:
            return used < there
        return self._config.get("limit") is not None

    def _fingerprint(self, task: str, leaves: list[str]) -> str:
        if leaves != [task]:
            parts = sorted(self._fingerprint(leaf, [leaf]) for leaf in leaves)
            return digest({"group": task, "version": self._about("versions", task), "of": parts})
        document = self._document
        config = mapping(self._about("configs", task))
        partial = self._is_partial(task)
        return digest(
            {
                "harness": [FORMAT, document.get("lm_eval_version")],
                "task": [task, self._shots(task, leaves), self._about("versions", task)],
                "generation": [config.get("generation_kwargs"), self._config.get("gen_kwargs")],
                "chat": [
                    document.get(name)
                    for name in (
                        "chat_template_sha",
                        "system_instruction_sha",
                        "fewshot_as_multiturn",
                    )
                ],
                "part": [self._samples(task)[0], self._config.get("limit")] if partial else None,
            }
        )
