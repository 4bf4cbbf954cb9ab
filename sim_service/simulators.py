"""Which simulators exist, and how one is opened. Adapters are imported only when asked for."""

from __future__ import annotations

import importlib.util
import os
import sys
from contextlib import suppress
from dataclasses import dataclass
from typing import Final, Literal, NoReturn

from collectors.objects import CUBE, YCB, ObjectKind
from collectors.randomization import MAX_DISTRACTORS, Randomization
from collectors.scene import PHYSICS_PERIOD_S
from collectors.simulator import Simulator

SIMULATOR_NAMES: Final = ("auto", "isaac", "mujoco")
RenderPreset = Literal["fast", "default", "high"]
RENDER_PRESETS: Final[tuple[RenderPreset, ...]] = ("fast", "default", "high")


class SimulatorUnavailable(RuntimeError):
    """The simulator that was asked for cannot run here; the message says what is missing."""


class SimulatorStartError(SimulatorUnavailable):
    """It is here, and did not start: another try, or another machine, may do."""


class SimulatorStarting(RuntimeError):
    """Not open yet: ask again after a turn of the application's main loop."""


@dataclass(frozen=True)
class ApplicationSettings:
    """How the application that a simulator is part of starts; it decides nothing of an episode. The embedded simulator
    has none. kit_arguments: settings of Omniverse Kit, such as --/persistent/isaac/asset_root/default=FOLDER."""

    headless: bool = True
    kit_arguments: tuple[str, ...] = ()


@dataclass(frozen=True)
class SimulatorSettings:
    """fps: control and camera rate [1/s], a divisor of the physics rate of 120 Hz. num_distractors: that the scenes
    of this run choose theirs from. textured_table: whether its tables may have textures."""

    fps: int = 30
    use_ycb: bool = False
    render_preset: RenderPreset = "default"
    num_distractors: int = 0
    textured_table: bool = False

    def __post_init__(self) -> None:
        physics_rate = round(1 / PHYSICS_PERIOD_S)
        if self.fps < 1 or physics_rate % self.fps:
            allowed = [n for n in range(1, physics_rate + 1) if physics_rate % n == 0]
            raise ValueError(
                f"fps {self.fps} does not divide the physics rate of {physics_rate} Hz; allowed: {allowed}"
            )

    @staticmethod
    def of(fps: int, use_ycb: bool, render_preset: RenderPreset, randomization: Randomization) -> SimulatorSettings:
        """With whatever the scenes of that randomization need."""
        textured = any(texture != "plain" for texture in randomization.table_textures)
        num_distractors = MAX_DISTRACTORS if randomization.distractors[1] else 0  # a scene may have any of them
        return SimulatorSettings(fps, use_ycb, render_preset, num_distractors, textured)

    @property
    def objects(self) -> tuple[ObjectKind, ...]:
        return tuple(YCB.values()) if self.use_ycb else (CUBE,)


def resolve_simulator(name: str) -> str:
    """`auto` becomes "isaac" in a Python that has Isaac Sim, else the embedded "mujoco"."""
    if name not in SIMULATOR_NAMES:
        raise ValueError(f"unknown simulator {name!r}; known: {', '.join(SIMULATOR_NAMES)}")
    if name != "auto":
        return name
    return "isaac" if importlib.util.find_spec("isaacsim") is not None else "mujoco"


def open_simulator(
    name: str, settings: SimulatorSettings, application: ApplicationSettings = ApplicationSettings()
) -> Simulator:
    """Raises SimulatorUnavailable with what to install, or how to choose another one."""
    if resolve_simulator(name) == "isaac":
        from sim_service.isaac_sim.standalone import open_isaac_simulator

        return open_isaac_simulator(settings, application)
    from sim_service.mujoco_sim.simulator import MujocoSimulator

    return MujocoSimulator(settings)


def end_process(code: int) -> NoReturn:
    """End this process with that exit code, everything that it said written out.

    Where Isaac Sim was started, at once, and not by SimulationApp.close(): up to 5.1 that ends the process with 0
    whatever the code should be, and in every version it may crash, or hang in a way that no thread of Python can end.
    For any code but 0 the close() of 6.0 leaves like this, too.
    """
    for stream in (sys.stdout, sys.stderr):
        with suppress(BrokenPipeError):  # whoever read it is gone
            stream.flush()
    if "isaacsim" in sys.modules:
        os._exit(code)
    sys.exit(code)
