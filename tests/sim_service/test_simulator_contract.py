"""Every simulator keeps the contract of collectors.simulator."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, closing

import pytest
from fake_simulator import FakeSimulator
from isaac_cell import isaac_simulator
from simulator_contract import CHECKS, check_closing

from collectors.simulator import Simulator
from sim_service.mujoco_sim.simulator import MujocoSimulator
from sim_service.simulators import SimulatorSettings

YCB_60_FPS = SimulatorSettings(fps=60, use_ycb=True, render_preset="fast")

SIMULATORS: dict[str, Callable[[], AbstractContextManager[Simulator]]] = {
    "fake": lambda: closing(FakeSimulator()),
    "mujoco": lambda: closing(MujocoSimulator(SimulatorSettings())),
    "mujoco, YCB, 60 fps, no shadows": lambda: closing(MujocoSimulator(YCB_60_FPS)),
    "isaac 4.5.0": lambda: isaac_simulator("4.5.0"),
    "isaac 5.0.0": lambda: isaac_simulator("5.0.0"),
    "isaac 5.1.0, YCB, 60 fps": lambda: isaac_simulator("5.1.0", YCB_60_FPS),
    "isaac 6.0.1": lambda: isaac_simulator("6.0.1"),
}


@pytest.fixture(scope="module", params=SIMULATORS.values(), ids=SIMULATORS.keys())
def simulator(request: pytest.FixtureRequest) -> Iterator[Simulator]:
    """One for all checks: each starts from what the one before left behind. There is one Isaac Sim in a process."""
    with request.param() as opened:
        yield opened


@pytest.mark.parametrize("check", [*CHECKS, check_closing], ids=lambda check: check.__name__)
def test_contract(simulator: Simulator, check: Callable[[Simulator], None]) -> None:
    check(simulator)
