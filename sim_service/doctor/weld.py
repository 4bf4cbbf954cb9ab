"""The grasp: fingers that meet the object, the weld that carries it, the release."""

from __future__ import annotations

import math
from typing import Final

import numpy as np

from collectors.episode import ATTACH_MAX_FINGER_GAP_M, WELD_MAX_DRIFT_M
from collectors.franka import FINGER_CLOSED_M, FINGER_OPEN_M
from collectors.geometry import Pose, rotation_angle
from collectors.objects import ObjectKind
from collectors.simulator import Observation
from sim_service.doctor.check import CheckFailed, Found
from sim_service.doctor.patient import Patient
from sim_service.doctor.scenes import arm_above, grasping, standing

LIFT_M: Final = 0.1
LIFT_TOLERANCE_M: Final = 0.005
MAX_TURN_RAD: Final = math.radians(2)
STAYS_TOLERANCE_M: Final = 0.005
STAYS_TOLERANCE_RAD: Final = math.radians(5)
_CLOSE_S: Final = 0.8


def grip(patient: Patient, kind: ObjectKind) -> Found:
    """Without a weld."""
    seen = _gripped(patient, kind)
    half_m = kind.size_m[0] / 2
    off_m = [float(finger - half_m) for finger in seen.finger_m]
    moved_m = float(np.linalg.norm(seen.object_to_world.position - standing(kind).object_pose.position))
    text = (
        f"fingers at {' and '.join(f'{finger * 1000:.2f}' for finger in seen.finger_m)} mm, the object's half width is "
        f"{half_m * 1000:.2f} mm; the object moved by {moved_m * 1000:.2f} mm"
    )
    if not (max(map(abs, off_m)) <= ATTACH_MAX_FINGER_GAP_M and moved_m <= STAYS_TOLERANCE_M):
        raise CheckFailed(text)
    return Found(text)


def weld(patient: Patient, kind: ObjectKind) -> Found:
    attached = _gripped(patient, kind)
    patient.attach()
    seen: list[Observation] = []
    end = patient.move(arm_above(kind, LIFT_M), FINGER_CLOSED_M, 1.0, seen.append)
    before = _in_hand(attached)
    drift_m = max(float(np.linalg.norm(_in_hand(o).position - before.position)) for o in seen)
    turn_rad = max(rotation_angle(_in_hand(o).quat_wxyz, before.quat_wxyz) for o in seen)
    lifted_m = float(end.object_to_world.position[2] - attached.object_to_world.position[2])
    text = (
        f"the object moved by {drift_m * 1000:.2f} mm and {math.degrees(turn_rad):.2f} degrees in the hand and was "
        f"lifted by {lifted_m * 1000:.1f} mm"
    )
    holds = drift_m < WELD_MAX_DRIFT_M and turn_rad < MAX_TURN_RAD
    if not (holds and abs(lifted_m - LIFT_M) < LIFT_TOLERANCE_M):
        raise CheckFailed(text)
    return Found(text)


def release(patient: Patient, kind: ObjectKind) -> Found:
    _gripped(patient, kind)
    patient.attach()
    patient.move(arm_above(kind, 0.0), FINGER_OPEN_M, 0.8)
    patient.detach()
    patient.move(arm_above(kind, LIFT_M), FINGER_OPEN_M, 1.0)
    return _left_alone(patient, kind, "after the hand went up by 10 cm")


def reset_of_weld(patient: Patient) -> Found:
    """Of an object that the hand holds."""
    kind = patient.objects[0]
    _gripped(patient, kind)
    patient.attach()
    patient.reset(standing(kind))
    arm_rad = patient.observe().arm_rad
    patient.move(arm_rad + (0.4, 0, 0, 0, 0, 0, 0), FINGER_OPEN_M, 0.6)
    return _left_alone(patient, kind, "after a reset and a motion")


def _gripped(patient: Patient, kind: ObjectKind) -> Observation:
    patient.reset(grasping(kind))
    return patient.move(arm_above(kind, 0.0), FINGER_CLOSED_M, _CLOSE_S)


def _left_alone(patient: Patient, kind: ObjectKind, when: str) -> Found:
    end, resting = patient.observe().object_to_world, standing(kind).object_pose
    moved_m = float(np.linalg.norm(end.position - resting.position))
    turn_rad = rotation_angle(end.quat_wxyz, resting.quat_wxyz)
    text = f"{when} the object is {moved_m * 1000:.2f} mm and {math.degrees(turn_rad):.2f} degrees from where it stood"
    if not (moved_m < STAYS_TOLERANCE_M and turn_rad < STAYS_TOLERANCE_RAD):
        raise CheckFailed(text)
    return Found(text)


def _in_hand(observation: Observation) -> Pose:
    return observation.hand_to_world.inverse() @ observation.object_to_world
