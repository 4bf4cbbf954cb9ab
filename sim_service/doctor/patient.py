"""The simulator that is examined, with the moves that several checks make."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Final

import numpy as np
from numpy.typing import ArrayLike

from collectors.cameras import Camera
from collectors.objects import ObjectKind
from collectors.scene import Scene
from collectors.simulator import Action, Image, Observation, Simulator, SimulatorError, Tick
from sim_service.doctor.check import Found, Interrupted, NotRun
from sim_service.doctor.scenes import standing
from sim_service.simulators import SimulatorUnavailable

SETTLE_TICKS: Final = 6  # with pictures, of a scene at rest: more than pictures may lag by


class Patient:
    """A simulator itself, once `open` has given it one: `advance` and `refresh` raise Interrupted when somebody asked
    to stop. pictures: the last ones that were seen, by camera. stopping: whether somebody did."""

    def __init__(self, stopping: Callable[[], bool]) -> None:
        self._stopping = stopping
        self._simulator: Simulator | None = None
        self._kinds: tuple[ObjectKind, ...] | None = None
        self._death = ""
        self.pictures: dict[str, Image] = {}

    def open(self, simulator: Simulator) -> None:
        self._simulator = simulator

    @property
    def simulator(self) -> Simulator:
        """Raises NotRun while it is not open."""
        if self._simulator is None:
            raise NotRun("the simulator is not open")
        return self._simulator

    def examine(self, name: str, look: Callable[[Patient], Found]) -> Found:
        """Raises NotRun once an error of an earlier check has turned out to be the end of the simulator."""
        if self._death:
            raise NotRun(self._death)
        try:
            return look(self)
        except (SimulatorError, SimulatorUnavailable) as error:
            self._take_pulse(f"the simulator failed in {name!r}: {error}")
            raise

    def restricted_to(self, kind: ObjectKind) -> Patient:
        """The same one, as if the run had that object alone."""
        other = copy.copy(self)
        other._kinds = (kind,)
        return other

    def _take_pulse(self, cause: str) -> None:
        """Whether it still puts up a scene and advances."""
        self._death = cause
        with suppress(SimulatorError, SimulatorUnavailable):
            self.reset(standing(self.objects[0]))
            self.advance(Tick(images=False))
            self.observe()
            self._death = ""

    # The moves

    def ticks(self, duration_s: float) -> int:
        """Control periods that last about so long, at least one."""
        return max(1, round(duration_s / self.control_period_s))

    def wait(self, duration_s: float) -> Observation:
        for _ in range(self.ticks(duration_s)):
            self.advance(Tick(images=False))
        return self.observe()

    def settled(self, scene: Scene) -> Observation:
        """The scene put up and drawn until its pictures are those of the scene at rest, however late they come."""
        self.reset(scene)
        for _ in range(SETTLE_TICKS):
            self.advance(Tick(images=True))
        return self.observe(images=True)

    def move(
        self,
        arm_rad: ArrayLike,
        finger_m: float,
        duration_s: float,
        look_on: Callable[[Observation], None] | None = None,
    ) -> Observation:
        """Go there on a straight line of the joints and wait half as long again. look_on: sees every tick."""
        start, end = self.observe().arm_rad, np.asarray(arm_rad)
        ticks = self.ticks(duration_s)
        for tick in range(ticks + (ticks + 1) // 2):
            share = min(1.0, (tick + 1) / ticks)
            self.command(Action(start + share * (end - start), finger_m))
            self.advance(Tick(images=False))
            if look_on is not None:
                look_on(self.observe())
        return self.observe()

    # The seam

    @property
    def control_period_s(self) -> float:
        return self.simulator.control_period_s

    @property
    def cameras(self) -> tuple[Camera, ...]:
        return self.simulator.cameras

    @property
    def objects(self) -> tuple[ObjectKind, ...]:
        return self._kinds or self.simulator.objects

    @property
    def versions(self) -> Mapping[str, str]:
        return self.simulator.versions

    def reset(self, scene: Scene) -> None:
        self.simulator.reset(scene)

    def command(self, action: Action) -> None:
        self.simulator.command(action)

    def advance(self, tick: Tick) -> None:
        if self._stopping():
            raise Interrupted
        self.simulator.advance(tick)

    def refresh(self, images: bool) -> None:
        if self._stopping():
            raise Interrupted
        self.simulator.refresh(images)

    def observe(self, images: bool = False) -> Observation:
        observation = self.simulator.observe(images)
        self.pictures.update(observation.images)
        return observation

    def attach(self) -> None:
        self.simulator.attach()

    def detach(self) -> None:
        self.simulator.detach()

    def close(self) -> None:
        """May be called twice, and before `open`."""
        simulator, self._simulator = self._simulator, None
        if simulator is not None:
            simulator.close()
