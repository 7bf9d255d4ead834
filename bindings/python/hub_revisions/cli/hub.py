"""`hub`: a Hub on this machine, served from a folder."""

from __future__ import annotations

from ..local_hub.__main__ import add_arguments, run

__all__ = ["add_arguments", "run"]
