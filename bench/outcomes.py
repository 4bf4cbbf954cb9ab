"""Outcomes of many attempts: success, placement error and joint speed, without pictures, which change nothing in them.

python -m bench.outcomes --attempts 200 --seed 42 [--use-ycb] [--randomize WHAT] [--json FILE]
"""

from __future__ import annotations

import argparse
import json
import statistics
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from bench.measure import machine
from collectors.episode import EpisodeOutcome, run_episode
from collectors.motion import APPROACHES, INTERPOLATIONS, LINEAR, Motion
from collectors.randomization import PRESETS, Randomization
from collectors.simulator import Observation, SimulatorError, Tick
from collectors.task import TASKS
from collectors.variation import draw_variation
from collectors.waypoints import UnreachableError
from sim_service.collection import TASK_NAME, drive
from sim_service.config import CollectConfig
from sim_service.mujoco_sim.simulator import MujocoSimulator
from sim_service.quality.wilson import wilson_interval
from sim_service.randomization_file import read_randomization
from sim_service.simulators import SimulatorSettings


class BlindSimulator(MujocoSimulator):
    """Renders nothing; what it computes is the same."""

    def advance(self, tick: Tick) -> None:
        super().advance(Tick(images=False))

    def observe(self, images: bool = False) -> Observation:
        return super().observe(images=False)


class Nowhere:
    """Takes frames and keeps none."""

    def add_frame(
        self,
        episode_index: int,
        frame_index: int,
        state: ArrayLike,
        action: ArrayLike,
        timestamp: float,
        next_done: bool,
        extra: Mapping[str, ArrayLike] | None = None,
    ) -> None:
        pass

    def add_video_frame(self, camera: str, rgb: Any) -> None:
        pass


@dataclass(frozen=True)
class Attempt:
    object: str
    outcome: EpisodeOutcome


def run_attempts(
    count: int,
    seed: int,
    use_ycb: bool = False,
    steps_per_segment: int = CollectConfig.steps_per_segment,
    randomization: Randomization = PRESETS["none"],
    motion: Motion = LINEAR,
) -> list[Attempt]:
    """The first attempt of each of the first `count` episodes, as `collect` draws them."""
    simulator = BlindSimulator(SimulatorSettings.of(30, use_ycb, "fast", randomization))
    task = TASKS[TASK_NAME](simulator.objects, CollectConfig.waypoint_noise_rad)
    attempts = []
    try:
        for index in range(count):
            name = ""
            try:
                variation = draw_variation(randomization, (seed, index, 0))
                plan = task.draw(np.random.default_rng([seed, index, 0]), variation)
                name = plan.object_name
                episode = run_episode(
                    simulator,
                    task,
                    plan,
                    Nowhere(),
                    episode_index=index,
                    steps_per_segment=steps_per_segment,
                    motion=motion,
                )
                attempts.append(Attempt(name, drive(simulator, episode)))
            except SimulatorError:
                attempts.append(Attempt(name, EpisodeOutcome("simulator_error", 0)))
            except UnreachableError:
                attempts.append(Attempt(name, EpisodeOutcome("unreachable", 0)))
    finally:
        simulator.close()
    return attempts


def summarize(attempts: list[Attempt]) -> dict[str, Any]:
    outcomes = [attempt.outcome for attempt in attempts]
    placed = [outcome for outcome in outcomes if outcome.success] or outcomes
    errors_mm = sorted(1000 * outcome.placement_error_m for outcome in placed)
    successes = sum(outcome.success for outcome in outcomes)
    least, most = wilson_interval(successes, len(outcomes))
    return {
        "attempts": len(outcomes),
        "success_5cm": successes,
        "success_5cm_interval": f"{least:.1%} to {most:.1%}",
        "success_2cm": sum(outcome.success_2cm for outcome in outcomes),
        "failures": dict(Counter(outcome.failure_reason for outcome in outcomes if not outcome.success)),
        "placement_median_mm": round(statistics.median(errors_mm), 3),
        "placement_p95_mm": round(errors_mm[int(0.95 * (len(errors_mm) - 1))], 3),
        "placement_worst_mm": round(errors_mm[-1], 3),
        "attach_worst_mm": round(1000 * max(outcome.attach_error_m for outcome in outcomes), 3),
        "joint_speed_worst_of_limit": round(max(outcome.max_joint_speed_fraction for outcome in outcomes), 3),
        "lift_least_m": round(min(outcome.lifted_m for outcome in outcomes), 3),
        "frames_mean": round(statistics.mean(outcome.frames for outcome in outcomes), 1),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--attempts", type=int, default=200)
    parser.add_argument("--seed", type=int, default=42)
    parser.add_argument("--use-ycb", action="store_true")
    parser.add_argument("--randomize", type=read_randomization, default="none", metavar="PRESET|FILE")
    parser.add_argument("--interpolation", choices=INTERPOLATIONS, default=LINEAR.interpolation)
    parser.add_argument("--approach", choices=APPROACHES, default=LINEAR.approach)
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    attempts = run_attempts(
        arguments.attempts,
        arguments.seed,
        arguments.use_ycb,
        randomization=arguments.randomize,
        motion=Motion(arguments.interpolation, arguments.approach),
    )
    kinds = sorted({attempt.object for attempt in attempts})
    tables = {kind: summarize([attempt for attempt in attempts if attempt.object == kind]) for kind in kinds}
    if len(kinds) > 1:
        tables["all"] = summarize(attempts)
    keys = list(next(iter(tables.values())))
    print("| object | " + " | ".join(keys) + " |")
    print("|---" * (len(keys) + 1) + "|")
    for kind, table in tables.items():
        print(f"| {kind} | " + " | ".join(str(table[key]) for key in keys) + " |")
    if arguments.json:
        arguments.json.write_text(json.dumps({"machine": machine(Path()), "outcomes": tables}, indent=2) + "\n")


if __name__ == "__main__":
    main()
