"""isaacsim.core.prims.SingleRigidPrim."""

from __future__ import annotations

from typing import Any

import numpy as np
from pxr import Gf, UsdPhysics

from collectors.geometry import Pose
from isaac_standin.physics_handle import PhysicsHandle
from isaac_standin.xform_prim import Float32Array, XformPrim, as_float32


class SingleRigidPrim(PhysicsHandle, XformPrim):
    """With dead handles it reads and writes what USD has, which is old: Isaac Sim does not say so."""

    def __init__(
        self,
        prim_path: str,
        name: str = "rigid_prim",
        position: Any = None,
        translation: Any = None,
        orientation: Any = None,
        scale: Any = None,
        visible: bool | None = None,
        reset_xform_properties: bool = True,
        mass: float | None = None,
        density: float | None = None,
        linear_velocity: Any = None,
        angular_velocity: Any = None,
    ) -> None:
        self._wrap(
            prim_path,
            name,
            position=position,
            translation=translation,
            orientation=orientation,
            scale=scale,
            visible=visible,
            reset_xform_properties=reset_xform_properties,
            is_link=_is_link(self._kit.stage, prim_path),
        )
        prim = self._usd_prim
        if not prim.HasAPI(UsdPhysics.RigidBodyAPI):
            UsdPhysics.RigidBodyAPI.Apply(prim)
        if mass is not None:
            UsdPhysics.MassAPI.Apply(prim).CreateMassAttr(float(mass))
        if density is not None:
            UsdPhysics.MassAPI.Apply(prim).CreateDensityAttr(float(density))
        self._hold()
        if linear_velocity is not None:
            self._set_velocity(linear=linear_velocity)
        if angular_velocity is not None:
            self._set_velocity(angular=angular_velocity)

    def get_world_pose(self) -> tuple[Float32Array, Float32Array]:
        if not self._alive():
            return self._usd_world()
        return as_float32(self._kit.physics.body_pose(self._path))

    def set_world_pose(self, position: Any = None, orientation: Any = None) -> None:
        if not self._alive():
            self._set_usd_world(position, orientation)
            return
        now = self._kit.physics.body_pose(self._path)
        self._kit.physics.set_body_pose(
            self._path,
            Pose(
                now.position if position is None else np.asarray(position, dtype=np.float32),
                now.quat_wxyz if orientation is None else np.asarray(orientation, dtype=np.float32),
            ),
        )

    def get_linear_velocity(self) -> Float32Array:
        if not self._alive():
            return np.array(UsdPhysics.RigidBodyAPI(self._usd_prim).GetVelocityAttr().Get(), dtype=np.float32)
        linear, _ = self._kit.physics.body_velocity(self._path)
        return np.asarray(linear, dtype=np.float32)

    def get_angular_velocity(self) -> Float32Array:
        if not self._alive():
            degrees = UsdPhysics.RigidBodyAPI(self._usd_prim).GetAngularVelocityAttr().Get()
            return np.array(degrees, dtype=np.float32)
        _, angular = self._kit.physics.body_velocity(self._path)
        return np.asarray(angular, dtype=np.float32)

    def set_linear_velocity(self, velocity: Any) -> None:
        self._set_velocity(linear=velocity)

    def set_angular_velocity(self, velocity: Any) -> None:
        self._set_velocity(angular=velocity)

    def get_mass(self) -> float:
        if not self._alive():
            return float(UsdPhysics.MassAPI(self._usd_prim).GetMassAttr().Get())
        return float(np.float32(self._kit.physics.body_mass(self._path)))

    def _set_velocity(self, linear: Any = None, angular: Any = None) -> None:
        linear, angular = (None if velocity is None else _vector(velocity) for velocity in (linear, angular))
        if self._alive():
            self._kit.physics.set_body_velocity(self._path, linear, angular)
            return
        body = UsdPhysics.RigidBodyAPI(self._usd_prim)
        if linear is not None:
            body.CreateVelocityAttr(Gf.Vec3f(*linear.tolist()))
        if angular is not None:
            body.CreateAngularVelocityAttr(Gf.Vec3f(*angular.tolist()))


def _vector(velocity: Any) -> np.ndarray:
    vector = np.asarray(velocity, dtype=np.float32)
    if vector.shape != (3,):
        raise ValueError(f"a velocity has shape (3,), not {vector.shape}")
    return vector


def _is_link(stage: Any, path: str) -> bool:
    """A link of an articulation that is not its root."""
    prim = stage.GetPrimAtPath(path)
    if not prim or not prim.HasAPI(UsdPhysics.RigidBodyAPI):
        return False
    parent = prim.GetParent()
    while parent and not parent.IsPseudoRoot():
        if parent.HasAPI(UsdPhysics.ArticulationRootAPI):
            return True
        parent = parent.GetParent()
    return False
