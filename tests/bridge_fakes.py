"""The bridge over fakes: every port in memory, and a little main loop that answers commands and pretends to collect.

`PYTHONPATH=.:tests python -m bridge_fakes --port 8000` serves the whole application on them.
"""

from __future__ import annotations

import argparse
import dataclasses
import io
import itertools
import logging
import signal
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import imageio.v3 as iio
import numpy as np

from bridge.app import create_app
from bridge.config import BridgeConfig
from bridge.live import BadOfferError, TooManyViewersError, UnsupportedOfferError, WhepSession
from bridge.server import BridgeServer
from sim_service.commands import (
    BusyError,
    CollectRequest,
    Command,
    CommandError,
    CommandQueue,
    KeyReusedError,
    NotReadyError,
    PausePhysics,
    PlayPhysics,
    ResetScene,
    StartCollection,
    StopCollection,
)
from sim_service.ports import (
    Counters,
    DatasetSummary,
    EpisodeSummary,
    EpisodeVideo,
    Event,
    EventKind,
    EventsLostError,
    Frame,
    Job,
    JobState,
    OutputDirError,
    Ports,
    Progress,
    ServiceState,
    SimulatorState,
    Status,
    UnknownDatasetError,
    UnreadableDatasetError,
)

CAMERAS = ("cam_high", "cam_wrist")
SIZE = (160, 120)
"""Pixels of a picture, (width, height)."""
CONFIG = BridgeConfig(host="127.0.0.1", port=0, skills=("pick_place",), version="0.0.0-test")
FAILURES = ("grasp_missed", "object_dropped")
EVENT_KINDS: tuple[EventKind, ...] = ("state", "job", "episode")


class FakeEvents:
    """Keeps `capacity` events. mark: begins every id, one per process."""

    def __init__(self, capacity: int = 4096, mark: str = "run") -> None:
        self.capacity, self.mark = capacity, mark
        self.events: list[Event] = []
        self.closed = False
        self._end = 0
        self._changed = threading.Condition()

    @property
    def end(self) -> int:
        return self._end

    def publish(self, kind: EventKind, data: Mapping[str, Any]) -> Event:
        with self._changed:
            event = Event(f"{self.mark}-{self._end}", kind, data)
            kept = [*self.events, event]
            self.events = kept[max(0, len(kept) - self.capacity) :]
            self._end += 1
            self._changed.notify_all()
            return event

    def close(self) -> None:
        with self._changed:
            self.closed = True
            self._changed.notify_all()

    def position_after(self, event_id: str) -> int | None:
        with self._changed:
            first = self._end - len(self.events)
            found = [first + n + 1 for n, event in enumerate(self.events) if event.id == event_id]
            return found[0] if found else None

    def read(self, position: int, timeout_s: float) -> Sequence[Event]:
        with self._changed:
            self._changed.wait_for(lambda: self.closed or self._end > position, timeout_s)
            first = self._end - len(self.events)
            if position < first:
                raise EventsLostError(f"events before {first} are gone")
            return self.events[position - first :]


class FakeFrames:
    """Pictures come from `publish`."""

    def __init__(self, cameras: Sequence[str] = CAMERAS) -> None:
        self.cameras = tuple(cameras)
        self.viewers = 0
        self.closed = False
        self._latest: dict[str, Frame] = {}
        self._numbers = itertools.count(1)
        self._changed = threading.Condition()

    def publish(self, images: Mapping[str, np.ndarray], taken_at: float | None = None) -> None:
        number, now = next(self._numbers), time.monotonic() if taken_at is None else taken_at
        with self._changed:
            self._latest.update({camera: Frame(camera, number, rgb, now) for camera, rgb in images.items()})
            self._changed.notify_all()

    def close(self) -> None:
        with self._changed:
            self.closed = True
            self._changed.notify_all()

    @contextmanager
    def watch(self) -> Iterator[None]:
        with self._changed:
            self.viewers += 1
            self._changed.notify_all()
        try:
            yield
        finally:
            with self._changed:
                self.viewers -= 1
                self._changed.notify_all()

    def wait_for_viewers(self, count: int, timeout_s: float = 10.0) -> bool:
        """Whether exactly so many watch within that time."""
        with self._changed:
            return self._changed.wait_for(lambda: self.viewers == count, timeout_s)

    def latest(self, camera: str) -> Frame | None:
        self._require(camera)
        return self._latest.get(camera)

    def wait(self, camera: str, after: int, timeout_s: float) -> Frame | None:
        self._require(camera)

        def newer() -> Frame | None:
            frame = self._latest.get(camera)
            return frame if frame is not None and frame.number > after else None

        with self._changed:
            self._changed.wait_for(lambda: self.closed or newer() is not None, timeout_s)
            return newer()

    def _require(self, camera: str) -> None:
        if camera not in self.cameras:
            raise KeyError(f"no camera {camera!r}; there are {', '.join(self.cameras)}")


