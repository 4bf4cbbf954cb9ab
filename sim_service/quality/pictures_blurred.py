"""Blurred pictures: some of an episode's, or all of them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

import numpy as np
from numpy.typing import NDArray

from sim_service.quality.gate import Luma, Verdict
from sim_service.quality.pictures_tally import PictureTally

# Every so many frames one is examined: no divisor of a keyframe interval in use, so that keyframes and others both are.
EVERY: Final = 7

# Sharpness of a picture: the variance of its Laplacian (Pech-Pacheco, Cristobal, Chamorro-Martinez, Fernandez-Valdivia:
# "Diatom autofocusing in brightfield microscopy: a comparative study", ICPR 2000). It depends on what there is to see,
# so a picture is compared with the median of its own episode and camera.
LEAST_OF_MEDIAN: Final = 0.1
LEAST_VARIANCE: Final = 2.0  # of the median picture: less is a picture of nothing
MOST_PICTURES: Final = 0.05  # of an episode's, one camera

# An episode that is blurred throughout: the root of the mean fourth power of the Laplacian, over the same of the
# pictures made smaller by POOL. The fourth power weighs the strongest edges, of which the artefacts of compression are
# none. An edge is an edge at both scales: measured, 0.8 to 1.2; a blur takes it from the fine one: 0.03 to 0.21 with a
# Gaussian of 1 to 3 pixels.
LEAST_EDGE_RATIO: Final = 0.3
POOL: Final = 4


@dataclass
class _Examined:
    """Of the examined pictures of an episode and camera. fourth, pooled_fourth: sums of mean fourth powers of the
    Laplacian, at both scales."""

    frames: list[int] = field(default_factory=list)
    variances: list[float] = field(default_factory=list)
    fourth: float = 0.0
    pooled_fourth: float = 0.0

    @property
    def median(self) -> float:
        return float(np.median(self.variances))

    @property
    def edge_ratio(self) -> float:
        return (self.fourth / self.pooled_fourth) ** 0.5 if self.pooled_fourth else 0.0


class BlurGate:
    """Verdicts "blurred-pictures" and "blurred-episodes". Pictures of fewer than 3 * POOL pixels a side are passed
    over."""

    def __init__(self) -> None:
        self._examined: dict[tuple[int, str], _Examined] = {}

    def see(self, episode: int, camera: str, frame: int, luma: Luma) -> None:
        if frame % EVERY or min(luma.shape) < 3 * POOL:
            return
        examined = self._examined.setdefault((episode, camera), _Examined())
        fine = laplacian(luma)
        pooled = laplacian(pool(luma)) / np.float32(POOL**2)
        examined.frames.append(frame)
        examined.variances.append(float(fine.var()))
        examined.fourth += _mean_fourth(fine)
        examined.pooled_fourth += _mean_fourth(pooled)

    def verdicts(self) -> Iterator[Verdict]:
        if not self._examined:
            yield Verdict("blurred-pictures", "skipped", "no picture was examined")
            yield Verdict("blurred-episodes", "skipped", "no picture was examined")
            return
        yield self._pictures()
        yield self._episodes()

    def _pictures(self) -> Verdict:
        tally = PictureTally()
        for (episode, camera), examined in self._examined.items():
            least = LEAST_OF_MEDIAN * examined.median
            for frame, variance in zip(examined.frames, examined.variances, strict=True):
                tally.add(episode, camera, frame, variance < least)
        return tally.verdict("blurred-pictures", "much less sharp than the others of the episode", MOST_PICTURES)

    def _episodes(self) -> Verdict:
        ratios = {part: examined.edge_ratio for part, examined in self._examined.items()}
        medians = {part: examined.median for part, examined in self._examined.items()}
        faulty = [part for part in ratios if ratios[part] < LEAST_EDGE_RATIO or medians[part] < LEAST_VARIANCE]
        (episode, camera), ratio = min(ratios.items(), key=lambda item: item[1])
        cameras = sorted({camera for _, camera in ratios})
        return Verdict(
            "blurred-episodes",
            "fail" if faulty else "pass",
            f"{len(faulty)} of {len(ratios)} videos are blurred; edges of the least sharp one are {ratio:.2f} of what "
            f"they are at a quarter of the size: episode {episode}, {camera}",
            f"at least {LEAST_EDGE_RATIO}, and a median variance of the Laplacian of at least {LEAST_VARIANCE:g}",
            ratio,
            tuple(sorted({episode for episode, _ in faulty})),
            {
                "least_edge_ratio": {c: _least(ratios, c) for c in cameras},
                "least_median_laplacian_variance": {c: _least(medians, c) for c in cameras},
            },
        )


def laplacian(picture: NDArray[np.integer]) -> NDArray[np.float32]:
    """By the four neighbours, without the border: shape (height - 2, width - 2)."""
    levels = picture.astype(np.int16)
    result = levels[1:-1, :-2] + levels[1:-1, 2:]
    result += levels[:-2, 1:-1]
    result += levels[2:, 1:-1]
    result -= 4 * levels[1:-1, 1:-1]
    return result.astype(np.float32)


def pool(luma: Luma) -> NDArray[np.int16]:
    """The sums of POOL x POOL pixels; what is left over at the right and below is dropped."""
    height, width = (side - side % POOL for side in luma.shape)
    levels = luma[:height, :width].astype(np.int16)
    rows = sum((levels[k::POOL] for k in range(1, POOL)), levels[::POOL])
    return sum((rows[:, k::POOL] for k in range(1, POOL)), rows[:, ::POOL])


def _mean_fourth(values: NDArray[np.float32]) -> float:
    squares = (values * values).ravel()
    return float(np.dot(squares, squares)) / squares.size


def _least(values: dict[tuple[int, str], float], camera: str) -> float:
    return round(min(value for (_, of), value in values.items() if of == camera), 3)
