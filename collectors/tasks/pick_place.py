"""Pick the object up and place it on the green circle: layout, instruction, waypoints, success."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar, Final, Literal

import numpy as np

from collectors.clearance import finger_clearance_m
from collectors.distractors import lay_out_distractors
from collectors.forearm import forearm_balls, forearm_clearance_m
from collectors.franka import FINGER_CLOSED_M, FINGER_OPEN_M, HOME_RAD, NUM_ARM_JOINTS
from collectors.geometry import Array, Pose, matrix_from_quat, quat_about_axis
from collectors.kinematics import (
    clip_to_limits,
    fingertip_position,
    hand_pose,
    least_tilt,
    solve_planar,
    wrist_yaw_along,
)
from collectors.objects import PALETTE, ObjectKind, lowest_point_m
from collectors.scene import TABLE_SURFACE_Z_M, Scene
from collectors.variation import Variation
from collectors.waypoints import Plan, UnreachableError, Waypoint

AREA_X_M: Final = (0.3, 0.7)
AREA_Y_M: Final = (-0.3, 0.3)
MIN_CARRY_M: Final = 0.1  # from pick to place, in the plane
LIFT_M: Final = 0.10  # of the free-space waypoints above the contact waypoints
RELEASE_HEIGHT_M: Final = 0.002  # the object drops this far onto the table
# The noise of a waypoint 10 cm above the object can lead a finger onto it: measured, 3 of 200 cubes were knocked, the
# three with less than 0 mm here. The servos add a millimetre or two to the planned way.
MIN_FINGER_CLEARANCE_M: Final = 0.005
MIN_FOREARM_CLEARANCE_M: Final = 0.006  # over a table of nominal height it is 7.5 mm and more wherever the arm reaches
MAX_RESAMPLES: Final = 100
MAX_TILT_RAD: Final = math.radians(20)

# Tall objects: HOME's fingertips hang at half their height and have to rise above them on the way, and a leaning hand
# would strike them. Least distance in the plane from HOME's fingertips to pick and place, by the object's height.
TALL_CLEARANCE_M: Final = 0.2
TALLEST_CLEARANCE_M: Final = 0.26
TALLEST_HEIGHT_M: Final = 0.15
TALL_FINGER_CLEARANCE_M: Final = 0.001  # on the way down, which bulges in the arm plane; their ways have no noise
TALL_MAX_TILT_RAD: Final = math.radians(5)

GOAL_TOLERANCE_M: Final = 0.05
STRICT_GOAL_TOLERANCE_M: Final = 0.02
RESTING_TOLERANCE_M: Final = 0.005
UPRIGHT_TOLERANCE_RAD: Final = math.radians(15)
HOME_TOLERANCE_RAD: Final = 0.05
MIN_LIFT_M: Final = 0.02

# Fingertips that start less than this above the object's top, which a table higher than nominal or a lower start may
# bring about, would strike it on their way; so it stands aside.
LOW_TIPS_M: Final = 0.02
LOW_TIPS_CLEARANCE_M: Final = 0.12

_XY = tuple[float, float]
FailureReason = Literal["", "missed_grasp", "dropped", "off_target", "not_home"]


@dataclass(frozen=True)
class Judgement:
    """What came of an episode.

    failure_reason: "" on success, else the first that holds: "missed_grasp", the object was never attached; "dropped",
    it came off the table by less than MIN_LIFT_M, or does not stand upright on it at the end; "off_target", it stands
    farther than GOAL_TOLERANCE_M from the goal; "not_home", the arm did not return. placement_error_m: from the
    object's centre to the goal's, in the plane. success_2cm: success with at most 2 cm of placement error.
    """

    failure_reason: FailureReason
    placement_error_m: float

    @property
    def success(self) -> bool:
        return self.failure_reason == ""

    @property
    def success_2cm(self) -> bool:
        return self.success and self.placement_error_m <= STRICT_GOAL_TOLERANCE_M


@dataclass(frozen=True, eq=False)
class _Cell:
    """What a layout has to fit: the object, the table's height, and where the fingertips are at the start [m]."""

    kind: ObjectKind
    surface_z_m: float
    tips_m: Array

    @property
    def clearance_m(self) -> float:
        """Least distance in the plane from pick and place to the fingertips at the start."""
        if self.kind.is_tall:
            return TALLEST_CLEARANCE_M if self.kind.size_m[2] > TALLEST_HEIGHT_M else TALL_CLEARANCE_M
        hangs_low = self.tips_m[2] < self.surface_z_m + self.kind.size_m[2] + LOW_TIPS_M
        return LOW_TIPS_CLEARANCE_M if hangs_low else 0.0


@dataclass(frozen=True, eq=False)
class _Poses:
    """The four arm positions [rad], shape (7,), that the waypoints are made of, before noise."""

    at_pick: Array
    above_pick: Array
    at_place: Array
    above_place: Array
    tilt_rad: float
    wrist_yaw_rad: float


