"""What a report tells, before it is drawn. Texts are as the dataset has them; whoever draws escapes them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from sim_service.quality.gate import Verdict

Floats = NDArray[np.float64]
LineKind = Literal["state", "action", "speed"]
Pairs = tuple[tuple[str, str], ...]
"""Names and what they have, both for a person."""


@dataclass(frozen=True)
class Outcomes:
    """attempts: those that were discarded included. first: attempts with number 0, one for each index. exhausted:
    indices whose attempts all failed. failures: reason to attempts."""

    attempts: int
    successes: int
    successes_2cm: int
    first: int
    first_successes: int
    exhausted: int
    recorded_failures: int
    failures: Mapping[str, int]


@dataclass(frozen=True, eq=False)
class Coverage:
    """Of recorded episodes; world frame, m, shape (episodes, 2). success: shape (episodes,). episodes: in the dataset,
    of which these are a part. picks_in, places_in: cells with one, of all `cells`."""

    picks_m: Floats
    places_m: Floats
    success: NDArray[np.bool_]
    episodes: int
    picks_in: int
    places_in: int
    cells: int


@dataclass(frozen=True, eq=False)
class PlacementErrors:
    """errors_m, success: shape (episodes,)."""

    errors_m: Floats
    success: NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class Distribution:
    """What one quantity was over the episodes: `values` where it is a number, `counts` where it is a word. asked: the
    range that the configuration draws from. swatches: sRGB 0..1 of some episodes, shape (n, 3)."""

    group: str
    name: str
    unit: str = ""
    values: Floats | None = None
    counts: Mapping[str, int] | None = None
    swatches: Floats | None = None
    asked: tuple[float, float] | None = None


@dataclass(frozen=True, eq=False)
class Line:
    """times_s, values: shape (points,), of the same length."""

    kind: LineKind
    times_s: Floats
    values: Floats


@dataclass(frozen=True)
class Mark:
    """A point of a panel's line that is pointed out."""

    time_s: float
    value: float
    text: str


@dataclass(frozen=True)
class Panel:
    title: str
    unit: str
    lines: tuple[Line, ...]
    mark: Mark | None = None


@dataclass(frozen=True)
class Phase:
    name: str
    begin_s: float
    end_s: float


@dataclass(frozen=True)
class Picture:
    """What a camera saw at a frame, as JPEG."""

    label: str
    time_s: float
    size_px: tuple[int, int]
    jpeg: bytes


@dataclass(frozen=True)
class Sheet:
    camera: str
    pictures: tuple[Picture, ...]


@dataclass(frozen=True)
class Clip:
    """The first `seconds` of the episode's `of_seconds`, as MP4."""

    camera: str
    seconds: float
    of_seconds: float
    mp4: bytes


@dataclass(frozen=True)
class ShownEpisode:
    """One of the episodes that are shown closely. why: how it was chosen. problems: what could not be read of it."""

    number: int
    why: str
    task: str
    result: str
    duration_s: float
    phases: tuple[Phase, ...]
    panels: tuple[Panel, ...]
    sheets: tuple[Sheet, ...]
    clips: tuple[Clip, ...]
    problems: tuple[str, ...]


@dataclass(frozen=True)
class Quality:
    """What the gates said; `problem`, where they could not be run, says why. motion: rows of figures of the motion,
    with the headings before them."""

    verdicts: tuple[Verdict, ...] = ()
    problem: str = ""
    motion: tuple[tuple[str, ...], ...] = ()


@dataclass(frozen=True)
class ReportFacts:
    """name: of the dataset. collected: whether this collector's columns are there, without which outcomes, coverage and
    errors are None. tasks: text to episodes, the most frequent ones, of `total_tasks`. problems: of the whole."""

    name: str
    episodes: int
    collected: bool
    totals: Pairs
    recording: Pairs
    versions: Pairs
    tasks: tuple[tuple[str, int], ...]
    total_tasks: int
    preset: str
    randomization: Pairs
    outcomes: Outcomes | None
    coverage: Coverage | None
    errors: PlacementErrors | None
    distributions: tuple[Distribution, ...]
    quality: Quality
    shown: tuple[ShownEpisode, ...]
    problems: tuple[str, ...]

    @property
    def told_problems(self) -> list[str]:
        """Everything that could not be read, for a person."""
        return [*self.problems, *(f"episode {shown.number}: {told}" for shown in self.shown for told in shown.problems)]
