"""Time, reset, servos and fingers, through the seam alone."""

from __future__ import annotations

import math
from typing import Final

import numpy as np

from collectors.episode import CLOCK_TOLERANCE_S
from collectors.franka import FINGER_CLOSED_M, FINGER_OPEN_M, HOME_RAD, SERVO_LAG_S
from collectors.geometry import Array, Pose, quat_about_axis, rotation_angle
from collectors.kinematics import hand_pose
from collectors.objects import ObjectKind
from collectors.simulator import Action, Observation, Tick
from sim_service.doctor.check import CheckFailed, Found, NotRun
from sim_service.doctor.patient import Patient
from sim_service.doctor.scenes import arm_hovering, standing

CLOCK_TICKS: Final = 60
_PICTURE_EVERY_TICKS: Final = 10

GRAVITY_M_S2: Final = 9.81
GRAVITY_TOLERANCE: Final = 0.02
_FALL_S: Final = 0.2
_LONGEST_FALL_S: Final = 0.5  # a faster object may pass through the table

PUT_TOLERANCE: Final = 1e-4  # rad, m, rad/s: simulators may count in float32
STAYS_TOLERANCE_RAD: Final = 2e-3
STAYS_TOLERANCE_M: Final = 1e-3

HAND_TOLERANCE_M: Final = 1e-3
HAND_TOLERANCE_RAD: Final = math.radians(0.2)

LAG_RANGE_S: Final = (0.7 * SERVO_LAG_S, 1.3 * SERVO_LAG_S)
REACH_TOLERANCE_RAD: Final = 5e-3
_RAMP_RAD_S: Final = 0.3
_RAMP_S: Final = 1.0

FINGER_TOLERANCE_M: Final = 1e-3

# Away from HOME in every joint, in both directions, clear of the table.
_FAR_RAD: Final[Array] = np.array(HOME_RAD) + (0.4, 0.2, -0.3, 0.25, 0.4, -0.3, 0.5)
_NEAR_RAD: Final[Array] = np.array(HOME_RAD) + (-0.3, -0.1, 0.2, 0.1, -0.3, 0.4, -0.4)


def layout(patient: Patient) -> Found:
    for kind in patient.objects:
        patient.reset(standing(kind))
        patient.observe()
    names = ", ".join(kind.name for kind in patient.objects)
    return Found(f"{names}; cameras {', '.join(camera.name for camera in patient.cameras)}")


def clock(patient: Patient) -> Found:
    patient.reset(standing(patient.objects[0]))
    before_s = patient.observe().time_s
    for tick in range(1, CLOCK_TICKS + 1):
        patient.advance(Tick(images=tick % _PICTURE_EVERY_TICKS == 0))
        now_s = patient.observe().time_s
        if abs(now_s - before_s - patient.control_period_s) > CLOCK_TOLERANCE_S:
            raise CheckFailed(f"tick {tick} advanced simulated time by {(now_s - before_s) * 1000:.3f} ms")
        before_s = now_s
    return Found(f"{CLOCK_TICKS} ticks of {patient.control_period_s * 1000:.3f} ms")


def gravity(patient: Patient) -> Found:
    """A falling object is a clock of its own: by the second difference of its height, which every integrator with a
    fixed step gets right."""
    kind, period_s = patient.objects[0], patient.control_period_s
    ticks = max(4, patient.ticks(_FALL_S))
    if ticks * period_s > _LONGEST_FALL_S:
        raise NotRun(f"control periods of {period_s * 1000:.0f} ms are too long to watch a fall")
    resting = standing(kind, (0.6, 0.2))
    height_m = 0.1 + GRAVITY_M_S2 * (ticks * period_s) ** 2 / 2
    up = Pose(resting.object_pose.position + (0.0, 0.0, height_m), resting.object_pose.quat_wxyz)
    patient.reset(standing(kind, object_pose=up))
    heights_m = []
    for _ in range(ticks):
        patient.advance(Tick(images=False))
        heights_m.append(float(patient.observe().object_to_world.position[2]))
    measured = -float(np.diff(heights_m, 2).mean()) / period_s**2
    text = f"{measured:.3f} m/s^2 over {ticks} ticks"
    if abs(measured - GRAVITY_M_S2) > GRAVITY_TOLERANCE * GRAVITY_M_S2:
        raise CheckFailed(text)
    fallen = patient.wait(1.0).object_to_world
    missed_m = float(fallen.position[2] - resting.object_pose.position[2])
    if abs(missed_m) > 0.1:  # where it comes to rest on the table depends on how it bounces
        raise CheckFailed(f"{text}, and then the object is {missed_m:.3f} m above where the table should stop it")
    return Found(text)


def reset(patient: Patient) -> Found:
    kind = patient.objects[-1]
    _disturb(patient, patient.objects[0])
    yaw = quat_about_axis((0, 0, 1), 0.4)
    wanted = standing(kind, (0.6, -0.1))
    wanted = standing(kind, object_pose=Pose(wanted.object_pose.position, yaw), arm_rad=tuple(_NEAR_RAD.tolist()))
    patient.reset(wanted)
    seen = patient.observe()
    off = {
        "time [s]": abs(seen.time_s),
        "arm [rad]": _worst(seen.arm_rad - wanted.arm_rad),
        "arm velocity [rad/s]": _worst(seen.arm_rad_s),
        "fingers [m]": _worst(seen.finger_m - FINGER_OPEN_M),
        "object [m]": _worst(seen.object_to_world.position - wanted.object_pose.position),
        "object [rad]": rotation_angle(seen.object_to_world.quat_wxyz, yaw),
    }
    wrong = [f"{name} off by {error:.2g}" for name, error in off.items() if not error <= PUT_TOLERANCE]
    if wrong:
        raise CheckFailed(", ".join(wrong))
    return Found(f"everything within {max(off.values()):.1e}")