@dataclass(frozen=True)
class PickPlace:
    """objects: one of them is drawn per episode. waypoint_noise_rad: bound of the uniform noise on each joint of the
    free-space waypoints; tall objects get none."""

    objects: tuple[ObjectKind, ...]
    waypoint_noise_rad: float = 0.05
    name: ClassVar[str] = "pick_place"

    def draw(self, rng: np.random.Generator, variation: Variation) -> Plan:
        """The plan of one episode, a function of the generator's state and of the variation alone.

        Order of the draws: the object; where it has no colour of its own, the colour and its jitter; the object's yaw;
        picks until one is reachable; places until one is MIN_CARRY_M away from the pick and reachable with it; the
        noise, until the open fingers pass the object by MIN_FINGER_CLEARANCE_M. What a variation draws comes from
        generators of its own. Raises UnreachableError after MAX_RESAMPLES unreachable picks and places.
        """
        kind = variation.kind(self.objects[int(rng.integers(len(self.objects)))])
        colour, rgb = _draw_colour(rng, kind, variation.randomization.colour_jitter)
        yaw = float(rng.uniform(0.0, kind.yaw_period_rad))
        cell = _Cell(kind, TABLE_SURFACE_Z_M + variation.table.height_m, _tips_m(variation.start_arm_rad))
        pick, place, poses, resampled = _draw_layout(rng, cell, yaw)
        noise = _draw_noise(rng, cell, 0.0 if kind.is_tall else self.waypoint_noise_rad, poses, pick, place)
        tips_xy_m = (float(cell.tips_m[0]), float(cell.tips_m[1]))
        balls = np.concatenate([forearm_balls(arm) for arm in (poses.at_pick, poses.at_place)])
        scene = Scene(
            kind,
            _standing(cell, pick, yaw),
            rgb,
            place,
            arm_rad=variation.start_arm_rad,
            friction=variation.friction,
            distractors=lay_out_distractors(variation, cell.surface_z_m, (pick, place, tips_xy_m), balls, colour, rgb),
            table=variation.table,
            light=variation.light,
            cameras=variation.cameras,
            plant=variation.plant,
        )
        return Plan(
            scene=scene,
            task=f"Pick up the {f'{colour} {kind.label}'.lstrip()} and place it on the green circle.",
            waypoints=_waypoints(poses, noise),
            colour=colour,
            object_yaw_rad=yaw,
            tilt_rad=poses.tilt_rad,
            wrist_yaw_rad=poses.wrist_yaw_rad,
            resampled=resampled,
            speed=variation.speed,
            noise=variation.noise,
        )

    def judge(self, scene: Scene, object_to_world: Pose, arm_rad: Array, grasped: bool, lifted_m: float) -> Judgement:
        """See `Task.judge`."""
        error_m = math.dist(object_to_world.position[:2], scene.goal_xy_m)
        resting = abs(lowest_point_m(scene.kind, object_to_world) - scene.surface_z_m) <= RESTING_TOLERANCE_M
        rise = float(matrix_from_quat(object_to_world.quat_wxyz)[2, 2])  # of the object's z axis
        upright = rise >= math.cos(UPRIGHT_TOLERANCE_RAD)
        reason: FailureReason = ""
        if not grasped:
            reason = "missed_grasp"
        elif lifted_m < MIN_LIFT_M or not (resting and upright):
            reason = "dropped"
        elif error_m > GOAL_TOLERANCE_M:
            reason = "off_target"
        elif np.abs(arm_rad - np.asarray(HOME_RAD)).max() > HOME_TOLERANCE_RAD:
            reason = "not_home"
        return Judgement(reason, error_m)


def _tips_m(arm_rad: tuple[float, ...]) -> Array:
    return fingertip_position(hand_pose(arm_rad))


def _draw_colour(rng: np.random.Generator, kind: ObjectKind, jitter: float) -> tuple[str, tuple[float, float, float]]:
    if kind.rgb is not None:
        return "", kind.rgb
    name = list(PALETTE)[int(rng.integers(len(PALETTE)))]
    jittered = np.asarray(PALETTE[name]) + rng.uniform(-jitter, jitter, size=3)
    r, g, b = np.clip(jittered, 0.0, 1.0)
    return name, (float(r), float(g), float(b))


def _draw_layout(rng: np.random.Generator, cell: _Cell, yaw_rad: float) -> tuple[_XY, _XY, _Poses, int]:
    """Pick and place [m], the arm's poses there, and how many unreachable spots were passed over."""
    pick: _XY | None = None
    resampled = 0
    while resampled <= MAX_RESAMPLES:
        spot = float(rng.uniform(*AREA_X_M)), float(rng.uniform(*AREA_Y_M))
        if pick is not None and math.dist(pick, spot) < MIN_CARRY_M:
            continue
        poses = _solve(cell, yaw_rad, pick or spot, spot)
        if poses is None:
            resampled += 1
        elif pick is None:
            pick = spot
        else:
            return pick, spot, poses, resampled
    raise UnreachableError(f"no reachable pick and place for the {cell.kind.label}", MAX_RESAMPLES)


