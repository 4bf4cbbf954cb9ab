"""Pictures that are black, too dark or too bright. Brightness runs from 0, black, to 1, white."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final

import numpy as np

from sim_service.quality.gate import Luma, Verdict
from sim_service.quality.pictures_tally import PictureTally

# A black picture: nearly all of it has no more than BLACK. FFmpeg's filter blackdetect takes the same share and a
# brightness of 0.10, yet the darkest table of `--randomize full` fills the hand camera's picture with 0.04.
BLACK: Final = 0.02
BLACK_SHARE: Final = 0.98

# An episode is too dark where half of its pictures, of one camera, have no highlight: their brightest thousandth is no
# brighter than this. Measured: 0.40 and more in 30 episodes, of which one had a nearly black table.
LEAST_HIGHLIGHT: Final = 0.15
HIGHLIGHT_SHARE: Final = 0.001

# A picture is too bright by its mean, or where this share of it is nearly white. Measured: a mean of 0.81 and a share
# of 0.05 with the brightest table and light of `--randomize full`.
MOST_MEAN: Final = 0.9
WHITE: Final = 0.97
MOST_WHITE_SHARE: Final = 0.25
MOST_BRIGHT_PICTURES: Final = 0.05  # of an episode's, one camera

_STEP: Final = 4  # every fourth pixel of every fourth row
_LEVELS: Final = np.arange(256)
_BLACK_LEVELS: Final = int(BLACK * 255) + 1
_FIRST_WHITE_LEVEL: Final = int(np.ceil(WHITE * 255))


class ExposureGate:
    """Verdicts "black-pictures", of which there may be none, "under-exposed" and "over-exposed"."""

    def __init__(self) -> None:
        self._black, self._bright = PictureTally(), PictureTally()
        self._highlights: dict[tuple[int, str], list[float]] = {}
        self._means: dict[str, tuple[float, float]] = {}

    def see(self, episode: int, camera: str, frame: int, luma: Luma) -> None:
        counts = np.bincount(luma[::_STEP, ::_STEP].ravel(), minlength=256)
        up_to = counts.cumsum()
        total = int(up_to[-1])
        mean = float(counts @ _LEVELS) / total / 255
        white_share = 1 - float(up_to[_FIRST_WHITE_LEVEL - 1]) / total
        self._black.add(episode, camera, frame, float(up_to[_BLACK_LEVELS - 1]) >= BLACK_SHARE * total)
        self._bright.add(episode, camera, frame, mean > MOST_MEAN or white_share > MOST_WHITE_SHARE)
        highlight = float(np.searchsorted(up_to, (1 - HIGHLIGHT_SHARE) * total)) / 255
        self._highlights.setdefault((episode, camera), []).append(highlight)
        least, most = self._means.get(camera, (mean, mean))
        self._means[camera] = min(least, mean), max(most, mean)

    def verdicts(self) -> Iterator[Verdict]:
        means = {camera: [round(mean, 3) for mean in both] for camera, both in self._means.items()}
        figures = {"least_and_most_mean_brightness": means}
        yield self._black.verdict("black-pictures", "black", 0.0)
        yield self._dark(figures)
        yield self._bright.verdict("over-exposed", "too bright", MOST_BRIGHT_PICTURES, figures)

    def _dark(self, figures: Mapping[str, object]) -> Verdict:
        if not self._highlights:
            return Verdict("under-exposed", "skipped", "no picture was examined")
        medians = {part: float(np.median(highlights)) for part, highlights in self._highlights.items()}
        (episode, camera), least = min(medians.items(), key=lambda item: item[1])
        faulty = sorted({number for (number, _), median in medians.items() if median < LEAST_HIGHLIGHT})
        return Verdict(
            "under-exposed",
            "fail" if faulty else "pass",
            f"highlights of {least:.2f} of white in the darkest video, episode {episode}, {camera}",
            f"at least {LEAST_HIGHLIGHT} in half of an episode's pictures",
            least,
            tuple(faulty),
            figures,
        )
