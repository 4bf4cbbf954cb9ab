"""The one loop of an episode: a generator that yields once per control tick, and the only caller of `add_frame`.

The host advances the simulator between the yields. When the host's `advance` fails with a SimulatorError it throws that
into the generator. Whatever ends the generator, its end or `close()`, the weld is gone afterwards.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Generator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Protocol

import numpy as np
from numpy.typing import ArrayLike

from collectors.command_delay import CommandDelay
from collectors.features import (
    GOAL_POSITION,
    OBJECT_POSE,
    TRUE_STATE,
    ContinuousQuat,
    action_of_row,
    action_row,
    pose_row,
    state_row,
)
from collectors.franka import FINGER_OPEN_M, HOME_RAD, JOINT_VELOCITY_LIMIT_RAD_S
from collectors.geometry import Array, Pose, quat_rotate, rotation_angle
from collectors.kinematics import fingertip_position
from collectors.motion import LINEAR, Motion
from collectors.objects import lowest_point_m
from collectors.scene import Scene
from collectors.simulator import Action, Observation, Simulator, SimulatorError, Tick
from collectors.task import Task
from collectors.waypoints import Plan

SETTLE_TICKS: Final = 10  # before row 0, not recorded
MIN_JUDGE_TICKS: Final = 15  # after the last row: the arm is 0.15 rad from HOME there and 0.001 rad 15 ticks later
MAX_JUDGE_TICKS: Final = 60
STILL_M: Final = 1e-4  # an object that moves less in one tick lies still
HOME_REACHED_RAD: Final = 0.01

ATTACH_MAX_XY_M: Final = 0.02  # fingertips to grasp point: what a real grasp could bridge
ATTACH_MAX_Z_M: Final = 0.03
ATTACH_MAX_FINGER_GAP_M: Final = 0.003  # between a finger and the object: the fingers must have closed on it
WELD_DRIFT_TICKS: Final = 2
WELD_MAX_DRIFT_M: Final = 0.002
CLOCK_TOLERANCE_S: Final = 1e-6

_log = logging.getLogger(__name__)


class FrameSink(Protocol):
    """Where frames go: the two verbs of `lerobot_writer.SimLeRobotWriter` that an episode uses."""

    def add_frame(
        self,
        episode_index: int,
        frame_index: int,
        state: ArrayLike,
        action: ArrayLike,
        timestamp: float,
        next_done: bool,
        extra: Mapping[str, ArrayLike] | None = None,
    ) -> None: ...

    def add_video_frame(self, camera: str, rgb: Any) -> None: ...


@dataclass
class EpisodeProgress:
    """Where the episode is; written by the episode, read by whoever shows it. frames: rows that it will have."""

    phase: str = ""
    frame: int = 0
    frames: int = 0


@dataclass(frozen=True)
class EpisodeOutcome:
    """What came of an attempt.

    failure_reason: "" on success; "missed_grasp", "dropped", "off_target", "not_home" or "simulator_error". frames:
    rows recorded. lifted_m: how far the object's lowest point came off the table at most. max_joint_speed_rad_s: the
    peak of any joint, between the ticks too; max_joint_speed_fraction: the same as a fraction of the joint's limit.
    attach_frame, detach_frame: first row with, and first row again without the weld; -1 where that never happened.
    attach_error_m: from fingertips to grasp point at the attach, or where it was refused. waypoint_error_m: planned
    against reached position of the hand at the end of each phase. segment_frames: rows of each phase.
    """

    failure_reason: str
    frames: int
    success_2cm: bool = False
    placement_error_m: float = 0.0
    grasped: bool = False
    lifted_m: float = 0.0
    max_joint_speed_rad_s: float = 0.0
    max_joint_speed_fraction: float = 0.0
    attach_frame: int = -1
    detach_frame: int = -1
    attach_error_m: float = 0.0
    waypoint_error_m: tuple[float, ...] = ()
    segment_frames: tuple[int, ...] = ()

    @property
    def success(self) -> bool:
        return self.failure_reason == ""


@dataclass
class Measured:
    """What the loop of an attempt has seen so far."""

    lifted_m: float = 0.0
    speed_rad_s: float = 0.0
    speed_fraction: float = 0.0
    grasped: bool = False
    attach_frame: int = -1
    detach_frame: int = -1
    attach_error_m: float = 0.0
    waypoint_error_m: list[float] = field(default_factory=list)
    segment_frames: list[int] = field(default_factory=list)

    def see(self, observation: Observation, scene: Scene) -> None:
        height_m = lowest_point_m(scene.kind, observation.object_to_world) - scene.surface_z_m
        self.lifted_m = max(self.lifted_m, height_m)
        peaks = observation.arm_peak_rad_s
        self.speed_rad_s = max(self.speed_rad_s, float(peaks.max()))
        self.speed_fraction = max(self.speed_fraction, float((peaks / JOINT_VELOCITY_LIMIT_RAD_S).max()))

    def outcome(self, failure_reason: str, frames: int, success_2cm: bool, placement_error_m: float) -> EpisodeOutcome:
        return EpisodeOutcome(
            failure_reason=failure_reason,
            frames=frames,
            success_2cm=success_2cm,
            placement_error_m=placement_error_m,
            grasped=self.grasped,
            lifted_m=self.lifted_m,
            max_joint_speed_rad_s=self.speed_rad_s,
            max_joint_speed_fraction=self.speed_fraction,
            attach_frame=self.attach_frame,
            detach_frame=self.detach_frame,
            attach_error_m=self.attach_error_m,
            waypoint_error_m=tuple(self.waypoint_error_m),
            segment_frames=tuple(self.segment_frames),
        )


def run_episode(
    simulator: Simulator,
    task: Task,
    plan: Plan,
    sink: FrameSink,
    *,
    episode_index: int,
    steps_per_segment: int,
    motion: Motion = LINEAR,
    finish_failures: bool = False,
    progress: EpisodeProgress | None = None,
) -> Generator[Tick, None, EpisodeOutcome]:
    """Reset the scene, carry out the plan, record every tick of it, settle and judge.

    Frame k holds what was observed at k * control_period_s, before the command of that tick, and that command.
    episode_index: the dataset's position of this episode. finish_failures: carry a missed grasp through to the end, so
    that it can be kept; else the generator returns at once. Raises SimulatorError, and whatever the sink raises.
    """
    progress = progress or EpisodeProgress()
    try:
        return (
            yield from _episode(
                simulator, task, plan, sink, episode_index, steps_per_segment, motion, finish_failures, progress
            )
        )
    finally:
        simulator.detach()


def _episode(
    simulator: Simulator,
    task: Task,
    plan: Plan,
    sink: FrameSink,
    episode_index: int,
    steps_per_segment: int,
    motion: Motion,
    finish_failures: bool,
    progress: EpisodeProgress,
) -> Generator[Tick, None, EpisodeOutcome]:
    period_s = simulator.control_period_s
    segments = plan.segments(steps_per_segment, period_s, motion)
    total = sum(len(segment.actions) for segment in segments)
    goal = np.asarray(plan.scene.goal_position_m)
    hand_quat, object_quat = ContinuousQuat(), ContinuousQuat()
    measured = Measured()
    weld = WeldWatch()

    simulator.detach()
    simulator.reset(plan.scene)
    progress.phase, progress.frame, progress.frames = "SETTLE", 0, total
    observation = simulator.observe()
    start = Action(np.array(plan.scene.arm_rad), FINGER_OPEN_M)
    delay = CommandDelay(start, plan.scene.plant.delay_ticks)
    sensors = plan.noise.sensors()
    for tick in range(SETTLE_TICKS):
        observation = yield from advance(simulator, observation, start, images=tick == SETTLE_TICKS - 1)

    frame = 0
    for segment, waypoint in zip(segments, plan.waypoints, strict=True):
        progress.phase = segment.phase
        for planned in segment.actions:
            action = action_of_row(action_row(planned))  # what is recorded, in float32, is what is commanded
            last = frame == total - 1
            state = state_row(observation, hand_quat(observation.hand_to_world.quat_wxyz))
            object_row = pose_row(observation.object_to_world, object_quat(observation.object_to_world.quat_wxyz))
            extra = {OBJECT_POSE: object_row, GOAL_POSITION: goal}
            if plan.noise.keeps_truth:
                extra[TRUE_STATE] = state
            sink.add_frame(
                episode_index, frame, sensors.state(state), action_row(action), frame * period_s, last, extra=extra
            )
            for camera, rgb in observation.images.items():
                sink.add_video_frame(camera, sensors.picture(rgb))
            frame += 1
            progress.frame = frame
            observation = yield from advance(simulator, observation, delay(action), images=not last)
            measured.see(observation, plan.scene)
            weld.check(observation, plan.scene)
        reached_m = observation.hand_to_world.position
        measured.waypoint_error_m.append(float(np.linalg.norm(waypoint.hand_to_world.position - reached_m)))
        measured.segment_frames.append(len(segment.actions))
        _log.debug("episode %d %s: hand off by %.4f m", episode_index, segment.phase, measured.waypoint_error_m[-1])
        if segment.then == "attach":
            measured.attach_error_m = float(np.linalg.norm(grasp_error(observation, plan.scene)))
            if may_attach(observation, plan.scene):
                simulator.attach()
                weld.begin(observation)
                measured.grasped, measured.attach_frame = True, frame
            elif not finish_failures:
                return measured.outcome("missed_grasp", frame, False, _placement_error(observation, plan.scene))
        elif segment.then == "detach" and measured.grasped:
            simulator.detach()
            weld.end()
            measured.detach_frame = frame

    progress.phase = "JUDGE"
    observation = yield from come_to_rest(simulator, observation, delay, Action(np.array(HOME_RAD), FINGER_OPEN_M))
    judgement = task.judge(
        plan.scene, observation.object_to_world, observation.arm_rad, measured.grasped, measured.lifted_m
    )
    return measured.outcome(judgement.failure_reason, frame, judgement.success_2cm, judgement.placement_error_m)


def advance(
    simulator: Simulator, before: Observation, action: Action, images: bool
) -> Generator[Tick, None, Observation]:
    """Command, let the host advance by one control period, and observe; raises SimulatorError if time did not pass."""
    simulator.command(action)
    yield Tick(images=images)
    after = simulator.observe(images=images)
    passed_s = after.time_s - before.time_s
    if abs(passed_s - simulator.control_period_s) > CLOCK_TOLERANCE_S:
        raise SimulatorError(
            f"one control period is {simulator.control_period_s:.6f} s, simulated time advanced by {passed_s:.6f} s"
        )
    return after


def come_to_rest(
    simulator: Simulator, observation: Observation, delay: CommandDelay, held: Action
) -> Generator[Tick, None, Observation]:
    """Hold a command until the object lies still and the arm has reached it: MIN_JUDGE_TICKS to MAX_JUDGE_TICKS."""
    for tick in range(MAX_JUDGE_TICKS):
        before = observation.object_to_world.position
        observation = yield from advance(simulator, observation, delay(held), images=False)
        still = float(np.linalg.norm(observation.object_to_world.position - before)) < STILL_M
        reached = float(np.abs(observation.arm_rad - held.arm_rad).max()) < HOME_REACHED_RAD
        if tick + 1 >= MIN_JUDGE_TICKS and still and reached:
            break
    return observation


def grasp_point(scene: Scene, object_to_world: Pose) -> Array:
    """Where the fingertips belong [m], in the world, shape (3,)."""
    above_centre_m = scene.kind.grasp_height_m - scene.kind.size_m[2] / 2
    return object_to_world.position + quat_rotate(object_to_world.quat_wxyz, (0.0, 0.0, above_centre_m))


def grasp_error(observation: Observation, scene: Scene) -> Array:
    """From the grasp point to the fingertips [m], in the world, shape (3,)."""
    return fingertip_position(observation.hand_to_world) - grasp_point(scene, observation.object_to_world)


def may_attach(observation: Observation, scene: Scene) -> bool:
    """Whether a real grasp would hold: the fingertips at the grasp point, the fingers closed on the object."""
    x, y, z = grasp_error(observation, scene)
    gap_m = float(observation.finger_m.max()) - scene.kind.size_m[0] / 2
    return bool(np.hypot(x, y) <= ATTACH_MAX_XY_M and abs(z) <= ATTACH_MAX_Z_M and gap_m <= ATTACH_MAX_FINGER_GAP_M)


def _placement_error(observation: Observation, scene: Scene) -> float:
    return float(np.linalg.norm(observation.object_to_world.position[:2] - scene.goal_xy_m))


class WeldWatch:
    """Sees that the object keeps its place in the hand over the first ticks of a weld."""

    def __init__(self) -> None:
        self._attached: Pose | None = None
        self._left = 0

    def begin(self, observation: Observation) -> None:
        self._attached, self._left = _object_to_hand(observation), WELD_DRIFT_TICKS

    def end(self) -> None:
        self._attached = None

    def check(self, observation: Observation, scene: Scene) -> None:
        if self._attached is None or not self._left:
            return
        self._left -= 1
        now = _object_to_hand(observation)
        # No point of the object moves farther than its centre plus the turn of its farthest corner.
        turned_m = rotation_angle(self._attached.quat_wxyz, now.quat_wxyz) * math.dist(scene.kind.size_m, (0, 0, 0)) / 2
        drift_m = float(np.linalg.norm(now.position - self._attached.position)) + turned_m
        if drift_m > WELD_MAX_DRIFT_M:
            raise SimulatorError(
                f"the welded object moved by {drift_m * 1000:.2f} mm in the hand; "
                f"allowed are {WELD_MAX_DRIFT_M * 1000:.0f} mm"
            )


def _object_to_hand(observation: Observation) -> Pose:
    return observation.hand_to_world.inverse() @ observation.object_to_world
