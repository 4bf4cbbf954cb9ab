"""PhysX and its tensor views, by MuJoCo: built from the stage when the timeline plays, dead when it stops."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from pxr import UsdPhysics

from collectors.geometry import Array, Pose, quat_rotate
from isaac_standin.live_edits import LiveEdits
from isaac_standin.physics_model import DOF_NAMES, INNER_STEPS, SIMULATED_LINKS, StageModel, stage_model
from isaac_standin.welds import Welds
from isaac_standin.write_back import WriteBack
from sim_service.mujoco_sim.gl import check_gl, import_mujoco

NUM_DOFS: Final = len(DOF_NAMES)


class SimulationView:
    """The handles of one start of physics; alive until it stops or the articulation is parsed anew."""

    _physics: Any

    def update_articulations_kinematic(self) -> None:
        if self._physics.view is not self:
            raise RuntimeError("the simulation view is invalid: physics was stopped or parsed anew")
        self._physics.update_link_poses()


class Physics:
    """view: None while physics does not run. steps_made: since the process began. steps_per_second: 0 before there is a
    world. Joint arrays are in the order of DOF_NAMES, [rad] and [m], shape (9,); poses are in the world."""

    def __init__(self, kit: Any) -> None:
        self._kit = kit
        self._mujoco = import_mujoco(check_gl())
        self.steps_per_second = 0
        self.steps_made = 0
        self.view: Any = None
        self.callbacks: dict[object, Any] = {}
        self._stale_raised = False
        self._running = False
        self._view_class = kit.class_("omni.physics.tensors.SimulationView", SimulationView)
        self.forget()

    def forget(self) -> None:
        """A new stage."""
        self.stop()
        self._welds: Any = None
        self._edits: Any = None

    def stop(self) -> None:
        if self._running:
            self._write_back.undo()
        self.view = None
        self._running = False

    def initialize(self) -> None:
        """Parse the stage; nothing while physics runs already."""
        if self._running:
            return
        stage = self._kit.stage
        self._stage_model: StageModel = stage_model(stage, self.steps_per_second, _gravity(stage))
        self._model = self._mujoco.MjModel.from_xml_string(self._stage_model.xml)
        self._data = self._mujoco.MjData(self._model)
        self._welds = Welds(self._kit, self._mujoco, self._model, self._data, self._stage_model)
        self._edits = LiveEdits(self._kit, self._mujoco, self._model, self._stage_model)
        self._write_back = WriteBack(stage, self._kit.usd_context._physics_layer)
        self._running = True
        self._links: dict[str, int] = {}
        self._flange: str | None = None
        if self.has_robot:
            self._index_robot()
        self._body_ids = {path: self._id("body", name) for path, name in self._stage_model.bodies.items()}
        self._body_qpos = {path: self._joint_start("jnt_qposadr", path) for path in self._body_ids}
        self._body_qvel = {path: self._joint_start("jnt_dofadr", path) for path in self._body_ids}
        self._mujoco.mj_forward(self._model, self._data)
        self.update_link_poses()
        for _ in range(2):  # as warming up does, before anybody can listen
            self.step(callbacks=False)
        self.view = self._view_class()
        self.view._physics = self
        self._kit.physics_ready()

    def step(self, *, callbacks: bool) -> None:
        """One physics step; subscribers are told before it, with its length."""
        if not self._running:
            return
        if callbacks:
            for callback in list(self.callbacks.values()):
                try:
                    callback(1 / self.steps_per_second)
                except Exception as error:  # PhysX logs it and goes on
                    self._kit.report("physics callback", error)
        if self._edits.apply():
            self.view = None  # it has colliders that are gone
        if self._welds.apply():
            self.view = None  # the articulation was parsed anew
        if self.has_robot:
            self._drive()
        self._mujoco.mj_step(self._model, self._data, INNER_STEPS)
        self._mujoco.mj_kinematics(self._model, self._data)
        self.update_link_poses()
        self.steps_made += int(callbacks)
        stale_after = self._kit.faults.views_stale_after
        if stale_after is not None and self.steps_made >= stale_after and not self._stale_raised:
            self._stale_raised, self.view = True, None

    def publish(self) -> None:
        """Let the stage, and so the renderer, have the poses as they are."""
        if self._running:
            paths = [*self._links, *([self._flange] if self._flange else []), *self._body_ids]
            self._write_back.write({path: self.body_pose(path) for path in paths})

    def changed(self, notice: Any) -> None:
        if self._welds is not None:
            self._welds.changed(notice)
        if self._running:
            self._edits.changed(notice)

    # The robot

    @property
    def has_robot(self) -> bool:
        return self._running and self._stage_model.robot is not None

    @property
    def robot_path(self) -> str | None:
        return self._stage_model.robot if self._running else None

    def update_link_poses(self) -> None:
        """Let the links be where the joints have them."""
        if self.has_robot:
            self._mujoco.mj_kinematics(self._model, self._data)
            self._link_xpos, self._link_xquat = self._data.xpos[self._link_ids], self._data.xquat[self._link_ids]

    def link_pose(self, path: str) -> Pose:
        if path == self._flange:
            return self.link_pose(self._flange_parent) @ self._flange_to_parent
        index = self._links[path]
        return Pose(self._link_xpos[index], self._link_xquat[index])

    def joint_positions(self) -> Array:
        return np.array(self._data.qpos[self._dof_qpos])

    def joint_velocities(self) -> Array:
        return np.array(self._data.qvel[self._dof_qvel])

    def set_joint_positions(self, positions: Array) -> None:
        self._data.qpos[self._dof_qpos] = positions
        self.target_positions[:] = positions

    def set_joint_velocities(self, velocities: Array) -> None:
        self._data.qvel[self._dof_qvel] = velocities
        self.target_velocities[:] = velocities

    def set_disable_gravity(self, disabled: bool) -> None:
        self._model.body_gravcomp[self._link_ids] = float(disabled)

    def _drive(self) -> None:
        """PhysX's drive, stiffness * (target - position) + damping * (target velocity - velocity), by MuJoCo's affine
        actuator, whose damping is that of the velocity itself."""
        self._model.actuator_gainprm[:, 0] = self.stiffness
        self._model.actuator_biasprm[:, 1] = -self.stiffness
        self._model.actuator_biasprm[:, 2] = -self.damping
        lead = np.divide(self.damping, self.stiffness, out=np.zeros(NUM_DOFS), where=self.stiffness > 0)
        self._data.ctrl[:] = self.target_positions + lead * self.target_velocities

    def _index_robot(self) -> None:
        path = self._stage_model.robot
        self._links = {f"{path}/{name}": index for index, name in enumerate(SIMULATED_LINKS)}
        self._link_ids = np.array([self._id("body", name) for name in SIMULATED_LINKS])
        self._dof_qpos = np.array([self._joint_start("jnt_qposadr", name) for name in DOF_NAMES])
        self._dof_qvel = np.array([self._joint_start("jnt_dofadr", name) for name in DOF_NAMES])
        self._flange, self._flange_parent = f"{path}/panda_link8", f"{path}/panda_link7"
        start = self._stage_model.start
        self._flange_to_parent = start[self._flange_parent].inverse() @ start.get(
            self._flange, start[self._flange_parent]
        )
        limits = np.array([self._model.jnt_range[self._id("joint", name)] for name in DOF_NAMES])
        self.target_positions: Array = np.clip(np.zeros(NUM_DOFS), limits[:, 0], limits[:, 1])
        self.target_velocities: Array = np.zeros(NUM_DOFS)
        self.stiffness, self.damping = (gains.copy() for gains in self._stage_model.gains)
        self._data.qpos[self._dof_qpos] = self.target_positions
        self.set_disable_gravity(False)

    # Free bodies

    def has_body(self, path: str) -> bool:
        return self._running and (path in self._stage_model.bodies or self._is_link(path))

    def body_pose(self, path: str) -> Pose:
        if self._is_link(path):
            return self.link_pose(path)
        at = self._body_qpos[path]
        return Pose(self._data.qpos[at : at + 3], self._data.qpos[at + 3 : at + 7])

    def set_body_pose(self, path: str, pose: Pose) -> None:
        if self._is_link(path):
            raise NotImplementedError(f"{path} is a link of the articulation: PhysX does not move one by itself")
        at = self._body_qpos[path]
        self._data.qpos[at : at + 3] = pose.position
        self._data.qpos[at + 3 : at + 7] = pose.quat_wxyz / np.linalg.norm(pose.quat_wxyz)

    def body_velocity(self, path: str) -> tuple[Array, Array]:
        """Linear [m/s] and angular [rad/s], in the world frame, shape (3,) each."""
        if self._is_link(path):
            velocity = np.zeros(6)
            body = self._mujoco.mjtObj.mjOBJ_XBODY
            link_id = int(self._link_ids[self._links[path]])
            self._mujoco.mj_objectVelocity(self._model, self._data, body, link_id, velocity, 0)
            return velocity[3:], velocity[:3]
        at = self._body_qvel[path]
        angular = quat_rotate(self.body_pose(path).quat_wxyz, self._data.qvel[at + 3 : at + 6])
        return np.array(self._data.qvel[at : at + 3]), angular

    def set_body_velocity(self, path: str, linear: Array | None = None, angular: Array | None = None) -> None:
        if self._is_link(path):
            raise NotImplementedError(f"{path} is a link of the articulation: PhysX does not move one by itself")
        at = self._body_qvel[path]
        if linear is not None:
            self._data.qvel[at : at + 3] = linear
        if angular is not None:
            body_to_world = self.body_pose(path)
            self._data.qvel[at + 3 : at + 6] = quat_rotate(body_to_world.inverse().quat_wxyz, angular)

    def body_mass(self, path: str) -> float:
        name = self._stage_model.links.get(path) or self._stage_model.bodies[path]
        return float(self._model.body_mass[self._id("body", name)])

    def _is_link(self, path: str) -> bool:
        return path in self._links or path == self._flange

    def _id(self, kind: str, name: str) -> int:
        return int(getattr(self._model, kind)(name).id)

    def _joint_start(self, table: str, joint: str) -> int:
        return int(getattr(self._model, table)[self._id("joint", joint)])


def _gravity(stage: Any) -> Array:
    """[m/s^2], of the first physics scene, in the world frame; PhysX's own where it has none authored."""
    for prim in stage.Traverse():
        if prim.IsA(UsdPhysics.Scene):
            scene = UsdPhysics.Scene(prim)
            direction = np.array(scene.GetGravityDirectionAttr().Get(), dtype=np.float64)
            magnitude = float(scene.GetGravityMagnitudeAttr().Get())
            direction = direction if direction.any() else np.array([0.0, 0.0, -1.0])
            return direction * (magnitude if np.isfinite(magnitude) else 9.81)
    return np.array([0.0, 0.0, -9.81])
