"""`isaac-collect rollout`: how often a policy succeeds, on scenes as `collect` draws them."""

from __future__ import annotations

import argparse
import json
import math
import statistics
import sys
import time
import traceback
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from collectors.episode import EpisodeOutcome
from collectors.policy import Policy, PolicyError
from collectors.randomization import PRESETS, Randomization, RandomizationError
from collectors.rollout import run_rollout as rollout
from collectors.simulator import Simulator, SimulatorError
from collectors.task import TASKS, Task
from collectors.variation import draw_variation
from collectors.waypoints import Plan, UnreachableError
from sim_service.collection import TASK_NAME, drive
from sim_service.config import (
    CollectConfig,
    ConfigError,
    add_simulator_flags,
    application_settings,
    simulator_settings,
)
from sim_service.exit_codes import BAD_ARGUMENTS, DONE, FAILED
from sim_service.policy_file import load_policy
from sim_service.quality.wilson import wilson_interval
from sim_service.randomization_file import read_randomization
from sim_service.simulators import ApplicationSettings, SimulatorSettings, open_simulator

DEFAULT_SEED: Final = 54321  # not collect's, so that the scenes are new to a policy
DEFAULT_EPISODES: Final = 20
DEFAULT_MAX_S: Final = 15.0  # an episode of `collect` has 9 s


@dataclass(frozen=True)
class RolloutConfig:
    """What `rollout` was asked for. policy: FILE.py:FACTORY. max_s: simulated time that the policy gets."""

    policy: str
    num_episodes: int
    seed: int
    max_s: float
    simulator: str
    settings: SimulatorSettings
    application: ApplicationSettings
    randomization: Randomization
    json: bool

    @property
    def max_frames(self) -> int:
        return max(1, round(self.max_s * self.settings.fps))


def add_rollout_flags(parser: argparse.ArgumentParser) -> None:
    add, switch = parser.add_argument, argparse.BooleanOptionalAction
    add(
        "--policy",
        required=True,
        metavar="FILE.py:FACTORY",
        help="a Python file of yours, and its function without arguments that returns the policy; see docs/rollout.md",
    )
    add("--num-episodes", type=int, default=DEFAULT_EPISODES, metavar="N", help="how many scenes it is tried on")
    add(
        "--seed",
        type=int,
        default=DEFAULT_SEED,
        help="scene e is that of episode e of `collect` with this seed; train on another one",
    )
    add(
        "--max-seconds",
        type=float,
        default=DEFAULT_MAX_S,
        metavar="S",
        help="simulated time that the policy gets in each",
    )
    add_simulator_flags(parser)
    add("--use-ycb", action=switch, default=False, help="YCB objects instead of the cube")
    add("--randomize", default="none", metavar="WHAT", help=f"as in collect: {', '.join(PRESETS)}, or a file of ranges")
    add("--json", action=switch, default=False, help="end with one line of JSON on standard output")


def rollout_config(arguments: argparse.Namespace) -> RolloutConfig:
    """Raises ConfigError listing everything that cannot be."""
    problems: list[str] = []
    if arguments.num_episodes < 1:
        problems.append(f"--num-episodes must be at least 1, got {arguments.num_episodes}")
    if not 0 <= arguments.seed < 2**63:
        problems.append(f"--seed must be 0 or more and below 2^63, got {arguments.seed}")
    if not (math.isfinite(arguments.max_seconds) and arguments.max_seconds > 0):
        problems.append(f"--max-seconds must be above 0, got {arguments.max_seconds}")
    randomization = PRESETS["none"]
    try:
        randomization = read_randomization(arguments.randomize)
    except RandomizationError as error:
        problems.append(f"--randomize: {error}")
    settings = simulator_settings(arguments, problems)
    application = application_settings(arguments, problems)
    if problems or settings is None:
        raise ConfigError("; ".join(problems))
    return RolloutConfig(
        policy=arguments.policy,
        num_episodes=arguments.num_episodes,
        seed=arguments.seed,
        max_s=arguments.max_seconds,
        simulator=arguments.simulator,
        settings=SimulatorSettings.of(settings.fps, settings.use_ycb, settings.render_preset, randomization),
        application=application,
        randomization=randomization,
        json=arguments.json,
    )


