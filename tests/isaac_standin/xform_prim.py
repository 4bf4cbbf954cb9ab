"""What every wrapper of one prim has: its pose on the stage, by translate, orient and scale ops."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from pxr import Gf, Usd, UsdGeom

from collectors.geometry import Pose
from isaac_standin.stage_poses import local_pose, rigid

Float32Array = NDArray[np.float32]

_ROTATIONS: Final = (
    "rotateX",
    "rotateY",
    "rotateZ",
    *(f"rotate{a}{b}{c}" for a, b, c in ("XYZ", "XZY", "YXZ", "YZX", "ZXY", "ZYX")),
)
_REPLACED: Final = tuple(f"xformOp:{kind}" for kind in (*_ROTATIONS, "transform"))


class XformPrim:
    """Reads and writes USD; the physics wrappers do so only while their handles are dead, as in Isaac Sim."""

    _kit: Any

    def _wrap(
        self,
        prim_path: str,
        name: str,
        *,
        position: Any = None,
        translation: Any = None,
        orientation: Any = None,
        scale: Any = None,
        visible: bool | None = None,
        reset_xform_properties: bool = True,
        is_link: bool = False,
    ) -> None:
        self._path, self._name = prim_path, name
        if not self._prim_is_there():
            raise Exception(f"Prim path expression {[prim_path]} is invalid, there is no prim to wrap")  # noqa: TRY002  # as Isaac Sim does
        self._is_link = is_link
        if not is_link:
            if reset_xform_properties:
                self._reset_ops()
            if scale is not None:
                self._usd_prim.GetAttribute("xformOp:scale").Set(Gf.Vec3d(*(float(factor) for factor in scale)))
            if translation is not None and position is not None:
                raise Exception("You can not define translation and position at the same time")  # noqa: TRY002  # likewise
            if translation is not None:
                self._set_local(translation, orientation)
            elif position is not None or orientation is not None:
                self._set_usd_world(position, orientation)
        if visible is not None:
            imageable = UsdGeom.Imageable(self._usd_prim)
            imageable.MakeVisible() if visible else imageable.MakeInvisible()

    @property
    def prim_path(self) -> str:
        return self._path

    @property
    def name(self) -> str:
        return self._name

    @property
    def prim(self) -> Any:
        return self._usd_prim

    @property
    def non_root_articulation_link(self) -> bool:
        return self._is_link

    def is_valid(self) -> bool:
        return self._prim_is_there()

    @property
    def _usd_prim(self) -> Any:
        prim = self._kit.stage.GetPrimAtPath(self._path)
        if not prim:
            raise Exception(f"prim view {[self._path]} is not a valid view")  # noqa: TRY002  # as Isaac Sim does
        return prim

    def _prim_is_there(self) -> bool:
        return bool(self._kit.stage.GetPrimAtPath(self._path))

    def _usd_world(self) -> tuple[Float32Array, Float32Array]:
        to_world = UsdGeom.Xformable(self._usd_prim).ComputeLocalToWorldTransform(Usd.TimeCode.Default())
        return as_float32(rigid(to_world))

    def _set_usd_world(self, position: Any, orientation: Any) -> None:
        """Isaac Sim computes this in single precision."""
        now_position, now_orientation = self._usd_world()
        pose = Pose(
            np.asarray(now_position if position is None else position, dtype=np.float32),
            np.asarray(now_orientation if orientation is None else orientation, dtype=np.float32),
        )
        parent = UsdGeom.Xformable(self._usd_prim.GetParent())
        to_world = parent.ComputeLocalToWorldTransform(Usd.TimeCode.Default()) if parent else Gf.Matrix4d(1.0)
        self._set_local(*as_float32(local_pose(pose, to_world)))

    def _set_local(self, translation: Any, orientation: Any) -> None:
        prim = self._usd_prim
        if translation is not None:
            self._op(prim, "xformOp:translate").Set(Gf.Vec3d(*(float(value) for value in translation)))
        if orientation is not None:
            attribute = self._op(prim, "xformOp:orient")
            quaternion = Gf.Quatf if attribute.GetTypeName() == "quatf" else Gf.Quatd
            attribute.Set(quaternion(*(float(value) for value in orientation)))

    def _op(self, prim: Any, name: str) -> Any:
        attribute = prim.GetAttribute(name)
        if not attribute:
            raise RuntimeError(f"{self._path} has no {name}, so its pose cannot be set")
        return attribute

    def _reset_ops(self) -> None:
        """Exactly translate, orient and scale; what a matrix or Euler angles said is kept, their scale is not."""
        prim = self._usd_prim
        position, orientation = self._usd_world()
        xformable = UsdGeom.Xformable(prim)
        xformable.ClearXformOpOrder()
        for name in _REPLACED:
            if prim.HasProperty(name):
                prim.RemoveProperty(name)
        ops = []
        for kind, label in (
            (UsdGeom.XformOp.TypeTranslate, "translate"),
            (UsdGeom.XformOp.TypeOrient, "orient"),
            (UsdGeom.XformOp.TypeScale, "scale"),
        ):
            attribute = prim.GetAttribute(f"xformOp:{label}")
            if attribute:
                ops.append(UsdGeom.XformOp(attribute))
                continue
            ops.append(xformable.AddXformOp(kind, UsdGeom.XformOp.PrecisionDouble))
            if label == "scale":
                ops[-1].Set(Gf.Vec3d(1.0, 1.0, 1.0))
        xformable.SetXformOpOrder(ops)
        self._set_usd_world(position, orientation)


def as_float32(pose: Pose) -> tuple[Float32Array, Float32Array]:
    return pose.position.astype(np.float32), pose.quat_wxyz.astype(np.float32)
