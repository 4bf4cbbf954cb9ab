"""Isaac Sim as an application of this process: started, and turned."""

from __future__ import annotations

import logging
import os
import signal
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

from sim_service.isaac_sim.livestream import Livestream, livestream_from_environment, start_livestream
from sim_service.isaac_sim.turns import Turn
from sim_service.simulators import ApplicationSettings, SimulatorStartError, SimulatorUnavailable

if TYPE_CHECKING:
    from isaacsim import SimulationApp

# So that a picture shows the state of the turn that it is drawn in. The first two and the third are what NVIDIA's
# isaacsim.exp.base.zero_delay experience sets.
ZERO_DELAY: Final = (
    "--/app/hydraEngine/waitIdle=true",
    "--/app/updateOrder/checkForHydraRenderComplete=1000",
    "--/app/renderer/waitIdle=true",
    "--/app/asyncRendering=false",
    "--/omni/replicator/asyncRendering=false",
)

_log = logging.getLogger(__name__)


class Application:
    """Belongs to the main thread. watched: whether somebody sees the application's window, or a stream of it."""

    def __init__(self, simulation_app: SimulationApp, watched: bool) -> None:
        self._app: SimulationApp = simulation_app
        self.watched = watched

    def carry_out(self, turn: Turn) -> None:
        """One turn of the adapter. Raises SimulatorUnavailable when the application was closed."""
        from sim_service.isaac_sim.compat import World, create_new_stage

        self._refuse_if_closed()
        world: World = World.instance()
        if turn is Turn.NEW_STAGE:
            create_new_stage()
            self._app.update()
        elif turn is Turn.RESET:
            world.reset()
        elif turn is Turn.PLAY:
            world.play()
        elif turn is Turn.LOAD:
            self._app.update()
        elif turn is Turn.DRAW:
            world.render()
        self._refuse_if_closed()

    def _refuse_if_closed(self) -> None:
        """By the application itself: up to 5.1 SimulationApp.is_running() is False without a stage, too."""
        if not self._app.app.is_running():
            raise SimulatorUnavailable("Isaac Sim was closed")


def start_application(settings: ApplicationSettings) -> Application:
    """Once per process. Raises SimulatorUnavailable where Isaac Sim is not installed or does not start."""
    stream = livestream_from_environment(os.environ)
    try:
        from isaacsim import SimulationApp
    except (ImportError, SystemExit) as error:  # its package exits where it is not whole
        raise SimulatorUnavailable(
            f"Isaac Sim is not in this Python ({error}); run it by Isaac Sim's own python.sh, or use --simulator mujoco"
        ) from error
    if SimulationApp is None:
        raise SimulatorUnavailable(
            "Isaac Sim is in this Python without its extensions; install isaacsim[all,extscache], or use --simulator "
            "mujoco"
        )
    try:
        with _signals_and_arguments_kept():
            app: SimulationApp = SimulationApp(launch_config=launch_config(settings, stream))
    except (Exception, SystemExit) as error:  # whatever Isaac Sim raises; 6.0 exits where its extensions do not load
        raise SimulatorStartError(f"Isaac Sim did not start: {type(error).__name__}: {error}") from error
    if stream is not None:
        extension = start_livestream(stream)
        _log.info("live stream by %s on port %d", extension, stream.signal_port)
    return Application(app, watched=stream is not None or not settings.headless)


@contextmanager
def _signals_and_arguments_kept() -> Iterator[None]:
    """SimulationApp reads the process's arguments, where ours mean nothing to it, and takes Ctrl-C for itself: one that
    came before its start is over would end the process, with exit code 0. So nobody takes a signal meanwhile."""
    arguments, take = sys.argv, signal.signal
    handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    sys.argv = arguments[:1]
    signal.signal = lambda signalnum, handler: signal.getsignal(signalnum)  # noqa: ARG005 as its caller has it
    try:
        yield
    finally:
        sys.argv, signal.signal = arguments, take
        for number, handler in handlers.items():  # what is not Python may have taken them, too
            signal.signal(number, handler)


def launch_config(settings: ApplicationSettings, stream: Livestream | None) -> dict[str, Any]:
    """Of SimulationApp, which ignores what a version does not know."""
    arguments: Sequence[str] = (*ZERO_DELAY, *settings.kit_arguments)
    config: dict[str, Any] = {
        "headless": settings.headless,
        "sync_loads": True,
        "extra_args": list(arguments),
        # Else 6.0 without a window draws a viewport that nobody sees, at seconds per frame.
        "disable_viewport_updates": settings.headless and stream is None,
    }
    if stream is not None:
        # The stream is of the user interface, which is hidden without a window; 3286: grid and axes are shown.
        config |= {"hide_ui": False, "window_width": 1920, "window_height": 1080, "display_options": 3286}
    return config
