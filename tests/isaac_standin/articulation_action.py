"""isaacsim.core.utils.types.ArticulationAction."""

from __future__ import annotations

from typing import Any


class ArticulationAction:
    """Targets of some or all dofs; None, or NaN for one of them, leaves what it has."""

    _PUBLIC = ("joint_positions", "joint_velocities", "joint_efforts", "joint_indices")

    def __init__(
        self,
        joint_positions: Any = None,
        joint_velocities: Any = None,
        joint_efforts: Any = None,
        joint_indices: Any = None,
    ) -> None:
        self.joint_positions = joint_positions
        self.joint_velocities = joint_velocities
        self.joint_efforts = joint_efforts
        self.joint_indices = joint_indices

    def get_length(self) -> int | None:
        lengths = [
            len(values)
            for values in (self.joint_positions, self.joint_velocities, self.joint_efforts)
            if values is not None
        ]
        return max(lengths, default=None)
