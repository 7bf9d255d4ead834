"""Which settings hold, and where each one came from.

Keyword arguments win over the configuration file, that over `TrainingArguments`, those over the
environment. Meaning, type and default of every setting stand in `configs/schema.json`, which the
worker carries and checks against; nothing is said twice here.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from . import _core
from ._native import config_error
from .address import user_of

Config = str | os.PathLike[str] | Mapping[str, Any] | None

SPOOL_NAME = "_hub_revisions"  # as the worker names it where `spool_dir` is empty

_TRUE = {"1", "ON", "YES", "TRUE"}  # the spellings of huggingface_hub
# Each setting's names in TrainingArguments, the first one that is set wins. hub_model_revision and
# system_prompt are what open-r1 adds to them. `push_to_hub` is no business of ours: it is about the
# Trainer's pushes.
_TRAINING_ARGS = {
    "repo_id": ("hub_model_id",),
    "private": ("hub_private_repo",),
    "revision": ("hub_revision", "hub_model_revision"),
    "system_prompt": ("system_prompt",),
}

Layer = Iterable[tuple[str, Any, str]]  # key, value, origin


@dataclass(frozen=True)
class Effective:
    """Every setting's value, and in words where it came from."""

    values: Mapping[str, Any]
    origins: Mapping[str, str]

    def __getitem__(self, key: str) -> Any:
        return self.values[key]

    def to_json(self) -> str:
        """The form in which the worker takes them."""
        return json.dumps(dict(self.values))


def resolve(
    keywords: Mapping[str, Any] | None = None,
    config: Config = None,
    *,
    training_args: Any = None,
    output_dir: str | os.PathLike[str] | None = None,
    environment: Mapping[str, str] = os.environ,
) -> Effective:
    """The effective settings.

    Without a repository anywhere, it is the name of `output_dir`, as in `Trainer`. Raises
    `ConfigError` naming origin, key and remedy.
    """
    values: dict[str, Any] = json.loads(_core.default_settings())
    origins = dict.fromkeys(values, "default")
    layers: tuple[Layer, ...] = (
        _from_environment(environment),
        _from_training_args(training_args),
        _from_config(config),
        _from_keywords(keywords or {}),
    )
    for layer in layers:
        for key, value, origin in layer:
            values[key] = checked(key, value, origin)
            origins[key] = origin
    if not values["repo_id"] and output_dir is not None:
        values["repo_id"] = Path(output_dir).absolute().name
        origins["repo_id"] = "name of output_dir"
    # What is learnt of a repository later names it without the user, who is still the same.
    if user := user_of(values["repo_id"]):
        values["username"], origins["username"] = user, origins["repo_id"]
    return Effective(values, origins)


def checked(key: str, value: Any, origin: str) -> Any:
    """The setting in its JSON form. Raises `ConfigError` if it is unknown or its value wrong."""
    try:
        text = json.dumps({key: value}, default=os.fspath, allow_nan=False)
    except (TypeError, ValueError) as error:
        raise config_error(
            f"{origin}: '{key}' must be a JSON value, not {type(value).__name__}"
        ) from error
    _core.check_settings(text, origin)
    return json.loads(text)[key]


def check_config(config: Config) -> dict[str, Any]:
    """The settings of one configuration file or dictionary, checked. Raises `ConfigError`."""
    return {key: checked(key, value, origin) for key, value, origin in _from_config(config)}


def check_keywords(keywords: Mapping[str, Any]) -> None:
    """Raise `ConfigError` if one of the keyword arguments is no valid setting."""
    for key, value, origin in _from_keywords(keywords):
        checked(key, value, origin)


def spool_path(output_dir: str | os.PathLike[str], spool_dir: str = "") -> Path:
    """The spool of a training output folder: `spool_dir`, else `<output_dir>/_hub_revisions`."""
    return Path(spool_dir).absolute() if spool_dir else Path(output_dir).absolute() / SPOOL_NAME


def _from_environment(environment: Mapping[str, str]) -> Layer:
    if endpoint := environment.get("HF_ENDPOINT", "").strip():
        yield "endpoint", endpoint, "HF_ENDPOINT"
    if environment.get("HF_HUB_OFFLINE", "").strip().upper() in _TRUE:
        yield "mode", "spool", "HF_HUB_OFFLINE"


def _from_training_args(training_args: Any) -> Layer:
    for key, names in _TRAINING_ARGS.items():
        for name in names:
            value = getattr(training_args, name, None)
            if value is not None and value != "":
                yield key, value, f"TrainingArguments.{name}"
                break


def _from_config(config: Config) -> Layer:
    if config is None:
        return
    if isinstance(config, Mapping):
        origin, values = "config", config
    else:
        origin, values = os.fspath(config), read_object(Path(config))
    for key, value in values.items():
        yield str(key), value, origin


def _from_keywords(keywords: Mapping[str, Any]) -> Layer:
    for key, value in keywords.items():
        yield key, value, "keyword argument"


def read_object(path: Path) -> Mapping[str, Any]:
    """The JSON object in a configuration file. Raises `ConfigError` naming file and place."""
    try:
        values = json.loads(path.read_text(encoding="utf-8-sig"))
    except OSError as error:
        raise config_error(
            f"{path}: cannot be read ({error.strerror}); give the path of a JSON file of settings"
        ) from error
    except json.JSONDecodeError as error:
        raise config_error(
            f"{path}: line {error.lineno}, column {error.colno}: {error.msg}; "
            "a configuration file is one JSON object, without comments"
        ) from error
    except UnicodeDecodeError as error:
        raise config_error(f"{path}: is not UTF-8 text; save it as a UTF-8 JSON file") from error
    if not isinstance(values, dict):
        raise config_error(f"{path}: must be a JSON object of settings, not a list or a value")
    return values
