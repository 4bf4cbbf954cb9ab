"""The plan of one episode: a scene, the instruction, the waypoints, and the commands that lead through them."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final, Literal

import numpy as np

from collectors.franka import (
    FINGER_OPEN_M,
    FINGER_VELOCITY_LIMIT_M_S,
    JOINT_VELOCITY_LIMIT_RAD_S,
    SERVO_LAG_S,
)
from collectors.geometry import Array, Pose
from collectors.kinematics import hand_pose
from collectors.scene import Scene
from collectors.simulator import Action

# Of a joint's velocity limit, at its peak between two control instants.
MAX_SPEED_FRACTION: Final = 0.95

Weld = Literal["attach", "detach"]


class UnreachableError(RuntimeError):
    """No plan could be drawn. resamples: how many layouts were tried in vain."""

    def __init__(self, what: str, resamples: int) -> None:
        super().__init__(f"{what} after {resamples} resamples")
        self.resamples = resamples


@dataclass(frozen=True, eq=False)
class Waypoint:
    """Where one phase ends.

    arm_rad: joint targets with the noise in them, shape (7,). finger_m: target of each finger. then: what is done to
    the weld once the phase's last command has been carried out.
    """

    phase: str
    arm_rad: Array
    finger_m: float
    then: Weld | None = None

    def __post_init__(self) -> None:
        arm = np.array(self.arm_rad, dtype=np.float64)
        arm.setflags(write=False)
        object.__setattr__(self, "arm_rad", arm)

    @property
    def hand_to_world(self) -> Pose:
        """The planned pose of panda_hand, noise included."""
        return hand_pose(self.arm_rad)

    @property
    def action(self) -> Action:
        return Action(self.arm_rad, self.finger_m)


@dataclass(frozen=True, eq=False)
class Segment:
    """The commands of one phase, one per control period; the last one is the phase's waypoint."""

    phase: str
    actions: tuple[Action, ...]
    then: Weld | None


@dataclass(frozen=True, eq=False)
class Plan:
    """What `Task.draw` decides about one episode.

    task: the instruction in plain words. colour: the drawn colour's name, "" for objects of a fixed colour.
    object_yaw_rad: yaw of the object at the pick. tilt_rad, wrist_yaw_rad: of the hand at every contact waypoint, see
    kinematics.py. resampled: unreachable layouts drawn before this one.
    """

    scene: Scene
    task: str
    waypoints: tuple[Waypoint, ...]
    colour: str
    object_yaw_rad: float
    tilt_rad: float
    wrist_yaw_rad: float
    resampled: int

    @property
    def object_name(self) -> str:
        return self.scene.kind.name

    @property
    def pick_xy_m(self) -> tuple[float, float]:
        x, y, _ = self.scene.object_pose.position
        return float(x), float(y)

    @property
    def place_xy_m(self) -> tuple[float, float]:
        return self.scene.goal_xy_m

    def segments(self, steps_per_segment: int, period_s: float) -> tuple[Segment, ...]:
        """One segment per waypoint, from the scene's start with open fingers onwards.

        steps_per_segment: control periods of `period_s` each; a segment that this would make too fast gets more.
        """
        segments = []
        start = Action(np.array(self.scene.arm_rad), FINGER_OPEN_M)
        for waypoint in self.waypoints:
            steps = max(steps_per_segment, least_steps(start, waypoint.action, period_s))
            segments.append(Segment(waypoint.phase, interpolate(start, waypoint.action, steps), waypoint.then))
            start = waypoint.action
        return tuple(segments)


def least_steps(start: Action, end: Action, period_s: float) -> int:
    """Control periods (1 or more) from `start` to `end` in which no joint and no finger gets too fast.

    Joints stay within MAX_SPEED_FRACTION of their limits at the peak that `peak_factor` foretells.
    """
    allowed_rad = MAX_SPEED_FRACTION / peak_factor(period_s) * period_s * np.asarray(JOINT_VELOCITY_LIMIT_RAD_S)
    arm_periods = float(np.max(np.abs(end.arm_rad - start.arm_rad) / allowed_rad))
    finger_periods = abs(end.finger_m - start.finger_m) / (FINGER_VELOCITY_LIMIT_M_S * period_s)
    periods = max(arm_periods, finger_periods)
    return max(1, math.ceil(periods - 1e-9))  # a move of exactly n periods takes n, whatever the rounding


def peak_factor(period_s: float) -> float:
    """How much faster a joint is at its peak than the ramp of targets that it follows.

    A target that is held for a whole period is run after at a speed that falls off with SERVO_LAG_S; over a period it
    averages to the ramp's. Measured on the embedded simulator the factor is within 4 % of this: 1.16 at 30 Hz, where
    this says 1.18.
    """
    lags = period_s / SERVO_LAG_S
    return lags / -math.expm1(-lags)


def interpolate(start: Action, end: Action, steps: int) -> tuple[Action, ...]:
    """`steps` actions on the straight line in joint space; number k, from 0, has gone (k + 1) / steps of the way.

    `start` is not among them; the last one equals `end` to the bit.
    """
    if steps < 1:
        raise ValueError(f"a segment needs at least 1 step, got {steps}")
    remaining = [(steps - 1 - step) / steps for step in range(steps)]
    return tuple(
        Action(
            end.arm_rad - fraction * (end.arm_rad - start.arm_rad),
            end.finger_m - fraction * (end.finger_m - start.finger_m),
        )
        for fraction in remaining
    )
