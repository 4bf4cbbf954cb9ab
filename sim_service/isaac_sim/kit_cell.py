"""The work cell of a Kit extension: built by the application's own updates, while the service waits."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

import omni.kit.app

from collectors.simulator import SimulatorError
from sim_service.isaac_sim.application import ZERO_DELAY
from sim_service.isaac_sim.compat import get_current_stage, set_setting
from sim_service.isaac_sim.kit_turns import TurnsUnderWay, let_time_pass
from sim_service.isaac_sim.simulator import IsaacSimulator
from sim_service.isaac_sim.turns import Turn
from sim_service.simulators import SimulatorSettings, SimulatorStarting, SimulatorUnavailable

if TYPE_CHECKING:
    from omni.kit.app import IApp

SETTLING_UPDATES: Final = 20  # after the application says that it is ready: some open their first stage only then
MAX_START_S: Final = 30.0  # that an application gets to open a stage of its own; one that opens none gets ours

_log = logging.getLogger(__name__)


class KitCell:
    """`open` is the service's way to a simulator. Everything belongs to the application's main thread."""

    def __init__(self) -> None:
        self._settings: SimulatorSettings | None = None  # of what is being built, or was built and waits to be taken
        self._building: TurnsUnderWay | None = None
        self._built: IsaacSimulator | None = None
        self._error: SimulatorError | None = None
        self.simulator: IsaacSimulator | None = None  # the one that was opened last

    def open(self, settings: SimulatorSettings) -> IsaacSimulator:
        """Raises SimulatorStarting until the cell is built, SimulatorError when it could not be."""
        if self._settings != settings:
            self.close()
            self._settings = settings
            self._built = IsaacSimulator(settings, carry_out=None)
            self._building = TurnsUnderWay(_building(self._built), self._built)
        if self._building is not None:
            raise SimulatorStarting("the work cell is being built")
        simulator, error = self._built, self._error
        self._settings = self._built = self._error = None
        if error is not None or simulator is None:
            raise error or SimulatorError("the work cell was not built")
        self.simulator = simulator
        return simulator

    def update(self) -> None:
        """Once in each update of the application."""
        if self._building is None or self._built is None:
            return
        try:
            done = self._building.done()
        except SimulatorError as error:
            self._give_up(error)
        except SimulatorUnavailable as error:  # the extension stays: assets may come within reach
            self._give_up(SimulatorError(str(error)))
        except Exception as error:  # of Isaac Sim or USD, on the way to a cell: told by the service
            _log.exception("the work cell could not be built")
            self._give_up(SimulatorError(f"{type(error).__name__}: {error}"))
        else:
            if done:
                self._building = None
                _log.info("the work cell is built")

    def close(self) -> None:
        """Give up what is being built, and let the application's time pass again."""
        if self._building is not None:
            self._building.cancel()
        if self._built is not None:
            self._built.close()
        self._settings = self._building = self._built = self._error = None
        let_time_pass()

    def _give_up(self, error: SimulatorError) -> None:
        settings = self._settings
        self.close()
        self._settings, self._error = settings, error


def _building(simulator: IsaacSimulator) -> Iterator[Turn]:
    app: IApp = omni.kit.app.get_app()
    deadline = time.monotonic() + MAX_START_S
    # Else the application's own first stage would take the place of ours.
    while not (app.is_app_ready() and get_current_stage() is not None) and time.monotonic() < deadline:
        yield Turn.LOAD
    for _ in range(SETTLING_UPDATES):
        yield Turn.LOAD
    for argument in ZERO_DELAY:
        path, _, value = argument.removeprefix("--").partition("=")
        set_setting(path, int(value) if value.isdecimal() else value == "true")
    set_setting("/app/player/useFixedTimeStepping", True)
    yield from simulator.building()
