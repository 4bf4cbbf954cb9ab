"""What a page may show of one `collect` that runs by itself: nobody can ask it for anything."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Final

from collectors.cameras import CAMERAS
from collectors.simulator import Simulator, Tick
from sim_service.collection import TASK_NAME, Collection
from sim_service.commands import CollectRequest
from sim_service.config import CollectConfig
from sim_service.exit_codes import DONE, TOO_FEW_EPISODES
from sim_service.frame_hub import FrameHub
from sim_service.job_monitor import JobMonitor
from sim_service.ports import Job, JobState, Progress, ServiceState, SimulatorState, Status
from sim_service.randomization_request import request_fields
from sim_service.status_board import StatusBoard
from sim_service.tally import Tally

JOB_ID = "1"
_STATES: Final[dict[int, JobState]] = {DONE: "completed", TOO_FEW_EPISODES: "incomplete"}


class BatchRun:
    """An `Onlooker` that satisfies `ports.JobHistory`, with one job; `board` and `frames` are the other ports."""

    def __init__(self, config: CollectConfig) -> None:
        self.board = StatusBoard(Status("starting", None, None, time.monotonic()))
        self.frames = FrameHub([camera.name for camera in CAMERAS])
        self._tally = Tally()
        preset, num_objects = request_fields(config.randomization)
        request = CollectRequest(
            output_dir=config.output.resolve().name,
            skill=TASK_NAME,
            num_episodes=config.num_episodes,
            seed=config.seed,
            steps_per_segment=config.steps_per_segment,
            use_ycb=config.settings.use_ycb,
            randomize=preset,
            num_objects=num_objects,
            resume=config.resume,
        )
        job = Job(JOB_ID, "collecting", request, config.output, Progress(config.num_episodes), time.time())
        self._monitor = JobMonitor(job, self.board.tell, self._tally, on_attempt=lambda _: None)
        self._simulator: Simulator | None = None
        self._ticked_at = time.monotonic()

    def jobs(self, limit: int) -> Sequence[Job]:
        return [self._monitor.job][:limit]

    def job(self, job_id: str) -> Job | None:
        return self._monitor.job if job_id == JOB_ID else None

    def watch(self, collection: Collection, simulator: Simulator) -> None:
        """The collection begins."""
        self._simulator = simulator
        self._monitor.watch(collection)
        self.board.tell("state", {"state": "collecting", "error": None})
        self._ticked_at = time.monotonic()
        self._publish("collecting")

    def advanced(self, tick: Tick) -> None:
        """The simulator has advanced by the tick; its pictures are there, if they were asked for."""
        now = time.monotonic()
        self._tally.ticks += 1
        self._tally.tick_seconds += now - self._ticked_at
        self._ticked_at = now
        if tick.images and self.frames.wanted and self._simulator is not None:
            self.frames.publish(self._simulator.observe(images=True).images)
        self._monitor.update()
        self._publish("collecting")

    def finish(self, exit_code: int, error: str | None) -> None:
        """The collection is over, and so will be the process."""
        self._monitor.finish(_STATES.get(exit_code, "interrupted" if exit_code >= 128 else "failed"), error)
        self._publish("stopping")
        self.board.events.close()
        self.frames.close()

    def _publish(self, state: ServiceState) -> None:
        job, simulator = self._monitor.job, self._simulator
        seen: SimulatorState | None = None
        if simulator is not None:
            seen = SimulatorState(
                name=simulator.versions["simulator"],
                playing=True,
                time_s=job.progress.frame * simulator.control_period_s,
                control_period_s=simulator.control_period_s,
                versions=dict(simulator.versions),
            )
        self.board.publish(Status(state, job, seen, time.monotonic(), None, self._tally.snapshot()))
