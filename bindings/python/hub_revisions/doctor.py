"""Whether a push would work from here: what the worker finds, and which versions are there."""

from __future__ import annotations

import json
import platform
import subprocess
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path

from . import _core
from ._native import Check, decode_checks
from .credentials import Token
from .settings import Effective

OLDEST_TRANSFORMERS = "4.56.2"
"""As the extra `trainer` asks for."""

_PACKAGES = ("transformers", "huggingface_hub", "torch", "trl", "accelerate", "peft")
_TOOLS = {"git": ("git", "--version"), "git-lfs": ("git-lfs", "--version")}


def examine(settings: Effective, token: Token, output_dir: Path) -> list[Check]:
    """All findings, in the order in which they matter. Ctrl-C raises `KeyboardInterrupt`.

    The settings' repository is created if it is missing; a small revision is pushed to it, and
    removed again whatever happens.
    """
    found = _core.doctor(settings.to_json(), token.value, token.origin, str(output_dir.absolute()))
    return [check_versions(), *decode_checks(found)]


def check_versions() -> Check:
    """Which versions are there. Only the native libraries are needed everywhere."""
    native = json.loads(_core.library_versions())
    there = {"hub-revisions": _core.__version__, "Python": platform.python_version(), **native}
    there |= dict(_installed())
    missing = [name for name in (*_PACKAGES, *_TOOLS) if name not in there]
    detail = ", ".join(f"{name} {version}" for name, version in there.items())
    if missing:
        detail += f"; not installed, and not needed to push: {', '.join(missing)}"
    old = there.get("transformers", OLDEST_TRANSFORMERS)
    if _numbers(old) < _numbers(OLDEST_TRANSFORMERS):
        return Check(
            "versions",
            "warn",
            f"{detail}; transformers {old} is older than what the callback was made for",
            f'pip install "transformers>={OLDEST_TRANSFORMERS}"',
        )
    return Check("versions", "ok", detail, "")


def _installed() -> Iterator[tuple[str, str]]:
    for name in _PACKAGES:
        try:
            yield name, metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    for name, command in _TOOLS.items():
        try:
            told = subprocess.run(command, capture_output=True, text=True, timeout=10)
        except (OSError, subprocess.TimeoutExpired):
            continue
        # "git version 2.39.5", "git-lfs/3.3.0 (Debian 3.3.0; ...)"
        words = told.stdout.replace("git version ", "").replace("git-lfs/", "").split()
        if words:
            yield name, words[0]


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) if part.isdecimal() else 0 for part in version.split(".")[:3])
