"""Boxes and cylinders, with the extents that culling and bounding boxes go by."""

from __future__ import annotations

from collections.abc import Sequence

from pxr import Usd, UsdGeom

from collectors.geometry import Pose
from sim_service.isaac_sim.usd.xform import set_transform


def author_box(stage: Usd.Stage, path: str, size_m: Sequence[float], pose: Pose) -> Usd.Prim:
    """A cube of edge 1 scaled to `size_m`, shape (3,); pose: box to parent."""
    cube = UsdGeom.Cube.Define(stage, path)
    cube.CreateSizeAttr(1.0)
    return _finish(cube, pose, size_m)


def author_cylinder(stage: Usd.Stage, path: str, radius_m: float, height_m: float, pose: Pose) -> Usd.Prim:
    """A cylinder about its own z axis, its centre at the origin; pose: cylinder to parent."""
    cylinder = UsdGeom.Cylinder.Define(stage, path)
    cylinder.CreateAxisAttr(UsdGeom.Tokens.z)
    cylinder.CreateRadiusAttr(radius_m)
    cylinder.CreateHeightAttr(height_m)
    return _finish(cylinder, pose, (1.0, 1.0, 1.0))


def _finish(shape: UsdGeom.Gprim, pose: Pose, scale: Sequence[float]) -> Usd.Prim:
    shape.CreateExtentAttr(UsdGeom.Boundable.ComputeExtentFromPlugins(shape, Usd.TimeCode.Default()))
    set_transform(shape.GetPrim(), pose, scale)
    return shape.GetPrim()
