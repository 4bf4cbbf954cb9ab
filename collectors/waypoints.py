"""The plan of one episode: a scene, the instruction, the waypoints, and the commands that lead through them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

import numpy as np

from collectors.franka import FINGER_OPEN_M, SERVO_LAG_S
from collectors.geometry import Array, Pose
from collectors.kinematics import hand_pose
from collectors.motion import LINEAR, Motion
from collectors.recording_noise import NO_NOISE, RecordingNoise
from collectors.scene import Scene
from collectors.simulator import Action

Weld = Literal["attach", "detach"]

# Where the arm is nearly stretched, a straight way of the hand is a long one of a joint. One that takes so many times
# as long as the segment would otherwise is given up for the straight way of the joints.
SLOWEST_STRAIGHT: Final = 2


class UnreachableError(RuntimeError):
    """No plan could be drawn. resamples: how many layouts were tried in vain."""

    def __init__(self, what: str, resamples: int) -> None:
        super().__init__(f"{what} after {resamples} resamples")
        self.resamples = resamples


@dataclass(frozen=True, eq=False)
class Waypoint:
    """Where one phase ends.

    arm_rad: joint targets with the noise in them, shape (7,). finger_m: target of each finger. then: what is done to
    the weld once the phase's last command has been carried out. straight: whether the way there leads to the object or
    away from it.
    """

    phase: str
    arm_rad: Array
    finger_m: float
    then: Weld | None = None
    straight: bool = False

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
    kinematics.py. resampled: unreachable layouts drawn before this one. speed: factor on the speed of the motion.
    noise: what the sensors add to the record.
    """

    scene: Scene
    task: str
    waypoints: tuple[Waypoint, ...]
    colour: str
    object_yaw_rad: float
    tilt_rad: float
    wrist_yaw_rad: float
    resampled: int
    speed: float = 1.0
    noise: RecordingNoise = NO_NOISE

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

    def segments(self, steps_per_segment: int, period_s: float, motion: Motion = LINEAR) -> tuple[Segment, ...]:
        """One segment per waypoint, from the scene's start with open fingers onwards.

        steps_per_segment: control periods of `period_s` each, at speed 1; a segment that this would make too fast gets
        more, and one that grasps or lets go at least as many as the fingers need after the robot's delay. At speeds
        below 1 each takes that much longer.
        """
        segments = []
        start = Action(np.array(self.scene.arm_rad), FINGER_OPEN_M)
        lag_s = SERVO_LAG_S / self.scene.plant.gain
        for waypoint in self.waypoints:
            plain = motion.way(start, waypoint.action, straight=False)
            way = motion.way(start, waypoint.action, waypoint.straight)
            least, least_plain = (motion.least_steps(which, period_s, lag_s) for which in (way, plain))
            if least > SLOWEST_STRAIGHT * max(steps_per_segment, least_plain):
                way, least = plain, least_plain
            if self.speed < 1:
                steps = round(max(steps_per_segment, least) / self.speed)
            else:
                steps = max(1, round(steps_per_segment / self.speed), least)
            if waypoint.then is not None:
                steps = max(steps, least + self.scene.plant.delay_ticks)
            segments.append(Segment(waypoint.phase, motion.actions(way, steps), waypoint.then))
            start = waypoint.action
        return tuple(segments)
