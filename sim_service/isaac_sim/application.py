"""Isaac Sim as an application of this process: started, turned, left with the right exit code."""

from __future__ import annotations

import inspect
import logging
import os
import signal
import sys
import threading
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final, NoReturn

from collectors.simulator import SimulatorError
from sim_service.isaac_sim.livestream import Livestream, livestream_from_environment, start_livestream
from sim_service.isaac_sim.turns import Turn
from sim_service.simulators import ApplicationSettings, SimulatorUnavailable

if TYPE_CHECKING:
    from isaacsim import SimulationApp

CLOSE_TIMEOUT_S: Final = 20.0  # Isaac Sim's close() may hang; everything of ours is on the disk by then

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
        """One turn of the adapter. Raises SimulatorError when the application was closed."""
        from sim_service.isaac_sim.compat import World, create_new_stage

        if turn is Turn.NEW_STAGE:
            create_new_stage()
            self._app.update()
            return
        world: World = World.instance()
        if turn is Turn.RESET:
            world.reset()
        elif turn is Turn.PLAY:
            world.play()
        elif turn is Turn.LOAD:
            self._app.update()
        elif turn is Turn.STEP:
            world.step(render=True)
        elif turn is Turn.STEP_BLIND:
            for _ in range(round(world.get_rendering_dt() / world.get_physics_dt())):
                world.step(render=False)
        elif turn is Turn.DRAW:
            world.render()
        if not self._app.is_running():
            raise SimulatorError("Isaac Sim was closed")

    def leave(self, code: int) -> NoReturn:
        """End the process with that code, whatever Isaac Sim makes of it: up to 5.1 its close() ends it with 0."""
        watchdog = threading.Timer(CLOSE_TIMEOUT_S, os._exit, (code,))
        watchdog.daemon = True
        watchdog.start()
        _flush()
        with_code = "exit_code" in inspect.signature(self._app.close).parameters
        if with_code:
            self._app.close(wait_for_replicator=False, exit_code=code)
        elif code == 0:
            self._app.close(wait_for_replicator=False)
        _flush()
        os._exit(code)


def _flush() -> None:
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
    for handler in logging.getLogger().handlers:
        handler.flush()


def start_application(settings: ApplicationSettings) -> Application:
    """Once per process. Raises SimulatorUnavailable where Isaac Sim is not installed or does not start."""
    stream = livestream_from_environment(os.environ)
    try:
        from isaacsim import SimulationApp
    except ImportError as error:
        raise SimulatorUnavailable(
            f"Isaac Sim is not in this Python ({error}); run it by Isaac Sim's own python.sh, or use --simulator mujoco"
        ) from error
    arguments, handlers = sys.argv, {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    sys.argv = arguments[:1]  # the application reads them too, and ours mean nothing to it
    try:
        app: SimulationApp = SimulationApp(launch_config=launch_config(settings, stream))
    except Exception as error:
        raise SimulatorUnavailable(f"Isaac Sim did not start: {type(error).__name__}: {error}") from error
    finally:
        sys.argv = arguments
        for number, handler in handlers.items():  # it takes Ctrl-C for itself
            signal.signal(number, handler)
    if stream is not None:
        _log.info("live stream by %s on port %d", start_livestream(stream), stream.signal_port)
    return Application(app, watched=stream is not None or not settings.headless)


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
