"""When something is tried, or asked, again."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Pace:
    """Pauses in seconds: the first one, by what each is longer than the one before, the longest."""

    first: float = 10.0
    factor: float = 1.5
    longest: float = 180.0

    @classmethod
    def of(cls, engine: str) -> Pace:
        """Processes of this machine can be asked more often than a scheduler."""
        return cls(first=0.5, longest=5.0) if engine == "local" else cls()


@dataclass
class Backoff:
    """One thing's next time, `due`, in unix seconds."""

    pace: Pace
    due: float = 0.0
    delay: float = 0.0

    def later(self, now: float) -> None:
        """It failed, or there was nothing new: wait longer than the last time."""
        self.delay = min(self.pace.longest, max(self.pace.first, self.delay * self.pace.factor))
        self.due = now + self.delay

    def soon(self, now: float) -> None:
        """Something is going on: wait the shortest time, at most."""
        self.delay = self.pace.first
        soon = now + self.delay
        self.due = min(self.due, soon) if self.due > now else soon

    def reset(self) -> None:
        """It works."""
        self.due = self.delay = 0.0
