"""Pictures of the Isaac Sim adapter: of the very instant of the state, whatever the renderer's delay."""

from itertools import pairwise

import numpy as np
import pytest
from isaac_cell import NEWEST, OLDEST, VERSIONS, assert_nearly_same_pictures, assert_same_pictures, isaac_cell, sweep
from isaac_standin import Faults
from simulator_contract import same, scene

from collectors.simulator import Observation, Simulator
from sim_service.simulators import ApplicationSettings

FRAMES = 6


def film(simulator: Simulator) -> list[Observation]:
    """The arm on the move, pictures at each tick."""
    simulator.reset(scene(simulator.objects[0]))
    return sweep(simulator, [True] * FRAMES)


@pytest.fixture(scope="module")
def undelayed() -> list[Observation]:
    with isaac_cell(OLDEST) as cell:
        assert cell.simulator.picture_delay == 0
        seen = film(cell.simulator)
    for before, after in pairwise(seen):  # else a delay would not show
        for name, picture in after.images.items():
            assert np.abs(picture.astype(int) - before.images[name]).mean() > 0.1
    return seen


@pytest.mark.parametrize(
    ("version", "faults"),
    [
        (OLDEST, Faults(picture_delay=1)),
        (NEWEST, Faults(picture_delay=0)),
        (NEWEST, Faults(picture_delay=3)),
        (NEWEST, Faults(picture_delay=1, no_camera_class=True)),
    ],
    ids=["4.5.0 by 1", "6.0.1 by 0", "6.0.1 by 3", "6.0.1 without the camera class by 1"],
)
def test_pictures_are_those_of_the_state_whatever_their_delay(
    version: str, faults: Faults, undelayed: list[Observation]
) -> None:
    with isaac_cell(version, faults=faults) as cell:
        assert cell.simulator.picture_delay == faults.picture_delay
        for one, other in zip(film(cell.simulator), undelayed, strict=True):
            assert same(one, other)
            assert_same_pictures(one, other)
        cell.simulator.reset(scene(cell.simulator.objects[0]))
        sweep(cell.simulator, [False] * FRAMES)
        cell.simulator.refresh(images=True)
        assert_nearly_same_pictures(cell.simulator.observe(images=True), undelayed[-1])


def test_settings_that_bring_a_delay_back_are_measured(undelayed: list[Observation]) -> None:
    given = ApplicationSettings(kit_arguments=("--/app/hydraEngine/waitIdle=false",))
    with isaac_cell(OLDEST, application=given) as cell:
        assert cell.simulator.picture_delay == 1
        for one, other in zip(film(cell.simulator), undelayed, strict=True):
            assert_same_pictures(one, other)


@pytest.mark.parametrize("version", VERSIONS)
def test_every_tick_renders_while_somebody_watches(version: str) -> None:
    with isaac_cell(version, application=ApplicationSettings(headless=False)) as cell:
        cell.simulator.reset(scene(cell.simulator.objects[0]))
        updates, steps = cell.isaac.updates, cell.isaac.physics_steps
        sweep(cell.simulator, [False] * 5)
        assert (cell.isaac.updates, cell.isaac.physics_steps) == (updates + 5, steps + 20)
        before = cell.simulator.observe()
        cell.simulator.refresh(images=True)  # drawn already: time need not pass
        assert cell.isaac.physics_steps == steps + 20
        assert same(cell.simulator.observe(images=True), before)
