"""Calls at an even pace, for endpoints that count the requests of a minute."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable


class Pace:
    """At most `per_minute` turns in any minute, all the same time apart; None sets no limit.

    Threads may share it. `clock` gives seconds that never go back.
    """

    def __init__(
        self, per_minute: float | None, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._seconds_apart = 0.0 if per_minute is None else 60 / per_minute
        self._clock = clock
        self._lock = threading.Lock()
        self._next = clock()

    def turn(self) -> float:
        """Take the next free turn: the seconds until it comes."""
        with self._lock:
            now = self._clock()
            turn = max(now, self._next)
            self._next = turn + self._seconds_apart
            return turn - now
