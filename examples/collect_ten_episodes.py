"""Collect episodes from Python instead of the command line, and look at what came out.

Run it: python examples/collect_ten_episodes.py [--episodes N] [--output FOLDER]
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

from sim_service.collection import Collection, drive
from sim_service.config import CollectConfig
from sim_service.simulators import SimulatorSettings, open_simulator


def main(output: Path, num_episodes: int) -> None:
    config = CollectConfig(
        output=output,
        num_episodes=num_episodes,
        seed=12345,
        steps_per_segment=30,
        waypoint_noise_rad=0.05,
        max_attempts=5,
        keep_failures=False,
        simulator="mujoco",
        settings=SimulatorSettings(fps=30, render_preset="fast"),
        resume=False,
        json=False,
    )
    simulator = open_simulator(config.simulator, config.settings)
    try:
        collection = Collection(config, simulator)
        drive(simulator, collection.run())
    finally:
        simulator.close()
    errors_mm = [1000 * error for error in collection.ledger.placement_errors_m]
    print(f"{collection.ledger.episodes} episodes, {collection.num_frames} frames in {output}")
    print("placement errors [mm]:", ", ".join(f"{error:.2f}" for error in errors_mm))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--episodes", type=int, default=10)
    parser.add_argument("--output", type=Path)
    arguments = parser.parse_args()
    if arguments.output:
        main(arguments.output, arguments.episodes)
    else:
        with tempfile.TemporaryDirectory() as folder:
            main(Path(folder) / "ten_episodes", arguments.episodes)
