"""A LeRobot that stays: reads requests from standard input and says which episodes it sees in each dataset.

Runs in a judge's environment. A request is a line {"path", "width", "height", "fps", "known"}; the answer is a line
{"episodes": [numbers]} or {"error": why}. Of episodes from position `known` on, and of every eighth before, the first
and the last item are read; of the others what the metadata say. When `known` is null every item is read. A path must
not come twice: LeRobot keeps videos open by their paths.
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
import truth
from lerobot_versions import LeRobot, go_offline, scratch
from truth import Truth


def episodes_in(lerobot: LeRobot, request: dict[str, Any]) -> tuple[int, ...]:
    """Open a dataset, check it as far as was asked, and return its episodes' numbers."""
    dataset, known = lerobot.open(Path(request["path"])), request["known"]
    rows = [dataset.meta.episodes[position] for position in range(dataset.num_episodes)]
    numbers = tuple(row["collection/index"] for row in rows)
    seen = Truth(numbers, request["width"], request["height"], request["fps"])
    if known is None:
        reading.every_item(dataset, seen)
        return numbers
    reading.same("num_frames", dataset.num_frames, len(seen.frames))
    reading.same("len", len(dataset), len(seen.frames))
    for index, (position, episode, frame) in enumerate(seen.frames):
        if frame in (0, truth.length(episode) - 1) and (position >= known or position % 8 == known % 8):
            reading.check_item(dataset[index], seen, index)
    return numbers


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
