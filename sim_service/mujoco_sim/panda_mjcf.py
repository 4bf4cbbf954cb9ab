"""The Panda as MJCF: kinematics and limits of collectors.franka, published inertias, servo gains, collision shapes."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise
from typing import Final
from xml.etree.ElementTree import Element

from collectors.franka import (
    ARM_STIFFNESS_NM_RAD,
    DH_CRAIG,
    FINGER_CLOSED_M,
    FINGER_OPEN_M,
    FINGER_STIFFNESS_N_M,
    FLANGE_OFFSET_M,
    HAND_YAW_ON_FLANGE_RAD,
    JOINT_LOWER_RAD,
    JOINT_UPPER_RAD,
    NUM_ARM_JOINTS,
    SERVO_LAG_S,
)
from collectors.geometry import quat_about_axis
from sim_service.mujoco_sim.mjcf import element
from sim_service.mujoco_sim.panda_look import PandaLook

HAND_BODY: Final = "panda_hand"
ARM_JOINTS: Final = tuple(f"panda_joint{number}" for number in range(1, NUM_ARM_JOINTS + 1))
FINGER_JOINTS: Final = ("panda_finger_joint1", "panda_finger_joint2")
COLLISION_GROUP: Final = 3  # not drawn

# (mass [kg], centre of mass [m], inertia about it xx yy zz xy xz yz [kg m^2]) of link0 to link7 in their own frames.
# franka_description, robots/common/inertial.yaml: identified by Gaz et al., "Dynamic Identification of the Franka
# Emika Panda Robot With Retrieval of Feasible Parameters Using Penalty-Based Optimization", IEEE RA-L 4(4), 2019.
_LINK_INERTIA: Final = (
    (0.629769, (-0.041018, -0.00014, 0.049974), (0.00315, 0.00388, 0.004285, 8.2904e-7, 0.00015, 8.2299e-6)),
    (4.970684, (0.003875, 0.002081, -0.04762), (0.70337, 0.70661, 0.009117, -0.000139, 0.006772, 0.019169)),
    (0.646926, (-0.003141, -0.02872, 0.003495), (0.007962, 0.02811, 0.025995, -0.003925, 0.010254, 0.000704)),
    (3.228604, (0.027518, 0.039252, -0.066502), (0.037242, 0.036155, 0.01083, -0.004761, -0.011396, -0.012805)),
    (3.587895, (-0.05317, 0.104419, 0.027454), (0.025853, 0.019552, 0.028323, 0.007796, -0.001332, 0.008641)),
    (1.225946, (-0.011953, 0.041065, -0.038437), (0.035549, 0.029474, 0.008627, -0.002117, -0.004037, 0.000229)),
    (1.666555, (0.060149, -0.014117, -0.010517), (0.001964, 0.004354, 0.005433, 0.000109, -0.001158, 0.000341)),
    (0.735522, (0.010517, -0.004252, 0.061597), (0.012516, 0.010027, 0.004815, -0.000428, -0.001196, -0.000741)),
)
# Same file: hand and finger; (mass, centre of mass, xx yy zz).
_HAND_INERTIA: Final = (0.73, (-0.01, 0.0, 0.03), (0.001, 0.0025, 0.0017))
_FINGER_INERTIA: Final = (0.015, (0.0, 0.0, 0.0), (2.375e-6, 2.375e-6, 7.5e-7))
_FINGER_ORIGIN_M: Final = (0.0, 0.0, 0.0584)  # franka_description, robots/common/franka_hand.xacro: joints in the hand

# The servos have no torque limit: one that saturates here falls into a limit cycle. Armature [kg m^2] and joint damping
# [N m s/rad] stand for motors and gears.
_ARM_ARMATURE: Final = 0.1
_ARM_DAMPING: Final = 1.0
_FINGER_ARMATURE: Final = 0.1  # [kg]
_FINGER_DAMPING: Final = 10.0  # [N s/m]

_FINGER_FRICTION: Final = (1.0, 0.01, 0.001)  # sliding, torsional [m], rolling [m]
# The rubber pad (franka_hand.xacro "rubber tip": 17.5 x 15.2 x 18.5 mm), its inner face at the finger's y = 0.
_PAD_HALF_SIZE_M: Final = (0.0085, 0.004, 0.0095)
_PAD_CENTRE_M: Final = (0.0, 0.004, 0.0445)


def _capsule(radius: float, *endpoints: float) -> Element:
    return element("geom", type="capsule", size=(radius,), fromto=endpoints, group=COLLISION_GROUP, mass=0)


# After franka_description's self-collision capsules, shortened where two neighbours' neighbours would touch.
_LINK_COLLISION: Final = (
    (_capsule(0.075, -0.09, 0, 0.06, 0, 0, 0.06),),
    (_capsule(0.06, 0, 0, -0.19, 0, 0, -0.05),),
    (_capsule(0.06, 0, 0, -0.05, 0, 0, 0.05),),
    (_capsule(0.055, 0, 0, -0.14, 0, 0, -0.06),),
    (_capsule(0.055, 0, 0, -0.05, 0, 0, 0.05),),
    (_capsule(0.055, 0, 0, -0.26, 0, 0.03, -0.15), _capsule(0.04, 0, 0.07, -0.13, 0, 0.06, -0.02)),
    (_capsule(0.048, 0, 0, -0.04, 0.07, 0, 0),),
    (_capsule(0.042, 0, 0, -0.02, 0, 0, 0.06),),
)


def panda_body(look: PandaLook, on_hand: Sequence[Element]) -> Element:
    """The robot, link0 at the world's origin; `on_hand` are further children of panda_hand: its cameras."""
    child = _hand(look, on_hand)
    for index in range(NUM_ARM_JOINTS, 0, -1):
        child = _link(index, look, child)
    return element(
        "body",
        _inertial(*_LINK_INERTIA[0]),
        *look.geoms["link0"],
        *_LINK_COLLISION[0],
        child,
        name="panda_link0",
    )


