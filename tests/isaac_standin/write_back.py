"""What physics writes to the stage: in a layer of its own, so that a stop takes it back, as Kit does."""

from __future__ import annotations

from typing import Any

import numpy as np
from pxr import Gf, Sdf, Usd, UsdGeom

from collectors.geometry import Pose
from isaac_standin.stage_poses import local_pose, pose_and_scale

_OPS = ("xformOp:translate", "xformOp:orient", "xformOp:scale")


class WriteBack:
    """Poses of bodies as their translate and orient ops. A body whose ops are others gets these instead."""

    def __init__(self, stage: Any, layer: Any) -> None:
        self._stage, self._layer = stage, layer
        self._written: dict[str, Pose] = {}
        self._attributes: dict[str, tuple[Any, Any]] = {}

    def write(self, poses: dict[str, Pose]) -> None:
        """poses: body to world, by path."""
        moved = {path: pose for path, pose in poses.items() if self._moved(path, pose)}
        prims = {path: prim for path in moved if (prim := self._stage.GetPrimAtPath(path))}
        missing = [path for path in prims if path not in self._attributes]
        with Usd.EditContext(self._stage, self._layer):
            for path in missing:
                self._attributes[path] = _ops_of(prims[path])
        cache = UsdGeom.XformCache(Usd.TimeCode.Default())
        local = {path: local_pose(moved[path], cache.GetParentToWorldTransform(prim)) for path, prim in prims.items()}
        with Usd.EditContext(self._stage, self._layer), Sdf.ChangeBlock():
            for path, pose in local.items():
                translate, orient = self._attributes[path]
                translate.Set(_vector(translate, pose.position))
                orient.Set(_quaternion(orient, pose.quat_wxyz))
        self._written.update(moved)

    def undo(self) -> None:
        self._layer.Clear()
        self._written, self._attributes = {}, {}

    def _moved(self, path: str, pose: Pose) -> bool:
        before = self._written.get(path)
        return (
            before is None
            or not np.array_equal(before.position, pose.position)
            or not np.array_equal(before.quat_wxyz, pose.quat_wxyz)
        )


def _ops_of(prim: Any) -> tuple[Any, Any]:
    xformable = UsdGeom.Xformable(prim)
    names = [str(op.GetOpName()) for op in xformable.GetOrderedXformOps()]
    if names != list(_OPS[: len(names)]) or len(names) < 2:
        double = UsdGeom.XformOp.PrecisionDouble
        kinds = (UsdGeom.XformOp.TypeTranslate, UsdGeom.XformOp.TypeOrient, UsdGeom.XformOp.TypeScale)
        _, scale = pose_and_scale(xformable.GetLocalTransformation())
        ops = []
        for name, kind in zip(_OPS, kinds, strict=True):
            attribute = prim.GetAttribute(name)
            ops.append(UsdGeom.XformOp(attribute) if attribute else xformable.AddXformOp(kind, double))
        ops[2].Set(_vector(ops[2].GetAttr(), scale))
        xformable.SetXformOpOrder(ops)
    return prim.GetAttribute(_OPS[0]), prim.GetAttribute(_OPS[1])


def _vector(attribute: Any, values: Any) -> Any:
    class_ = Gf.Vec3d if attribute.GetTypeName() == Sdf.ValueTypeNames.Double3 else Gf.Vec3f
    return class_(*(float(value) for value in values))


def _quaternion(attribute: Any, quat_wxyz: Any) -> Any:
    class_ = Gf.Quatd if attribute.GetTypeName() == Sdf.ValueTypeNames.Quatd else Gf.Quatf
    return class_(*(float(value) for value in quat_wxyz))
