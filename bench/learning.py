"""Does the data teach? The same small policy, trained on good and on spoilt data, runs in closed loop.

python -m bench.learning [--episodes 200] [--rollouts 50] [--trainings 2] [--steps 6000] [--max-seconds 15]
    [--only CASE ...] [--save FILE] [--json FILE]

Every case gets the same number of training steps. Its policies, one per training seed from 0, see the state, the
object's pose and the goal, no pictures, and run on scenes of a seed that no case was trained on. They all run in the
nominal cell, without noise, whatever they were trained on.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Final

import numpy as np

from bench.learning_data import Demonstration, Recording, Rows, actions_late, collect, states_as_actions
from bench.learning_policy import OFF_RAD, save, train
from bench.measure import machine, table
from bench.outcomes import BlindSimulator
from collectors.episode import EpisodeOutcome
from collectors.randomization import PRESETS
from collectors.rollout import run_rollout
from collectors.simulator import SimulatorError
from collectors.task import TASKS
from collectors.variation import draw_variation
from examples.rollout_policy import NetworkPolicy
from sim_service.collection import TASK_NAME, drive
from sim_service.config import CollectConfig
from sim_service.quality.wilson import wilson_interval
from sim_service.simulators import SimulatorSettings

DATA_SEED: Final = 12345
ROLLOUT_SEED: Final = 54321
NOMINAL: Final = Recording()
FPS: Final = 30
BASE: Final = "as recorded"


@dataclass(frozen=True)
class Case:
    """share: of the episodes that are learned from. off_rad: see `bench.learning_policy.OFF_RAD`."""

    recording: Recording = NOMINAL
    share: float = 1.0
    spoilt: str = ""
    off_rad: float = OFF_RAD


CASES: Final[Mapping[str, Case]] = {
    BASE: Case(),
    "an eighth of the episodes": Case(share=1 / 8),
    "a quarter of the episodes": Case(share=1 / 4),
    "half of the episodes": Case(share=1 / 2),
    "70 % of the episodes": Case(share=0.7),
    "action one row late": Case(spoilt="late"),
    "state recorded as action": Case(spoilt="state"),
    "no waypoint noise": Case(Recording(waypoint_noise_rad=0.0)),
    "observation noise x 10": Case(Recording(observation_noise=10.0)),
    "30 % failed attempts": Case(Recording(failed_share=0.3)),
    "noise and failed attempts": Case(Recording(observation_noise=10.0, failed_share=0.3)),
    "as recorded, and no row off its path": Case(off_rad=0.0),
}
_SPOIL: Final = {"late": actions_late, "state": states_as_actions}


def learn(data: Sequence[Demonstration], case: Case, steps: int, seed: int) -> dict[str, Rows]:
    kept = list(data[: max(1, round(case.share * len(data)))])
    spoil = _SPOIL.get(case.spoilt)
    return train([spoil(one) for one in kept] if spoil else kept, steps, seed, case.off_rad)


def roll_out(
    simulator: BlindSimulator, weights: Mapping[str, Rows], count: int, max_frames: int
) -> list[EpisodeOutcome]:
    """On the scenes of the first attempts that `collect --seed ROLLOUT_SEED` would draw."""
    task = TASKS[TASK_NAME](simulator.objects, CollectConfig.waypoint_noise_rad)
    outcomes = []
    for index in range(count):
        attempt = (ROLLOUT_SEED, index, 0)
        plan = task.draw(np.random.default_rng(attempt), draw_variation(PRESETS["none"], attempt))
        try:
            rollout = run_rollout(simulator, task, plan, NetworkPolicy(weights), max_frames)
            outcomes.append(drive(simulator, rollout))
        except SimulatorError:
            outcomes.append(EpisodeOutcome("simulator_error", 0))
    return outcomes


def summarize(trainings: Sequence[Sequence[EpisodeOutcome]], episodes: int) -> dict[str, Any]:
    """trainings: the outcomes of each one's rollouts."""
    outcomes = [outcome for training in trainings for outcome in training]
    placed = [outcome for outcome in outcomes if outcome.success]
    least, most = wilson_interval(len(placed), len(outcomes))
    failures = Counter(outcome.failure_reason for outcome in outcomes if not outcome.success)
    return {
        "episodes": episodes,
        "rollouts": len(outcomes),
        "successes": len(placed),
        "success": round(len(placed) / len(outcomes), 4),
        "interval_95": [round(least, 4), round(most, 4)],
        "successes_by_training": [sum(outcome.success for outcome in training) for training in trainings],
        "failures": dict(failures.most_common()),
        "placement_median_mm": _median([1000 * outcome.placement_error_m for outcome in placed]),
        "frames_median": _median([outcome.frames for outcome in placed]),
    }


def _median(values: Sequence[float]) -> float | None:
    return round(statistics.median(values), 1) if values else None


def _row(name: str, result: Mapping[str, Any]) -> list[str]:
    least, most = result["interval_95"]
    failures = ", ".join(f"{count} {reason}" for reason, count in result["failures"].items())
    return [
        name,
        str(result["episodes"]),
        f"{100 * result['success']:.0f}%",
        f"{100 * least:.0f} to {100 * most:.0f} %",
        " ".join(map(str, result["successes_by_training"])),
        "-" if result["placement_median_mm"] is None else f"{result['placement_median_mm']}",
        "-" if result["frames_median"] is None else f"{result['frames_median']:.0f}",
        failures or "none",
    ]


HEADER: Final = ("learned from", "episodes", "success", "95 %", "by training", "placed mm", "frames", "failures")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--episodes", type=int, default=200)
    parser.add_argument("--rollouts", type=int, default=50, help="of each training")
    parser.add_argument("--trainings", type=int, default=2, help="of each case")
    parser.add_argument("--steps", type=int, default=6000, help="of each training")
    parser.add_argument("--max-seconds", type=float, default=15.0, help="of a rollout; an episode has 9")
    parser.add_argument("--only", nargs="+", choices=CASES, default=list(CASES), metavar="CASE")
    parser.add_argument("--save", type=Path, metavar="FILE.npz", help=f'the first policy of "{BASE}"')
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    where = machine(Path())
    simulator = BlindSimulator(SimulatorSettings.of(FPS, False, "fast", PRESETS["none"]))
    data: dict[Recording, list[Demonstration]] = {}
    results: dict[str, dict[str, Any]] = {}
    judged = partial(
        roll_out, simulator, count=arguments.rollouts, max_frames=max(1, round(arguments.max_seconds * FPS))
    )
    for name in arguments.only:
        case, began_s = CASES[name], time.perf_counter()
        if case.recording not in data:
            data[case.recording] = collect(simulator, arguments.episodes, DATA_SEED, case.recording)
        policies = [learn(data[case.recording], case, arguments.steps, seed) for seed in range(arguments.trainings)]
        if name == BASE and arguments.save:
            save(arguments.save, policies[0])
        trainings = list(map(judged, policies))
        results[name] = summarize(trainings, max(1, round(case.share * arguments.episodes)))
        print(f"{name}: {time.perf_counter() - began_s:.0f} s, {results[name]}", flush=True)
    simulator.close()
    print(table(HEADER, [_row(name, result) for name, result in results.items()]))
    print("; ".join(f"{key} {value}" for key, value in where.items()))
    if arguments.json:
        report = {"machine": where, "steps": arguments.steps, "max_s": arguments.max_seconds, "cases": results}
        arguments.json.write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    with suppress(KeyboardInterrupt):
        main()
