"""A small dataset, as the writer makes it: three episodes, two cameras, an extra feature, columns of the collector."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np

from lerobot_writer import SimLeRobotWriter, VideoCodec

FPS = 30
LENGTHS = (7, 7, 9)
"""Frames per episode: two of one length, so that exchanging them is no error of length."""
CAMERAS = ("cam_high", "cam_wrist")
SIZE = (80, 64)
"""Pixels of a picture, (width, height)."""


def picture(camera: int, episode: int, frame: int) -> np.ndarray:
    """A patterned picture that moves from frame to frame, uint8 (height, width, 3)."""
    width, height = SIZE
    blocks = np.random.default_rng([camera, episode]).integers(40, 200, (height // 8, width // 8, 3))
    return np.roll(blocks.repeat(8, axis=0).repeat(8, axis=1), 4 * frame, axis=1).astype(np.uint8)


def write_dataset(
    root: Path,
    codec: VideoCodec | None = None,
    *,
    pack: bool = False,
    finalize: bool = True,
    pictures: Callable[[int, int, int], np.ndarray] = picture,
    scale: int = 1,
) -> None:
    """Writes the dataset into a folder that does not exist yet. Without `finalize` it is as a killed writer left it.

    pictures: From camera, episode and frame to uint8 (height, width, 3). scale: How often each pixel is repeated.
    """
    writer = SimLeRobotWriter(
        root,
        "test/small",
        FPS,
        "franka",
        3,
        2,
        list(CAMERAS),
        (SIZE[0] * scale, SIZE[1] * scale),
        ["x", "y", "z"],
        ["left", "right"],
        extra_features={"privileged.goal": ((2,), ["goal_x", "goal_y"])},
        codec=codec or VideoCodec(),
    )
    for episode, length in enumerate(LENGTHS):
        for frame in range(length):
            rng = np.random.default_rng([episode, frame])
            state, action, goal = (rng.normal(size=n).astype(np.float32) for n in (3, 2, 2))
            done = frame == length - 1
            writer.add_frame(episode, frame, state, action, frame / FPS, done, extra={"privileged.goal": goal})
            for number, camera in enumerate(CAMERAS):
                enlarged = pictures(number, episode, frame).repeat(scale, axis=0).repeat(scale, axis=1)
                writer.add_video_frame(camera, enlarged)
        columns = {"collection/seed": 100 + episode, "collection/success": episode != 1}
        writer.finish_episode(episode, length, ("lift the cube", "place the cube")[episode % 2], columns)
    if finalize:
        writer.finalize(pack=pack)
