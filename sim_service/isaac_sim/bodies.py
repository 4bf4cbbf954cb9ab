"""The objects of a run as rigid bodies: one in the scene, the others parked."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from collectors.geometry import Array, Pose
from collectors.objects import ObjectError, ObjectKind
from sim_service.isaac_sim.compat import SingleRigidPrim, rigid_prim
from sim_service.isaac_sim.robot import body_pose, read_physics
from sim_service.isaac_sim.usd.objects import parking_pose
from sim_service.isaac_sim.usd.paths import object_path


@dataclass(frozen=True, eq=False)
class BodyState:
    """pose: body to world. linear_m_s, angular_rad_s: in the world frame, shape (3,) each."""

    pose: Pose
    linear_m_s: Array
    angular_rad_s: Array


AT_REST = np.zeros(3)


class Bodies:
    """The prims of the objects must be on the stage."""

    def __init__(self, kinds: Sequence[ObjectKind]) -> None:
        self.kinds = tuple(kinds)
        self._bodies: dict[str, SingleRigidPrim] = {
            kind.name: rigid_prim(object_path(kind), kind.name) for kind in kinds
        }

    def initialize(self) -> None:
        """After every reset of the world."""
        for body in self._bodies.values():
            body.initialize()

    def place(self, kind: ObjectKind, pose: Pose) -> None:
        """One object at rest at its pose, all others parked. Raises ObjectError for an object of another run."""
        if kind not in self.kinds:
            names = ", ".join(other.name for other in self.kinds)
            raise ObjectError(f"object {kind.name!r} is not part of this run; its objects: {names}")
        for number, other in enumerate(self.kinds):
            there = pose if other == kind else parking_pose(number)
            self.put(other, BodyState(there, AT_REST, AT_REST))

    def put(self, kind: ObjectKind, state: BodyState) -> None:
        """Kinematically, stepping nothing."""
        body: SingleRigidPrim = self._bodies[kind.name]
        body.set_world_pose(
            position=state.pose.position.astype(np.float32), orientation=state.pose.quat_wxyz.astype(np.float32)
        )
        body.set_linear_velocity(velocity=state.linear_m_s.astype(np.float32))
        body.set_angular_velocity(velocity=state.angular_rad_s.astype(np.float32))

    def pose(self, kind: ObjectKind) -> Pose:
        return body_pose(self._bodies[kind.name], kind.name)

    def state(self, kind: ObjectKind) -> BodyState:
        body: SingleRigidPrim = self._bodies[kind.name]
        return BodyState(
            self.pose(kind),
            np.array(read_physics(body.get_linear_velocity, f"velocity of {kind.name}"), dtype=np.float64),
            np.array(read_physics(body.get_angular_velocity, f"velocity of {kind.name}"), dtype=np.float64),
        )
