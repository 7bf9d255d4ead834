"""The evaluation configuration: what is run on every revision, and where.

`schema.json` says what each key means. A configuration is a JSON file or a dictionary; relative
paths in a suite's command begin in the folder of the job, {config_dir} leads to the file's own
(the current folder for a dictionary).
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from .._native import config_error
from ..credentials import TOKEN_VARIABLES
from ..settings import Config, read_object
from . import placeholders
from .check import Checker
from .redaction import TOKEN_SHAPE
from .staging import REMOTE_FOLDER

_SECRET_NAME = re.compile(r"(TOKEN|SECRET|PASSWORD|PASSWD|API_?KEY|ACCESS_KEY)$", re.IGNORECASE)
_PASSWORD_IN_URL = re.compile(r"://[^/\s:@]*:(?![{$])[^/\s@]+@")  # a variable is none
_KEY_LENGTH = 60  # of the 63 that Kubernetes allows, so that '-' and an attempt fit behind it
_DIGEST_LENGTH = 12


@dataclass(frozen=True)
class Suite:
    """One evaluator. Times are seconds."""

    name: str
    command: tuple[str, ...]
    results: str
    required: tuple[str, ...]
    time_limit: int
    cpus: int
    gpus: int
    env: Mapping[str, str]
    benchmarks: Mapping[str, str]

    @property
    def identity(self) -> dict[str, Any]:
        """What decides its numbers; limits and resources do not."""
        return {"command": list(self.command), "env": dict(self.env), "results": self.results}


@dataclass(frozen=True)
class EvaluationConfig:
    """A checked configuration, with every default filled in. Times are seconds."""

    engine: str
    options: Mapping[str, Any]
    suites: tuple[Suite, ...]
    attempts: int
    max_pending: int | None
    queue_limit: float
    pass_env: tuple[str, ...]
    pass_token: bool
    config_dir: Path

    def places(self, out_dir: Path) -> dict[str, object]:
        """What {python}, {out_dir} and {config_dir} stand for, where the evaluator runs.

        A container has its own Python and folder, and nothing of the configuration's.
        """
        if self.engine == "hf-jobs":
            return {"python": "python3", "out_dir": REMOTE_FOLDER}
        return {"python": sys.executable, "out_dir": out_dir, "config_dir": self.config_dir}

    def suite(self, name: str) -> Suite:
        """The suite of that name. Raises `KeyError`."""
        return next(suite for suite in self.suites if suite.name == name)

    def to_json(self) -> dict[str, Any]:
        """The form that `load_config` takes, without `config_dir`."""
        values = {name: getattr(self, name) for name in self.__dataclass_fields__}
        del values["config_dir"]
        values["suites"] = [dict(vars(suite)) for suite in self.suites]
        plain: dict[str, Any] = json.loads(json.dumps(values))
        return plain


def load_config(config: Config, config_dir: Path | None = None) -> EvaluationConfig:
    """The configuration in a JSON file or a dictionary, checked.

    `config_dir` is what {config_dir} stands for, where it is not the file's folder. Raises
    `ConfigError` naming file, key and the nearest known one.
    """
    if isinstance(config, str | os.PathLike):
        path = Path(config)
        origin, values = str(path), read_object(path)
        folder = config_dir or path.absolute().parent
    else:
        origin, values = "evaluation configuration", _plain(config or {})
        folder = config_dir or Path.cwd()
    checker = Checker(json.loads(Path(__file__).with_name("schema.json").read_text()), origin)
    _refuse_secrets(values, checker)
    values = checker.checked(values, checker.root)
    values.pop("$schema", None)
    engine = values["engine"]
    values["options"] = checker.checked(values["options"], checker.definition(engine), "options")
    suites = tuple(_suite(item, f"suites[{i}]", checker) for i, item in enumerate(values["suites"]))
    names = [suite.name for suite in suites]
    if repeated := {name for name in names if names.count(name) > 1}:
        raise checker.error("suites", f"has several named '{min(repeated)}'; names are unique")
    _check_options(engine, values["options"], suites, checker)
    if tokens := {*values["pass_env"]} & {*TOKEN_VARIABLES}:
        raise checker.error("pass_env", f"must not name {min(tokens)}; set 'pass_token' to true")
    values |= {"suites": suites, "pass_env": tuple(values["pass_env"]), "config_dir": folder}
    return EvaluationConfig(**values)


def evaluation_key(
    repo_id: str, commit: str, suite: str, identity: Mapping[str, Any], step: int | None
) -> str:
    """Identifies the evaluation of one commit with one suite, whoever does it.

    Valid as a name in Slurm, Kubernetes and HF Jobs: lower-case letters, digits and '-', at most 60
    characters.
    """
    canonical = json.dumps(identity, sort_keys=True, separators=(",", ":"))
    inner = hashlib.sha256(canonical.encode()).hexdigest()
    digest = hashlib.sha256("\0".join((repo_id, commit, suite, inner)).encode()).hexdigest()
    slug = re.sub(r"[^a-z0-9]+", "-", f"{suite}-{'' if step is None else step}".lower())
    return f"ev-{digest[:_DIGEST_LENGTH]}-{slug}"[:_KEY_LENGTH].rstrip("-")


def _plain(config: Mapping[str, Any]) -> dict[str, Any]:
    """As JSON would have it: tuples are lists, paths are text."""
    try:
        plain: dict[str, Any] = json.loads(json.dumps(config, default=os.fspath, allow_nan=False))
    except (TypeError, ValueError) as error:
        raise config_error(f"evaluation configuration: is no JSON object: {error}") from error
    return plain


def _suite(item: dict[str, Any], where: str, checker: Checker) -> Suite:
    placeholders.check(item["command"], placeholders.SUITE, f"{checker.origin}: {where}.command")
    if not item["command"][0]:
        raise checker.error(f"{where}.command", "begins with an empty word, not with a program")
    pattern = PurePosixPath(item["results"])
    if pattern.is_absolute() or ".." in pattern.parts:
        raise checker.error(f"{where}.results", "must be a pattern of paths inside {out_dir}")
    lists = {name: tuple(item[name]) for name in ("command", "required")}
    return Suite(**{**item, **lists})


def _check_options(
    engine: str, options: Mapping[str, Any], suites: tuple[Suite, ...], checker: Checker
) -> None:
    if engine == "local":
        for suite in suites:
            if suite.gpus > len(options["gpus"]):
                raise checker.error(
                    "options.gpus",
                    f"lists {len(options['gpus'])} GPUs, but suite '{suite.name}' asks for "
                    f"{suite.gpus}",
                )
    if engine == "hf-jobs":
        for suite in suites:
            if any("{config_dir}" in word for word in suite.command):
                raise checker.error("suites", "use {config_dir}, which no container sees")
    if engine == "command":
        known = (*placeholders.SUITE, *placeholders.JOB)
        for name in ("submit", "status", "cancel", "find"):
            placeholders.check(options[name], known, f"{checker.origin}: options.{name}")
        for name in ("id_regex", "unknown_regex"):
            try:
                groups = re.compile(options[name]).groups
            except re.error as error:
                raise checker.error(
                    f"options.{name}", f"is no regular expression: {error}"
                ) from error
            if name == "id_regex" and options[name] and not groups:
                raise checker.error(f"options.{name}", "must have a group, which is the id")


def _refuse_secrets(values: Mapping[str, Any], checker: Checker) -> None:
    for where, text in _texts(values, ""):
        if TOKEN_SHAPE.search(text):
            raise checker.error(where, "holds a token; name its variable in 'pass_env' instead")
        if _PASSWORD_IN_URL.search(text):
            raise checker.error(where, "holds a password; name a variable in 'pass_env' instead")
        if ".env." in where and _SECRET_NAME.search(where) and text:
            name = where.rpartition(".")[2]
            raise checker.error(where, f"is a secret by its name; put '{name}' into 'pass_env'")


def _texts(value: Any, where: str) -> Iterator[tuple[str, str]]:
    """Every text in it, with its place."""
    if isinstance(value, str):
        yield where, value
    elif isinstance(value, Mapping):
        for key, item in value.items():
            yield from _texts(item, f"{where}.{key}" if where else str(key))
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from _texts(item, f"{where}[{index}]")
