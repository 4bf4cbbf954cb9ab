"""Write a LeRobot v3.0 dataset without any simulator: two episodes of a made-up arm, two cameras.

Run it: python examples/write_a_dataset.py [FOLDER]
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

import numpy as np

from lerobot_writer import SimLeRobotWriter
from lerobot_writer.check import check_dataset

FPS = 30
WIDTH, HEIGHT = 128, 96


def picture(frame: int, red: int) -> np.ndarray:
    """A square that moves over a plain ground, uint8, shape (HEIGHT, WIDTH, 3)."""
    rgb = np.full((HEIGHT, WIDTH, 3), (red, 90, 120), dtype=np.uint8)
    left = 2 * frame % (WIDTH - 16)
    rgb[40:56, left : left + 16] = 230
    return rgb


def main(root: Path) -> None:
    with SimLeRobotWriter(
        root,
        repo_id="me/moving_square",
        fps=FPS,
        robot_type="two_joints",
        state_dim=2,
        action_dim=2,
        camera_names=["cam_high", "cam_wrist"],
        camera_resolution=(WIDTH, HEIGHT),
        state_names=["shoulder_rad", "elbow_rad"],
        action_names=["shoulder_target_rad", "elbow_target_rad"],
    ) as writer:
        for episode, length in enumerate([45, 60]):
            for frame in range(length):
                angle = frame / FPS
                writer.add_video_frame("cam_high", picture(frame, red=200))
                writer.add_video_frame("cam_wrist", picture(frame, red=60))
                writer.add_frame(
                    episode,
                    frame,
                    state=np.array([angle, -angle]),
                    action=np.array([angle + 1 / FPS, -angle - 1 / FPS]),
                    timestamp=frame / FPS,
                    next_done=frame == length - 1,
                )
            writer.finish_episode(episode, length, task="Follow the square.")
    report = check_dataset(root)
    print(report.text())
    if not report.ok:
        sys.exit(1)


if __name__ == "__main__":
    if len(sys.argv) > 1:
        main(Path(sys.argv[1]))
    else:
        with tempfile.TemporaryDirectory() as folder:
            main(Path(folder) / "moving_square")
