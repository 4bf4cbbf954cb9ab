"""Which simulators exist, and how one is opened. Adapters are imported only when asked for."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

from collectors.objects import CUBE, YCB, ObjectKind
from collectors.scene import PHYSICS_PERIOD_S
from collectors.simulator import Simulator

SIMULATOR_NAMES: Final = ("auto", "isaac", "mujoco")
RenderPreset = Literal["fast", "default", "high"]
RENDER_PRESETS: Final[tuple[RenderPreset, ...]] = ("fast", "default", "high")


class SimulatorUnavailable(RuntimeError):
    """The simulator that was asked for cannot run here; the message says what is missing."""


@dataclass(frozen=True)
class SimulatorSettings:
    """fps: control and camera rate [1/s], a divisor of the physics rate of 120 Hz."""

    fps: int = 30
    use_ycb: bool = False
    render_preset: RenderPreset = "default"

    def __post_init__(self) -> None:
        physics_rate = round(1 / PHYSICS_PERIOD_S)
        if self.fps < 1 or physics_rate % self.fps:
            allowed = [n for n in range(1, physics_rate + 1) if physics_rate % n == 0]
            raise ValueError(
                f"fps {self.fps} does not divide the physics rate of {physics_rate} Hz; allowed: {allowed}"
            )

    @property
    def objects(self) -> tuple[ObjectKind, ...]:
        return tuple(YCB.values()) if self.use_ycb else (CUBE,)


def resolve_simulator(name: str) -> str:
    """`auto` becomes the embedded "mujoco": there is no Isaac Sim adapter to prefer yet."""
    if name not in SIMULATOR_NAMES:
        raise ValueError(f"unknown simulator {name!r}; known: {', '.join(SIMULATOR_NAMES)}")
    return "mujoco" if name == "auto" else name


def open_simulator(name: str, settings: SimulatorSettings) -> Simulator:
    """Raises SimulatorUnavailable with what to install, or how to choose another one."""
    resolved = resolve_simulator(name)
    if resolved == "isaac":
        raise SimulatorUnavailable("this version has no Isaac Sim adapter yet; use --simulator mujoco")
    from sim_service.mujoco_sim.simulator import MujocoSimulator

    return MujocoSimulator(settings)
