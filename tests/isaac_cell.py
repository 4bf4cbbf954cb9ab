"""The Isaac Sim adapter on its stand-in: opened, moved, looked at. For the tests of the whole adapter."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from isaac_standin import Faults, Isaac, installed
from pxr import Usd

from collectors.franka import HOME_RAD
from collectors.simulator import Action, Observation, Simulator, SimulatorError, Tick
from sim_service.simulators import ApplicationSettings, SimulatorSettings, open_simulator

# The oldest and the newest, which differ most: empty frames or None, assets that are None or raise.
OLDEST, NEWEST = "4.5.0", "6.0.1"
VERSIONS = (OLDEST, NEWEST)
CUBE_30_FPS = SimulatorSettings()
HEADLESS = ApplicationSettings()

_SWEEP_RAD = np.array([0.05, 0.01, -0.02, 0.015, 0.02, 0.01, -0.04])  # within what a control period allows


@dataclass
class Cell:
    """simulator: the one that was opened last. Its type is known only once the stand-in is installed."""

    isaac: Isaac
    simulator: Any

    def reopen(self, settings: SimulatorSettings) -> None:
        """As the service does: the old one is closed before the new one is opened."""
        self.simulator.close()
        self.simulator = open_simulator("isaac", settings)


@contextmanager
def isaac_cell(
    version: str,
    settings: SimulatorSettings = CUBE_30_FPS,
    faults: Faults | None = None,
    application: ApplicationSettings = HEADLESS,
) -> Iterator[Cell]:
    """Isaac Sim with a work cell, closed at the end. What PhysX or Isaac Sim logged as an error fails the test."""
    with installed(version, faults=faults) as isaac:
        cell = Cell(isaac, open_simulator("isaac", settings, application))
        yield cell
        cell.simulator.close()
        assert isaac.errors == []


@contextmanager
def isaac_simulator(version: str, settings: SimulatorSettings = CUBE_30_FPS) -> Iterator[Simulator]:
    with isaac_cell(version, settings) as cell:
        yield cell.simulator


def started() -> Any:
    """The application, which nothing was built in yet. Only now the adapter's modules can be imported."""
    from sim_service.isaac_sim.application import start_application

    return start_application(HEADLESS)


def build(on_turn: Callable[[int], None]) -> Any:
    """A simulator whose opening is looked on: on_turn gets the number of each turn after it was carried out."""
    application = started()
    from sim_service.isaac_sim.simulator import IsaacSimulator

    simulator = IsaacSimulator(CUBE_30_FPS, application.carry_out)
    for number, turn in enumerate(simulator.building()):
        application.carry_out(turn)
        on_turn(number)
    return simulator


def sweep(simulator: Simulator, ticks: Sequence[bool]) -> list[Observation]:
    """The arm on the move, from HOME on: at each tick a little farther. ticks: whether each wants pictures."""
    seen = []
    for number, images in enumerate(ticks):
        simulator.command(Action(np.array(HOME_RAD) + (number + 1) * _SWEEP_RAD, 0.04 - 0.002 * number))
        simulator.advance(Tick(images))
        seen.append(simulator.observe(images=images))
    return seen


def assert_same_pictures(one: Observation, other: Observation) -> None:
    assert set(one.images) == set(other.images) == {"cam_high", "cam_wrist"}
    for name, picture in one.images.items():
        np.testing.assert_array_equal(picture, other.images[name], err_msg=name)


def assert_nearly_same_pictures(one: Observation, other: Observation) -> None:
    """But for a pixel at an edge: a link that was put back is where it was to single precision."""
    assert set(one.images) == set(other.images) == {"cam_high", "cam_wrist"}
    for name, picture in one.images.items():
        assert np.abs(picture.astype(int) - other.images[name]).mean() < 0.001, name


def prim_count(isaac: Isaac) -> int:
    """With what is inactive or undefined, too."""
    return len(list(Usd.PrimRange.AllPrims(isaac.stage.GetPseudoRoot())))


def refused(act: Callable[[], object]) -> str:
    """The message of the SimulatorError that an act must raise."""
    with pytest.raises(SimulatorError) as raised:
        act()
    return str(raised.value)
