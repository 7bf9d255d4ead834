"""Wait until an answer is final: look again, at growing intervals, until a deadline."""

from __future__ import annotations

import time
from collections.abc import Callable

from .decision import Decision

_FIRST_PAUSE = 2.0
_LONGEST_PAUSE = 60.0


def wait_until_final(
    look: Callable[[], Decision],
    deadline: float | None,
    *,
    told: Callable[[Decision], None],
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> Decision:
    """The first decision of `look` that is final, else the last one before `deadline` (seconds).

    Each that is provisional is `told` before the pause. Without a deadline it ends when the pending
    evaluations' own deadlines have passed.
    """
    start = clock()
    pause = _FIRST_PAUSE
    while True:
        decision = look()
        left = None if deadline is None else deadline - (clock() - start)
        if not decision.awaited or (left is not None and left <= 0):
            return decision
        told(decision)
        sleep(pause if left is None else min(pause, left))
        pause = min(pause * 1.5, _LONGEST_PAUSE)
