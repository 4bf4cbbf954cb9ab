"""The simulator of a long-running process: opened, laid out, found dead, opened again."""

from __future__ import annotations

import logging
from collections.abc import Callable

import numpy as np

from collectors.randomization import Randomization
from collectors.simulator import Image, Simulator, SimulatorError
from collectors.task import TASKS
from collectors.variation import draw_variation
from sim_service.collection import TASK_NAME
from sim_service.ports import SimulatorState
from sim_service.simulators import SimulatorSettings

OpenSimulator = Callable[[SimulatorSettings], Simulator]

_log = logging.getLogger(__name__)


class WorkCell:
    """Owned by the main thread. Draws nothing: that takes turns of the host.

    open_simulator: may raise SimulatorStarting. settings: those to begin with, and to go back to when others fail.
    """

    def __init__(self, open_simulator: OpenSimulator, settings: SimulatorSettings) -> None:
        self._open, self._default, self._settings = open_simulator, settings, settings
        self._simulator: Simulator | None = None
        self._proven = False

    @property
    def settings(self) -> SimulatorSettings:
        """Of the simulator; where none is open, of the one to open next."""
        return self._settings

    @property
    def simulator(self) -> Simulator:
        if self._simulator is None:
            raise SimulatorError("the simulator is not open")
        return self._simulator

    @property
    def is_open(self) -> bool:
        return self._simulator is not None

    @property
    def proven(self) -> bool:
        """Its pictures were read since the last `open`."""
        return self._proven

    def open(self, settings: SimulatorSettings) -> None:
        """Have a simulator with these settings, laid out, yet to be proven by its pictures; a new one where the present
        one has others or cannot be laid out. Raises what the simulator or its opening raises; there is then none, and
        after SimulatorStarting these settings are still those to open next."""
        self._proven = False
        if self._simulator is not None and settings == self._settings and self.lay_out_anew():
            return
        self.close()
        self._settings = settings
        self._simulator = self._open(settings)
        try:
            self.lay_out(0)
        except BaseException:
            self.close()
            raise

    def lay_out(self, seed: int) -> None:
        """Arm at HOME, the object and the goal where the task would draw them from that seed."""
        task = TASKS[TASK_NAME](self.simulator.objects, 0.0)
        self.simulator.detach()
        variation = draw_variation(Randomization(), (seed, 0, 0))
        self.simulator.reset(task.draw(np.random.default_rng([seed, 0, 0]), variation).scene)

    def lay_out_anew(self) -> bool:
        """Whether the simulator took it. One that did not is closed."""
        try:
            self.lay_out(0)
        except Exception:  # whatever a broken one raises: it is to be replaced
            _log.exception("the simulator does not work any more; it is to be opened anew")
            self.close()
            return False
        return True

    def images(self) -> dict[str, Image]:
        """Of the present instant, which must have been drawn."""
        images = dict(self.simulator.observe(images=True).images)
        self._proven = True
        return images

    def state(self, playing: bool) -> SimulatorState | None:
        """None where no simulator is open. Raises what the simulator raises."""
        if self._simulator is None:
            return None
        return SimulatorState(
            name=self._simulator.versions["simulator"],
            playing=playing,
            time_s=self._simulator.observe().time_s,
            control_period_s=self._simulator.control_period_s,
            versions=dict(self._simulator.versions),
        )

    def give_up(self) -> None:
        """Close it; the next one has the settings of the beginning."""
        self.close()
        self._settings = self._default

    def close(self) -> None:
        """There is no simulator afterwards, even where it does not close cleanly, as a broken one may not."""
        simulator, self._simulator, self._proven = self._simulator, None, False
        if simulator is None:
            return
        try:
            simulator.close()
        except Exception:  # whatever a broken one raises: it is gone
            _log.exception("the simulator did not close cleanly")