def _solve(cell: _Cell, yaw_rad: float, pick_xy_m: _XY, place_xy_m: _XY) -> _Poses | None:
    """The arm at the pick, at the place and above both; None when one of them cannot be served."""
    kind = cell.kind
    if min(math.dist(pick_xy_m, cell.tips_m[:2]), math.dist(place_xy_m, cell.tips_m[:2])) < cell.clearance_m:
        return None
    grasp_z = cell.surface_z_m + kind.grasp_height_m
    pick = np.array([*pick_xy_m, grasp_z])
    place = np.array([*place_xy_m, grasp_z + RELEASE_HEIGHT_M])
    lift = np.array([0.0, 0.0, LIFT_M])
    pick_tilt, place_tilt, above_pick_tilt, above_place_tilt = map(least_tilt, (pick, place, pick + lift, place + lift))
    if pick_tilt is None or place_tilt is None or above_pick_tilt is None or above_place_tilt is None:
        return None
    tilt = max(pick_tilt, place_tilt)  # one for both, so that the object is set down as upright as it was taken
    above_pick_tilt, above_place_tilt = max(tilt, above_pick_tilt), max(tilt, above_place_tilt)
    if max(above_pick_tilt, above_place_tilt) > (TALL_MAX_TILT_RAD if kind.is_tall else MAX_TILT_RAD):
        return None
    # Any yaw suits a round object. The way down bulges by up to 1 cm in the arm plane: let the fingers close across it.
    is_round = kind.shape == "cylinder"
    wrist_yaw = 0.0 if is_round else wrist_yaw_along(yaw_rad, kind.yaw_period_rad, pick, tilt)
    at_pick = solve_planar(pick, wrist_yaw, tilt)
    above_pick = solve_planar(pick + lift, wrist_yaw, above_pick_tilt)
    at_place = solve_planar(place, wrist_yaw, tilt)
    above_place = solve_planar(place + lift, wrist_yaw, above_place_tilt)
    if at_pick is None or above_pick is None or at_place is None or above_place is None:
        return None
    if min(forearm_clearance_m(arm, cell.surface_z_m) for arm in (at_pick, at_place)) < MIN_FOREARM_CLEARANCE_M:
        return None
    if kind.is_tall:
        ways = ((above_pick, at_pick, pick_xy_m), (above_place, at_place, place_xy_m))
        least_m = min(finger_clearance_m(above, at, kind, xy_m, cell.surface_z_m) for above, at, xy_m in ways)
        if least_m < TALL_FINGER_CLEARANCE_M:
            return None
    return _Poses(at_pick, above_pick, at_place, above_place, tilt, wrist_yaw)


def _draw_noise(
    rng: np.random.Generator, cell: _Cell, bound_rad: float, poses: _Poses, pick_xy_m: _XY, place_xy_m: _XY
) -> Array:
    """Noise [rad] on the free-space waypoints, shape (4, 7), with which the fingers do not push the object.

    Where `bound_rad` is 0 there is nothing to draw again: `_solve` has seen to the way.
    """
    for _ in range(MAX_RESAMPLES):
        noise = rng.uniform(-bound_rad, bound_rad, size=(4, NUM_ARM_JOINTS))
        down = clip_to_limits(poses.above_pick + noise[0])
        up = clip_to_limits(poses.above_place + noise[3])
        clearance_m = min(
            finger_clearance_m(down, poses.at_pick, cell.kind, pick_xy_m, cell.surface_z_m),
            finger_clearance_m(up, poses.at_place, cell.kind, place_xy_m, cell.surface_z_m),
        )
        if bound_rad == 0 or clearance_m >= MIN_FINGER_CLEARANCE_M:
            return noise
    raise UnreachableError(
        f"no noise of {bound_rad} rad that keeps the fingers off the {cell.kind.label}", MAX_RESAMPLES
    )


def _waypoints(poses: _Poses, noise: Array) -> tuple[Waypoint, ...]:
    """noise: [rad], shape (4, 7), one row for each free-space waypoint in its order."""
    return (
        Waypoint("APPROACH_PICK", clip_to_limits(poses.above_pick + noise[0]), FINGER_OPEN_M),
        Waypoint("DOWN_PICK", poses.at_pick, FINGER_OPEN_M, straight=True),
        Waypoint("CLOSE_GRIPPER", poses.at_pick, FINGER_CLOSED_M, then="attach"),
        Waypoint("LIFT", clip_to_limits(poses.above_pick + noise[1]), FINGER_CLOSED_M, straight=True),
        Waypoint("MOVE_TO_PLACE", clip_to_limits(poses.above_place + noise[2]), FINGER_CLOSED_M),
        Waypoint("DOWN_PLACE", poses.at_place, FINGER_CLOSED_M, straight=True),
        Waypoint("OPEN_GRIPPER", poses.at_place, FINGER_OPEN_M, then="detach"),
        Waypoint("RETRACT", clip_to_limits(poses.above_place + noise[3]), FINGER_OPEN_M, straight=True),
        Waypoint("HOME", np.array(HOME_RAD), FINGER_OPEN_M),
    )


def _standing(cell: _Cell, xy_m: _XY, yaw_rad: float) -> Pose:
    return Pose((*xy_m, cell.surface_z_m + cell.kind.size_m[2] / 2), quat_about_axis((0, 0, 1), yaw_rad))
