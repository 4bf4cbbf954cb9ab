"""What the outside may know of the simulator process: frozen records, and read-only protocols to get them by. `Ports`
is all of them together, with the queue of commands.

Everything here may be called from any thread. What a method returns is a snapshot that nobody changes afterwards.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from sim_service.commands import CollectRequest, CommandQueue

ServiceState = Literal["starting", "idle", "collecting", "stopping", "failed"]
JobState = Literal["collecting", "stopping", "completed", "incomplete", "stopped", "failed", "interrupted"]
RUNNING_STATES: Final[tuple[JobState, ...]] = ("collecting", "stopping")
EventKind = Literal["state", "job", "episode"]


@dataclass(frozen=True)
class Progress:
    """Where a job is.

    completed: recorded episodes of those requested, with those that were there before a resume. exhausted: episodes
    given up. current_episode: index of the episode under way, None between episodes. attempt: of that episode, from 0.
    frame, frames: recorded rows of that attempt, and how many it will have; 0 of 0 before its first row.
    """

    requested: int
    completed: int = 0
    exhausted: int = 0
    current_episode: int | None = None
    attempt: int = 0
    frame: int = 0
    frames: int = 0
    phase: str = ""


@dataclass(frozen=True)
class Job:
    """One collection, running or over.

    state: "incomplete" is done with episodes given up, "interrupted" ended with the process. output: the dataset's
    folder. attempts, successes, failures (reason to count): of the whole dataset. frames: recorded by this job.
    frames_per_s: over the last half minute while it runs, over all of it afterwards. eta_s: seconds left. started_at,
    finished_at: Unix time [s]. error: what ended a failed or interrupted job.
    """

    id: str
    state: JobState
    request: CollectRequest
    output: Path
    progress: Progress
    started_at: float
    finished_at: float | None = None
    attempts: int = 0
    successes: int = 0
    failures: Mapping[str, int] = field(default_factory=dict)
    frames: int = 0
    frames_per_s: float | None = None
    eta_s: float | None = None
    error: str | None = None

    @property
    def running(self) -> bool:
        return self.state in RUNNING_STATES

    @property
    def success_rate(self) -> float | None:
        """Successes per attempt; None before the first one is over."""
        return self.successes / self.attempts if self.attempts else None


@dataclass(frozen=True)
class SimulatorState:
    """playing: whether time passes while nothing is collected. time_s: simulated time since the scene was laid out."""

    name: str
    playing: bool
    time_s: float
    control_period_s: float
    versions: Mapping[str, str]


@dataclass(frozen=True)
class Counters:
    """Totals since the process began. tick_seconds: time spent in `ticks` control ticks of collections."""

    ticks: int = 0
    tick_seconds: float = 0.0
    frames: int = 0
    episodes: Mapping[str, int] = field(default_factory=dict)  # outcome ("success" or a failure reason) to attempts
    jobs: Mapping[JobState, int] = field(default_factory=dict)  # final state to jobs


@dataclass(frozen=True)
class Status:
    """The process at one instant.

    job: the running one, else the last one since the process began. heartbeat: `time.monotonic()` of the main loop's
    last turn. error: why the simulator failed.
    """

    state: ServiceState
    job: Job | None
    simulator: SimulatorState | None
    heartbeat: float
    error: str | None = None
    counters: Counters = field(default_factory=Counters)


class StatusSource(Protocol):
    @property
    def status(self) -> Status:
        """The latest snapshot; costs nothing."""


class JobHistory(Protocol):
    """All jobs that this data root has seen, those of earlier processes too."""

    def jobs(self, limit: int) -> Sequence[Job]:
        """The newest first."""

    def job(self, job_id: str) -> Job | None: ...


@dataclass(frozen=True)
class Event:
    """Something that happened. id: unique over restarts, without spaces or line breaks. data: ready for JSON.

    What data holds: kind "state": state, error. "job": id, state, error. "episode": job_id, index, attempt, success,
    recorded, exhausted, failure_reason (or None), placement_error_m (of a success), frames, completed, requested.
    """

    id: str
    kind: EventKind
    data: Mapping[str, Any]


class EventsLostError(LookupError):
    """Events after that position are no longer kept."""


class EventSource(Protocol):
    """The last few thousand events in order. A position is a number that rises by one per event."""

    @property
    def end(self) -> int:
        """The position after the last event."""

    @property
    def closed(self) -> bool:
        """The process is ending: no event will come."""

    def position_after(self, event_id: str) -> int | None:
        """The position after that event; None where it is of another process, unknown, or no longer kept."""

    def read(self, position: int, timeout_s: float) -> Sequence[Event]:
        """Events from `position` on; waits at most `timeout_s` for the first, and returns none when closed. The next
        position is `position` plus their number. Raises EventsLostError."""


@dataclass(frozen=True, eq=False)
class Frame:
    """A picture. number: rises with every picture of its camera. rgb: uint8, shape (height, width, 3), not to be
    written to. taken_at: `time.monotonic()` [s]."""

    camera: str
    number: int
    rgb: NDArray[np.uint8]
    taken_at: float


class FrameSource(Protocol):
    """The latest picture of each camera. Pictures are made for as long as somebody watches."""

    @property
    def cameras(self) -> Sequence[str]: ...

    @property
    def viewers(self) -> int: ...

    def watch(self) -> AbstractContextManager[None]:
        """While entered, somebody watches."""

    def latest(self, camera: str) -> Frame | None:
        """Without waiting; None before the first. Raises KeyError for a camera that does not exist."""

    def wait(self, camera: str, after: int, timeout_s: float) -> Frame | None:
        """The latest with a number above `after`; None when none comes in time or the process is ending."""


class OutputDirError(ValueError):
    """Not a folder below the data root; the message says what was asked and what is allowed."""


class DataRoot(Protocol):
    """The one folder below which datasets are written."""

    @property
    def path(self) -> Path: ...

    def name_of(self, output_dir: str) -> str:
        """The path below the root, "/" between its parts, of a relative path or an absolute one inside the root.
        Raises OutputDirError for whatever escapes the root (.., a symbolic link, an absolute path elsewhere) or cannot
        be a dataset's name."""


