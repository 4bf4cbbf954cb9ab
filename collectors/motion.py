"""How a segment of motion is carried out: along which way, and how it is spread over time."""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise
from typing import Final, Literal, get_args

import numpy as np

from collectors.franka import FINGER_VELOCITY_LIMIT_M_S, JOINT_VELOCITY_LIMIT_RAD_S, SERVO_LAG_S
from collectors.geometry import Array, Pose, quat_conjugate, quat_multiply, quat_slerp, rotation_vector
from collectors.kinematics import clip_to_limits, hand_jacobian, hand_pose
from collectors.simulator import Action

Interpolation = Literal["linear", "min-jerk"]
Approach = Literal["joint", "cartesian"]
INTERPOLATIONS: Final[tuple[Interpolation, ...]] = get_args(Interpolation)
APPROACHES: Final[tuple[Approach, ...]] = get_args(Approach)

# Of a joint's velocity limit, at its peak between two control instants.
MAX_SPEED_FRACTION: Final = 0.95

# Peak over mean speed of the minimum-jerk law. Flash, Hogan: "The coordination of arm movements", 1985.
MIN_JERK_PEAK: Final = 15 / 8

# Of a straight way of the hand: it is cut in halves until the hand leaves the line by less than this [m] between two
# knots. A stretched arm needs many.
_STRAIGHT_M: Final = 1e-4
_LEAST_KNOTS: Final = 9
_MOST_KNOTS: Final = 257
_NEWTON_STEPS: Final = 20
_REACHED: Final = 1e-9  # m and rad


@dataclass(frozen=True, eq=False)
class Way:
    """knots: joints [rad], shape (K, 7), at even parts of the way, its ends included. fingers_m: targets at its
    ends."""

    knots: Array
    fingers_m: tuple[float, float]

    def at(self, left: float) -> Action:
        """Where `left` of the way, 1 to 0, is still to go; the end is met to the bit."""
        finger_m = self.fingers_m[1] - left * (self.fingers_m[1] - self.fingers_m[0])
        if len(self.knots) == 2:
            return Action(self.knots[1] - left * (self.knots[1] - self.knots[0]), finger_m)
        place = (1 - left) * (len(self.knots) - 1)
        before = min(int(place), len(self.knots) - 2)
        rest = before + 1 - place
        return Action(self.knots[before + 1] - rest * (self.knots[before + 1] - self.knots[before]), finger_m)


@dataclass(frozen=True)
class Motion:
    """interpolation: "linear", at even speed, or "min-jerk", smooth at both ends. approach: where the way leads to the
    object or away from it, the hand moves in a straight line of "joint" space, or straight in the world."""

    interpolation: Interpolation = "linear"
    approach: Approach = "joint"

    def way(self, start: Action, end: Action, straight: bool) -> Way:
        """straight: whether `approach` applies."""
        knots = np.stack([start.arm_rad, end.arm_rad])
        if straight and self.approach == "cartesian":
            found = _straight_knots(start.arm_rad, end.arm_rad)
            knots = found if found is not None else knots
        return Way(knots, (start.finger_m, end.finger_m))

    def least_steps(self, way: Way, period_s: float, lag_s: float = SERVO_LAG_S) -> int:
        """Control periods (1 or more) in which no joint and no finger gets too fast. lag_s: of the servos.

        Joints stay within MAX_SPEED_FRACTION of their limits at the peak that `peak_factor` foretells.
        """
        law = MIN_JERK_PEAK if self.interpolation == "min-jerk" else 1.0
        allowed_rad = (
            MAX_SPEED_FRACTION / peak_factor(period_s, lag_s) * period_s * np.asarray(JOINT_VELOCITY_LIMIT_RAD_S)
        )
        fastest = np.abs(np.diff(way.knots, axis=0)).max(axis=0) * (len(way.knots) - 1)
        arm_periods = law * float(np.max(fastest / allowed_rad))
        fingers_m = abs(way.fingers_m[1] - way.fingers_m[0])
        finger_periods = law * fingers_m / (FINGER_VELOCITY_LIMIT_M_S * period_s)
        periods = max(arm_periods, finger_periods)
        return max(1, math.ceil(periods - 1e-9))  # a move of exactly n periods takes n, whatever the rounding

    def actions(self, way: Way, steps: int) -> tuple[Action, ...]:
        """`steps` actions along the way; number k, from 0, is where it is to be after (k + 1) / steps of the time.

        The start is not among them; the last one equals the end to the bit.
        """
        if steps < 1:
            raise ValueError(f"a segment needs at least 1 step, got {steps}")
        return tuple(way.at(self._left((steps - 1 - step) / steps)) for step in range(steps))

    def _left(self, time_left: float) -> float:
        """The part of the way that is left with that part of the time left."""
        if self.interpolation == "linear":
            return time_left
        t = time_left  # the law is symmetric
        return t**3 * (10 - 15 * t + 6 * t * t)


LINEAR: Final = Motion()


def peak_factor(period_s: float, lag_s: float = SERVO_LAG_S) -> float:
    """How much faster a joint is at its peak than the ramp of targets that it follows.

    A target that is held for a whole period is run after at a speed that falls off with `lag_s`; over a period it
    averages to the ramp's. Measured on the embedded simulator the factor is within 4 % of this: 1.16 at 30 Hz, where
    this says 1.18.
    """
    lags = period_s / lag_s
    return lags / -math.expm1(-lags)


def _straight_knots(start_rad: Array, end_rad: Array) -> Array | None:
    """Joints [rad], shape (K, 7), along which the hand moves and turns evenly from one pose to the other, near the
    straight line in joint space; None where the arm cannot."""
    first, last = hand_pose(start_rad), hand_pose(end_rad)
    knots = [np.asarray(start_rad), np.asarray(end_rad)]
    off_m = math.inf
    while len(knots) < _LEAST_KNOTS or (off_m > _STRAIGHT_M and len(knots) < _MOST_KNOTS):
        off_m, finer = 0.0, knots[:1]
        for number, (before, after) in enumerate(pairwise(knots)):
            part, middle = (number + 0.5) / (len(knots) - 1), (before + after) / 2
            wanted = Pose(
                first.position + part * (last.position - first.position),
                quat_slerp(first.quat_wxyz, last.quat_wxyz, part),
            )
            found = _solve_near(middle, wanted)
            if found is None:
                return None
            off_m = max(off_m, float(np.linalg.norm(hand_pose(middle).position - wanted.position)))
            finer += [found, after]
        knots = finer
    return np.stack(knots)


def _solve_near(arm_rad: Array, wanted: Pose) -> Array | None:
    """Newton's method; of all solutions the one near `arm_rad`, by least-norm steps."""
    arm = np.array(arm_rad)
    for _ in range(_NEWTON_STEPS):
        now = hand_pose(arm)
        turn = rotation_vector(quat_multiply(wanted.quat_wxyz, quat_conjugate(now.quat_wxyz)))
        error = np.concatenate([wanted.position - now.position, turn])
        if float(np.abs(error).max()) < _REACHED:
            return arm if np.array_equal(arm, clip_to_limits(arm)) else None
        arm = arm + np.linalg.pinv(hand_jacobian(arm)) @ error
    return None