def panda_actuators() -> tuple[Element, ...]:
    """Position servos: seven of the arm, then two of the fingers; the control is the target [rad] or [m]."""
    arm = [
        _servo(joint, stiffness, (lower, upper))
        for joint, stiffness, lower, upper in zip(
            ARM_JOINTS, ARM_STIFFNESS_NM_RAD, JOINT_LOWER_RAD, JOINT_UPPER_RAD, strict=True
        )
    ]
    fingers = [_servo(joint, FINGER_STIFFNESS_N_M, (FINGER_CLOSED_M, FINGER_OPEN_M)) for joint in FINGER_JOINTS]
    return (*arm, *fingers)


def panda_contact_exclusions() -> tuple[Element, ...]:
    """Pairs that overlap by construction: links up to two joints apart, the wrist with the hand, parts of the hand."""
    links = [f"panda_link{index}" for index in range(NUM_ARM_JOINTS + 1)]
    pairs = [*pairwise(links), *zip(links[:-2], links[2:], strict=True)]
    pairs += [("panda_link6", HAND_BODY), ("panda_link7", HAND_BODY)]
    pairs += [(HAND_BODY, "panda_leftfinger"), (HAND_BODY, "panda_rightfinger")]
    return tuple(element("exclude", body1=one, body2=other) for one, other in pairs)


def _link(index: int, look: PandaLook, child: Element) -> Element:
    """Link `index` (1 to 7) in its parent's frame by the modified Denavit-Hartenberg convention:
    rotation about x by alpha and translation along x by a, then, in the turned frame, translation along z by d."""
    a_m, d_m, alpha_rad = DH_CRAIG[index - 1]
    return element(
        "body",
        _inertial(*_LINK_INERTIA[index]),
        element(
            "joint",
            name=ARM_JOINTS[index - 1],
            axis=(0, 0, 1),
            range=(JOINT_LOWER_RAD[index - 1], JOINT_UPPER_RAD[index - 1]),
            armature=_ARM_ARMATURE,
            damping=_ARM_DAMPING,
        ),
        *look.geoms[f"link{index}"],
        *_LINK_COLLISION[index],
        child,
        name=f"panda_link{index}",
        pos=(a_m, -d_m * math.sin(alpha_rad), d_m * math.cos(alpha_rad)),
        quat=quat_about_axis((1, 0, 0), alpha_rad),
        gravcomp=1,
    )


def _hand(look: PandaLook, on_hand: Sequence[Element]) -> Element:
    return element(
        "body",
        _inertial(*_HAND_INERTIA),
        *look.geoms["hand"],
        element("geom", type="box", size=(0.03, 0.1, 0.033), pos=(0, 0, 0.033), group=COLLISION_GROUP, mass=0),
        *on_hand,
        _finger("panda_leftfinger", FINGER_JOINTS[0], 0.0, look),
        _finger("panda_rightfinger", FINGER_JOINTS[1], math.pi, look),
        name=HAND_BODY,
        pos=(0, 0, FLANGE_OFFSET_M),
        quat=quat_about_axis((0, 0, 1), HAND_YAW_ON_FLANGE_RAD),
        gravcomp=1,
    )


def _finger(name: str, joint: str, turn_rad: float, look: PandaLook) -> Element:
    return element(
        "body",
        _inertial(*_FINGER_INERTIA),
        element(
            "joint",
            name=joint,
            type="slide",
            axis=(0, 1, 0),
            range=(FINGER_CLOSED_M, FINGER_OPEN_M),
            armature=_FINGER_ARMATURE,
            damping=_FINGER_DAMPING,
        ),
        *look.geoms["finger"],
        element(
            "geom",
            type="box",
            size=_PAD_HALF_SIZE_M,
            pos=_PAD_CENTRE_M,
            friction=_FINGER_FRICTION,
            group=COLLISION_GROUP,
            mass=0,
        ),
        name=name,
        pos=_FINGER_ORIGIN_M,
        quat=quat_about_axis((0, 0, 1), turn_rad),
        gravcomp=1,
    )


def _inertial(mass_kg: float, centre_m: tuple[float, ...], inertia: tuple[float, ...]) -> Element:
    if len(inertia) == 3:
        return element("inertial", mass=mass_kg, pos=centre_m, diaginertia=inertia)
    return element("inertial", mass=mass_kg, pos=centre_m, fullinertia=inertia)


def _servo(joint: str, stiffness: float, control_range: tuple[float, float]) -> Element:
    return element(
        "position",
        name=joint,
        joint=joint,
        kp=stiffness,
        kv=stiffness * SERVO_LAG_S,
        ctrlrange=control_range,
    )
