"""Whether the arm itself, from elbow to wrist, keeps off the table and what stands on it.

Far away the arm is stretched so low that its elbow, on a table that is higher than nominal, would touch down before the
hand does.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from collectors.geometry import Array
from collectors.kinematics import joint_frames
from collectors.scene import TABLE_CENTRE_M, TABLE_SIZE_M

# Balls that hold elbow and forearm where they come near a table: centre [m] in the frame of a joint (counted from 0),
# radius [m]. From the shapes of sim_service/mujoco_sim/panda_shapes.py, which have the published dimensions.
_BALLS: Final = (
    (3, (0.0, 0.0, 0.055), 0.052),
    (3, (0.0, 0.0, -0.055), 0.052),
    (3, (-0.0825, 0.075, 0.0), 0.06),
    (3, (-0.0825, 0.126, 0.0), 0.0595),
    (4, (0.0, 0.0, -0.19), 0.0575),
    (4, (0.0, 0.052, -0.12), 0.052),
    (4, (0.0, 0.058, -0.085), 0.048),
    (4, (0.0, 0.072, -0.03), 0.0445),
    (4, (0.0, 0.072, 0.0), 0.0505),
)
_TABLE_NEAR_X_M: Final = TABLE_CENTRE_M[0] - TABLE_SIZE_M[0] / 2


def forearm_balls(arm_rad: Array) -> Array:
    """x, y, z of the centres in the world and the radius [m], shape (balls, 4)."""
    frames = joint_frames(arm_rad)
    balls = []
    for joint, centre, radius_m in _BALLS:
        rotation, origin = frames[joint]
        balls.append([*(origin + rotation @ np.array(centre)), radius_m])
    return np.array(balls)


def forearm_clearance_m(arm_rad: Array, surface_z_m: float) -> float:
    """Least gap [m] between elbow or forearm and the table's surface, below 0 where they are in it; infinite where
    neither is above the table."""
    x, _, z, radius = forearm_balls(arm_rad).T
    above = x + radius > _TABLE_NEAR_X_M
    return float((z - radius)[above].min(initial=np.inf)) - surface_z_m
