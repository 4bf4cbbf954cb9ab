"""Every gate on what is in the data files."""

from __future__ import annotations

from sim_service.quality.action_identity import ActionIdentity
from sim_service.quality.action_lag import ActionLag
from sim_service.quality.action_timing import ActionOnset, GripperTiming
from sim_service.quality.command_limits import CommandLimits
from sim_service.quality.dimension_ranges import ClippedDimensions, StuckDimensions
from sim_service.quality.duplicates import Duplicates
from sim_service.quality.finite_values import UnitQuaternions
from sim_service.quality.gate import NumberGate
from sim_service.quality.gripper import Gripper
from sim_service.quality.idle import Idle
from sim_service.quality.lengths import Lengths
from sim_service.quality.timestamps import Timestamps
from sim_service.quality.velocity import VelocityConsistency


def number_gates(robot_type: str = "") -> list[NumberGate]:
    """New ones, that have seen nothing, for finite numbers; `FiniteValues` stands by itself. robot_type: as in
    info.json."""
    return [
        ActionIdentity(),
        ActionLag(),
        ActionOnset(),
        GripperTiming(),
        Timestamps(),
        VelocityConsistency(),
        CommandLimits(robot_type),
        Idle(),
        Gripper(),
        ClippedDimensions(),
        StuckDimensions(),
        UnitQuaternions(),
        Lengths(),
        Duplicates(),
    ]
