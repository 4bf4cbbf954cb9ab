"""The Franka Panda: published kinematics, limits and the poses that the task uses."""

from __future__ import annotations

import math
from typing import Final

NUM_ARM_JOINTS: Final = 7
NUM_FINGERS: Final = 2

# Limits of "Franka Control Interface Documentation", Robot and interface specifications, Panda.
JOINT_LOWER_RAD: Final = (-2.8973, -1.7628, -2.8973, -3.0718, -2.8973, -0.0175, -2.8973)
JOINT_UPPER_RAD: Final = (2.8973, 1.7628, 2.8973, -0.0698, 2.8973, 3.7525, 2.8973)
JOINT_VELOCITY_LIMIT_RAD_S: Final = (2.1750, 2.1750, 2.1750, 2.1750, 2.6100, 2.6100, 2.6100)

FINGER_VELOCITY_LIMIT_M_S: Final = 0.05  # each finger; Franka Hand datasheet: travel speed 50 mm/s per finger

# Position servos of our own choice, the same in every simulator. Stiffness of the seven joints [N m/rad] and of each
# finger [N/m], 8 N on a 40 mm cube when closed. They follow a target like a first-order lag of the time constant
# SERVO_LAG_S: damping over stiffness.
ARM_STIFFNESS_NM_RAD: Final = (4500.0, 4500.0, 3500.0, 3500.0, 2000.0, 2000.0, 2000.0)
FINGER_STIFFNESS_N_M: Final = 400.0
SERVO_LAG_S: Final = 0.1

# Modified Denavit-Hartenberg parameters, same document: (a [m], d [m], alpha [rad]) of joints 1 to 7, then the flange.
DH_CRAIG: Final = (
    (0.0, 0.333, 0.0),
    (0.0, 0.0, -math.pi / 2),
    (0.0, 0.316, math.pi / 2),
    (0.0825, 0.0, math.pi / 2),
    (-0.0825, 0.384, -math.pi / 2),
    (0.0, 0.0, math.pi / 2),
    (0.088, 0.0, math.pi / 2),
)
FLANGE_OFFSET_M: Final = 0.107  # joint 7 frame to flange, along z
HAND_YAW_ON_FLANGE_RAD: Final = (
    -math.pi / 4
)  # franka_description, hand.xacro: panda_hand is turned about the flange's z
FINGERTIP_OFFSET_M: Final = 0.1034  # franka_description: panda_hand to panda_hand_tcp, along z

# One finger's travel. The two fingers move in opposite senses along the hand's y axis.
FINGER_OPEN_M: Final = 0.04
FINGER_CLOSED_M: Final = 0.0

HOME_RAD: Final = (0.0, -0.785, 0.0, -2.356, 0.0, 1.571, 0.785)