def run_rollout(arguments: argparse.Namespace) -> int:
    """Returns the exit code: 0 however the policy did, 2 where it is none. Raises ConfigError, SimulatorUnavailable."""
    config = rollout_config(arguments)
    began_s = time.monotonic()
    lines = sys.stderr if config.json else sys.stdout
    outcomes: list[EpisodeOutcome] = []
    try:
        policy = load_policy(config.policy)
        simulator = open_simulator(config.simulator, config.settings, config.application)
        try:
            task = TASKS[TASK_NAME](simulator.objects, CollectConfig.waypoint_noise_rad)
            for index in range(config.num_episodes):
                outcomes.append(_roll_out(config, simulator, task, policy, index))
                print(f"episode {index}: {_said(outcomes[-1])}", file=lines, flush=True)
        finally:
            simulator.close()
    except PolicyError as error:
        if error.__cause__ is not None:
            traceback.print_exception(error.__cause__)
        print(f"isaac-collect: {f'episode {len(outcomes)}, ' if outcomes else ''}{error}", file=sys.stderr)
        if config.json:
            print(json.dumps({"exit_code": BAD_ARGUMENTS, "policy": config.policy, "error": str(error)}))
        return BAD_ARGUMENTS
    broken = all(outcome.failure_reason == "simulator_error" for outcome in outcomes)
    code = FAILED if broken else DONE
    elapsed_s = time.monotonic() - began_s
    print(_summary(config, outcomes, elapsed_s), file=lines)
    if config.json:
        print(json.dumps(_result(config, outcomes, elapsed_s, code)))
    return code


def _roll_out(config: RolloutConfig, simulator: Simulator, task: Task, policy: Policy, index: int) -> EpisodeOutcome:
    try:
        return drive(
            simulator, rollout(simulator, task, _plan(config, simulator, task, index), policy, config.max_frames)
        )
    except SimulatorError as error:
        print(f"isaac-collect: episode {index}: {error}", file=sys.stderr)
        return EpisodeOutcome("simulator_error", 0)


def _plan(config: RolloutConfig, simulator: Simulator, task: Task, index: int) -> Plan:
    """As `collect` draws it: the first attempt of that episode that has a layout."""
    for attempt in range(CollectConfig.max_attempts):
        seed = (config.seed, index, attempt)
        try:
            return task.draw(np.random.default_rng(seed), draw_variation(config.randomization, seed, simulator.cameras))
        except UnreachableError as error:
            print(f"isaac-collect: episode {index}, attempt {attempt}: {error}", file=sys.stderr)
    raise ConfigError(f"no layout for episode {index} of seed {config.seed} in {CollectConfig.max_attempts} attempts")


def _said(outcome: EpisodeOutcome) -> str:
    what = "success" if outcome.success else outcome.failure_reason
    return f"{what}, {outcome.placement_error_m * 1000:.1f} mm from the goal, {outcome.frames} frames"


def _failures(outcomes: Sequence[EpisodeOutcome]) -> dict[str, int]:
    return dict(Counter(outcome.failure_reason for outcome in outcomes if not outcome.success).most_common())


def _placement_errors_m(outcomes: Sequence[EpisodeOutcome]) -> list[float]:
    return [outcome.placement_error_m for outcome in outcomes if outcome.success]


def _summary(config: RolloutConfig, outcomes: Sequence[EpisodeOutcome], elapsed_s: float) -> str:
    errors_m = _placement_errors_m(outcomes)
    least, most = wilson_interval(len(errors_m), len(outcomes))
    lines = [
        f"{config.policy}: {len(errors_m)} of {len(outcomes)} episodes of seed {config.seed} succeed "
        f"({len(errors_m) / len(outcomes):.1%}; 95 % interval {least:.1%} to {most:.1%}), "
        f"{sum(outcome.success_2cm for outcome in outcomes)} within 2 cm"
    ]
    lines += [f"  {count} failed: {reason}" for reason, count in _failures(outcomes).items()]
    if errors_m:
        median_mm = 1000 * statistics.median(errors_m)
        lines.append(f"  placement  median {median_mm:.2f} mm, worst {1000 * max(errors_m):.2f} mm")
    lines.append(f"  time       {elapsed_s:.1f} s")
    return "\n".join(lines)


def _result(config: RolloutConfig, outcomes: Sequence[EpisodeOutcome], elapsed_s: float, code: int) -> dict[str, Any]:
    errors_m = _placement_errors_m(outcomes)
    return {
        "exit_code": code,
        "policy": config.policy,
        "seed": config.seed,
        "episodes": len(outcomes),
        "successes": len(errors_m),
        "success_rate": len(errors_m) / len(outcomes),
        "interval_95": wilson_interval(len(errors_m), len(outcomes)),
        "successes_2cm": sum(outcome.success_2cm for outcome in outcomes),
        "failures": _failures(outcomes),
        "placement_median_m": statistics.median(errors_m) if errors_m else None,
        "outcomes": [
            {
                "failure_reason": outcome.failure_reason,
                "frames": outcome.frames,
                "placement_error_m": outcome.placement_error_m,
                "attach_frame": outcome.attach_frame,
                "detach_frame": outcome.detach_frame,
            }
            for outcome in outcomes
        ],
        "seconds": round(elapsed_s, 3),
    }
