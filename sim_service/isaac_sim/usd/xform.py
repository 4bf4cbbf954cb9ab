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

_TRANSLATE: Final = "xformOp:translate"
_ORIENT: Final = "xformOp:orient"
_SCALE: Final = "xformOp:scale"
_OP_TYPES: Final = {
    _TRANSLATE: UsdGeom.XformOp.TypeTranslate,
    _ORIENT: UsdGeom.XformOp.TypeOrient,
    _SCALE: UsdGeom.XformOp.TypeScale,
}
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
    classes = {name: _value_class(prim, name) for name in _OP_TYPES}
    if scale is None:
        scale = tuple(prim.GetAttribute(_SCALE).Get()) if prim.GetAttribute(_SCALE) else (1.0, 1.0, 1.0)
    values = {_TRANSLATE: pose.position.tolist(), _ORIENT: pose.quat_wxyz.tolist(), _SCALE: [float(s) for s in scale]}
    xformable = UsdGeom.Xformable(prim)
    ops = []
    for name, op_type in _OP_TYPES.items():
        attribute = prim.GetAttribute(name)
        op = UsdGeom.XformOp(attribute) if attribute else xformable.AddXformOp(op_type, UsdGeom.XformOp.PrecisionDouble)
        op.Set(classes[name](*values[name]))
        ops.append(op)
    xformable.SetXformOpOrder(ops)


def set_translation(prim: Usd.Prim, position: Sequence[float]) -> None:
    """Move a prim that `set_transform` placed; position: in its parent's frame, shape (3,)."""
    attribute = prim.GetAttribute(_TRANSLATE)
    if not attribute:
        raise XformOpError(f"{prim.GetPath()} has no {_TRANSLATE}; set_transform makes one")
    attribute.Set(_value_class(prim, _TRANSLATE)(*(float(component) for component in position)))


def world_scale(prim: Usd.Prim) -> tuple[float, float, float]:
    """Lengths in the world of the prim's unit axes."""
    to_world = UsdGeom.Xformable(prim).ComputeLocalToWorldTransform(Usd.TimeCode.Default())
    axes = np.asarray(to_world)[:3, :3]  # USD's matrices act on rows
    x, y, z = np.linalg.norm(axes, axis=1).tolist()
    return x, y, z


def _value_class(prim: Usd.Prim, name: str) -> Any:
    """The class of the values that an op takes: that of its attribute, or double precision where there is none."""
    classes = _QUATERNIONS if name == _ORIENT else _VECTORS
    attribute = prim.GetAttribute(name)
    if not attribute:
        return next(iter(classes.values()))
    if attribute.GetTypeName() not in classes:
        allowed = ", ".join(str(type_name) for type_name in classes)
        raise XformOpError(f"{attribute.GetPath()} has type {attribute.GetTypeName()}; allowed: {allowed}")
    return classes[attribute.GetTypeName()]
