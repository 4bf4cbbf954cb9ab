"""isaacsim.core.prims.SingleArticulation and its controller."""

from __future__ import annotations

from typing import Any

import numpy as np
from pxr import Usd, UsdPhysics

from isaac_standin.physics import NUM_DOFS
from isaac_standin.physics_handle import PhysicsHandle
from isaac_standin.physics_model import DOF_NAMES, SIMULATED_LINKS
from isaac_standin.xform_prim import Float32Array, XformPrim, as_float32


class SingleArticulation(PhysicsHandle, XformPrim):
    """With dead handles reads of joints are None and writes do nothing, as in Isaac Sim, which only logs that."""

    _view_kind = "articulation"
    _missing = "Can't find articulations matching {}"
    _controller_class: type
    _action_class: type

    def __init__(
        self,
        prim_path: str,
        name: str = "articulation",
        position: Any = None,
        translation: Any = None,
        orientation: Any = None,
        scale: Any = None,
        visible: bool | None = None,
        reset_xform_properties: bool = True,
        articulation_controller: Any = None,
        enable_residual_reports: bool = False,
    ) -> None:
        self._wrap(
            self._root_path(prim_path),
            name,
            position=position,
            translation=translation,
            orientation=orientation,
            scale=scale,
            visible=visible,
            reset_xform_properties=reset_xform_properties,
        )
        self._controller = articulation_controller or self._controller_class()
        self._initialized = False
        self._hold()

    def _root_path(self, prim_path: str) -> str:
        prim = self._kit.stage.GetPrimAtPath(prim_path)
        roots = [child for child in Usd.PrimRange(prim) if child.HasAPI(UsdPhysics.ArticulationRootAPI)] if prim else []
        return str(roots[0].GetPath()) if roots else prim_path

    @property
    def handles_initialized(self) -> bool:
        return self._alive() and self._controller._articulation is not None

    @property
    def num_dof(self) -> int | None:
        return NUM_DOFS if self._initialized else None

    @property
    def num_bodies(self) -> int | None:
        return len(SIMULATED_LINKS) + 1 if self._initialized else None

    @property
    def dof_names(self) -> list[str] | None:
        return list(DOF_NAMES) if self._initialized else None

    def initialize(self, physics_sim_view: Any = None) -> None:
        self._controller.initialize(self)
        PhysicsHandle.initialize(self, physics_sim_view)

    def get_dof_index(self, dof_name: str) -> int | None:
        return DOF_NAMES.index(dof_name) if self._initialized else None

    def get_articulation_controller(self) -> Any:
        return self._controller

    def get_joint_positions(self, joint_indices: Any = None) -> Float32Array | None:
        return self._read(self._kit.physics.joint_positions, joint_indices)

    def get_joint_velocities(self, joint_indices: Any = None) -> Float32Array | None:
        return self._read(self._kit.physics.joint_velocities, joint_indices)

    def set_joint_positions(self, positions: Any, joint_indices: Any = None) -> None:
        if self._alive():
            physics = self._kit.physics
            physics.set_joint_positions(_assigned(physics.joint_positions(), positions, joint_indices))

    def set_joint_velocities(self, velocities: Any, joint_indices: Any = None) -> None:
        if self._alive():
            physics = self._kit.physics
            physics.set_joint_velocities(_assigned(physics.joint_velocities(), velocities, joint_indices))

    def apply_action(self, control_actions: Any) -> None:
        self._controller.apply_action(control_actions)

    def get_applied_action(self) -> Any:
        return self._controller.get_applied_action()

    def disable_gravity(self) -> None:
        if self._alive():
            self._kit.physics.set_disable_gravity(True)

    def enable_gravity(self) -> None:
        if self._alive():
            self._kit.physics.set_disable_gravity(False)

    def get_world_pose(self) -> tuple[Float32Array, Float32Array]:
        if not self._alive():
            return self._usd_world()
        return as_float32(self._kit.physics.link_pose(f"{self._path}/panda_link0"))

    def _read(self, read: Any, joint_indices: Any) -> Float32Array | None:
        if not self._alive():
            return None
        values = np.asarray(read(), dtype=np.float32)
        return values if joint_indices is None else values[np.asarray(joint_indices)]

    def _take(self) -> None:
        PhysicsHandle._take(self)
        self._initialized = True

    def _is_simulated(self) -> bool:
        return bool(self._kit.physics.robot_path == self._path)


class ArticulationController:
    """isaacsim.core.api.controllers.ArticulationController: the drives of the articulation it was initialized with."""

    _kit: Any
    _action_class: type

    def __init__(self) -> None:
        self._articulation: Any = None

    def initialize(self, articulation_view: Any) -> None:
        self._articulation = articulation_view

    def apply_action(self, control_actions: Any) -> None:
        if not self._ready():
            raise AttributeError("apply_action with dead handles: 'NoneType' object has no attribute 'joint_positions'")
        if control_actions.joint_efforts is not None:
            raise NotImplementedError("the stand-in applies no joint efforts")
        physics = self._kit.physics
        indices = control_actions.joint_indices
        for targets, values in (
            (physics.target_positions, control_actions.joint_positions),
            (physics.target_velocities, control_actions.joint_velocities),
        ):
            if values is not None:
                wanted = np.array([np.nan if value is None else value for value in values], dtype=np.float32)
                kept = targets if indices is None else targets[np.asarray(indices)]
                targets[:] = _assigned(targets, np.where(np.isnan(wanted), kept, wanted), indices)

    def get_applied_action(self) -> Any:
        if not self._ready():
            return None
        physics = self._kit.physics
        return self._action_class(
            joint_positions=physics.target_positions.astype(np.float32),
            joint_velocities=physics.target_velocities.astype(np.float32),
        )

    def set_gains(self, kps: Any = None, kds: Any = None, save_to_usd: bool = False) -> None:
        if save_to_usd:
            raise NotImplementedError("the stand-in does not save gains to USD")
        if not self._ready():
            raise RuntimeError("set_gains with dead handles would author drives on the stage")
        physics = self._kit.physics
        for gains, values in ((physics.stiffness, kps), (physics.damping, kds)):
            if values is not None:
                gains[:] = _assigned(gains, values, None)

    def get_gains(self) -> tuple[Float32Array, Float32Array]:
        if not self._ready():
            raise TypeError("get_gains with dead handles: 'NoneType' object is not subscriptable")
        return self._kit.physics.stiffness.astype(np.float32), self._kit.physics.damping.astype(np.float32)

    def _ready(self) -> bool:
        return self._articulation is not None and self._articulation._alive()


def _assigned(values: Any, new: Any, indices: Any) -> np.ndarray:
    """A copy with single-precision values put in; shape (9,)."""
    result = np.array(values, dtype=np.float64)
    new = np.asarray(new, dtype=np.float32)
    where = slice(None) if indices is None else np.asarray(indices)
    if new.shape != result[where].shape:
        raise ValueError(f"{result[where].shape} values are wanted, not {new.shape}")
    result[where] = new
    return result
