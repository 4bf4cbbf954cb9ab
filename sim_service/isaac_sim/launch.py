"""What the design's two scripts do, under their names and with their command line, for whoever starts them already.

An entry point, like `python -m sim_service`, which it runs. One flag means something else there: `--streaming` is
NVIDIA's own stream of the application's window, on `--streaming-port`.
"""

from __future__ import annotations

import argparse
import os
import runpy
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Final

from sim_service.collection import Attempt, Collection, step
from sim_service.config import STREAMING_PORT, CollectConfig
from sim_service.isaac_sim.application import Application
from sim_service.isaac_sim.standalone import build_simulator

if TYPE_CHECKING:
    from isaacsim import SimulationApp
    from isaacsim.core.api import World

_PUBLIC, _PRIVATE = "1", "2"  # of LIVESTREAM
_ISAAC: Final = ("--simulator", "isaac")


def run_interactive() -> None:
    """The service, on Isaac Sim. Ends the process."""
    _run("serve")


def run_collector() -> None:
    """One dataset, on Isaac Sim. Ends the process."""
    _run("collect")


def _run(command: str) -> None:
    words, stream = split_streaming(sys.argv[1:], os.environ)
    os.environ.update(stream)
    sys.argv = [sys.argv[0], command, *_ISAAC, *words]
    runpy.run_module("sim_service", run_name="__main__", alter_sys=False)


def split_streaming(words: Sequence[str], environment: Mapping[str, str]) -> tuple[list[str], dict[str, str]]:
    """The words without those of the stream, and the environment that stands for them."""
    parser = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    parser.add_argument("--streaming", action=argparse.BooleanOptionalAction, default=False)
    parser.add_argument("--streaming-port", default=str(STREAMING_PORT))
    known, others = parser.parse_known_args(words)
    if not known.streaming:
        return others, {}
    mode = _PUBLIC if environment.get("PUBLIC_IP") else _PRIVATE
    return others, {"LIVESTREAM": mode, "LIVESTREAM_PORT": known.streaming_port}


def run_collection_in_process(
    world: World,
    simulation_app: SimulationApp,
    num_episodes: int,
    output_dir: str | os.PathLike[str],
    stop_event: threading.Event | None = None,
    progress_callback: Callable[[int, int], None] | None = None,
) -> int:
    """Collect in a process that runs Isaac Sim already, on its open stage; the main thread must call it. The table,
    robot and cameras stay on the stage, and the world keeps our time steps. A dataset in output_dir is continued.

    stop_event: set by any thread, ends the run before the next control period; the episode under way is discarded.
    progress_callback: gets the episodes collected and the episodes asked for, after every attempt. Returns how many
    episodes the dataset has. Raises WriterError, LedgerError, SimulatorUnavailable, SimulatorError.
    """
    config = CollectConfig(output=Path(output_dir), num_episodes=num_episodes, simulator="isaac", resume=True)
    simulator = build_simulator(config.settings, Application(simulation_app, watched=True), world)
    try:
        collection = Collection(config, simulator)

        def tell(attempt: Attempt) -> None:
            del attempt
            if progress_callback is not None:
                progress_callback(collection.ledger.episodes, num_episodes)

        collection.on_attempt = tell
        with closing(collection.run()) as run:
            tick = next(run, None)
            while tick is not None and not (stop_event is not None and stop_event.is_set()):
                try:
                    tick = step(simulator, run, tick)
                except StopIteration:
                    tick = None
    finally:
        simulator.close()
    return collection.ledger.episodes
