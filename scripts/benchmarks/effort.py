"""How much time a run may take."""

from enum import Enum


class Effort(Enum):
    """QUICK: under 2 minutes for all measurements on 2 cores; DEFAULT: under 10; FULL: no limit."""

    QUICK = "quick"
    DEFAULT = "default"
    FULL = "full"
