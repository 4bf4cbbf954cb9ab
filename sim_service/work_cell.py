"""The simulator of a long-running process: opened, laid out, found dead, opened again."""

from __future__ import annotations

import logging
from collections.abc import Callable

import numpy as np

from collectors.simulator import Image, Simulator, SimulatorError
from collectors.task import TASKS
from sim_service.collection import TASK_NAME
from sim_service.ports import SimulatorState
from sim_service.simulators import SimulatorSettings

OpenSimulator = Callable[[SimulatorSettings], Simulator]

_log = logging.getLogger(__name__)


class WorkCell:
    """Owned by the main thread. settings: those to begin with."""

    def __init__(self, open_simulator: OpenSimulator, settings: SimulatorSettings) -> None:
        self._open, self._settings = open_simulator, settings
        self._simulator: Simulator | None = None
        self.playing = False

    @property
    def settings(self) -> SimulatorSettings:
        return self._settings

    @property
    def simulator(self) -> Simulator:
        if self._simulator is None:
            raise SimulatorError("the simulator is not open")
        return self._simulator

    def open(self, settings: SimulatorSettings) -> None:
        """Have a simulator with these settings, laid out and seen to make pictures; a new one where the present one has
        others or fails that. Raises what the simulator raises; there is then none."""
        if self._simulator is not None and settings == self._settings:
            try:
                self._prove()
            except Exception:  # whatever a broken one raises: it is replaced
                _log.exception("the simulator does not work any more; opening it anew")
            else:
                return
        self.close()
        self._settings = settings
        self._simulator = self._open(settings)
        try:
            self._prove()
        except BaseException:
            self.close()
            raise

    def lay_out(self, seed: int) -> None:
        """Arm at HOME, the object and the goal where the task would draw them from that seed."""
        task = TASKS[TASK_NAME](self.simulator.objects, 0.0)
        self.simulator.detach()
        self.simulator.reset(task.draw(np.random.default_rng([seed, 0, 0])).scene)

    def images(self) -> dict[str, Image]:
        """Of the present instant, which must have been drawn."""
        return dict(self.simulator.observe(images=True).images)

    def state(self) -> SimulatorState | None:
        """None where no simulator is open. Raises what the simulator raises."""
        if self._simulator is None:
            return None
        return SimulatorState(
            name=self._simulator.versions["simulator"],
            playing=self.playing,
            time_s=self._simulator.observe().time_s,
            control_period_s=self._simulator.control_period_s,
            versions=dict(self._simulator.versions),
        )

    def close(self) -> None:
        """There is no simulator afterwards, even where it does not close cleanly, as a broken one may not."""
        simulator, self._simulator = self._simulator, None
        if simulator is None:
            return
        try:
            simulator.close()
        except Exception:  # whatever a broken one raises: it is gone
            _log.exception("the simulator did not close cleanly")

    def _prove(self) -> None:
        self.lay_out(0)
        self.simulator.refresh(images=True)
        self.images()
