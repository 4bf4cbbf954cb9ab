"""LeRobot's own writer, measured: `python -m bench.lerobot_case CASE ...` in LeRobot's environment, by `bench.writer`.

Opening the dataset is excluded, as it is for ours; from the first frame to the end of `finalize()` is measured.
"""

from __future__ import annotations

import importlib
import os
from pathlib import Path
from typing import Any, Final

import numpy as np

from bench.measure import Meter, write_result
from bench.writer_case import TASK, parser
from bench.writer_frames import ACTION_DIM, CAMERAS, FPS, SIDE_PX, STATE_DIM, Ring, vectors

CASES: Final = ("lerobot-streaming", "lerobot-default")


def create(case: str, output: Path) -> Any:
    """A new `LeRobotDataset` with the features that ours has, for LeRobot 0.6."""
    for name in ("HF_HUB_OFFLINE", "HF_DATASETS_OFFLINE", "HF_DATASETS_DISABLE_PROGRESS_BARS"):
        os.environ[name] = "1"
    os.environ["HF_HOME"] = str(output.parent / "huggingface")
    os.environ["SVT_LOG"] = "1"  # errors alone
    dataset = importlib.import_module("lerobot.datasets.lerobot_dataset").LeRobotDataset
    features: dict[str, dict[str, Any]] = {
        "observation.state": {
            "dtype": "float32",
            "shape": (STATE_DIM,),
            "names": [f"state_{i}" for i in range(STATE_DIM)],
        },
        "action": {"dtype": "float32", "shape": (ACTION_DIM,), "names": [f"action_{i}" for i in range(ACTION_DIM)]},
        "next.done": {"dtype": "bool", "shape": (1,), "names": None},
    }
    for camera in CAMERAS:
        shape, names = (SIDE_PX, SIDE_PX, 3), ["height", "width", "channels"]
        features[f"observation.images.{camera}"] = {"dtype": "video", "shape": shape, "names": names}
    options: dict[str, Any] = {}
    if case == "lerobot-streaming":
        encoder = importlib.import_module("lerobot.configs.video").RGBEncoderConfig
        codec = encoder(vcodec="h264", preset="ultrafast", crf=23, g=10)
        options = {"streaming_encoding": True, "rgb_encoder": codec}
    return dataset.create("bench/lerobot", FPS, features, root=output, robot_type="panda", **options)


def main() -> None:
    given = parser(list(CASES)).parse_args()
    ring = Ring(given.ring)
    ring.touch()
    states, actions = vectors(given.frames)
    dataset = create(given.case, given.output)
    with Meter(ring.path) as meter:
        for _ in range(given.episodes):
            for k in range(given.frames):
                frame = {
                    "observation.state": states[k],
                    "action": actions[k],
                    "next.done": np.array([k == given.frames - 1]),
                    "task": TASK,
                }
                for i, camera in enumerate(CAMERAS):
                    frame[f"observation.images.{camera}"] = ring.picture(i, k)
                dataset.add_frame(frame)
            dataset.save_episode()
        dataset.finalize()
    write_result(given.result, meter.usage)


if __name__ == "__main__":
    main()