def picture(camera: int, tick: int) -> np.ndarray:
    """Squares that move, uint8 (height, width, 3)."""
    width, height = SIZE
    rgb = np.full((height, width, 3), (30, 34, 40), dtype=np.uint8)
    rgb[:, :, camera] += 40
    x, y = (3 * tick) % (width - 24), int((height - 24) * (0.5 + 0.5 * np.sin(tick / 15 + camera)))
    rgb[y : y + 24, x : x + 24] = (220, 120, 40) if camera == 0 else (40, 160, 220)
    return rgb


class FakeLive:
    """Answers any offer that has a line m=video with VP8 or H264 in it."""

    def __init__(self, max_viewers: int = 8) -> None:
        self.max_viewers = max_viewers
        self.sessions: dict[str, str] = {}
        self._ids = itertools.count(1)

    @property
    def viewers(self) -> int:
        return len(self.sessions)

    def answer(self, camera: str, offer_sdp: str) -> WhepSession:
        if not offer_sdp.startswith("v=0"):
            raise BadOfferError("not a session description: it does not begin with v=0")
        if "m=video" not in offer_sdp or not any(codec in offer_sdp for codec in ("VP8", "H264")):
            raise UnsupportedOfferError("the offer has no video of VP8 or H264")
        if len(self.sessions) >= self.max_viewers:
            raise TooManyViewersError(f"{self.max_viewers} watch already")
        session = WhepSession(f"s{next(self._ids)}", f"v=0\r\ns=answer for {camera}\r\nm=video 9 RTP/AVP 96\r\n")
        self.sessions[session.id] = camera
        return session

    def end(self, session_id: str) -> bool:
        return self.sessions.pop(session_id, None) is not None

    def jpeg(self, frame: Frame) -> bytes:
        return bytes(iio.imwrite("<bytes>", frame.rgb, extension=".jpg", quality=80))


@dataclass(frozen=True)
class FakeDataRoot:
    path: Path

    def name_of(self, output_dir: str) -> str:
        name = output_dir.removeprefix(f"{self.path}/")
        if not name or name.startswith("/") or ".." in name.split("/"):
            raise OutputDirError(f"{output_dir!r} is not below {self.path}")
        return name


