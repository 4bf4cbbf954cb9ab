"""Things on the table that have nothing to do with the task."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final

import numpy as np

from collectors.geometry import Array, Pose, quat_about_axis
from collectors.objects import PALETTE
from collectors.randomization import MAX_DISTRACTORS
from collectors.scene import GOAL_RGB, Distractor
from collectors.variation import Variation

AREA_X_M: Final = (0.28, 0.74)
AREA_Y_M: Final = (-0.36, 0.36)
KEEP_OFF_M: Final = 0.12  # from pick, place and the fingertips at the start, to its centre
BETWEEN_M: Final = 0.075  # from one centre to the next: their widest diagonals do not meet
EDGE_RANGE_M: Final = (0.02, 0.05)  # a hand that lifts 10 cm passes over them
LEAST_COLOUR_DISTANCE: Final = 0.35  # from the object and the goal, in sRGB
COLOUR_JITTER: Final = 0.04
DENSITY_KG_M3: Final = 800.0  # of wood or plastic
UNDER_FOREARM_M: Final = 0.01  # between the arm and a thing, upwards and sideways
_TRIES: Final = 50  # for a spot; a crowded table gets fewer

SLOT_SHAPES: Final = ("box", "cylinder", "box", "cylinder", "box")
"""The shape of each distractor of a run, by its slot; its size changes from episode to episode."""

_FILL: Final = {"box": 1.0, "cylinder": math.pi / 4}  # of the bounding box


def distractor_mass_kg(slot: int, size_m: tuple[float, float, float]) -> float:
    """size_m: extents of its bounding box."""
    return DENSITY_KG_M3 * size_m[0] * size_m[1] * size_m[2] * _FILL[SLOT_SHAPES[slot]]


def lay_out_distractors(
    variation: Variation,
    surface_z_m: float,
    keep_off_xy_m: Sequence[Sequence[float]],
    forearm_balls: Array,
    colour: str,
    rgb: tuple[float, float, float],
) -> tuple[Distractor, ...]:
    """Distractors standing on the table. keep_off_xy_m: pick, place and whatever else must stay free. forearm_balls: x,
    y, z and radius [m], shape (balls, 4), of what the arm is made of where it comes low. colour, rgb: of the object,
    which none of them has."""
    rng = variation.generator("distractor_layout")
    colours = [
        value
        for name, value in PALETTE.items()
        if name != colour and min(math.dist(value, rgb), math.dist(value, GOAL_RGB)) >= LEAST_COLOUR_DISTANCE
    ]
    slots = rng.permutation(MAX_DISTRACTORS)[: variation.num_distractors].tolist()
    taken = [tuple(spot) for spot in keep_off_xy_m]
    placed: list[Distractor] = []
    centres: list[tuple[float, float]] = []
    for slot in slots:
        x, y, z = rng.uniform(*EDGE_RANGE_M, 3).tolist()
        size_m = (x, x, z) if SLOT_SHAPES[slot] == "cylinder" else (x, y, z)
        yaw_rad = float(rng.uniform(0, 2 * math.pi))
        base = np.asarray(colours[int(rng.integers(len(colours)))])
        r, g, b = np.clip(base + rng.uniform(-COLOUR_JITTER, COLOUR_JITTER, 3), 0, 1).tolist()
        top_m = surface_z_m + z + UNDER_FOREARM_M
        low = forearm_balls[forearm_balls[:, 2] - forearm_balls[:, 3] < top_m]
        spot = _free_spot(rng, taken, centres, low, math.hypot(size_m[0], size_m[1]) / 2 + UNDER_FOREARM_M)
        if spot is None:
            continue
        centres.append(spot)
        pose = Pose((*spot, surface_z_m + z / 2), quat_about_axis((0, 0, 1), yaw_rad))
        placed.append(Distractor(slot, size_m, pose, (r, g, b)))
    return tuple(placed)


def _free_spot(
    rng: np.random.Generator,
    keep_off: Sequence[Sequence[float]],
    others: Sequence[Sequence[float]],
    low_balls: Array,
    reach_m: float,
) -> tuple[float, float] | None:
    """low_balls: which the thing, that reaches so far from its centre, must not stand under."""
    for _ in range(_TRIES):
        spot = float(rng.uniform(*AREA_X_M)), float(rng.uniform(*AREA_Y_M))
        free = all(math.dist(spot, other) >= KEEP_OFF_M for other in keep_off)
        free = free and all(math.dist(spot, ball[:2]) >= ball[3] + reach_m for ball in low_balls)
        if free and all(math.dist(spot, other) >= BETWEEN_M for other in others):
            return spot
    return None
