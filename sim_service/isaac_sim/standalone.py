"""Isaac Sim in a process whose main loop is ours."""

from __future__ import annotations

from typing import TYPE_CHECKING

from collectors.simulator import Simulator, SimulatorError
from sim_service.isaac_sim.application import Application, start_application
from sim_service.simulators import ApplicationSettings, SimulatorSettings, SimulatorStartError

if TYPE_CHECKING:
    from isaacsim.core.api import World

    from sim_service.isaac_sim.simulator import IsaacSimulator

_running: Application | None = None  # Isaac Sim can be started once in a process, and cannot be started again


def open_isaac_simulator(settings: SimulatorSettings, application: ApplicationSettings) -> Simulator:
    """Starts the application when it does not run yet. Raises SimulatorUnavailable with what is missing."""
    return build_simulator(settings, running_application(application))


def running_application(settings: ApplicationSettings) -> Application:
    """The one of this process, started when it does not run yet. Raises SimulatorUnavailable."""
    global _running
    if _running is None:
        _running = start_application(settings)
    return _running


def build_simulator(
    settings: SimulatorSettings, application: Application, world: World | None = None
) -> IsaacSimulator:
    """On the stage of `world`, else on a new one. Raises SimulatorUnavailable."""
    # Their names exist once the application runs.
    from sim_service.isaac_sim.simulator import IsaacSimulator
    from sim_service.isaac_sim.usd.errors import StageError

    simulator = IsaacSimulator(settings, application.carry_out, every_turn_draws=application.watched)
    try:
        for turn in simulator.building(world):
            application.carry_out(turn)
    except (SimulatorError, StageError) as error:
        simulator.close()
        raise SimulatorStartError(f"Isaac Sim runs, but the work cell could not be built: {error}") from error
    except BaseException:
        simulator.close()
        raise
    return simulator
