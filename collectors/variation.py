"""What one episode draws from a randomization, besides its layout."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from collectors.cameras import CAMERAS, Camera
from collectors.colour_temperature import rgb_of_kelvin
from collectors.franka import HOME_RAD
from collectors.geometry import Pose, quat_about_axis, quat_rotate
from collectors.kinematics import fingertip_position, hand_pose
from collectors.objects import CUBE, ObjectKind
from collectors.randomization import Randomization
from collectors.recording_noise import RecordingNoise
from collectors.scene import TABLE_RGB, TABLE_SURFACE_Z_M, Light, Plant, Table

# A generator of its own for each axis: its number is part of the seed, so that it must never change.
AXES: Final[Mapping[str, int]] = {
    "cube": 1,
    "friction": 2,
    "distractors": 3,
    "table": 4,
    "light": 5,
    "cameras": 6,
    "camera_noise": 7,
    "start": 8,
    "plant": 9,
    "speed": 10,
    "sensors": 11,
    "distractor_layout": 12,
}


# In the hand's frame, of the hand as it is drawn: its front where it is widest, at the lower end of the palm.
PALM_EDGE_M: Final = (0.032, 0.0, 0.066)
# From the middle of the picture, 0, to its border, 1: nominally the palm's edge is at 0.9.
PALM_OUT_OF_VIEW: Final = 0.75

START_CLEARANCE_M: Final = 0.03  # HOME's fingertips hang 7.7 cm above the nominal table


@dataclass(frozen=True)
class Variation:
    """What the episode has; `Scene` says what most of it means. edge_m, mass_kg: of the cube. speed: factor on the
    speed of the motion. noise: what the sensors add to the record. num_distractors: to be laid out. seed: of the
    episode's generators. randomization: as it holds for this episode."""

    seed: tuple[int, ...]
    randomization: Randomization
    edge_m: float
    mass_kg: float
    friction: float
    table: Table
    light: Light
    start_arm_rad: tuple[float, ...]
    plant: Plant
    speed: float
    noise: RecordingNoise
    num_distractors: int
    cameras: tuple[Camera, ...]

    def generator(self, axis: str) -> np.random.Generator:
        """Of one of AXES, at its beginning."""
        return axis_generator(self.seed, axis)

    def kind(self, kind: ObjectKind) -> ObjectKind:
        """The object as it is in this episode: YCB objects keep their published size and mass."""
        if kind.name != CUBE.name:
            return kind
        size_m = (self.edge_m, self.edge_m, self.edge_m)
        return replace(kind, size_m=size_m, mass_kg=self.mass_kg, grasp_below_top_m=self.edge_m / 2)


def axis_generator(seed: Sequence[int], axis: str) -> np.random.Generator:
    """seed: of the attempt, which without the axis is that of its layout."""
    return np.random.default_rng([*seed, AXES[axis]])


def draw_variation(
    randomization: Randomization, seed: tuple[int, int, int], cameras: Sequence[Camera] = CAMERAS
) -> Variation:
    """A function of its arguments alone. seed: collection's seed, episode index, attempt. cameras: of the run."""
    config = randomization.at(seed[1])

    def draw(axis: str) -> np.random.Generator:
        return axis_generator(seed, axis)

    cube, table, light, plant = draw("cube"), draw("table"), draw("light"), draw("plant")
    drawn_table = _draw_table(config, table)
    camera_rng = draw("cameras")
    return Variation(
        seed=seed,
        randomization=config,
        edge_m=float(cube.uniform(*config.cube_edge_m)),
        mass_kg=float(cube.uniform(*config.object_mass_kg)),
        friction=float(draw("friction").uniform(*config.object_friction)),
        table=drawn_table,
        light=_draw_light(config, light),
        start_arm_rad=_draw_start(config, draw("start"), TABLE_SURFACE_Z_M + drawn_table.height_m),
        plant=Plant(
            gain=math.exp(plant.uniform(*np.log(config.gain))),
            delay_ticks=int(plant.integers(config.delay_ticks[0], config.delay_ticks[1] + 1)),
        ),
        speed=float(draw("speed").uniform(*config.speed)),
        noise=RecordingNoise(
            config.observation_noise,
            float(draw("camera_noise").uniform(*config.camera_noise)),
            (*seed, AXES["sensors"]),
            keeps_truth=randomization.observation_noise > 0,
        ),
        num_distractors=int(draw("distractors").integers(config.distractors[0], config.distractors[1] + 1)),
        cameras=tuple(_vary_camera(config, camera_rng, camera) for camera in cameras),
    )


