"""The objects and distractors of a run as rigid bodies: those of the scene, the others parked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from collectors.geometry import Array, Pose
from collectors.objects import ObjectKind
from collectors.scene import Scene
from sim_service.isaac_sim.compat import SingleRigidPrim, rigid_prim
from sim_service.isaac_sim.robot import body_pose, read_physics
from sim_service.isaac_sim.usd.distractors import distractor_parking
from sim_service.isaac_sim.usd.objects import parking_pose
from sim_service.isaac_sim.usd.paths import distractor_path, object_path


@dataclass(frozen=True, eq=False)
class BodyState:
    """pose: body to world. linear_m_s, angular_rad_s: in the world frame, shape (3,) each."""

    pose: Pose
    linear_m_s: Array
    angular_rad_s: Array


AT_REST = np.zeros(3)


class Bodies:
    """The prims of the objects and distractors must be on the stage."""

    def __init__(self, kinds: Sequence[ObjectKind], num_distractors: int = 0) -> None:
        names = {object_path(kind): kind.name for kind in kinds}
        names |= {distractor_path(slot): _distractor_name(slot) for slot in range(num_distractors)}
        self._parking = {kind.name: parking_pose(number) for number, kind in enumerate(kinds)}
        self._parking |= {_distractor_name(slot): distractor_parking(slot) for slot in range(num_distractors)}
        self._bodies: dict[str, SingleRigidPrim] = {name: rigid_prim(path, name) for path, name in names.items()}
        self._present: tuple[str, ...] = ()

    def initialize(self) -> None:
        """After every reset of the world."""
        for body in self._bodies.values():
            body.initialize()

    def place(self, scene: Scene) -> None:
        """What the scene has at rest at its pose, all else parked."""
        there = {scene.kind.name: scene.object_pose}
        there |= {_distractor_name(distractor.slot): distractor.pose for distractor in scene.distractors}
        self._present = tuple(there)
        for name, parked in self._parking.items():
            self._put(name, BodyState(there.get(name, parked), AT_REST, AT_REST))

    def put(self, states: Mapping[str, BodyState]) -> None:
        """Kinematically, stepping nothing."""
        for name, state in states.items():
            self._put(name, state)

    def pose(self, kind: ObjectKind) -> Pose:
        return body_pose(self._bodies[kind.name], kind.name)

    def states(self) -> dict[str, BodyState]:
        """Of what is in the scene, by name."""
        return {name: self._state(name) for name in self._present}

    def _put(self, name: str, state: BodyState) -> None:
        body: SingleRigidPrim = self._bodies[name]
        body.set_world_pose(
            position=state.pose.position.astype(np.float32), orientation=state.pose.quat_wxyz.astype(np.float32)
        )
        body.set_linear_velocity(velocity=state.linear_m_s.astype(np.float32))
        body.set_angular_velocity(velocity=state.angular_rad_s.astype(np.float32))

    def _state(self, name: str) -> BodyState:
        body: SingleRigidPrim = self._bodies[name]
        return BodyState(
            body_pose(body, name),
            np.array(read_physics(body.get_linear_velocity, f"velocity of {name}"), dtype=np.float64),
            np.array(read_physics(body.get_angular_velocity, f"velocity of {name}"), dtype=np.float64),
        )


def _distractor_name(slot: int) -> str:
    return f"distractor_{slot}"
