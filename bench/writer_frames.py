"""What the writers are fed: two cameras' pictures of a table-top scene with sensor noise, drawn once into a file."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

CAMERAS: Final = ("cam_high", "cam_wrist")
SIDE_PX: Final = 512
FPS: Final = 30
STATE_DIM: Final = 23
ACTION_DIM: Final = 8
NOISE_STD: Final = 2.0  # of 255, per channel: about a small sensor's read noise in good light

_RING: Final = 30  # distinct pictures per camera, played to and fro so that the motion never jumps
_SEED: Final = 20

Image = NDArray[np.float64]


class Ring:
    """The pictures, mapped from their file. Read-only for all users, whatever the mapping allows."""

    def __init__(self, path: Path) -> None:
        self.path = path
        # Copy-on-write: a private mapping is writable, which libraries ask for, and stays the file's pages.
        self._pictures: NDArray[np.uint8] = np.asarray(np.load(path, mmap_mode="c"))

    def picture(self, camera: int, frame: int) -> NDArray[np.uint8]:
        """Shape (SIDE_PX, SIDE_PX, 3), of any frame number from 0."""
        position = frame % (2 * _RING - 2)
        picture: NDArray[np.uint8] = self._pictures[min(position, 2 * _RING - 2 - position), camera]
        return picture

    def touch(self) -> None:
        """Read every page, so that none is loaded while something is measured."""
        self._pictures.reshape(-1)[::4096].max()


def vectors(frames: int) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Smooth states (frames, STATE_DIM) and actions (frames, ACTION_DIM)."""
    rng = np.random.default_rng(_SEED)
    walk = np.cumsum(rng.normal(0, 0.01, (frames, STATE_DIM)), axis=0).astype(np.float32)
    return walk, walk[:, :ACTION_DIM] + np.float32(0.01)


def draw_ring(path: Path) -> None:
    """Draw all pictures and write them to `path` (.npy), uint8 of shape (_RING, cameras, SIDE_PX, SIDE_PX, 3)."""
    rng = np.random.default_rng(_SEED)
    shape = (_RING, len(CAMERAS), SIDE_PX, SIDE_PX, 3)
    pictures = np.lib.format.open_memmap(path, mode="w+", dtype=np.uint8, shape=shape)
    wood = _wood(rng, 2 * SIDE_PX)
    for frame in range(_RING):
        progress = 0.5 - 0.5 * np.cos(np.pi * frame / (_RING - 1))
        for camera, draw in enumerate((_overhead, _wrist)):
            noisy = draw(wood, progress) + rng.normal(0, NOISE_STD, shape[2:])
            pictures[frame, camera] = np.clip(np.rint(noisy), 0, 255)
    pictures.flush()


def _wood(rng: np.random.Generator, side: int) -> Image:
    """Brown boards with grain, shape (side, side, 3)."""
    y, x = np.mgrid[:side, :side].astype(np.float64)
    bend = 9 * np.sin(y / 140) + 4 * np.sin(y / 53 + 1)
    grain = np.zeros((side, side))
    for frequency, phase in rng.uniform(0.05, 0.9, (14, 2)) * (1, 7):
        grain += np.sin((x + bend) * frequency + phase) / (1 + 6 * frequency)
    streaks = rng.normal(0, 1, (side, side))
    for _ in range(12):  # blurred along the grain
        streaks = (streaks + np.roll(streaks, 1, 0) + np.roll(streaks, -1, 0)) / 3
    seams = np.where(np.abs((x + 30) % 190 - 95) > 93.5, -35.0, 0.0)
    brown, tint = np.array([153.0, 102, 51]), np.array([1.0, 0.8, 0.55])
    return np.asarray(brown + (5 * grain + 9 * streaks + seams)[..., None] * tint)


def _overhead(wood: Image, progress: float) -> Image:
    """The arm carries a red cube over the table, seen from above."""
    y, x = np.mgrid[:SIDE_PX, :SIDE_PX].astype(np.float64)
    floor = 62 + 30 * (y / SIDE_PX) + 6 * np.sign(np.sin(x / 40) * np.sin(y / 40))
    image = np.repeat(floor[..., None], 3, axis=2)
    table = _coverage(np.maximum(np.abs(x - 256) - 205, np.abs(y - 290) - 165))
    image = _over(
        image, table, wood[:SIDE_PX, :SIDE_PX] * (1.1 - 0.25 * np.hypot(x - 200, y - 180) / SIDE_PX)[..., None]
    )
    image = _over(image, _coverage(np.hypot(x - 385, y - 345) - 24), np.array([26.0, 153, 51]))
    hand = np.array([150.0 + 215 * progress, 320.0 - 60 * np.sin(np.pi * progress) + 10 * progress])
    elbow = np.array([256.0, 150.0]) + 0.35 * (hand - 256)
    image = _over(image, 0.35 * _coverage(np.hypot(x - hand[0] - 14, y - hand[1] - 18) - 30, 14), np.zeros(3))
    cube = np.maximum(np.abs(x - hand[0]), np.abs(y - hand[1])) - 19
    image = _over(image, _coverage(cube), np.array([190.0, 35, 30]) + ((y - hand[1]) * 0.8)[..., None])
    for (start, end), radius in zip(
        ((np.array([256.0, 30]), elbow), (elbow, hand - (0, 22))), (30.0, 22.0), strict=True
    ):
        image = _capsule(image, x, y, start, end, radius)
    return image


def _wrist(wood: Image, progress: float) -> Image:
    """The fingers close in on the cube, seen from the hand: the whole background moves."""
    y, x = np.mgrid[:SIDE_PX, :SIDE_PX].astype(np.float64)
    offset = round(120 * progress)
    image = (
        wood[offset : offset + SIDE_PX, 200 - offset : 200 - offset + SIDE_PX] * (1.05 - 0.2 * y / SIDE_PX)[..., None]
    )
    half = 50 + 45 * progress
    cube = np.maximum(np.abs(x - 256) - half, np.abs(y - 235) - half)
    image = _over(image, 0.4 * _coverage(cube - 10, 12), np.zeros(3))
    image = _over(image, _coverage(cube), np.array([200.0, 40, 35]) - (0.25 * (y - 235))[..., None])
    gap = 150 - 45 * progress
    for side in (-1, 1):
        foot, tip = np.array([256 + side * gap, 540.0]), np.array([256 + side * gap, 300.0])
        image = _capsule(image, x, y, foot, tip, 34.0)
    return image


def _capsule(image: Image, x: Image, y: Image, start: Any, end: Any, radius: float) -> Image:
    """A white, shaded robot link from start to end [px]."""
    along = end - start
    share = np.clip(((x - start[0]) * along[0] + (y - start[1]) * along[1]) / (along @ along), 0, 1)
    away_x, away_y = x - start[0] - share * along[0], y - start[1] - share * along[1]
    away = np.hypot(away_x, away_y)
    shade = 225 - 70 * (away / radius) ** 2 - 25 * (away_x + away_y) / radius
    return _over(image, _coverage(away - radius), np.repeat(shade[..., None], 3, axis=2) * np.array([1.0, 1.0, 0.97]))


def _coverage(distance: Image, softness: float = 1.0) -> Image:
    """Signed distance [px] to opacity 0..1 with an anti-aliased edge."""
    return np.asarray(np.clip(0.5 - distance / softness, 0, 1))


def _over(image: Image, opacity: Image, colour: Image) -> Image:
    return np.asarray(image + opacity[..., None] * (colour - image))
