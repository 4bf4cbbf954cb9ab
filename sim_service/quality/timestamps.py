"""Whether every row stands at its frame's time."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

import numpy as np

from sim_service.quality.gate import EpisodeNumbers, Verdict
from sim_service.quality.per_episode import PerEpisode

# LeRobot's tolerance_s, with which it looks a picture up. A float32 is exact to 1e-6 s up to 16 s, to 1e-4 s up to half
# an hour: beyond that its own spacing is allowed.
MOST_OFF_S: Final = 1e-4


class Timestamps:
    """The largest distance of a timestamp from frame_index / fps; without end where frame_index does not count 0, 1,
    2, ... or time does not rise."""

    def __init__(self) -> None:
        self._found = PerEpisode("timestamps", most=MOST_OFF_S, unit=" s off")

    def see(self, episode: EpisodeNumbers) -> None:
        columns = episode.columns
        if "timestamp" not in columns or "frame_index" not in columns:
            self._found.reason = "no timestamp or no frame_index"
            return
        stored, frames = np.asarray(columns["timestamp"]), np.asarray(columns["frame_index"])
        time_s, expected_s = stored.astype(np.float64), np.arange(len(frames)) / episode.fps
        counted = np.array_equal(frames, np.arange(len(frames)))
        if not counted or not (np.diff(time_s) > 0).all():
            self._found.values[episode.number] = float("inf")
            return
        spacing_s = np.spacing(stored).astype(np.float64) if stored.dtype.kind == "f" else 0.0
        off_s = np.maximum(np.abs(time_s - expected_s) - np.maximum(spacing_s - MOST_OFF_S, 0.0), 0.0)
        self._found.values[episode.number] = float(off_s.max(initial=0.0))

    def verdicts(self) -> Iterable[Verdict]:
        yield self._found.verdict()
