"""What a policy is: it sees what a recorded frame holds and answers with what a recorded action is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import ArrayLike

from collectors.features import ACTION_NAMES, Row
from collectors.simulator import Image


class PolicyError(Exception):
    """The policy raised an error, which is the cause of this one, or answered with what is no action."""


@dataclass(frozen=True, eq=False)
class PolicyObservation:
    """What a dataset's frame holds before its action; the arrays belong to the policy.

    task: the instruction. state: observation.state, float32, shape (23,), of STATE_NAMES, with the sensors' noise where
    the episode has any. images: camera name to RGB, uint8, shape (height, width, 3); empty unless `wants_images`.

    Privileged, as a robot has no sensor for them; for policies that see no pictures: privileged_object_pose, float32,
    shape (7,), [m] and quat_wxyz of the object's centre in the world. privileged_goal_position: float32, shape (3,),
    [m], centre of the goal disc in the world.
    """

    task: str
    state: Row
    images: Mapping[str, Image]
    privileged_object_pose: Row
    privileged_goal_position: Row


class Policy(Protocol):
    @property
    def wants_images(self) -> bool:
        """Whether the cameras are rendered for it at every control tick."""

    def reset(self, task: str) -> None:
        """An episode begins. task: the instruction."""

    def act(self, observation: PolicyObservation) -> ArrayLike:
        """An action row for one control period, shape (8,): absolute joint targets [rad], then the target of each
        finger [m], 0 (closed) to 0.04 (open)."""


def checked_action(answer: ArrayLike) -> Row:
    """The answer of a policy as an action is recorded, float32, shape (8,).

    Raises PolicyError unless it is that many finite numbers. What is beyond the joints' limits is left to the
    simulator, whose servos go to the limit.
    """
    size = len(ACTION_NAMES)
    try:
        row = np.asarray(answer, dtype=np.float32)
    except (TypeError, ValueError) as error:
        raise PolicyError(f"an action must be {size} numbers, got {answer!r}") from error
    if row.shape != (size,):
        raise PolicyError(f"an action must have the shape ({size},), got {row.shape}")
    if not np.isfinite(row).all():
        named = [f"{name} = {value}" for name, value in zip(ACTION_NAMES, row, strict=True) if not np.isfinite(value)]
        raise PolicyError(f"an action must be finite, got {', '.join(named)}")
    return row
