"""What a gate is: it sees every episode once, in order, and then says whether the dataset passes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from sim_service.stored import Columns

Status = Literal["pass", "fail", "skipped"]
Luma = NDArray[np.uint8]
"""The Y plane of a decoded picture, shape (height, width), full range 0 to 255."""


@dataclass(frozen=True)
class EpisodeNumbers:
    """What the data files and meta/episodes hold of one episode.

    number: its position in the dataset. row: of meta/episodes, `collection/...` columns included where there are any.
    columns: every numeric feature, shape (frames,) or (frames, size). names: of the dimensions, by feature. fps: frames
    per second.
    """

    number: int
    fps: int
    row: Mapping[str, Any]
    columns: Columns
    names: Mapping[str, tuple[str, ...]]


@dataclass(frozen=True)
class Verdict:
    """What a gate says at the end.

    gate: its name, such as "action-lag". found, allowed: for a person, with units; of a skipped gate `found` is why.
    value: the figure that was compared, None where there is none. episodes: those at fault, rising. figures: numbers
    worth keeping, as JSON takes them.
    """

    gate: str
    status: Status
    found: str
    allowed: str = ""
    value: float | None = None
    episodes: tuple[int, ...] = ()
    figures: Mapping[str, Any] = field(default_factory=dict)


class NumberGate(Protocol):
    """Judges what is in the data files."""

    def see(self, episode: EpisodeNumbers) -> None: ...

    def verdicts(self) -> Iterable[Verdict]: ...


class PictureGate(Protocol):
    """Judges the videos: `see` gets every picture of every episode and camera, in order, and a `frame` of 0 begins the
    next episode of that camera."""

    def see(self, episode: int, camera: str, frame: int, luma: Luma) -> None: ...

    def verdicts(self) -> Iterable[Verdict]: ...