@dataclass
class FakeCatalogue:
    """Datasets by name, with episodes; `video_content` is what every video holds."""

    summaries: dict[str, DatasetSummary] = field(default_factory=dict)
    episode_lists: dict[str, list[EpisodeSummary]] = field(default_factory=dict)
    video_content: Path | bytes = b"not really an MP4, but seekable" * 100
    reports: dict[str, Path] = field(default_factory=dict)

    def add(self, name: str, episodes: int = 3, frames: int = 60, error: str | None = None) -> None:
        if error is not None:
            self.summaries[name] = DatasetSummary(name, error=error)
            return
        self.episode_lists[name] = [
            EpisodeSummary(
                episode=n,
                frames=frames,
                duration_s=frames / 30,
                task="Pick up the red cube and place it on the goal.",
                index=n,
                attempt=0,
                success=True,
                placement_error_m=0.004 + 0.001 * (n % 5),
                object="cube",
                object_colour="red",
            )
            for n in range(episodes)
        ]
        self.summaries[name] = DatasetSummary(
            name,
            episodes=episodes,
            frames=episodes * frames,
            fps=30,
            robot_type="franka",
            cameras=CAMERAS,
            size_bytes=episodes * 600_000,
            modified_at=time.time(),
            simulator="fake",
            seed=12345,
            attempts=episodes + 2,
            successes=episodes,
            failures={FAILURES[0]: 2},
            has_report=name in self.reports,
        )

    def datasets(self) -> Sequence[DatasetSummary]:
        return sorted(self.summaries.values(), key=lambda summary: -summary.modified_at)

    def dataset(self, name: str) -> DatasetSummary:
        summary = self.summaries.get(name)
        if summary is None:
            raise UnknownDatasetError(f"no dataset {name!r}; there are {', '.join(self.summaries)}")
        if summary.error is not None:
            raise UnreadableDatasetError(f"dataset {name!r} cannot be read: {summary.error}")
        return summary

    def episodes(self, name: str, offset: int, limit: int) -> Sequence[EpisodeSummary]:
        self.dataset(name)
        return self.episode_lists[name][offset : offset + limit]

    def video(self, name: str, episode: int, camera: str) -> EpisodeVideo:
        summary = self.dataset(name)
        if episode >= summary.episodes or camera not in summary.cameras:
            raise UnknownDatasetError(f"{name} has no episode {episode} of {camera}")
        return EpisodeVideo(self.video_content, f"{name}-{episode}-{camera}".replace("/", "-"))

    def report(self, name: str) -> Path:
        self.dataset(name)
        if name not in self.reports:
            raise UnknownDatasetError(f"dataset {name!r} has no report")
        return self.reports[name]


