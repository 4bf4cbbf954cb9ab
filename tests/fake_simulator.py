"""A simulator without physics: joints follow their targets with a lag, a welded object follows the hand.

Fast enough to run hundreds of episodes in a test, and faithful to the contract in `collectors/simulator.py`.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping

import numpy as np

from collectors.cameras import CAMERAS, Camera
from collectors.franka import FINGER_OPEN_M
from collectors.geometry import Array, Pose
from collectors.kinematics import hand_pose
from collectors.objects import CUBE, ObjectKind
from collectors.scene import Scene
from collectors.simulator import Action, Image, Observation, SimulatorError, Tick

LAG = 0.6  # share of the way to the target that a joint covers in one control period


class FakeSimulator:
    """slip_m: how far a welded object moves in the hand per tick. grasp_offset_m: how far, along x, the object stands
    off its pose. lost_ticks: advances in which time stands still."""

    def __init__(
        self,
        fps: int = 30,
        slip_m: float = 0.0,
        grasp_offset_m: float = 0.0,
        lost_ticks: frozenset[int] = frozenset(),
    ) -> None:
        self.fps, self.slip_m, self.grasp_offset_m, self.lost_ticks = fps, slip_m, grasp_offset_m, lost_ticks
        self.cameras: tuple[Camera, ...] = tuple(
            dataclasses.replace(camera, width_px=64, height_px=48) for camera in CAMERAS
        )
        self.objects: tuple[ObjectKind, ...] = (CUBE,)
        self.calls: list[str] = []
        self.advanced = 0
        self.closed = False
        self._in_hand: Pose | None = None
        self._rendered = False
        self._scene: Scene | None = None

    @property
    def control_period_s(self) -> float:
        return 1 / self.fps

    @property
    def versions(self) -> Mapping[str, str]:
        return {"simulator": "fake", "renderer": "none: stripes", "fake": "1"}

    def reset(self, scene: Scene) -> None:
        if scene.kind.name not in [kind.name for kind in self.objects]:
            raise ValueError(f"{scene.kind.name} is not in this run: {[kind.name for kind in self.objects]}")
        self.calls.append("reset")
        self._scene = scene
        self._ticks = 0
        self._arm: Array = np.array(scene.arm_rad, dtype=np.float64)
        self._speed: Array = np.zeros(7)
        self._fingers = FINGER_OPEN_M
        self._target = Action(self._arm.copy(), FINGER_OPEN_M)
        pose = scene.object_pose
        self._object = Pose(pose.position + [self.grasp_offset_m, 0.0, 0.0], pose.quat_wxyz)
        self._in_hand, self._rendered = None, False

    def command(self, action: Action) -> None:
        self.calls.append("command")
        self._target = Action(np.array(action.arm_rad), action.finger_m)

    def advance(self, tick: Tick) -> None:
        self.calls.append("advance")
        self.advanced += 1
        self._rendered = tick.images
        if self.advanced in self.lost_ticks:
            return
        self._ticks += 1
        step = LAG * (self._target.arm_rad - self._arm)
        self._arm = self._arm + step
        self._speed = step * self.fps
        self._fingers += LAG * (self._target.finger_m - self._fingers)
        if self._in_hand is not None:
            self._in_hand = Pose(self._in_hand.position + [self.slip_m, 0.0, 0.0], self._in_hand.quat_wxyz)
            self._object = hand_pose(self._arm) @ self._in_hand
        elif self._scene is not None:
            x, y, _ = self._object.position
            resting_z = self._scene.surface_z_m + self._scene.kind.size_m[2] / 2
            self._object = Pose((x, y, resting_z), self._object.quat_wxyz)

    def refresh(self, images: bool) -> None:
        self._rendered = self._rendered or images

    def observe(self, images: bool = False) -> Observation:
        if images and not self._rendered:
            raise SimulatorError("the last advance was not asked for pictures")
        return Observation(
            time_s=self._ticks * self.control_period_s,
            arm_rad=self._arm.copy(),
            arm_rad_s=self._speed.copy(),
            arm_peak_rad_s=np.abs(self._speed),
            finger_m=np.full(2, self._fingers),
            hand_to_world=hand_pose(self._arm),
            object_to_world=self._object,
            images={camera.name: self._picture(number) for number, camera in enumerate(self.cameras)} if images else {},
        )

    def attach(self) -> None:
        self.calls.append("attach")
        self._in_hand = hand_pose(self._arm).inverse() @ self._object

    def detach(self) -> None:
        self.calls.append("detach")
        self._in_hand = None

    def close(self) -> None:
        self.closed = True

    @property
    def welded(self) -> bool:
        return self._in_hand is not None

    def _picture(self, camera: int) -> Image:
        camera_model = self.cameras[camera]
        picture = np.zeros((camera_model.height_px, camera_model.width_px, 3), dtype=np.uint8)
        picture[:, :, camera] = 80
        picture[:, self._ticks % camera_model.width_px] = 200
        return picture
