"""What the parts of the runner share."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from ..outcomes import EventLog
from .contract import Engine
from .evaluations import Evaluations, Setup
from .pace import Pace


@dataclass(frozen=True)
class Parts:
    """`engine_of` gives the same engine for setups with equal options.

    `jobs` is the folder of all job folders. What is published holds none of the `secrets`.
    """

    evaluations: Evaluations
    engine_of: Callable[[Setup], Engine]
    jobs: Path
    pace: Pace
    secrets: tuple[str, ...] = field(default=(), repr=False)
    events: EventLog = field(default_factory=EventLog)
