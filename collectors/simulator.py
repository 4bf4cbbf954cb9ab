"""The only seam between an episode and a simulator.

The episode is a generator that yields a `Tick` once per control period. Its host advances the simulator between the
yields: the command line in a loop, the service between two commands, Kit from its update event. So the calls of one
control period come in this order: `observe`, `command`, yield, and the host's `advance`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray

from collectors.cameras import Camera
from collectors.franka import NUM_ARM_JOINTS
from collectors.geometry import Array, Pose
from collectors.objects import ObjectKind
from collectors.scene import Scene

Image = NDArray[np.uint8]


class SimulatorError(RuntimeError):
    """The simulator did not do what its contract says: no fresh image, a stale handle, time that stood still."""


def checked_arm(arm_rad: ArrayLike) -> Array:
    """Joint positions or targets [rad] as every adapter takes them: finite, shape (7,). Raises ValueError."""
    arm = np.array(arm_rad, dtype=np.float64)
    if arm.shape != (NUM_ARM_JOINTS,) or not np.isfinite(arm).all():
        raise ValueError(f"arm joints must be {NUM_ARM_JOINTS} finite numbers [rad], got {arm_rad!r}")
    return arm


@dataclass(frozen=True)
class Tick:
    """One control period to advance by. images: whether both cameras must be rendered at its end."""

    images: bool


@dataclass(frozen=True, eq=False)
class Action:
    """Position targets for one control period.

    arm_rad: absolute joint targets, shape (7,). finger_m: target of each finger, 0 (closed) to 0.04 (open).
    """

    arm_rad: Array
    finger_m: float


@dataclass(frozen=True, eq=False)
class Observation:
    """The world at one instant.

    time_s: simulated time since `reset`. arm_rad, arm_rad_s: joint positions and velocities, shape (7,).
    arm_peak_rad_s: largest absolute velocity of each joint during the last control period, shape (7,); a servo is
    faster between two instants than at them. finger_m: position of each finger, shape (2,). hand_to_world: pose of
    panda_hand. object_to_world: pose of the object's centre. images: camera name to RGB, uint8, shape (height, width,
    3); empty unless asked for. The arrays belong to the caller: the simulator does not write to them again.
    """

    time_s: float
    arm_rad: Array
    arm_rad_s: Array
    arm_peak_rad_s: Array
    finger_m: Array
    hand_to_world: Pose
    object_to_world: Pose
    images: Mapping[str, Image]


class Simulator(Protocol):
    """A work cell with a Franka, a table, the objects of the run, a goal disc and the cameras."""

    @property
    def control_period_s(self) -> float:
        """What `advance` advances by: 1 / fps."""

    @property
    def cameras(self) -> tuple[Camera, ...]:
        """The cameras as they are built, in the order in which they are recorded."""

    @property
    def objects(self) -> tuple[ObjectKind, ...]:
        """The objects that exist in this run; `reset` takes scenes with these alone."""

    @property
    def versions(self) -> Mapping[str, str]:
        """Name and versions of what makes this simulator's results reproducible, for meta/collection.json."""

    def reset(self, scene: Scene) -> None:
        """Put the scene up kinematically: time 0, joints at `scene.arm_rad` and at rest with the fingers open, targets
        there too, the object at its pose and at rest, no weld, other objects parked out of view. Steps nothing."""

    def command(self, action: Action) -> None:
        """Set the targets that hold from now on."""

    def advance(self, tick: Tick) -> None:
        """Advance by exactly one control period and, if `tick.images`, render the cameras at its end. For hosts that
        own the clock; where the host application owns it (Kit), the host calls it with what the episode yielded."""

    def refresh(self, images: bool) -> None:
        """A turn of a host that has nothing to carry out: time stands still. With `images` the cameras show the present
        instant afterwards, so that `observe(images=True)` may follow; where they do already, nothing is drawn again. An
        adapter whose application has a main loop of its own lets it turn here."""

    def observe(self, images: bool = False) -> Observation:
        """The world now. With `images`, also the pictures of exactly this instant; raises SimulatorError when the
        last `advance` was not asked for them and no `refresh` was since."""

    def attach(self) -> None:
        """Weld the object to panda_hand at their present relative pose. Never steps."""

    def detach(self) -> None:
        """Remove the weld; does nothing when there is none. Never steps."""

    def close(self) -> None:
        """Free what the simulator holds. May be called twice."""
