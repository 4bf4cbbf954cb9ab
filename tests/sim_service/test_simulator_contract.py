"""Every simulator keeps the contract of collectors.simulator."""

from collections.abc import Callable, Iterator

import pytest
from fake_simulator import FakeSimulator
from simulator_contract import CHECKS, check_closing

from collectors.simulator import Simulator
from sim_service.mujoco_sim.simulator import MujocoSimulator
from sim_service.simulators import SimulatorSettings

SIMULATORS: dict[str, Callable[[], Simulator]] = {
    "fake": FakeSimulator,
    "mujoco": lambda: MujocoSimulator(SimulatorSettings()),
    "mujoco, YCB, 60 fps, no shadows": lambda: MujocoSimulator(
        SimulatorSettings(fps=60, use_ycb=True, render_preset="fast")
    ),
}


@pytest.fixture(scope="module", params=SIMULATORS.values(), ids=SIMULATORS.keys())
def simulator(request: pytest.FixtureRequest) -> Iterator[Simulator]:
    """One for all checks: each starts from what the one before left behind."""
    opened = request.param()
    yield opened
    opened.close()


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
def test_contract(simulator: Simulator, check: Callable[[Simulator], None]) -> None:
    check(simulator)


@pytest.mark.parametrize("name", SIMULATORS)
def test_closing(name: str) -> None:
    check_closing(SIMULATORS[name]())
