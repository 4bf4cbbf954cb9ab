"""What sensors add to the truth before it is recorded."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from collectors.geometry import Array, quat_about_axis, quat_multiply
from collectors.simulator import Image

Row = NDArray[np.float32]

# Standard deviations at factor 1: what an arm's encoders and their differences give, of our own choice.
JOINT_RAD: Final = 0.001
JOINT_RAD_S: Final = 0.01
FINGER_M: Final = 0.0005
HAND_M: Final = 0.001
HAND_RAD: Final = 0.005

_TILE: Final = 1 << 20  # numbers that a picture's noise is cut from


@dataclass(frozen=True)
class RecordingNoise:
    """observation: factor on the standard deviations above. camera_levels: standard deviation of each channel of each
    pixel, of 255. seed: of the generators. keeps_truth: whether the true state is recorded beside the measured one, in
    all episodes of a dataset alike, also where a curriculum begins without noise."""

    observation: float = 0.0
    camera_levels: float = 0.0
    seed: tuple[int, ...] = (0,)
    keeps_truth: bool = False

    def sensors(self) -> Sensors:
        """Of one episode, at its begin."""
        return Sensors(self)


NO_NOISE: Final = RecordingNoise()


class Sensors:
    """Draws in the order of the calls."""

    def __init__(self, noise: RecordingNoise) -> None:
        self._noise = noise
        self._rng = np.random.default_rng([*noise.seed, 0])
        self._pixel_rng = np.random.default_rng([*noise.seed, 1])
        self._tile: NDArray[np.int16] | None = None

    def state(self, row: Row) -> Row:
        """A row of observation.state, shape (23,), as it is measured; `row` itself without noise."""
        factor = self._noise.observation
        if factor == 0:
            return row
        draw = self._rng.normal
        measured: Array = row.astype(np.float64)
        measured[0:7] += draw(0, factor * JOINT_RAD, 7)
        measured[7:14] += draw(0, factor * JOINT_RAD_S, 7)
        measured[14:16] += draw(0, factor * FINGER_M, 2)
        measured[16:19] += draw(0, factor * HAND_M, 3)
        turn = draw(0, factor * HAND_RAD, 3)
        measured[19:23] = quat_multiply(quat_about_axis(turn, float(np.linalg.norm(turn))), measured[19:23])
        return measured.astype(np.float32)

    def picture(self, rgb: Image) -> Image:
        """A picture, uint8 (H, W, 3), as it is taken; `rgb` itself without noise."""
        levels = self._noise.camera_levels
        if levels == 0:
            return rgb
        if self._tile is None:
            drawn = np.rint(self._pixel_rng.normal(0, levels, _TILE)).astype(np.int16)
            self._tile = np.resize(drawn, _TILE + rgb.size)  # it repeats
        first = int(self._pixel_rng.integers(len(self._tile) - rgb.size + 1))
        noisy = rgb.reshape(-1) + self._tile[first : first + rgb.size]
        np.clip(noisy, 0, 255, out=noisy)
        return noisy.astype(np.uint8).reshape(rgb.shape)
