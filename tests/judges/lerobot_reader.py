"""A LeRobot that stays: reads requests from standard input and says which episodes it sees in each dataset.

Runs in a judge's environment. A request is a line {"path", "width", "height", "fps", "every_item"}; the answer is a
line {"episodes": [numbers drawn in the pictures]} or {"error": why}. A path must not come twice: LeRobot keeps videos
open by their paths.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import sys
import warnings
from pathlib import Path
from typing import Any

import lerobot_reading as reading
import numpy as np
import truth
from lerobot_versions import LeRobot, go_offline, scratch
from truth import Mismatch, Truth


def numbers_seen(dataset: Any) -> tuple[int, ...]:
    """The number drawn in every episode's first picture."""
    found, index = [], 0
    for position in range(dataset.num_episodes):
        picture = np.asarray(dataset[index][reading.camera_key(0)], dtype=np.float32).transpose(1, 2, 0) * 255
        episode, frame, camera = truth.identify(picture)
        length = dataset.meta.episodes[position]["length"]
        if (frame, camera, length) != (0, 0, truth.length(episode)):
            raise Mismatch(f"episode {position} is {episode} of length {length}, begins with {(frame, camera)}")
        found.append(episode)
        index += length
    return tuple(found)


def episodes_in(lerobot: LeRobot, request: dict[str, Any]) -> tuple[int, ...]:
    """Open a dataset and check the first and the last item of every episode, or every item."""
    dataset = lerobot.open(Path(request["path"]))
    seen = Truth(numbers_seen(dataset), request["width"], request["height"], request["fps"])
    if request["every_item"]:
        reading.every_item(dataset, seen)
        return seen.episodes
    reading.same("num_frames", dataset.num_frames, len(seen.frames))
    reading.same("len", len(dataset), len(seen.frames))
    for index, (_, episode, frame) in enumerate(seen.frames):
        if frame in (0, truth.length(episode) - 1):
            reading.check_item(dataset[index], seen, index)
    return seen.episodes


def main() -> int:
    warnings.simplefilter("ignore")
    # What LeRobot prints must not get between the answers.
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)
    with scratch() as folder, contextlib.redirect_stdout(sys.stderr):
        go_offline(Path(folder))
        lerobot = LeRobot()
        logging.disable(logging.ERROR)
        for line in sys.stdin:
            try:
                answer: dict[str, Any] = {"episodes": list(episodes_in(lerobot, json.loads(line)))}
            except Exception as error:  # whatever LeRobot raises is the answer
                answer = {"error": f"{type(error).__name__}: {error}"}
            lerobot.forget_videos()
            print(json.dumps(answer), file=answers, flush=True)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
