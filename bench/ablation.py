"""What each axis of the randomization costs, in success and in time: attempts per preset, and with each axis of `full`
by itself.

python -m bench.ablation --attempts 200 --seed 42 [--only PRESET_OR_AXIS ...] [--episodes N] [--json FILE]

Outcomes are measured without pictures. Frames per second are measured with them and with everything but the writer,
over the same few episodes for every variant, one episode of each variant in turn, so that a busy machine is as busy for
all of them; the median of the episodes is told. `cpu_ms` is processor time per frame, of all threads.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import numpy as np

from bench.measure import machine
from bench.outcomes import Nowhere, run_attempts, summarize
from collectors.episode import run_episode
from collectors.randomization import PRESETS, Randomization
from collectors.task import TASKS
from collectors.variation import draw_variation
from sim_service.collection import TASK_NAME, drive
from sim_service.config import CollectConfig
from sim_service.mujoco_sim.simulator import MujocoSimulator
from sim_service.simulators import RENDER_PRESETS, RenderPreset, SimulatorSettings

# The fields of `Randomization` that belong to one axis of the table.
AXES: Final[Mapping[str, Sequence[str]]] = {
    "cube size": ("cube_edge_m",),
    "mass": ("object_mass_kg",),
    "friction": ("object_friction",),
    "object colour": ("colour_jitter",),
    "distractors": ("distractors",),
    "table height": ("table_height_m",),
    "table look": ("table_colour", "table_textures"),
    "lights": ("light_angle_rad", "light_intensity", "light_kelvin"),
    "cameras": ("camera_position_m", "camera_angle_rad", "camera_fov"),
    "camera noise": ("camera_noise",),
    "start pose": ("start_arm_rad",),
    "gain": ("gain",),
    "delay": ("delay_ticks",),
    "speed": ("speed",),
    "observation noise": ("observation_noise",),
}


def variants() -> dict[str, Randomization]:
    """The presets, and `full` with all but one axis switched off."""
    nominal, full = PRESETS["none"], PRESETS["full"]
    alone = {axis: replace(nominal, **{name: getattr(full, name) for name in names}) for axis, names in AXES.items()}
    return {**PRESETS, **alone}


def measure_speed(
    wanted: Mapping[str, Randomization], episodes: int, seed: int, render_preset: RenderPreset
) -> dict[str, dict[str, float]]:
    """By variant: frames per second and CPU milliseconds per frame."""
    cells = {}
    for name, randomization in wanted.items():
        cells[name] = MujocoSimulator(SimulatorSettings.of(30, False, render_preset, randomization))
    rates: dict[str, list[float]] = {name: [] for name in wanted}
    costs_ms: dict[str, list[float]] = {name: [] for name in wanted}
    for index in range(episodes):
        for name, simulator in cells.items():
            task = TASKS[TASK_NAME](simulator.objects, CollectConfig.waypoint_noise_rad)
            began_s, cpu_began_s = time.perf_counter(), time.process_time()
            plan = task.draw(np.random.default_rng([seed, index, 0]), draw_variation(wanted[name], (seed, index, 0)))
            steps = CollectConfig.steps_per_segment
            episode = run_episode(simulator, task, plan, Nowhere(), episode_index=index, steps_per_segment=steps)
            frames = drive(simulator, episode).frames
            rates[name].append(frames / (time.perf_counter() - began_s))
            costs_ms[name].append(1000 * (time.process_time() - cpu_began_s) / frames)
    for simulator in cells.values():
        simulator.close()
    return {
        name: {
            "frames_per_s": round(statistics.median(rates[name]), 1),
            "cpu_ms": round(statistics.median(costs_ms[name]), 2),
        }
        for name in wanted
    }


def print_table(tables: Mapping[str, Mapping[str, Any]]) -> None:
    keys = list(next(iter(tables.values())))
    print("| varied | " + " | ".join(keys) + " |")
    print("|---" * (len(keys) + 1) + "|")
    for name, table in tables.items():
        print(f"| {name} | " + " | ".join(str(table.get(key, "")) for key in keys) + " |", flush=True)


def main() -> None:
    every = variants()
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--attempts", type=int, default=200, help="0: measure speed alone")
    parser.add_argument("--seed", type=int, default=CollectConfig.seed)
    parser.add_argument("--only", nargs="+", choices=every, default=list(every), metavar="PRESET_OR_AXIS")
    parser.add_argument("--episodes", type=int, default=0, help="for the speed; 0: outcomes alone")
    parser.add_argument("--render-preset", choices=RENDER_PRESETS, default="default")
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    wanted = {name: every[name] for name in arguments.only}
    tables: dict[str, dict[str, Any]] = {name: {} for name in wanted}
    if arguments.episodes:
        for name, cost in measure_speed(wanted, arguments.episodes, arguments.seed, arguments.render_preset).items():
            tables[name] |= cost
    if arguments.attempts:
        for name, randomization in wanted.items():
            attempts = run_attempts(arguments.attempts, arguments.seed, randomization=randomization)
            tables[name] |= summarize(attempts)
            print(f"{name}: {tables[name]}", flush=True)
    print_table(tables)
    if arguments.json:
        report = {"machine": machine(Path()), "variants": tables}
        arguments.json.write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    with suppress(KeyboardInterrupt):
        main()
