"""What is to be done when: one thread does it all, other threads post."""

from __future__ import annotations

import heapq
import itertools
import queue

from job_emulator.clock import Callback, Clock


class Agenda:
    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._posted: queue.SimpleQueue[Callback] = queue.SimpleQueue()
        self._timers: list[tuple[float, int, Callback]] = []
        self._numbers = itertools.count()

    def now_s(self) -> float:
        return self._clock.now_s()

    def at(self, time_s: float, callback: Callback) -> None:
        """Call it at that time, in the order of the times."""
        heapq.heappush(self._timers, (time_s, next(self._numbers), callback))

    def post(self, callback: Callback) -> None:
        """Call it soon; any thread may post."""
        self._posted.put(callback)

    def turn(self, until_s: float) -> None:
        """Wait for something to do, no longer than until_s, and do all that is due."""
        if self._timers:
            until_s = min(until_s, self._timers[0][0])
        callback = self._clock.wait(self._posted, until_s)
        if callback is not None:
            callback()
        while self._timers and self._timers[0][0] <= self.now_s():
            heapq.heappop(self._timers)[2]()
