"""The boxes by which MuJoCo finds what may touch.

Up to version 3 it derives them once, when it compiles. Where a shape changes or moves within its body, a box that does
not follow lets things fall through each other.
"""

from __future__ import annotations

import mujoco
import numpy as np

from collectors.geometry import Array, matrix_from_quat


def refit_boxes(model: mujoco.MjModel, body: int) -> None:
    """Fit the tree of boxes around the shapes of one body anew, from geom_pos, geom_quat and geom_aabb."""
    first, count = int(model.body_bvhadr[body]), int(model.body_bvhnum[body])
    for node in reversed(range(first, first + count)):  # children come after their parents
        geom = int(model.bvh_nodeid[node])
        if geom >= 0:
            model.bvh_aabb[node] = _box_in_body(model, body, geom)
            continue
        boxes = model.bvh_aabb[[first + int(child) for child in model.bvh_child[node] if child >= 0]]
        low, high = (boxes[:, :3] - boxes[:, 3:]).min(axis=0), (boxes[:, :3] + boxes[:, 3:]).max(axis=0)
        model.bvh_aabb[node] = np.concatenate([(low + high) / 2, (high - low) / 2])


def _box_in_body(model: mujoco.MjModel, body: int, geom: int) -> Array:
    """Centre and half extents [m], shape (6,), along the axes of the body's inertial frame."""
    to_inertial = matrix_from_quat(model.body_iquat[body]).T
    turn = to_inertial @ matrix_from_quat(model.geom_quat[geom])
    centre = to_inertial @ (model.geom_pos[geom] - model.body_ipos[body]) + turn @ model.geom_aabb[geom, :3]
    return np.concatenate([centre, np.abs(turn) @ model.geom_aabb[geom, 3:]])
