"""What the cameras see as episodes begin: in how many of them none of the object, and a sheet of pictures to look at.

python -m bench.first_pictures --episodes 120 --randomize full [--picture FILE.png] [--json FILE]

A pixel shows the object where it changes with the object's colour.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import replace
from pathlib import Path
from typing import Final

import imageio.v3 as iio
import numpy as np
from numpy.typing import NDArray

from bench.measure import machine, table
from collectors.randomization import Randomization
from collectors.scene import Scene
from collectors.simulator import Image, Simulator
from collectors.task import TASKS
from collectors.variation import draw_variation
from sim_service.collection import TASK_NAME
from sim_service.config import CollectConfig
from sim_service.mujoco_sim.simulator import MujocoSimulator
from sim_service.quality.wilson import wilson_interval
from sim_service.randomization_file import read_randomization
from sim_service.simulators import SimulatorSettings

_TWO_COLOURS: Final = ((1.0, 0.0, 1.0), (0.0, 1.0, 0.0))
_LEAST_DIFFERENCE: Final = 8  # of 255, in any channel
_PER_ROW: Final = 6  # episodes, a picture of each camera a piece
_SHOWN: Final = 24
_BLOCK: Final = 4  # pixels of a picture that become one of the sheet


def pictures_of(simulator: Simulator, scene: Scene) -> dict[str, Image]:
    simulator.reset(scene)
    simulator.refresh(images=True)
    return dict(simulator.observe(images=True).images)


def shown_pixels(simulator: Simulator, scene: Scene) -> dict[str, int]:
    """By camera: how many show the object, unless others hide it."""
    one, other = (pictures_of(simulator, replace(scene, object_rgb=rgb)) for rgb in _TWO_COLOURS)
    return {
        camera: int((np.abs(one[camera].astype(int) - other[camera]).max(axis=2) >= _LEAST_DIFFERENCE).sum())
        for camera in one
    }


def first_pictures(
    episodes: int, seed: int, randomization: Randomization
) -> tuple[list[dict[str, int]], list[dict[str, Image]]]:
    """Of each episode's first attempt: pixels that show the object, by camera; pictures of the first episodes."""
    simulator = MujocoSimulator(SimulatorSettings.of(30, False, "default", randomization))
    task = TASKS[TASK_NAME](simulator.objects, CollectConfig.waypoint_noise_rad)
    shown: list[dict[str, int]] = []
    pictures: list[dict[str, Image]] = []
    try:
        for index in range(episodes):
            variation = draw_variation(randomization, (seed, index, 0), simulator.cameras)
            scene = task.draw(np.random.default_rng([seed, index, 0]), variation).scene
            shown.append(shown_pixels(simulator, scene))
            if index < _SHOWN:
                pictures.append(pictures_of(simulator, scene))
    finally:
        simulator.close()
    return shown, pictures


def sheet(pictures: list[dict[str, Image]]) -> NDArray[np.uint8]:
    """An episode is a picture of each camera, one above the other."""
    tiles = []
    for episode in pictures:
        small = []
        for rgb in episode.values():
            height, width = rgb.shape[0] // _BLOCK, rgb.shape[1] // _BLOCK
            blocks = rgb[: height * _BLOCK, : width * _BLOCK].reshape(height, _BLOCK, width, _BLOCK, 3)
            small.append(np.pad(blocks.mean(axis=(1, 3)), ((1, 1), (1, 1), (0, 0)), constant_values=255))
        tiles.append(np.pad(np.concatenate(small), ((2, 2), (2, 2), (0, 0)), constant_values=255))
    tiles += [np.full_like(tiles[0], 255)] * (-len(tiles) % _PER_ROW)
    rows = [np.concatenate(tiles[at : at + _PER_ROW], axis=1) for at in range(0, len(tiles), _PER_ROW)]
    whole: NDArray[np.uint8] = np.concatenate(rows).round().astype(np.uint8)
    return whole


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--episodes", type=int, default=120)
    parser.add_argument("--seed", type=int, default=42)
    parser.add_argument("--randomize", type=read_randomization, default="none", metavar="WHAT")
    parser.add_argument("--picture", type=Path)
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    shown, pictures = first_pictures(arguments.episodes, arguments.seed, arguments.randomize)
    rows = []
    for camera in shown[0]:
        counts = [episode[camera] for episode in shown]
        hidden = sum(count == 0 for count in counts)
        least, most = wilson_interval(hidden, len(counts))
        rows.append([camera, f"{hidden} of {len(counts)}", f"{least:.1%} to {most:.1%}", str(int(np.median(counts)))])
    print(table(["camera", "object not seen", "95 % interval", "pixels, median"], rows))
    if arguments.picture is not None:
        iio.imwrite(arguments.picture, sheet(pictures))
    if arguments.json is not None:
        arguments.json.write_text(json.dumps({"machine": machine(Path()), "pixels": shown}))


if __name__ == "__main__":
    main()
