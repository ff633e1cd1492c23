"""Time, as one object that tests can turn."""

from __future__ import annotations

import time
from typing import Protocol


class Clock(Protocol):
    """Where the kernel reads time: wall time for facts, monotonic time for durations."""

    def now_ms(self) -> int:
        """UTC epoch milliseconds."""
        ...

    def monotonic(self) -> float:
        """Seconds that never go back."""
        ...


class SystemClock:
    """The machine's clocks."""

    def now_ms(self) -> int:
        """UTC epoch milliseconds."""
        return time.time_ns() // 1_000_000

    def monotonic(self) -> float:
        """Seconds that never go back."""
        return time.monotonic()


class ManualClock:
    """A clock that stands until it is moved, for tests and replays."""

    def __init__(self, now_ms: int = 1_800_000_000_000) -> None:
        self._now_ms = now_ms
        self._monotonic = 0.0

    def now_ms(self) -> int:
        """UTC epoch milliseconds."""
        return self._now_ms

    def monotonic(self) -> float:
        """Seconds that never go back."""
        return self._monotonic

    def move(self, seconds: float) -> None:
        """Let time pass."""
        self._now_ms += int(seconds * 1000)
        self._monotonic += max(seconds, 0.0)
