"""The Franka through Isaac Sim's physics views: seven joints of the arm, two fingers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from collectors.franka import (
    ARM_STIFFNESS_NM_RAD,
    FINGER_STIFFNESS_N_M,
    NUM_ARM_JOINTS,
    NUM_FINGERS,
    SERVO_LAG_S,
)
from collectors.geometry import Array, Pose
from collectors.simulator import SimulatorError
from sim_service.isaac_sim.compat import (
    ArticulationAction,
    SingleArticulation,
    SingleRigidPrim,
    articulation,
    rigid_prim,
)
from sim_service.isaac_sim.usd.paths import HAND, ROBOT

ARM_DOFS: Final = tuple(f"panda_joint{number}" for number in range(1, NUM_ARM_JOINTS + 1))
FINGER_DOFS: Final = tuple(f"panda_finger_joint{number}" for number in range(1, NUM_FINGERS + 1))

Float32Array = NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Joints:
    """arm: shape (7,). fingers: shape (2,). Positions are [rad] and [m], velocities [rad/s] and [m/s]."""

    arm: Array
    fingers: Array


class Robot:
    """Its handles die with every reset of the world; `initialize` makes new ones."""

    def __init__(self) -> None:
        self._arm: SingleArticulation = articulation(ROBOT, "franka")
        self._hand: SingleRigidPrim = rigid_prim(HAND, "panda_hand")
        self._arm_dofs: NDArray[np.intp] = np.empty(0, dtype=np.intp)
        self._finger_dofs: NDArray[np.intp] = np.empty(0, dtype=np.intp)
        self._gain = 1.0

    def initialize(self) -> None:
        """After every reset of the world: gains and gravity are those of the USD file again, too."""
        self._arm.initialize()
        self._hand.initialize()
        names = list(self._arm.dof_names or ())
        missing = sorted({*ARM_DOFS, *FINGER_DOFS} - set(names))
        if missing or len(names) != NUM_ARM_JOINTS + NUM_FINGERS:
            raise SimulatorError(f"the robot at {ROBOT} has the joints {names}; expected {[*ARM_DOFS, *FINGER_DOFS]}")
        self._arm_dofs = np.array([names.index(name) for name in ARM_DOFS])
        self._finger_dofs = np.array([names.index(name) for name in FINGER_DOFS])
        self._tune(1.0)
        self._arm.disable_gravity()

    def tune(self, gain: float) -> None:
        """Let the stiffness of every drive be so many times the nominal one, with the nominal damping."""
        if gain != self._gain:
            self._tune(gain)

    def _tune(self, gain: float) -> None:
        stiffness = self._dofs(ARM_STIFFNESS_NM_RAD, FINGER_STIFFNESS_N_M)
        self._arm.get_articulation_controller().set_gains(
            kps=(stiffness * np.float32(gain)).astype(np.float32),
            kds=(stiffness * np.float32(SERVO_LAG_S)).astype(np.float32),
        )
        self._gain = gain

    @property
    def alive(self) -> bool:
        """Whether the handles are of the physics that runs now. Stale ones ignore what they are told."""
        try:
            return read_physics(self._arm.get_joint_positions, "joint state") is not None
        except SimulatorError:
            return False

    def positions(self) -> Joints:
        return self._split(self._read(self._arm.get_joint_positions))

    def velocities(self) -> Joints:
        return self._split(self._read(self._arm.get_joint_velocities))

    def hand_to_world(self) -> Pose:
        return body_pose(self._hand, "panda_hand")

    def put(self, positions: Joints, velocities: Joints) -> None:
        """Kinematically, stepping nothing. Positions become the targets too, so `aim` has to follow."""
        self._arm.set_joint_positions(positions=self._dofs(positions.arm, positions.fingers))
        self._arm.set_joint_velocities(velocities=self._dofs(velocities.arm, velocities.fingers))

    def aim(self, arm_rad: Array, finger_m: float) -> None:
        """Targets of the drives, until the next ones. Raises SimulatorError where the handles are stale."""
        if not self.alive:
            raise SimulatorError(f"the drives of {ROBOT} cannot be told: physics was stopped, or its handles are stale")
        self._arm.apply_action(
            control_actions=ArticulationAction(
                joint_positions=self._dofs(arm_rad, finger_m), joint_velocities=self._dofs(0.0, 0.0)
            )
        )

    def _dofs(self, arm: Any, fingers: Any) -> Float32Array:
        values = np.empty(NUM_ARM_JOINTS + NUM_FINGERS, dtype=np.float32)
        values[self._arm_dofs] = arm
        values[self._finger_dofs] = fingers
        return values

    def _split(self, values: Array) -> Joints:
        return Joints(values[self._arm_dofs], values[self._finger_dofs])

    def _read(self, read: Callable[[], Any]) -> Array:
        values = read_physics(read, f"joint state of {ROBOT}")
        if values is None or np.shape(values) != (NUM_ARM_JOINTS + NUM_FINGERS,):
            found = "none" if values is None else f"shape {np.shape(values)}"
            raise SimulatorError(
                f"Isaac Sim gave no joint state of {ROBOT} ({found}): physics was stopped, or its handles are stale"
            )
        state = np.array(values, dtype=np.float64)
        if not np.isfinite(state).all():
            raise SimulatorError(f"the joint state of {ROBOT} is not finite: {state}")
        return state


def read_physics(read: Callable[[], Any], what: str) -> Any:
    """What a read through a physics view gives: None from one that died with a stop. Raises SimulatorError with one
    that was invalidated while physics runs, by a prim of it that was deleted."""
    try:
        return read()
    except Exception as error:  # the views raise nothing narrower (omni.physics.tensors 107.3, python/api.py)
        raise SimulatorError(f"Isaac Sim gave no {what}: {error}") from error


def body_pose(body: SingleRigidPrim, name: str) -> Pose:
    """Body to world, from the physics view, as a unit quaternion. Raises SimulatorError where the view gives none."""
    pose = read_physics(body.get_world_pose, f"pose of {name}")
    if pose is None or any(part is None for part in pose):
        raise SimulatorError(f"Isaac Sim gave no pose of {name}: physics was stopped, or its handles are stale")
    position, quat_wxyz = (np.array(part, dtype=np.float64) for part in pose)
    length = float(np.linalg.norm(quat_wxyz))
    if not (np.isfinite(position).all() and 0.99 < length < 1.01):
        raise SimulatorError(f"the pose of {name} is not one: position {position}, quaternion {quat_wxyz}")
    return Pose(position, quat_wxyz / length)
