"""Wait until an answer is final: look again, at growing intervals, until a deadline."""

from __future__ import annotations

import math
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
    """The first decision of `look` that is final, else the last one before `deadline`.

    That is in seconds from the first look. Each decision that is provisional is `told` before the
    pause. Without a deadline it ends when the pending evaluations' own deadlines have passed.
    """
    decision = look()
    start, pause = clock(), _FIRST_PAUSE
    while decision.awaited:
        left = math.inf if deadline is None else deadline - (clock() - start)
        if left <= 0:
            break
        told(decision)
        sleep(min(pause, left))
        pause = min(pause * 1.5, _LONGEST_PAUSE)
        decision = look()
    return decision
