"""LeRobot opening a dataset, measured: `python -m bench.lerobot_open_case ...` in LeRobot's environment.

Its caches are new, so the first opening reads everything; the second finds them. Items are read in a random order.
"""

from __future__ import annotations

import argparse
import importlib
import os
import random
import statistics
import time
from pathlib import Path
from typing import Any, Final

from bench.measure import Meter, write_result

_ITEMS: Final = 50
_SEED: Final = 0


def main() -> None:
    parser = argparse.ArgumentParser(description="One measured opening; started by bench.scale.")
    parser.add_argument("--result", type=Path, required=True)
    parser.add_argument("--output", type=Path, required=True, help="the dataset")
    parser.add_argument("--cache", type=Path, required=True, help="a new folder")
    given = parser.parse_args()
    for name in ("HF_HUB_OFFLINE", "HF_DATASETS_OFFLINE", "HF_DATASETS_DISABLE_PROGRESS_BARS"):
        os.environ[name] = "1"
    os.environ["HF_HOME"] = str(given.cache)
    opened = importlib.import_module("lerobot.datasets.lerobot_dataset").LeRobotDataset

    def open_dataset() -> tuple[Any, float]:
        began = time.perf_counter()
        dataset = opened("bench/scale", root=given.output)
        return dataset, time.perf_counter() - began

    with Meter() as meter:
        dataset, first_s = open_dataset()
        dataset, again_s = open_dataset()
        rng = random.Random(_SEED)
        items_s = []
        for index in (rng.randrange(len(dataset)) for _ in range(_ITEMS)):
            began = time.perf_counter()
            item = dataset[index]
            items_s.append(time.perf_counter() - began)
            if int(item["index"]) != index:
                raise ValueError(f"item {index} says it is {int(item['index'])}")
    further = {"open_s": first_s, "open_again_s": again_s, "item_ms": 1e3 * statistics.median(items_s)}
    write_result(given.result, meter.usage, **further, episodes=dataset.num_episodes, frames=dataset.num_frames)


if __name__ == "__main__":
    main()
