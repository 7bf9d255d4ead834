"""Where evaluations run. Each engine is loaded when it is first asked for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..contract import Engine


@dataclass(frozen=True)
class Surroundings:
    """What engines are made with, beside their options.

    `jobs` is the folder of all job folders (see `staging.job_folder`). `environment` is what
    evaluators see, and what the commands of a scheduler are started with; to it comes each
    request's own `env`. `secrets` is the part of it that was asked for by name: variables of
    `pass_env`, and the token with `pass_token`. `endpoint` and `token` are for engines that talk to
    the Hub themselves.
    """

    jobs: Path
    environment: Mapping[str, str] = field(repr=False)
    endpoint: str
    token: str = field(repr=False)
    secrets: Mapping[str, str] = field(default_factory=dict, repr=False)


def make_engine(name: str, options: Mapping[str, Any], surroundings: Surroundings) -> Engine:
    """The engine of that name in the configuration; `options` are checked ones."""
    if name == "slurm":
        from .slurm import SlurmEngine

        return SlurmEngine(options, surroundings)
    if name == "command":
        from .command import CommandEngine

        return CommandEngine(options, surroundings)
    if name == "webhook":
        from .webhook import WebhookEngine

        return WebhookEngine(options, surroundings)
    if name == "hf-jobs":
        from .hf_jobs import HfJobsEngine

        return HfJobsEngine(options, surroundings)
    from .local import LocalEngine

    return LocalEngine(options, surroundings)
