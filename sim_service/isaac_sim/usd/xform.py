"""The transform of a prim as exactly translate, orient and scale, which is what Isaac Sim's prim classes expect.

They are double precision where this module makes them. An op that a referenced asset brought keeps its own precision: a
value of any other would be an error of USD.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import numpy as np
from pxr import Gf, Sdf, Usd, UsdGeom

from collectors.geometry import Pose
from sim_service.isaac_sim.usd.errors import XformOpError

_VECTORS: Final = {
    Sdf.ValueTypeNames.Double3: Gf.Vec3d,
    Sdf.ValueTypeNames.Float3: Gf.Vec3f,
    Sdf.ValueTypeNames.Half3: Gf.Vec3h,
}
_QUATERNIONS: Final = {
    Sdf.ValueTypeNames.Quatd: Gf.Quatd,
    Sdf.ValueTypeNames.Quatf: Gf.Quatf,
    Sdf.ValueTypeNames.Quath: Gf.Quath,
}


def set_transform(prim: Usd.Prim, pose: Pose, scale: Sequence[float] | None = None) -> None:
    """Let the prim's transform be translate, orient and scale, in this order, and nothing else.

    pose: prim to parent. scale: factors along the prim's own axes, shape (3,); None keeps what the prim has, or 1.
    Ops of other kinds that the prim has stay as attributes but count no more. Raises XformOpError where one of the
    three has a type that no transform op may have; then nothing is changed.
    """
    kept_scale = prim.GetAttribute(_name(UsdGeom.XformOp.TypeScale)).Get()
    scale = scale if scale is not None else (1.0, 1.0, 1.0) if kept_scale is None else tuple(kept_scale)
    values = {
        UsdGeom.XformOp.TypeTranslate: pose.position.tolist(),
        UsdGeom.XformOp.TypeOrient: pose.quat_wxyz.tolist(),
        UsdGeom.XformOp.TypeScale: [float(factor) for factor in scale],
    }
    classes = {op_type: _value_class(prim, op_type) for op_type in values}
    xformable = UsdGeom.Xformable(prim)
    ops = [_op(xformable, op_type) for op_type in values]
    for op, (op_type, value) in zip(ops, values.items(), strict=True):
        op.Set(classes[op_type](*value))
    xformable.SetXformOpOrder(ops)


def set_translation(prim: Usd.Prim, position: Sequence[float]) -> None:
    """Move a prim that `set_transform` placed; position: in its parent's frame, shape (3,)."""
    op_type = UsdGeom.XformOp.TypeTranslate
    attribute = prim.GetAttribute(_name(op_type))
    if not attribute:
        raise XformOpError(f"{prim.GetPath()} has no {_name(op_type)}; set_transform makes one")
    attribute.Set(_value_class(prim, op_type)(*(float(component) for component in position)))


def world_scale(prim: Usd.Prim) -> tuple[float, float, float]:
    """How much longer than 1 the prim's axes are in the world."""
    to_world = UsdGeom.Xformable(prim).ComputeLocalToWorldTransform(Usd.TimeCode.Default())
    axes = np.asarray(to_world)[:3, :3]  # USD's matrices act on rows
    x, y, z = np.linalg.norm(axes, axis=1).tolist()
    return x, y, z


def _op(xformable: UsdGeom.Xformable, op_type: UsdGeom.XformOp.Type) -> Any:
    attribute = xformable.GetPrim().GetAttribute(_name(op_type))
    if attribute:
        return UsdGeom.XformOp(attribute)
    return xformable.AddXformOp(op_type, UsdGeom.XformOp.PrecisionDouble)


def _value_class(prim: Usd.Prim, op_type: UsdGeom.XformOp.Type) -> Any:
    """The class of the values that the op takes: that of its attribute, or double precision where there is none."""
    classes = _QUATERNIONS if op_type == UsdGeom.XformOp.TypeOrient else _VECTORS
    attribute = prim.GetAttribute(_name(op_type))
    if not attribute:
        return Gf.Quatd if classes is _QUATERNIONS else Gf.Vec3d
    if attribute.GetTypeName() not in classes:
        allowed = ", ".join(str(name) for name in classes)
        raise XformOpError(f"{attribute.GetPath()} has type {attribute.GetTypeName()}; allowed: {allowed}")
    return classes[attribute.GetTypeName()]


def _name(op_type: UsdGeom.XformOp.Type) -> str:
    return str(UsdGeom.XformOp.GetOpName(op_type))
