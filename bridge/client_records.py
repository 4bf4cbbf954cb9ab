"""What the Bridge API answers with, as frozen records. Their names and types are the schema: see `client_schema`."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from bridge.client_schema import record

RUNNING_STATES: Final = ("collecting", "stopping")
STATUS_EVENTS: Final = ("status", "reset", "progress")


@dataclass(frozen=True)
class ProgressInfo:
    """Where a job is. completed, exhausted: episodes recorded and given up. current_episode: None between episodes.
    frame of frames: of the attempt under way. fraction: 0 to 1, with the episode under way."""

    requested: int
    completed: int
    exhausted: int
    current_episode: int | None
    attempt: int
    frame: int
    frames: int
    phase: str
    fraction: float


@dataclass(frozen=True)
class RequestInfo:
    """What a job was asked for. randomize: none, light or full; None where a batch run has ranges of its own.
    num_objects: None: what `randomize` says."""

    output_dir: str
    skill: str
    num_episodes: int
    seed: int
    steps_per_segment: int
    use_ycb: bool
    randomize: str | None
    num_objects: int | None
    resume: bool


@dataclass(frozen=True)
class JobInfo:
    """One collection. state: collecting, stopping, completed, incomplete (done, with episodes given up), stopped,
    failed or interrupted (it ended with the service). output_dir: on the service's machine; dataset: its name there.
    attempts, successes, failures (reason to count): of the whole dataset. frames: of this job."""

    id: str
    state: str
    skill: str
    request: RequestInfo
    output_dir: str
    dataset: str
    progress: ProgressInfo
    attempts: int
    successes: int
    success_rate: float | None
    failures: dict[str, int]
    frames: int
    frames_per_s: float | None
    eta_s: float | None
    started_at: datetime
    finished_at: datetime | None
    error: str | None

    @property
    def running(self) -> bool:
        return self.state in RUNNING_STATES


@dataclass(frozen=True)
class StatusInfo:
    """The service now. state: starting, idle, collecting, stopping or failed. What is of a job is of the running one,
    else of the last one since the service began. last_event_id: where `events` goes on without a gap. viewers: of live
    video."""

    state: str
    job_id: str | None
    job_state: str | None
    skill: str | None
    progress: ProgressInfo | None
    attempts: int
    successes: int
    success_rate: float | None
    failures: dict[str, int]
    frames: int
    frames_per_s: float | None
    eta_s: float | None
    output_dir: str | None
    dataset: str | None
    started_at: datetime | None
    finished_at: datetime | None
    error: str | None
    last_event_id: str | None
    read_only: bool
    data_root: str
    version: str
    viewers: int


@dataclass(frozen=True)
class SimInfo:
    """The simulator. playing: whether time passes while nothing is collected. state: as in StatusInfo."""

    name: str
    playing: bool
    time_s: float | None
    control_period_s: float
    versions: dict[str, str]
    state: str


@dataclass(frozen=True)
class DatasetInfo:
    """A dataset. simulator, seed, attempts, successes: None where another collector wrote it. error: why it cannot be
    read."""

    name: str
    episodes: int
    frames: int
    fps: int
    robot_type: str
    cameras: tuple[str, ...]
    size_bytes: int
    modified_at: datetime | None
    simulator: str | None
    seed: int | None
    attempts: int | None
    successes: int | None
    success_rate: float | None
    failures: dict[str, int]
    has_report: bool
    error: str | None


@dataclass(frozen=True)
class EpisodeInfo:
    """One recorded episode. episode: its position in the dataset; index: the one it was drawn by. videos: camera to
    path on the service."""

    episode: int
    index: int | None
    frames: int
    duration_s: float
    task: str
    attempt: int | None
    success: bool | None
    failure_reason: str | None
    placement_error_m: float | None
    object: str | None
    object_colour: str | None
    videos: dict[str, str]


@dataclass(frozen=True)
class CameraInfo:
    """A camera, with the paths of its snapshot, its MJPEG stream and its WHEP endpoint."""

    name: str
    snapshot: str
    mjpeg: str
    whep: str


@dataclass(frozen=True)
class ServerEvent:
    """Something that happened. kind: status, reset, progress (all three hold the whole status), state, job or episode.
    id: what `events` goes on from; None for progress. data: as it came."""

    kind: str
    data: dict[str, Any]
    id: str | None = None

    @property
    def status(self) -> StatusInfo | None:
        """The status that came with it. Raises BadReplyError where it is not whole."""
        return record(StatusInfo, self.data, f"the event {self.kind}") if self.kind in STATUS_EVENTS else None
