"""Shapes of the compiled model whose size changes: MuJoCo derives bounds from a size once, when it compiles."""

from __future__ import annotations

import math

import mujoco
import numpy as np

from sim_service.mujoco_sim.bounding_boxes import refit_boxes


def resize_geom(model: mujoco.MjModel, geom: int, size_m: tuple[float, float, float]) -> None:
    """size_m: extents of its bounding box, x, y, z in its own frame. For boxes and cylinders along z."""
    half = np.asarray(size_m) / 2
    if model.geom_type[geom] == mujoco.mjtGeom.mjGEOM_CYLINDER:
        model.geom_size[geom, :2] = half[0], half[2]
        model.geom_rbound[geom] = math.hypot(half[0], half[2])
    else:
        model.geom_size[geom] = half
        model.geom_rbound[geom] = float(np.linalg.norm(half))
    model.geom_aabb[geom] = (0.0, 0.0, 0.0, *half)
    refit_boxes(model, int(model.geom_bodyid[geom]))
