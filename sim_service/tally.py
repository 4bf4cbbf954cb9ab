"""Totals since the process began, for its metrics."""

from __future__ import annotations

from collections import Counter

from sim_service.ports import Counters, JobState


class Tally:
    """Counted by the simulator's thread alone; `snapshot` is what others may have."""

    def __init__(self) -> None:
        self.ticks = 0
        self.tick_seconds = 0.0
        self.frames = 0
        self.episodes: Counter[str] = Counter()
        self.jobs: Counter[JobState] = Counter()

    def snapshot(self) -> Counters:
        return Counters(self.ticks, self.tick_seconds, self.frames, dict(self.episodes), dict(self.jobs))
