"""What a run was measured on."""

from __future__ import annotations

import os
import platform
import re
import subprocess
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import hub_revisions
import psutil

from . import cores

_PACKAGES = ("huggingface_hub", "hf_xet", "transformers", "torch")
_PROGRAMS = {
    "git": ("git", "--version"),
    "git-lfs": ("git-lfs", "--version"),
    "curl": ("curl", "--version"),
    "openssl": ("openssl", "version"),
}
_VERSION = re.compile(r"\d+\.\d+[\w.+-]*")


def describe(work: Path) -> dict[str, str | int | float | None]:
    """Hardware, kernel, the file system of `work` and the versions of all that takes part; None
    for what is not there."""
    return {
        "cpu": _cpu(),
        "cores": len(os.sched_getaffinity(0)),
        "server_cores": len(cores.of_servers() - os.sched_getaffinity(0)),
        "memory_gib": round(psutil.virtual_memory().total / 2**30, 1),
        "kernel": platform.release(),
        "file_system": _file_system(work),
        "python": platform.python_version(),
        "hub-revisions": hub_revisions.__version__,
        **{name: _package_version(name) for name in _PACKAGES},
        **{name: _program_version(command) for name, command in _PROGRAMS.items()},
    }


def _cpu() -> str:
    models = re.findall(r"model name\s*: (.*)", Path("/proc/cpuinfo").read_text())
    return models[0] if models else platform.machine()


def _file_system(path: Path) -> str:
    command = ["stat", "--file-system", "--format=%T", str(path)]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


def _package_version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def _program_version(command: tuple[str, ...]) -> str | None:
    try:
        told = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    except (OSError, subprocess.CalledProcessError):
        return None
    found = _VERSION.search(told)
    return found[0] if found else told.strip()
