"""One measured step with a large dataset, in a process of its own: `python -m bench.scale_case STEP ...`."""

from __future__ import annotations

import argparse
import statistics
import time
from pathlib import Path
from typing import Final

from bench.measure import Meter, Numbers, write_result
from bench.synthetic_shards import FPS, SIDE_PX, Frames, write_part
from collectors.cameras import CAMERAS
from collectors.features import ACTION_NAMES, EXTRA_FEATURES, ROBOT_TYPE, STATE_NAMES
from lerobot_writer import SimLeRobotWriter
from lerobot_writer.pack import pack_dataset
from sim_service.collection import REPO_ID
from sim_service.ledger import Ledger
from sim_service.shard import Shard

BLOCK: Final = 500  # episodes between two points of a curve
STEPS: Final = ("write", "reopen", "pack")


def write(output: Path, episodes: int, frames: Frames) -> tuple[Meter, Numbers]:
    """All episodes into one folder, as the one shard there is. The figures are medians of blocks of episodes, and what
    memory was at their ends."""
    seconds: list[float] = []
    figures: Numbers = {}

    def after_episode(index: int, episode_s: float) -> None:
        seconds.append(episode_s)
        if len(seconds) % BLOCK == 0:
            figures[f"ms_{len(seconds)}"] = 1e3 * statistics.median(seconds[-BLOCK:])
            figures[f"p99_ms_{len(seconds)}"] = 1e3 * statistics.quantiles(seconds[-BLOCK:], n=100)[-1]
            figures[f"rss_mb_{len(seconds)}"] = meter.rss_mb()

    with Meter() as meter:
        writer = write_part(output, episodes, frames, Shard(0, 1), after_episode)
        began = time.perf_counter()
        writer.finalize()
        figures["finalize_s"] = time.perf_counter() - began
    return meter, figures


def reopen(output: Path) -> tuple[Meter, Numbers]:
    """What a resume does before its first episode, and `finalize` after none."""
    with Meter() as meter:
        began = time.perf_counter()
        writer = SimLeRobotWriter(
            output,
            REPO_ID,
            FPS,
            ROBOT_TYPE,
            len(STATE_NAMES),
            len(ACTION_NAMES),
            [camera.name for camera in CAMERAS],
            (SIDE_PX, SIDE_PX),
            STATE_NAMES,
            ACTION_NAMES,
            extra_features=EXTRA_FEATURES,
            resume=True,
        )
        opened = time.perf_counter()
        ledger = Ledger.read(output)
        read = time.perf_counter()
        writer.finalize()
    if ledger.episodes != writer.num_episodes:
        raise ValueError(f"the ledger has {ledger.episodes} episodes, the writer {writer.num_episodes}")
    return meter, {"writer_s": opened - began, "ledger_s": read - opened, "finalize_s": time.perf_counter() - read}


def pack(output: Path) -> tuple[Meter, Numbers]:
    with Meter() as meter:
        pack_dataset(output)
    return meter, {}


def main() -> None:
    parser = argparse.ArgumentParser(description="One measured step; started by bench.scale.")
    parser.add_argument("step", choices=STEPS)
    parser.add_argument("--result", type=Path, required=True)
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("--episodes", type=int, required=True)
    parser.add_argument("--frames", type=Frames.parse, required=True)
    given = parser.parse_args()
    if given.step == "write":
        meter, further = write(given.output, given.episodes, given.frames)
    else:
        meter, further = reopen(given.output) if given.step == "reopen" else pack(given.output)
    write_result(given.result, meter.usage, **further)


if __name__ == "__main__":
    main()
