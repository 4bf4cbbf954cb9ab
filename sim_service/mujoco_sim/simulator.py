"""The embedded simulator: MuJoCo behind the seam of collectors.simulator."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING

import numpy as np

from collectors.cameras import CAMERAS, Camera
from collectors.franka import FINGER_OPEN_M, NUM_ARM_JOINTS
from collectors.geometry import Pose
from collectors.objects import ObjectError, ObjectKind
from collectors.scene import PHYSICS_PERIOD_S, Scene
from collectors.simulator import Action, Image, Observation, SimulatorError, Tick, checked_arm
from sim_service.mujoco_sim.gl import check_gl, import_mujoco
from sim_service.mujoco_sim.panda_mjcf import ARM_JOINTS, FINGER_JOINTS, HAND_BODY
from sim_service.mujoco_sim.presets import QUALITY
from sim_service.mujoco_sim.scene_mjcf import GOAL_BODY, INNER_STEP_S, INNER_STEPS_PER_PHYSICS_PERIOD, scene_xml
from sim_service.simulators import SimulatorSettings

if TYPE_CHECKING:
    from sim_service.mujoco_sim.object_slot import ObjectSlot

_STEPS_PER_PEAK_SAMPLE = 4  # a 240th of a second: a joint's speed peaks over several of these

_log = logging.getLogger(__name__)


class MujocoSimulator:
    """Satisfies `collectors.simulator.Simulator`. An episode depends on its scene and commands alone, to the last bit,
    whatever the simulator did before. Everything is to be called from the thread that made it."""

    def __init__(self, settings: SimulatorSettings) -> None:
        """Without OpenGL pictures are ray cast, which is slow; the log says so, and how to get OpenGL."""
        gl = check_gl()
        self._mujoco = mujoco = import_mujoco(gl)
        # These import mujoco, which must not come first.
        from sim_service.mujoco_sim.distractor_slot import DistractorSlot
        from sim_service.mujoco_sim.object_slot import ObjectSlot
        from sim_service.mujoco_sim.raycast import RAYCAST_QUALITY, RaycastRenderer
        from sim_service.mujoco_sim.surroundings import Surroundings

        self._settings = settings
        quality = QUALITY[settings.render_preset] if gl.backend else RAYCAST_QUALITY
        xml = scene_xml(settings.objects, CAMERAS, quality, settings.num_distractors, settings.textured_table)
        self._model = mujoco.MjModel.from_xml_string(xml)
        self._data = mujoco.MjData(self._model)
        if gl.backend:
            from sim_service.mujoco_sim.renderer import GlRenderer

            self._renderer: GlRenderer | RaycastRenderer = GlRenderer(self._model, CAMERAS, gl.backend, quality.shadows)
        else:
            _log.warning("%s; pictures are ray cast instead, without shadows and slowly", gl.problem)
            self._renderer = RaycastRenderer(self._model, CAMERAS)
        self._versions = {
            "simulator": "mujoco",
            "mujoco": str(mujoco.__version__),
            "renderer": f"{gl.backend}: {gl.renderer}" if gl.backend else "raycast",
            "render_preset": settings.render_preset,
        }
        self._inner_steps = round(self.control_period_s / PHYSICS_PERIOD_S) * INNER_STEPS_PER_PHYSICS_PERIOD
        self._slots = [ObjectSlot(self._model, kind, number) for number, kind in enumerate(settings.objects)]
        self._distractors = [DistractorSlot(self._model, slot) for slot in range(settings.num_distractors)]
        self._surroundings = Surroundings(self._model, CAMERAS)
        self._hand = int(self._model.body(HAND_BODY).id)
        self._goal = int(self._model.body(GOAL_BODY).mocapid[0])
        self._arm = np.array([self._model.joint(name).qposadr[0] for name in ARM_JOINTS])
        self._arm_velocity = np.array([self._model.joint(name).dofadr[0] for name in ARM_JOINTS])
        self._fingers = np.array([self._model.joint(name).qposadr[0] for name in FINGER_JOINTS])
        self._arm_servos = np.array([self._model.actuator(name).id for name in ARM_JOINTS])
        self._finger_servos = np.array([self._model.actuator(name).id for name in FINGER_JOINTS])
        self._object: ObjectSlot | None = None  # the one in the scene
        self._ticks = 0
        self._peak = np.zeros(NUM_ARM_JOINTS)
        self._images: dict[str, Image] | None = None
        self._closed = False

    @property
    def control_period_s(self) -> float:
        return 1 / self._settings.fps

    @property
    def cameras(self) -> tuple[Camera, ...]:
        return CAMERAS

    @property
    def objects(self) -> tuple[ObjectKind, ...]:
        return self._settings.objects

    @property
    def versions(self) -> Mapping[str, str]:
        return MappingProxyType(self._versions)

    def reset(self, scene: Scene) -> None:
        self._refuse_if_closed()
        slot = next((slot for slot in self._slots if slot.kind.name == scene.kind.name), None)
        if slot is None:
            names = ", ".join(kind.name for kind in self.objects)
            raise ObjectError(f"object {scene.kind.name!r} is not part of this run; its objects: {names}")
        arm_rad = checked_arm(scene.arm_rad)
        distractors = {distractor.slot: distractor for distractor in scene.distractors}
        missing = distractors.keys() - range(len(self._distractors))
        if missing:
            raise ObjectError(
                f"distractors {sorted(missing)} are not part of this run, which has {len(self._distractors)}"
            )
        self._adapt(slot, scene)
        self._mujoco.mj_resetData(self._model, self._data)
        for other in self._slots:
            if other is not slot:
                other.park(self._model, self._data)
        slot.place(self._model, self._data, scene)
        for thing in self._distractors:
            distractor = distractors.get(thing.slot)
            if distractor is None:
                thing.park(self._model, self._data)
            else:
                thing.place(self._model, self._data, distractor)
        self._data.mocap_pos[self._goal] = scene.goal_position_m
        self._data.qpos[self._arm] = arm_rad
        self._data.ctrl[self._arm_servos] = arm_rad
        self._data.qpos[self._fingers] = FINGER_OPEN_M
        self._data.ctrl[self._finger_servos] = FINGER_OPEN_M
        self._mujoco.mj_forward(self._model, self._data)
        self._object = slot
        self._ticks = 0
        self._peak[:] = 0.0
        self._images = None

    def _adapt(self, slot: ObjectSlot, scene: Scene) -> None:
        """Make the model what the scene says. What MuJoCo derives from sizes, masses and the table's height is derived
        anew where they changed."""
        if self._surroundings.set_up(scene) and self._surroundings.texture is not None:
            self._renderer.update_texture(self._surroundings.texture)
        self._renderer.set_up(scene)
        sizes_m = {distractor.slot: distractor.size_m for distractor in scene.distractors}
        changed = [slot.adapt(self._model, scene.kind), self._surroundings.adapt(scene.table)]
        changed += [thing.adapt(self._model, sizes_m.get(thing.slot)) for thing in self._distractors]
        if any(changed):
            for other in self._slots:  # what can touch what is derived, too
                other.appear(self._model)
            for thing in self._distractors:
                thing.appear(self._model)
            extent, centre = self._model.stat.extent, self._model.stat.center.copy()  # which the pictures depend on
            self._mujoco.mj_setConst(self._model, self._data)
            self._model.stat.extent, self._model.stat.center[:] = extent, centre

    def command(self, action: Action) -> None:
        self._in_scene()
        if not np.isfinite(action.finger_m):
            raise ValueError(f"finger target {action.finger_m} m is not a number")
        self._data.ctrl[self._arm_servos] = checked_arm(action.arm_rad)
        self._data.ctrl[self._finger_servos] = action.finger_m

    def advance(self, tick: Tick) -> None:
        self._in_scene()
        self._images = None
        self._ticks += 1
        self._peak[:] = np.abs(self._data.qvel[self._arm_velocity])
        for _ in range(self._inner_steps // _STEPS_PER_PEAK_SAMPLE):
            self._mujoco.mj_step(self._model, self._data, _STEPS_PER_PEAK_SAMPLE)
            np.maximum(self._peak, np.abs(self._data.qvel[self._arm_velocity]), out=self._peak)
        self._refuse_divergence()
        # A step ends with new joint positions, yet with the poses from before it.
        self._mujoco.mj_kinematics(self._model, self._data)
        self._mujoco.mj_camlight(self._model, self._data)
        if tick.images:
            self._images = self._renderer.render(self._data)

    def refresh(self, images: bool) -> None:
        self._in_scene()
        if images and self._images is None:
            self._images = self._renderer.render(self._data)

    def observe(self, images: bool = False) -> Observation:
        slot = self._in_scene()
        if images and self._images is None:
            raise SimulatorError("there are no pictures of this instant: the last advance was not asked for them")
        return Observation(
            time_s=self._ticks / self._settings.fps,
            arm_rad=self._data.qpos[self._arm],
            arm_rad_s=self._data.qvel[self._arm_velocity],
            arm_peak_rad_s=self._peak.copy(),
            finger_m=self._data.qpos[self._fingers],
            hand_to_world=self._body_to_world(self._hand),
            object_to_world=self._body_to_world(slot.body_id),
            images=dict(self._images) if images and self._images is not None else {},
        )

    def attach(self) -> None:
        slot = self._in_scene()
        object_to_hand = self._body_to_world(self._hand).inverse() @ self._body_to_world(slot.body_id)
        slot.weld(self._model, self._data, object_to_hand)

    def detach(self) -> None:
        if self._object is not None:
            self._object.unweld(self._data)

    def close(self) -> None:
        if not self._closed:
            self._closed = True
            self._renderer.close()

    def _refuse_divergence(self) -> None:
        """After a divergence MuJoCo counts a warning and starts anew from a state of its own, at time 0."""
        expected_s = self._ticks * self._inner_steps * INNER_STEP_S
        kinds = self._mujoco.mjtWarning
        counts = self._data.warning.number
        if any(counts[kind] for kind in (kinds.mjWARN_BADQPOS, kinds.mjWARN_BADQVEL, kinds.mjWARN_BADQACC)):
            raise SimulatorError(f"the simulation diverged before {expected_s:.3f} s after reset")
        if not abs(self._data.time - expected_s) < INNER_STEP_S / 2:
            raise SimulatorError(f"MuJoCo's time is {self._data.time:.6f} s instead of {expected_s:.6f} s after reset")

    def _refuse_if_closed(self) -> None:
        if self._closed:
            raise SimulatorError("the simulator is closed")

    def _in_scene(self) -> ObjectSlot:
        self._refuse_if_closed()
        if self._object is None:
            raise SimulatorError("there is no scene yet: call reset first")
        return self._object

    def _body_to_world(self, body_id: int) -> Pose:
        return Pose(self._data.xpos[body_id], self._data.xquat[body_id])
