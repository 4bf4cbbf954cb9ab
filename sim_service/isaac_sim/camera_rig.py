"""The cameras of the cell: warmed up, measured for delay, read."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from typing import Final

import numpy as np

from collectors.cameras import Camera
from collectors.simulator import Image, SimulatorError
from sim_service.isaac_sim.compat import PictureSource, picture_source
from sim_service.isaac_sim.turns import Turn
from sim_service.isaac_sim.usd.paths import CAMERAS

BLACK: Final = 2.0  # mean pixel below which nothing was drawn; the lit cell is far above
MIN_WARM_UP_TURNS: Final = 50  # shaders compile and textures stream in during the first ones
MAX_WARM_UP_TURNS: Final = 600
MAX_DELAY_TURNS: Final = 8  # of a picture behind the state; more is a broken renderer
# A picture follows the state once it is this much nearer to the picture that it settles at than to the one before.
FOLLOWS_AT: Final = 0.25
LEAST_CHANGE: Final = 0.5  # mean absolute difference of two pictures that show the arm in two places


class CameraRig:
    """The prims of the cameras must be on the stage."""

    def __init__(self, cameras: Sequence[Camera]) -> None:
        self._cameras = tuple(cameras)
        self._sources: dict[str, PictureSource] = {
            camera.name: picture_source(CAMERAS[camera.name], camera) for camera in cameras
        }

    def start(self) -> None:
        """After every reset of the world."""
        for source in self._sources.values():
            source.start()

    def warming_up(self) -> Iterator[Turn]:
        """Until every camera gives a picture that is not black. Raises SimulatorError when that takes too long."""
        for turn in range(MAX_WARM_UP_TURNS):
            yield Turn.DRAW
            if turn + 1 >= MIN_WARM_UP_TURNS and not self._problems():
                return
        raise SimulatorError(
            f"after {MAX_WARM_UP_TURNS} turns of the application: {'; '.join(self._problems())}. Is there a GPU that "
            "Isaac Sim can render with, and do the lights reach the scene?"
        )

    def measuring_delay(self, move: Callable[[], None]) -> Generator[Turn, None, int]:
        """Returns by how many turns pictures lag behind the state. Every picture so far must show the arm where it is.
        move: puts it where every camera sees it elsewhere, on the stage too. Raises SimulatorError where the pictures
        do not follow."""
        before = self.read()
        move()
        shown = []
        for _ in range(1 + MAX_DELAY_TURNS):
            yield Turn.DRAW
            shown.append(self.read())
        return max(_delay(name, before[name], [pictures[name] for pictures in shown]) for name in before)

    def read(self) -> Mapping[str, Image]:
        """What was drawn last, by camera. Raises SimulatorError naming every camera without a picture."""
        pictures = {name: source.read() for name, source in self._sources.items()}
        problems = _problems(pictures)
        if problems:
            raise SimulatorError("; ".join(problems))
        return {name: picture for name, picture in pictures.items() if picture is not None}

    def close(self) -> None:
        """Before the prims go away."""
        for source in self._sources.values():
            source.close()

    def _problems(self) -> list[str]:
        return _problems({name: source.read() for name, source in self._sources.items()})


def _problems(pictures: Mapping[str, Image | None]) -> list[str]:
    problems = [f"camera {name} has no picture" for name, picture in pictures.items() if picture is None]
    return problems + [
        f"camera {name} is black (mean {picture.mean():.1f} of 255)"
        for name, picture in pictures.items()
        if picture is not None and picture.mean() < BLACK
    ]


def _delay(name: str, before: Image, shown: Sequence[Image]) -> int:
    """Turns of drawing after which `shown` has come to the last picture of it."""
    settled = shown[-1]
    change = _difference(before, settled)
    if change < LEAST_CHANGE:
        raise SimulatorError(
            f"the arm moved, and within {MAX_DELAY_TURNS} turns camera {name} does not show it move: its pictures "
            f"differ by {change:.2f} of 255"
        )
    arrived = [_difference(picture, settled) <= FOLLOWS_AT * change for picture in shown]
    delay = max((index + 1 for index, there in enumerate(arrived) if not there), default=0)
    if delay >= MAX_DELAY_TURNS:
        raise SimulatorError(f"the pictures of camera {name} lag behind the arm by {delay} turns or more")
    return delay


def _difference(one: Image, other: Image) -> float:
    return float(np.abs(one.astype(np.int16) - other.astype(np.int16)).mean())