def stays(patient: Patient) -> Found:
    """After a reset in the midst of a motion."""
    kind = patient.objects[0]
    _disturb(patient, kind)
    wanted = standing(kind)
    patient.reset(wanted)
    seen = patient.wait(1.0)
    arm_rad = _worst(seen.arm_rad - wanted.arm_rad)
    object_m = _worst(seen.object_to_world.position - wanted.object_pose.position)
    text = f"after 1 s the arm is off by {arm_rad * 1000:.2f} mrad, the object by {object_m * 1000:.2f} mm"
    if not (arm_rad <= STAYS_TOLERANCE_RAD and object_m <= STAYS_TOLERANCE_M):
        raise CheckFailed(text)
    return Found(text)


def hand(patient: Patient) -> Found:
    """Where the arm has come to rest."""
    kind = patient.objects[0]
    patient.reset(standing(kind, (0.6, -0.25)))
    seen = [patient.move(arm, FINGER_OPEN_M, 0.8) for arm in (_FAR_RAD, arm_hovering(), _NEAR_RAD)]
    return _hand_found(seen, f"at {len(seen)} poses")


def moving_hand(patient: Patient) -> Found:
    patient.reset(standing(patient.objects[0], (0.6, -0.25)))
    seen: list[Observation] = []
    patient.move(_FAR_RAD, FINGER_OPEN_M, 0.8, seen.append)
    return _hand_found(seen, f"in {len(seen)} ticks, at up to {max(_worst(o.arm_rad_s) for o in seen):.1f} rad/s")


def servos(patient: Patient) -> Found:
    """The lag is measured behind a ramp. With targets held for a whole period T, a first-order lag of time constant t
    stays v T / (exp(T / t) - 1) behind a target of speed v at the end of each period."""
    patient.reset(standing(patient.objects[0], (0.6, -0.25)))
    start, period_s, ticks = patient.observe().arm_rad, patient.control_period_s, patient.ticks(_RAMP_S)
    speeds = _RAMP_RAD_S * np.sign(_FAR_RAD - np.array(HOME_RAD))
    behind = []
    target = start
    for tick in range(ticks):
        target = start + (tick + 1) * period_s * speeds
        patient.command(Action(target, FINGER_OPEN_M))
        patient.advance(Tick(images=False))
        behind.append(np.abs(target - patient.observe().arm_rad))
    behind_rad = np.maximum(np.mean(behind[ticks // 2 :], axis=0), 1e-9)
    lags_s = period_s / np.log1p(_RAMP_RAD_S * period_s / behind_rad)
    missed_rad = _worst(patient.wait(1.0).arm_rad - target)
    text = (
        f"they lag by {lags_s.min() * 1000:.0f} to {lags_s.max() * 1000:.0f} ms and come within "
        f"{missed_rad * 1000:.2f} mrad of the target"
    )
    if lags_s.min() < LAG_RANGE_S[0] or lags_s.max() > LAG_RANGE_S[1] or not missed_rad <= REACH_TOLERANCE_RAD:
        raise CheckFailed(f"{text}; of the joints {', '.join(f'{lag * 1000:.0f}' for lag in lags_s)} ms")
    return Found(text)


def fingers(patient: Patient) -> Found:
    kind = patient.objects[0]
    patient.reset(standing(kind, (0.6, -0.25), arm_rad=tuple(arm_hovering().tolist())))
    arm_rad = patient.observe().arm_rad
    closed_m = patient.move(arm_rad, FINGER_CLOSED_M, 1.2).finger_m
    opened_m = patient.move(arm_rad, FINGER_OPEN_M, 1.2).finger_m
    text = f"closed at {_mm(closed_m)}, open at {_mm(opened_m)} mm"
    errors = (_worst(closed_m - FINGER_CLOSED_M), _worst(opened_m - FINGER_OPEN_M))
    if not max(errors) <= FINGER_TOLERANCE_M:
        raise CheckFailed(text)
    return Found(text)


def _disturb(patient: Patient, kind: ObjectKind) -> None:
    """Another scene, left while the arm and the fingers move."""
    patient.reset(standing(kind, (0.45, -0.25)))
    patient.command(Action(_FAR_RAD, FINGER_CLOSED_M))
    patient.wait(0.2)


def _hand_found(seen: list[Observation], where: str) -> Found:
    expected = [hand_pose(observation.arm_rad) for observation in seen]
    off_m = max(
        float(np.linalg.norm(o.hand_to_world.position - pose.position)) for o, pose in zip(seen, expected, strict=True)
    )
    off_rad = max(
        rotation_angle(o.hand_to_world.quat_wxyz, pose.quat_wxyz) for o, pose in zip(seen, expected, strict=True)
    )
    text = f"off by {off_m * 1000:.3f} mm and {math.degrees(off_rad):.3f} degrees {where}"
    if not (off_m < HAND_TOLERANCE_M and off_rad < HAND_TOLERANCE_RAD):
        raise CheckFailed(text)
    return Found(text)


def _worst(values: Array) -> float:
    return float(np.abs(values).max())


def _mm(positions_m: Array) -> str:
    return " and ".join(f"{position * 1000:.2f}" for position in positions_m)
