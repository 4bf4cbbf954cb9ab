"""What a task is to the rest of the program, and which tasks exist."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, Protocol

import numpy as np

from collectors.geometry import Array, Pose
from collectors.objects import ObjectKind
from collectors.scene import Scene
from collectors.tasks.pick_place import Judgement, PickPlace
from collectors.variation import Variation
from collectors.waypoints import Plan


class Task(Protocol):
    """Decides, purely, what an episode does and whether it went well."""

    @property
    def name(self) -> str: ...

    def draw(self, rng: np.random.Generator, variation: Variation) -> Plan:
        """The plan of one episode, a function of the generator's state and of the variation alone. Raises
        UnreachableError."""

    def judge(self, scene: Scene, object_to_world: Pose, arm_rad: Array, grasped: bool, lifted_m: float) -> Judgement:
        """What came of an episode, see `Judgement`.

        object_to_world, arm_rad: after the arm and the object have settled; joints [rad], shape (7,). grasped: whether
        the object was attached. lifted_m: how far its lowest point came off the table at most.
        """


# Built with the objects of the run and the waypoint noise [rad].
TASKS: Final[dict[str, Callable[[tuple[ObjectKind, ...], float], Task]]] = {PickPlace.name: PickPlace}
