"""Read what evaluators write. A file's form is told by its content, never by its name.

| form | told by |
|---|---|
| lighteval | `config_general` and `results` |
| lm-evaluation-harness | `results` and one of `configs`, `n-samples`, `versions`, `config` |
| the Trainer's state | `log_history` |
| our own | `"schema": "ckpt-metrics/1"` |
| the Hub's `.eval_results` | a list of entries with `dataset` |
| an object of numbers | nothing else |

All errors are `HubRevisionError`s that name the file.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path, PurePath
from typing import Any

from ..._core import HubRevisionError, read_yaml
from ..._native import config_error, failure
from ..strict_json import parse, read_text
from ..types import Metric
from . import lighteval, lm_eval, plain
from .agreement import check_agreement
from .form import Document

# The contract's own files lie beside the evaluator's.
_NOT_RESULTS = frozenset({"request.json", "done.json"})
_MAX_YAML = 256 * 1024


def read_results(
    folder: Path, pattern: str, *, commit: str, revision: str, repo_id: str, suite: str = ""
) -> tuple[str, tuple[Metric, ...]]:
    """The format and the metrics of the newest file in `folder` that matches the glob `pattern`.

    The file must be about `commit`, as far as it says what it is about. Metrics that name no task
    get `suite` as theirs.
    """
    return read_file(
        _newest(folder, pattern), commit=commit, revision=revision, repo_id=repo_id, suite=suite
    )


def read_file(
    path: Path, *, commit: str, revision: str, repo_id: str, suite: str = ""
) -> tuple[str, tuple[Metric, ...]]:
    """The format and the metrics of one file; otherwise as `read_results`."""
    name = str(path)
    try:
        document = _read(_load(read_text(path), name), name, suite)
    except RecursionError as error:
        raise failure(f"{name} is nested too deeply", "corrupt") from error
    check_agreement(document.about, name, commit=commit, revision=revision, repo_id=repo_id)
    return document.format, document.metrics


def _newest(folder: Path, pattern: str) -> Path:
    if PurePath(pattern).is_absolute() or ".." in PurePath(pattern).parts or not pattern:
        raise config_error(f"the pattern of result files '{pattern}' must stay inside its folder")
    found = [path for path in folder.glob(pattern) if path.name not in _NOT_RESULTS]
    files = [path for path in found if path.is_file()]
    if not files:
        raise failure(f"no file in {folder} matches '{pattern}'", "not_found")
    return max(files, key=lambda path: (path.stat().st_mtime_ns, path.name))


def _load(text: str, name: str) -> Any:
    if text.lstrip()[:1] in ("-", "#") and len(text) <= _MAX_YAML:
        try:
            return json.loads(read_yaml(text))
        except HubRevisionError as error:
            raise failure(f"{name} is no YAML that can be read: {error}", "corrupt") from error
    return parse(text, name)


def _read(document: Any, name: str, suite: str) -> Document:
    if plain.looks_published(document):
        return plain.read_published(document, name)
    if isinstance(document, Mapping):
        if document.get("schema") == plain.NATIVE:
            return plain.read_native(document, name, suite)
        if "log_history" in document:
            return plain.read_trainer(document, name, suite)
        if isinstance(document.get("results"), Mapping):
            if "config_general" in document:
                return lighteval.read(document, name)
            if any(key in document for key in ("configs", "n-samples", "versions", "config")):
                return lm_eval.read(document, name)
        if plain.looks_flat(document):
            return plain.read_flat(document, name, suite)
    raise failure(
        f"{name} is in no known form: known are results of lighteval and lm-evaluation-harness, "
        f"a trainer_state.json, '{plain.NATIVE}', .eval_results, and an object of numbers",
        "invalid_input",
    )
