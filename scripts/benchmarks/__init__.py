"""What the worker costs, beside what others would use instead. Run through scripts/bench.

A measurement is a module with `NAME` and `run(effort, work, report) -> list[Row]`; `work` is an
empty folder for it, `report` takes one line on what it is doing. A row names its `system` and its
parameters, and carries figures with their units in the names.
"""

from collections.abc import Callable
from typing import TypeAlias

Row: TypeAlias = dict[str, str | int | float | None]
Report: TypeAlias = Callable[[str], None]
