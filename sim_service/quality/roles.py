"""Which dimension of observation.state and action means what: by this collector's names, or by names that pair up."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from collectors.features import ACTION_NAMES, STATE_NAMES, TRUE_STATE
from sim_service.quality.gate import EpisodeNumbers

Array = NDArray[np.float64]

STATE: Final = "observation.state"
ACTION: Final = "action"

NO_PAIRS: Final = "no dimension of action is known to command one of observation.state"
_GRIPPER_WORDS: Final = ("gripper", "finger")
_ORDERS: Final = ("wxyz", "xyzw")


@dataclass(frozen=True)
class Roles:
    """Indices of dimensions; empty where nothing is known.

    joints: of observation.state, positions that an action commands; commands: of action, the same joints in the same
    order; velocities: of observation.state, the same joints again. gripper_commands: of action. units_known: whether
    joints are in radians and fingers in metres, as this collector has them.
    """

    joints: tuple[int, ...] = ()
    commands: tuple[int, ...] = ()
    velocities: tuple[int, ...] = ()
    gripper_commands: tuple[int, ...] = ()
    units_known: bool = False


def roles_of(episode: EpisodeNumbers) -> Roles:
    """Of another collector's dataset: dimensions of observation.state and action with equal names belong together, and
    where there are no names at all but as many dimensions on both sides, those with equal numbers."""
    if STATE not in episode.columns or ACTION not in episode.columns:
        return Roles()
    state, action = episode.names.get(STATE, ()), episode.names.get(ACTION, ())
    if state == STATE_NAMES and action == ACTION_NAMES:
        return _ours()
    sizes = (values(episode, STATE).shape[1], values(episode, ACTION).shape[1])
    if not state and not action and sizes[0] == sizes[1]:
        everything = tuple(range(sizes[0]))
        return Roles(joints=everything, commands=everything)
    pairs = [(state.index(name), number) for number, name in enumerate(action) if name in state]
    arm = [(joint, command) for joint, command in pairs if not is_gripper(action[command])]
    velocities = [_velocity_of(state[joint], state) for joint, _ in arm]
    return Roles(
        joints=tuple(joint for joint, _ in arm),
        commands=tuple(command for _, command in arm),
        velocities=tuple(found for found in velocities if found is not None) if None not in velocities else (),
        gripper_commands=tuple(number for number, name in enumerate(action) if is_gripper(name)),
    )


def values(episode: EpisodeNumbers, feature: str) -> Array:
    """Shape (frames, size)."""
    column = np.asarray(episode.columns[feature], np.float64)
    return column[:, None] if column.ndim == 1 else column


def true_state(episode: EpisodeNumbers) -> Array:
    """privileged.state where it is recorded beside a measured observation.state; shape (frames, size)."""
    return values(episode, TRUE_STATE if TRUE_STATE in episode.columns else STATE)


def is_gripper(name: str) -> bool:
    return any(word in name.lower() for word in _GRIPPER_WORDS)


def dimension_names(features: Mapping[str, Mapping[str, Any]]) -> dict[str, tuple[str, ...]]:
    """By feature, of those that have them: info.json has a list, or a mapping of a word such as "motors" to it."""
    found = {}
    for feature, entry in features.items():
        names = entry.get("names")
        if isinstance(names, dict):
            lists = [value for value in names.values() if isinstance(value, list)]
            names = lists[0] if len(lists) == 1 else None
        if isinstance(names, list) and all(isinstance(name, str) for name in names):
            found[feature] = tuple(names)
    return found


def quaternions(names: Mapping[str, Sequence[str]]) -> list[tuple[str, tuple[int, ...]]]:
    """(feature, the indices of its four numbers) of every quaternion, told by names that end in quat_w, quat_x, quat_y,
    quat_z, in this order or with w last."""
    found = []
    for feature, dimensions in names.items():
        for first in range(len(dimensions) - 3):
            four = tuple(dimensions[first : first + 4])
            stem = four[0][:-1]
            if stem.endswith("quat_") and any(four == tuple(stem + axis for axis in order) for order in _ORDERS):
                found.append((feature, tuple(range(first, first + 4))))
    return found


def _ours() -> Roles:
    def of(names: Sequence[str], prefix: str) -> tuple[int, ...]:
        return tuple(number for number, name in enumerate(names) if name.startswith(prefix))

    return Roles(
        joints=of(STATE_NAMES, "joint_pos_"),
        commands=of(ACTION_NAMES, "action_joint_"),
        velocities=of(STATE_NAMES, "joint_vel_"),
        gripper_commands=of(ACTION_NAMES, "action_gripper"),
        units_known=True,
    )


def _velocity_of(name: str, names: Sequence[str]) -> int | None:
    """The index of the velocity of the position with that name; None where there is none."""
    for position, velocity in (("pos", "vel"), ("qpos", "qvel"), ("position", "velocity")):
        wanted = name.replace(position, velocity)
        if wanted != name and wanted in names:
            return names.index(wanted)
    return None