def _draw_start(config: Randomization, rng: np.random.Generator, surface_z_m: float) -> tuple[float, ...]:
    """Drawn again while the fingertips would begin lower than START_CLEARANCE_M above the table."""
    bound = config.start_arm_rad
    while True:
        start: list[float] = (np.asarray(HOME_RAD) + rng.uniform(-bound, bound, len(HOME_RAD))).tolist()
        if not bound or fingertip_position(hand_pose(start))[2] >= surface_z_m + START_CLEARANCE_M:
            return tuple(start)


def _draw_table(config: Randomization, rng: np.random.Generator) -> Table:
    height_m = float(rng.uniform(-config.table_height_m, config.table_height_m))
    # Mostly lighter or darker: of its hue a quarter, so that no table is as green as the goal.
    shade, hue = rng.uniform(-config.table_colour, config.table_colour), config.table_colour / 4
    rgb = np.clip(np.asarray(TABLE_RGB) + shade + rng.uniform(-hue, hue, 3), 0.0, 1.0)
    texture = config.table_textures[int(rng.integers(len(config.table_textures)))]
    r, g, b = rgb.tolist()
    return Table(height_m, (r, g, b), texture, int(rng.integers(2**31)))


def _draw_light(config: Randomization, rng: np.random.Generator) -> Light:
    bound = config.light_angle_rad
    x, y = rng.uniform(-bound, bound, 2).tolist()
    coldest, warmest = 1 / config.light_kelvin[1], 1 / config.light_kelvin[0]
    mired = float(rng.uniform(coldest, warmest))  # even to the eye, other than kelvin
    kelvin = config.light_kelvin[0] if coldest == warmest else 1 / mired
    return Light((x, y), float(rng.uniform(*config.light_intensity)), kelvin, rgb_of_kelvin(kelvin))


def _vary_camera(config: Randomization, rng: np.random.Generator, camera: Camera) -> Camera:
    """A camera on the hand is moved again while the palm would hide more of its picture than PALM_OUT_OF_VIEW allows,
    or, where it is turned so far that it has to, than it does from the nominal position."""
    bound_m = config.camera_position_m
    shift_m = rng.uniform(-bound_m, bound_m, 3)
    angles_rad = rng.uniform(-config.camera_angle_rad, config.camera_angle_rad, 3)
    factor = 1 + float(rng.uniform(-config.camera_fov, config.camera_fov))
    forward, up = np.asarray(camera.forward), np.asarray(camera.up)
    for axis, angle_rad in zip(np.eye(3), angles_rad.tolist(), strict=True):
        if angle_rad:
            quat = quat_about_axis(axis, angle_rad)
            forward, up = quat_rotate(quat, forward), quat_rotate(quat, up)
    turned = replace(
        camera,
        forward=_three(forward.tolist()),
        up=_three(up.tolist()),
        horizontal_fov_rad=camera.horizontal_fov_rad * factor,
    )
    allowed = min(PALM_OUT_OF_VIEW, _palm_edge(turned))
    while True:
        moved = replace(turned, position_m=_three((np.asarray(camera.position_m) + shift_m).tolist()))
        if _palm_edge(moved) >= allowed:
            return moved
        shift_m = rng.uniform(-bound_m, bound_m, 3)


def _palm_edge(camera: Camera) -> float:
    """Where the palm's edge is in the picture of a camera on the hand, from its middle, 0, to its lower border, 1, and
    beyond; infinite for a camera in the world. Negative inside of the palm, of which it sees nothing else."""
    if camera.parent == "world":
        return math.inf
    if camera.position_m[0] <= PALM_EDGE_M[0]:
        return -math.inf
    _, down, ahead = (camera.camera_to_parent().inverse() @ Pose(PALM_EDGE_M)).position.tolist()
    if ahead <= 0:
        return math.inf
    return float(down / ahead * 2 * camera.focal_length_px / camera.height_px)


def _three(values: Sequence[float]) -> tuple[float, float, float]:
    x, y, z = values
    return x, y, z
