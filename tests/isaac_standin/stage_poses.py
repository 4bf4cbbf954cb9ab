"""Poses and scales of prims, out of USD's matrices, which act on rows."""

from __future__ import annotations

from typing import Any

import numpy as np
from pxr import Gf

from collectors.geometry import Array, Pose


def pose_and_scale(matrix: Any) -> tuple[Pose, Array]:
    """Of a Gf.Matrix4d without shear: the rigid part, and the factors along the prim's own axes, shape (3,)."""
    axes = np.array(matrix)[:3, :3]
    scale = np.sqrt(np.einsum("ij,ij->i", axes, axes))
    return rigid(matrix), scale


def rigid(matrix: Any) -> Pose:
    rotation = matrix.GetOrthonormalized(False).ExtractRotationQuat()
    return Pose(matrix.ExtractTranslation(), (rotation.GetReal(), *rotation.GetImaginary()))


def local_pose(pose: Pose, parent_to_world: Any) -> Pose:
    """A pose in the world as one below that Gf.Matrix4d."""
    if parent_to_world == Gf.Matrix4d(1.0):
        return pose
    to_world = Gf.Matrix4d().SetRotate(Gf.Quatd(*pose.quat_wxyz.tolist()))
    to_world.SetTranslateOnly(Gf.Vec3d(*pose.position.tolist()))
    return rigid(to_world * parent_to_world.GetInverse())