class FakeService:
    """Main loop, status and job history in one. `turn` is one control tick; nothing happens between two turns.

    refusal: raised for every command while it is set.
    """

    def __init__(self, data_root: Path, frames_per_episode: int = 4, capacity: int = 16) -> None:
        self.data_root = FakeDataRoot(data_root)
        self.queue = CommandQueue(capacity)
        self.events = FakeEvents()
        self.frames = FakeFrames()
        self.live = FakeLive()
        self.catalogue = FakeCatalogue()
        self.frames_per_episode = frames_per_episode
        self.refusal: CommandError | None = None
        self.simulator = SimulatorState("fake", False, 0.0, 1 / 30, {"simulator": "fake 1"})
        self.counters = Counters()
        self.tick = 0
        self.keys: dict[str, str] = {}
        self.all_jobs: dict[str, Job] = {}
        self.status = Status("idle", None, self.simulator, time.monotonic(), None, self.counters)

    @property
    def ports(self) -> Ports:
        return Ports(self.queue, self, self.events, self, self.frames, self.data_root, self.catalogue)

    # JobHistory

    def jobs(self, limit: int) -> Sequence[Job]:
        return list(reversed(list(self.all_jobs.values())))[:limit]

    def job(self, job_id: str) -> Job | None:
        return self.all_jobs.get(job_id)

    # The main loop

    def turn(self) -> None:
        while (pending := self.queue.take()) is not None:
            pending.carry_out(self.carry_out)
        self.tick += 1
        job = self.status.job
        if job is not None and job.running:
            self._collect(job)
        elif self.simulator.playing:
            self.simulator = dataclasses.replace(self.simulator, time_s=self.simulator.time_s + 1 / 30)
        if self.frames.viewers:
            self.frames.publish({camera: picture(n, self.tick) for n, camera in enumerate(CAMERAS)})
        self.publish(self.status.state)

    def publish(self, state: ServiceState, error: str | None = None) -> None:
        job, before = self.status.job, self.status.state
        self.status = Status(state, job, self.simulator, time.monotonic(), error, self.counters)
        if state != before:
            self.events.publish("state", {"state": state, "error": error})

    @contextmanager
    def running(self, period_s: float = 0.002) -> Iterator[None]:
        """Turns in a thread of its own."""
        ended = threading.Event()

        def loop() -> None:
            while not ended.wait(period_s):
                self.turn()

        thread = threading.Thread(target=loop, name="fake-main-loop")
        thread.start()
        try:
            yield
        finally:
            ended.set()
            thread.join()
            while (pending := self.queue.take()) is not None:
                pending.refuse(NotReadyError("the process is ending"))

    def carry_out(self, command: Command) -> Job | SimulatorState | None:
        if self.refusal is not None:
            raise self.refusal
        job = self.status.job
        if isinstance(command, StartCollection):
            return self._start(command)
        if isinstance(command, StopCollection):
            if job is not None and job.running:
                self._change(dataclasses.replace(job, state="stopping"), "stopping")
                if command.mode == "now":
                    self._finish("stopped")
            return self.status.job
        if job is not None and job.running:
            raise BusyError(f"job {job.id} is collecting", job.id)
        if isinstance(command, PlayPhysics | PausePhysics):
            self.simulator = dataclasses.replace(self.simulator, playing=isinstance(command, PlayPhysics))
        elif isinstance(command, ResetScene):
            self.simulator = dataclasses.replace(self.simulator, time_s=0.0)
        self.publish(self.status.state)
        return self.simulator

    def _start(self, command: StartCollection) -> Job:
        if command.idempotency_key in self.keys:
            known = self.all_jobs[self.keys[command.idempotency_key]]
            if known.request != command.request:
                raise KeyReusedError(f"key {command.idempotency_key!r} came with another request")
            return known
        running = self.status.job
        if running is not None and running.running:
            raise BusyError(f"job {running.id} is running; stop it first", running.id)
        request = command.request
        job = Job(
            id=f"job-{len(self.all_jobs) + 1:04d}",
            state="collecting",
            request=request,
            output=self.data_root.path / request.output_dir,
            progress=Progress(request.num_episodes),
            started_at=time.time(),
        )
        if command.idempotency_key is not None:
            self.keys[command.idempotency_key] = job.id
        self._change(job, "collecting")
        return job

    def _collect(self, job: Job) -> None:
        """One frame of the episode under way; every seventh attempt fails."""
        now = job.progress
        if now.current_episode is None:
            now = dataclasses.replace(
                now, current_episode=now.completed + now.exhausted, frame=0, frames=self.frames_per_episode
            )
        phases = ("approach", "grasp", "lift", "transport", "place", "retreat")
        frame = now.frame + 1
        phase = phases[min(len(phases) * frame // self.frames_per_episode, len(phases) - 1)]
        seconds = max(time.time() - job.started_at, 1e-3)
        rate = (job.frames + 1) / seconds
        left = (now.requested - now.completed) * self.frames_per_episode - frame
        progress = dataclasses.replace(now, frame=frame, phase=phase)
        job = dataclasses.replace(
            job, progress=progress, frames=job.frames + 1, frames_per_s=rate, eta_s=max(left, 0) / rate
        )
        self.counters = dataclasses.replace(
            self.counters,
            ticks=self.counters.ticks + 1,
            tick_seconds=self.counters.tick_seconds + 0.01,
            frames=self.counters.frames + 1,
        )
        self.status = dataclasses.replace(self.status, job=job)
        self.all_jobs[job.id] = job
        if frame >= self.frames_per_episode:
            self._end_attempt(job)

    def _end_attempt(self, job: Job) -> None:
        success = job.attempts % 7 != 3
        outcome = "success" if success else FAILURES[job.attempts % len(FAILURES)]
        progress, failures = job.progress, dict(job.failures)
        index, attempt = progress.current_episode, progress.attempt
        if success:
            progress = dataclasses.replace(
                progress, completed=progress.completed + 1, current_episode=None, attempt=0, frame=0, frames=0
            )
        else:
            failures[outcome] = failures.get(outcome, 0) + 1
            progress = dataclasses.replace(progress, attempt=progress.attempt + 1, frame=0)
        job = dataclasses.replace(
            job,
            progress=progress,
            attempts=job.attempts + 1,
            successes=job.successes + success,
            failures=failures,
        )
        episodes = {**self.counters.episodes, outcome: self.counters.episodes.get(outcome, 0) + 1}
        self.counters = dataclasses.replace(self.counters, episodes=episodes)
        self.status = dataclasses.replace(self.status, job=job)
        self.all_jobs[job.id] = job
        self.events.publish(
            "episode",
            {
                "job_id": job.id,
                "index": index,
                "attempt": attempt,
                "success": success,
                "recorded": success,
                "failure_reason": None if success else outcome,
                "frames": self.frames_per_episode,
                "completed": progress.completed,
                "requested": progress.requested,
            },
        )
        if progress.completed >= progress.requested:
            self._finish("completed")
        elif job.state == "stopping":
            self._finish("stopped")

    def _finish(self, state: JobState) -> None:
        job = self.status.job
        assert job is not None
        jobs = {**self.counters.jobs, state: self.counters.jobs.get(state, 0) + 1}
        self.counters = dataclasses.replace(self.counters, jobs=jobs)
        progress = dataclasses.replace(job.progress, current_episode=None, frame=0, frames=0, phase="")
        ended = dataclasses.replace(job, state=state, progress=progress, finished_at=time.time(), eta_s=None)
        if ended.progress.completed:
            self.catalogue.add(job.request.output_dir, ended.progress.completed, self.frames_per_episode)
        self._change(ended, "idle")

    def _change(self, job: Job, state: ServiceState) -> None:
        self.all_jobs[job.id] = job
        self.status = dataclasses.replace(self.status, job=job)
        self.events.publish("job", {"id": job.id, "state": job.state})
        self.publish(state)


def mp4(frames: int = 60) -> bytes:
    """A short H.264 video of moving squares."""
    pictures = np.stack([picture(0, n) for n in range(frames)])
    file = io.BytesIO()
    iio.imwrite(file, pictures, plugin="pyav", codec="libx264", fps=30, extension=".mp4")
    return file.getvalue()


def add_datasets(service: FakeService) -> None:
    """A few datasets to look at: one with a report, one in a subfolder, one that is broken."""
    report = service.data_root.path / "report.html"
    report.write_text("<!doctype html><title>Report</title><h1>Report</h1><p>Three of five attempts succeeded.</p>")
    service.catalogue.reports["pick_place_000"] = report
    service.catalogue.add("pick_place_000", 25)
    service.catalogue.add("nightly/pick_place_001", 3)
    service.catalogue.add("broken", error="meta/info.json is not JSON")


def main() -> None:
    from bridge.launch import running_bridge  # live video takes a while to import

    parser = argparse.ArgumentParser(description="serve the bridge on fakes")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=8000)
    parser.add_argument("--token")
    parser.add_argument("--read-only", action="store_true")
    parser.add_argument("--frames-per-episode", type=int, default=60)
    parser.add_argument("--job", type=int, metavar="EPISODES", help="begin with a job of so many episodes")
    asked = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    config = dataclasses.replace(
        CONFIG, host=asked.host, port=asked.port, token=asked.token, read_only=asked.read_only, version="0.0.0"
    )
    ended = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: ended.set())
    with tempfile.TemporaryDirectory() as folder:
        service = FakeService(Path(folder), asked.frames_per_episode)
        add_datasets(service)
        service.catalogue.video_content = mp4(asked.frames_per_episode)
        with running_bridge(service.ports, config) as server:
            print(f"serving on {server.url}", flush=True)
            with service.running(1 / 30):
                if asked.job is not None:
                    service.queue.submit(StartCollection(CollectRequest("pick_place_002", num_episodes=asked.job)), 5.0)
                ended.wait()
            service.events.close()
            service.frames.close()


def bridge_app(service: FakeService, config: BridgeConfig = CONFIG) -> Any:
    """The application over the fakes."""
    return create_app(service.ports, service.live, config)


@contextmanager
def serving(
    service: FakeService, config: BridgeConfig = CONFIG, timeout_s: float = 10.0, period_s: float = 0.002
) -> Iterator[BridgeServer]:
    """The application over the fakes on a port of its own, and the main loop; nothing of either is left afterwards."""
    before = set(threading.enumerate())
    server = BridgeServer(bridge_app(service, config), config, timeout_s)
    server.start()
    try:
        with service.running(period_s):
            yield server
    finally:
        server.stop(5.0)
    left = [thread.name for thread in set(threading.enumerate()) - before]
    assert [name for name in left if name.startswith("bridge-http")] == []


if __name__ == "__main__":
    main()