@dataclass(frozen=True)
class DatasetSummary:
    """A dataset below the data root. name: its path there. success_rate: of attempts, where known. modified_at: Unix
    time [s]. simulator, seed: None where another collector wrote it. has_report: `report` can be had. error: why it
    cannot be read; everything else is then 0, empty or None."""

    name: str
    episodes: int = 0
    frames: int = 0
    fps: int = 0
    robot_type: str = ""
    cameras: Sequence[str] = ()
    size_bytes: int = 0
    modified_at: float = 0.0
    simulator: str | None = None
    seed: int | None = None
    attempts: int | None = None
    successes: int | None = None
    failures: Mapping[str, int] = field(default_factory=dict)
    has_report: bool = False
    error: str | None = None


@dataclass(frozen=True)
class EpisodeSummary:
    """One recorded episode. episode: its position in the dataset. index: the global index it was drawn by. What only
    our collector records is None in another's dataset. placement_error_m: object to goal in the plane."""

    episode: int
    frames: int
    duration_s: float
    task: str
    index: int | None = None
    attempt: int | None = None
    success: bool | None = None
    failure_reason: str | None = None
    placement_error_m: float | None = None
    object: str | None = None
    object_colour: str | None = None


@dataclass(frozen=True)
class EpisodeVideo:
    """An MP4 of exactly one episode and camera. content: a file, or the bytes where several episodes share a file.
    etag: another one when the content changes."""

    content: Path | bytes
    etag: str


class UnknownDatasetError(LookupError):
    """No such dataset, episode, camera or report; the message says what there is."""


class UnreadableDatasetError(RuntimeError):
    """The dataset is there but broken; the message says how."""


class Catalogue(Protocol):
    """The datasets below the data root. Every method may raise UnreadableDatasetError, all but the first
    UnknownDatasetError."""

    def datasets(self) -> Sequence[DatasetSummary]:
        """All of them, the last modified first; a broken one is in the list, with its error."""

    def dataset(self, name: str) -> DatasetSummary: ...

    def episodes(self, name: str, offset: int, limit: int) -> Sequence[EpisodeSummary]: ...

    def video(self, name: str, episode: int, camera: str) -> EpisodeVideo:
        """camera: without the feature's prefix, such as "cam_high"."""

    def report(self, name: str) -> Path:
        """The HTML file."""


@dataclass(frozen=True, eq=False)
class Ports:
    """All that a page and an API are made of. commands: None where there is nothing to command, only to look on."""

    commands: CommandQueue | None
    status: StatusSource
    events: EventSource
    jobs: JobHistory
    frames: FrameSource
    data_root: DataRoot
    catalogue: Catalogue
