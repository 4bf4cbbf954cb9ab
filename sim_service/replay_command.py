"""`isaac-collect replay`: whether an episode's recorded actions cause its recorded states."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Final

from collectors.replay import joint_deviation, replay
from collectors.simulator import SimulatorError
from sim_service.collection import drive
from sim_service.exit_codes import DONE, FAILED
from sim_service.recorded import load_episode, open_dataset
from sim_service.simulators import open_simulator

REPLAY_TOLERANCE: Final = 1e-6  # rad, m and rad/s; MuJoCo repeats itself to the bit on one machine


def add_replay_flags(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("dataset", type=Path)
    parser.add_argument("episode", type=int)


def run_replay(arguments: argparse.Namespace) -> int:
    """Returns the exit code. Raises DatasetError."""
    root: Path = arguments.dataset
    episode: int = arguments.episode
    dataset = open_dataset(root)
    recorded = load_episode(dataset, episode)
    simulator = open_simulator(dataset.configuration["simulator"], dataset.settings)
    try:
        deviation = joint_deviation(recorded.states, drive(simulator, replay(simulator, recorded)))
    except SimulatorError as error:
        print(f"isaac-collect: {error}", file=sys.stderr)
        return FAILED
    finally:
        simulator.close()
    repeated = deviation <= REPLAY_TOLERANCE
    verdict = "reproduces" if repeated else "does not reproduce"
    print(
        f"episode {episode} of {root}: {len(recorded.actions)} actions, open loop; largest deviation of a joint "
        f"{deviation:.2e} (allowed {REPLAY_TOLERANCE:.0e}): it {verdict} the recorded states"
    )
    return DONE if repeated else FAILED
