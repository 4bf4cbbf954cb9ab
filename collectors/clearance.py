"""Whether the open fingers pass an object without touching it on their way down to it or up from it."""

from __future__ import annotations

from typing import Final

import numpy as np

from collectors.franka import FINGER_OPEN_M, FINGERTIP_OFFSET_M
from collectors.geometry import Array
from collectors.kinematics import hand_pose
from collectors.objects import ObjectKind

_SAMPLES: Final = 24  # of the way, ends included; the fingertips move 4 mm or less from one to the next
_ABOVE_M: Final = 0.01  # over the object's top where the fingertips begin to count


def finger_clearance_m(
    away_rad: Array, contact_rad: Array, kind: ObjectKind, xy_m: tuple[float, float], surface_z_m: float
) -> float:
    """Least gap [m] between an open finger and the object along a straight way in joint space.

    away_rad, contact_rad: joints [rad], shape (7,), at the free end of the way and where the object is taken or set
    down. xy_m, surface_z_m: where the object stands on the table, in the world. Counted where the fingertips are not
    above the object's top; the object is taken to be as wide as size_m[0] along the hand's y axis, in which the
    fingers close.
    """
    centre_m = np.array([*xy_m, surface_z_m + kind.size_m[2] / 2])
    top_m = surface_z_m + kind.size_m[2] + _ABOVE_M
    least = np.inf
    for fraction in np.linspace(0.0, 1.0, _SAMPLES):
        hand_to_world = hand_pose(contact_rad + fraction * (away_rad - contact_rad))
        transform = hand_to_world.matrix()
        fingertips = transform[:3, 3] + FINGERTIP_OFFSET_M * transform[:3, 2]
        if fingertips[2] > top_m:
            break  # the way leads up from here on
        sideways = float(transform[:3, 1] @ (centre_m - transform[:3, 3]))
        least = min(least, FINGER_OPEN_M - abs(sideways) - kind.size_m[0] / 2)
    return float(least)
