"""The Hub's check of a model card's metadata: the YAML front matter of README.md.

Sources: hub-docs `hub/model-cards.md`, the model-index specification (modelcard.md), hub
protocol 1.6. Fields not named here are free, as on the Hub.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any

import yaml

_FRONT_MATTER = re.compile(r"\A\ufeff?---[ \t]*\r?\n(.*?)\r?\n---[ \t]*(?:\r?\n|\Z)", re.DOTALL)
_MODEL_ID = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]*(/[A-Za-z0-9_][A-Za-z0-9._-]*)?")
MAX_METADATA = 1_000_000
MAX_NODES = 100_000
_TEXTS = ("library_name", "pipeline_tag", "license_name", "license_link", "base_model_relation")
_TEXT_LISTS = ("license", "language", "tags", "datasets", "metrics", "new_version", "base_model")


@dataclass
class CardReport:
    """What the check found; `metadata` is empty where it could not be read."""

    errors: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    metadata: dict[str, Any] = field(default_factory=dict)


def check_card(text: str) -> CardReport:
    """Check the text of a README.md."""
    report = CardReport()
    match = _FRONT_MATTER.match(text)
    if match is None or not match.group(1).strip():
        report.warnings.append("empty or missing yaml metadata in repo card")
        return report
    if len(match.group(1)) > MAX_METADATA:
        report.errors.append(f"The front matter is longer than {MAX_METADATA} characters")
        return report
    try:
        node = yaml.compose(match.group(1), Loader=yaml.SafeLoader)
        if _expanded_size(node, {}) > MAX_NODES:
            report.errors.append(f"The front matter has more than {MAX_NODES} values")
            return report
        metadata = yaml.safe_load(match.group(1))
        duplicates = _duplicate_keys(node)
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        report.errors.append(f"Invalid YAML in the front matter: {error}")
        return report
    if not isinstance(metadata, dict):
        report.errors.append("The front matter must be a mapping of names to values")
        return report
    report.errors += [f"duplicated mapping key: {key}" for key in duplicates]
    report.metadata = {str(key): value for key, value in metadata.items()}
    _check_fields(report)
    _check_base_model(report)
    if "model-index" in metadata:
        _check_model_index(metadata["model-index"], report)
    return report


def _expanded_size(node: Any, known: dict[int, int]) -> int:
    """How many values there are when each alias is written out: it may be a great many.

    Raises `RecursionError` for one that contains itself.
    """
    if not isinstance(node, yaml.CollectionNode):
        return 1
    if id(node) not in known:
        parts = node.value
        if isinstance(node, yaml.MappingNode):
            parts = [part for pair in node.value for part in pair]
        known[id(node)] = 1 + sum(_expanded_size(part, known) for part in parts)
    return known[id(node)]


def _duplicate_keys(node: Any) -> list[str]:
    """Keys given twice in one mapping. The Hub's parser refuses them; PyYAML keeps the last."""
    if isinstance(node, yaml.SequenceNode):
        return [key for item in node.value for key in _duplicate_keys(item)]
    if not isinstance(node, yaml.MappingNode):
        return []
    names = [key.value for key, _ in node.value if isinstance(key, yaml.ScalarNode)]
    found = [name for name in dict.fromkeys(names) if names.count(name) > 1]
    return found + [key for _, value in node.value for key in _duplicate_keys(value)]


def _check_fields(report: CardReport) -> None:
    for name in _TEXTS:
        if name in report.metadata and not isinstance(report.metadata[name], str):
            report.errors.append(f'"{name}" must be a string')
    for name in _TEXT_LISTS:
        value = report.metadata.get(name)
        items = value if isinstance(value, list) else [value]
        if value is not None and not all(isinstance(item, str) for item in items):
            report.errors.append(f'"{name}" must be a string or a list of strings')


def _check_base_model(report: CardReport) -> None:
    value = report.metadata.get("base_model")
    for item in value if isinstance(value, list) else [value]:
        if isinstance(item, str) and _MODEL_ID.fullmatch(item) is None:
            report.errors.append(
                f'"base_model" with value "{item}" is not valid. '
                "Use a model id from https://hf.co/models."
            )


def _check_model_index(index: object, report: CardReport) -> None:
    """model-index is a list of {name, results: [{task, dataset, metrics}]}."""
    for model, at in _mappings(index, "model-index", report):
        _require(model, ("name",), at, report)
        if "results" not in model:
            report.errors.append(f'"{at}.results" is required')
            continue
        for result, at_result in _mappings(model["results"], f"{at}.results", report):
            _check_result(result, at_result, report)


def _check_result(result: dict[str, Any], at: str, report: CardReport) -> None:
    for part, names in (("task", ("type",)), ("dataset", ("type", "name"))):
        if isinstance(result.get(part), dict):
            _require(result[part], names, f"{at}.{part}", report)
        else:
            report.errors.append(f'"{at}.{part}" is required')
    if "metrics" not in result:
        report.errors.append(f'"{at}.metrics" is required')
        return
    for metric, at_metric in _mappings(result["metrics"], f"{at}.metrics", report):
        _require(metric, ("type",), at_metric, report)
        if metric.get("value") is None:
            report.errors.append(f'"{at_metric}.value" is required')


def _mappings(value: object, at: str, report: CardReport) -> list[tuple[dict[str, Any], str]]:
    """The mappings in a list, each with its path; what is of another type becomes an error."""
    if not isinstance(value, list):
        report.errors.append(f'"{at}" must be an array')
        return []
    found = []
    for number, item in enumerate(value):
        if isinstance(item, dict):
            found.append((item, f"{at}[{number}]"))
        else:
            report.errors.append(f'"{at}[{number}]" must be of type object')
    return found


def _require(mapping: dict[str, Any], names: tuple[str, ...], at: str, report: CardReport) -> None:
    for name in names:
        if mapping.get(name) is None:
            report.errors.append(f'"{at}.{name}" is required')
        elif not isinstance(mapping[name], str):
            report.errors.append(f'"{at}.{name}" must be a string')
