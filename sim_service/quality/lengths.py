"""Episodes that are far longer or shorter than the others."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

import numpy as np

from sim_service.quality.gate import EpisodeNumbers, Verdict

# The modified z-score of Iglewicz and Hoaglin, "How to Detect and Handle Outliers", 1993, section 3.2: 0.6745 times the
# distance from the median over the median absolute deviation; they call 3.5 an outlier. The deviation counts at least
# as this part of the median, since most episodes of a scripted expert have one length.
MOST_Z: Final = 3.5
_Z_SCALE: Final = 0.6745
LEAST_DEVIATION: Final = 0.08
LEAST_EPISODES: Final = 3

LEAST_DURATION_S: Final = 1.0  # of our own choice: nothing is picked up in less


class Lengths:
    """length-outliers, and length-minimum for what is too short by itself."""

    def __init__(self) -> None:
        self._frames: dict[int, int] = {}
        self._fps = 1

    def see(self, episode: EpisodeNumbers) -> None:
        self._frames[episode.number] = len(next(iter(episode.columns.values()))) if episode.columns else 0
        self._fps = episode.fps

    def verdicts(self) -> Iterable[Verdict]:
        yield self._outliers()
        if not self._frames:
            yield Verdict("length-minimum", "skipped", "no episode")
            return
        least_frames = LEAST_DURATION_S * self._fps
        short = tuple(number for number, frames in self._frames.items() if frames < least_frames)
        shortest_s = min(self._frames.values()) / self._fps
        yield Verdict(
            "length-minimum",
            "fail" if short else "pass",
            f"the shortest has {shortest_s:.2f} s",
            f"at least {LEAST_DURATION_S} s",
            value=shortest_s,
            episodes=short,
        )

    def _outliers(self) -> Verdict:
        if len(self._frames) < LEAST_EPISODES:
            return Verdict("length-outliers", "skipped", f"fewer than {LEAST_EPISODES} episodes")
        numbers = np.array(list(self._frames.values()), np.float64)
        median = float(np.median(numbers))
        deviation = max(float(np.median(np.abs(numbers - median))), LEAST_DEVIATION * median)
        z = _Z_SCALE * np.abs(numbers - median) / deviation
        at_fault = tuple(number for number, score in zip(self._frames, z.tolist(), strict=True) if score > MOST_Z)
        return Verdict(
            "length-outliers",
            "fail" if at_fault else "pass",
            f"{numbers.min():.0f} to {numbers.max():.0f} frames, median {median:.0f}; robust z {z.max():.2f} at most",
            f"at most {MOST_Z}",
            value=float(z.max()),
            episodes=at_fault,
            figures={
                "median_frames": median,
                "least_frames": numbers.min().item(),
                "most_frames": numbers.max().item(),
            },
        )
