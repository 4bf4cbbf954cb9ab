"""The known truth of a synthetic dataset: everything in an episode follows from the number that names it.

numpy and the standard library alone, so that the program that writes a dataset and the one that judges it, each in its
own environment, compute the same values to the bit.

An episode's number is drawn into its pictures, so that it survives merging, deleting and renumbering. It is not its
`episode_index`, which is only its position.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float32]
Picture = npt.NDArray[np.uint8]

CAMERAS = ("cam_high", "cam_wrist")
STATE_NAMES = ("shoulder", "elbow", "wrist", "finger", "height")
ACTION_NAMES = ("shoulder", "elbow", "finger")
EXTRA_FEATURES: dict[str, tuple[tuple[int, ...], tuple[str, ...]]] = {
    "privileged.object_pose": ((7,), ("x", "y", "z", "qw", "qx", "qy", "qz")),
    "privileged.goal_position": ((3,), ("x", "y", "z")),
    "privileged.grip_force": ((1,), ("force",)),
}
TASKS = ("pick the red cube", "move the green ball to the tray", "push the blue box")
COLUMNS, ROWS = 8, 4
"""The picture's blocks: 32 bits, row by row, 12 of the episode, 8 of the frame, 2 of the camera, 10 to check them."""
BRIGHT_RGB, DARK_RGB = (235, 205, 170), (20, 45, 75)
"""Far apart in luma, so that a bit survives compression; unlike per channel, so that swapped channels show."""


class Mismatch(Exception):
    """What was read is not what was written."""


@dataclass(frozen=True)
class Truth:
    """What one synthetic dataset holds.

    Attributes:
        episodes: The episodes' numbers, in the order of `episode_index`.
        width, height: Size of every picture [pixels].
        fps: Frames per second.
    """

    episodes: tuple[int, ...]
    width: int
    height: int
    fps: int

    @property
    def frames(self) -> list[tuple[int, int, int]]:
        """(position of the episode, its number, frame) of every row, in order."""
        return [(at, e, f) for at, e in enumerate(self.episodes) for f in range(length(e))]

    def save(self, path: Path) -> None:
        path.write_text(json.dumps(asdict(self)) + "\n", encoding="utf-8")

    @classmethod
    def load(cls, path: Path) -> Truth:
        fields = json.loads(path.read_text(encoding="utf-8"))
        return cls(tuple(fields["episodes"]), fields["width"], fields["height"], fields["fps"])


def truth_path(dataset: Path) -> Path:
    """Where the truth of a dataset lies: beside it, never in it."""
    return dataset.with_name(dataset.name + ".truth.json")


def length(episode: int) -> int:
    """Frames of an episode, 3 to 31."""
    return 3 + 7 * episode % 29


def task(episode: int) -> str:
    return TASKS[episode % len(TASKS)]


def vector(salt: int, episode: int, frame: int, dims: int) -> Floats:
    """A vector of multiples of 1/64 within -2 and 2, exact in float32, another one for every salt, episode and frame.

    Shape (dims,).
    """
    numbers = (salt * 17 + episode * 31 + frame * 7 + np.arange(dims) * 53 + (frame * frame) % 23) % 257
    return ((numbers - 128) / 64).astype(np.float32)


def features(episode: int, frame: int) -> dict[str, Floats]:
    """Every float feature of one frame: name to vector."""
    found = {
        "observation.state": vector(1, episode, frame, len(STATE_NAMES)),
        "action": vector(2, episode, frame, len(ACTION_NAMES)),
    }
    for salt, (name, (shape, _)) in enumerate(EXTRA_FEATURES.items(), start=3):
        found[name] = vector(salt, episode, frame, shape[0])
    return found


def episode_columns(episode: int) -> dict[str, object]:
    """The collector's own columns of an episode: a value of every type that a collector records."""
    return {
        "collection/index": episode,
        "collection/seed": 1000 + episode,
        "collection/success": episode % 4 != 3,
        "collection/object": f"object {episode}",
        "collection/placement_error_m": episode / 128,
        "collection/pick_xy": [episode / 16, -episode / 32],
    }


def _word(episode: int, frame: int, camera: int) -> int:
    word = (episode << 10 | frame << 2 | camera) & (1 << 22) - 1
    return word << 10 | (word * 2654435761 >> 7 & 1023 ^ 677)


def picture(episode: int, frame: int, camera: int, width: int, height: int) -> Picture:
    """One picture, shape (height, width, 3), RGB: the frame's identity as bright and dark blocks."""
    word = _word(episode, frame, camera)
    bits = np.array([word >> 31 - i & 1 for i in range(32)], dtype=bool).reshape(ROWS, COLUMNS)
    wide = bits[np.arange(height) * ROWS // height][:, np.arange(width) * COLUMNS // width]
    drawn: Picture = np.array([DARK_RGB, BRIGHT_RGB], dtype=np.uint8)[wide.astype(np.intp)]
    return drawn


def identify(pixels: npt.NDArray[np.float32] | Picture) -> tuple[int, int, int]:
    """(episode, frame, camera) drawn in a decoded picture of shape (height, width, 3), values 0..255.

    Raises:
        Mismatch: The blocks hold no identity, or their colours are not the ones drawn (swapped channels, say).
    """
    height, width, _ = pixels.shape
    word = 0
    for row in range(ROWS):
        for column in range(COLUMNS):
            top, left = row * height // ROWS, column * width // COLUMNS
            block = pixels[top + height // 16 : top + 3 * height // 16, left + width // 32 : left + 3 * width // 32]
            colour = block.reshape(-1, 3).mean(axis=0)
            bright = bool(colour.mean() > 128)
            drawn = np.array(BRIGHT_RGB if bright else DARK_RGB)
            if np.abs(colour - drawn).max() > 14:
                raise Mismatch(f"a block's colour is {colour.round().tolist()}, neither {BRIGHT_RGB} nor {DARK_RGB}")
            word = word << 1 | bright
    found = (word >> 20 & 4095, word >> 12 & 255, word >> 10 & 3)
    if _word(*found) != word:
        raise Mismatch(f"the picture's blocks are no identity: {word:032b}")
    return found
