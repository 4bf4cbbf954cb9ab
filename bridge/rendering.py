"""Records of the simulator process as JSON values.

Pure: no Flask, no clock, no disk. `root` is the path that the API is served under, without a slash at its end.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import datetime, timezone
from typing import Any
from urllib.parse import quote

from bridge.config import LiveConfig
from bridge.messages import Page
from sim_service.ports import DatasetSummary, EpisodeSummary, Job, Progress, ServiceState, SimulatorState, Status

JsonObject = dict[str, Any]


def to_json(value: Mapping[str, Any]) -> bytes:
    return json.dumps(value, separators=(",", ":"), allow_nan=False).encode("ascii")


def time_json(unix_s: float | None) -> str | None:
    """ISO 8601 in UTC, to the millisecond."""
    if unix_s is None:
        return None
    return datetime.fromtimestamp(unix_s, timezone.utc).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def progress_json(progress: Progress) -> JsonObject:
    under_way = progress.frame / progress.frames if progress.frames and progress.current_episode is not None else 0.0
    done = progress.completed + progress.exhausted + min(under_way, 1.0)
    return {
        "requested": progress.requested,
        "completed": progress.completed,
        "exhausted": progress.exhausted,
        "current_episode": progress.current_episode,
        "attempt": progress.attempt,
        "frame": progress.frame,
        "frames": progress.frames,
        "phase": progress.phase,
        "fraction": min(done / progress.requested, 1.0) if progress.requested else 0.0,
    }


def job_json(job: Job) -> JsonObject:
    return {
        "id": job.id,
        "state": job.state,
        "skill": job.request.skill,
        "request": asdict(job.request),
        "output_dir": str(job.output),
        "dataset": job.request.output_dir,
        "progress": progress_json(job.progress),
        "attempts": job.attempts,
        "successes": job.successes,
        "success_rate": job.success_rate,
        "failures": dict(job.failures),
        "frames": job.frames,
        "frames_per_s": _finite(job.frames_per_s),
        "eta_s": _finite(job.eta_s),
        "started_at": time_json(job.started_at),
        "finished_at": time_json(job.finished_at),
        "error": job.error,
    }


def status_json(
    status: Status, last_event_id: str | None, viewers: int, data_root: str, version: str, read_only: bool
) -> JsonObject:
    job = status.job
    return {
        "state": status.state,
        "job_id": job.id if job else None,
        "job_state": job.state if job else None,
        "skill": job.request.skill if job else None,
        "progress": progress_json(job.progress) if job else None,
        "attempts": job.attempts if job else 0,
        "successes": job.successes if job else 0,
        "success_rate": job.success_rate if job else None,
        "failures": dict(job.failures) if job else {},
        "frames": job.frames if job else 0,
        "frames_per_s": _finite(job.frames_per_s) if job else None,
        "eta_s": _finite(job.eta_s) if job else None,
        "output_dir": str(job.output) if job else None,
        "dataset": job.request.output_dir if job else None,
        "started_at": time_json(job.started_at) if job else None,
        "finished_at": time_json(job.finished_at) if job else None,
        "error": status.error if status.state == "failed" else (job.error if job else None),
        "last_event_id": last_event_id,
        "viewers": viewers,
        "read_only": read_only,
        "data_root": data_root,
        "version": version,
    }


def simulator_json(simulator: SimulatorState, state: ServiceState) -> JsonObject:
    return {
        "name": simulator.name,
        "playing": simulator.playing,
        "time_s": _finite(simulator.time_s),
        "control_period_s": simulator.control_period_s,
        "versions": dict(simulator.versions),
        "state": state,
    }


def dataset_json(summary: DatasetSummary) -> JsonObject:
    attempts, successes = summary.attempts, summary.successes
    return {
        "name": summary.name,
        "episodes": summary.episodes,
        "frames": summary.frames,
        "fps": summary.fps,
        "robot_type": summary.robot_type,
        "cameras": list(summary.cameras),
        "size_bytes": summary.size_bytes,
        "modified_at": time_json(summary.modified_at or None),
        "simulator": summary.simulator,
        "seed": summary.seed,
        "attempts": attempts,
        "successes": successes,
        "success_rate": successes / attempts if attempts and successes is not None else None,
        "failures": dict(summary.failures),
        "has_report": summary.has_report,
        "error": summary.error,
    }


def dataset_page_json(summary: DatasetSummary, episodes: Sequence[EpisodeSummary], page: Page, root: str) -> JsonObject:
    return {
        **dataset_json(summary),
        "episode_list": [_episode_json(episode, summary, root) for episode in episodes],
        "offset": page.offset,
        "limit": page.limit,
    }


def cameras_json(cameras: Sequence[str], viewers: int, live: LiveConfig, root: str) -> JsonObject:
    paths = {camera: f"{root}/cameras/{quote(camera, safe='')}" for camera in cameras}
    return {
        "cameras": [
            {"name": camera, "snapshot": f"{path}.jpg", "mjpeg": f"{path}.mjpg", "whep": f"{path}/whep"}
            for camera, path in paths.items()
        ],
        "viewers": viewers,
        "live": {"max_fps": live.max_fps, "max_size_px": live.max_size_px},
    }


def _episode_json(episode: EpisodeSummary, summary: DatasetSummary, root: str) -> JsonObject:
    videos = f"{root}/datasets/{quote(summary.name)}/episodes/{episode.episode}"
    return {
        "episode": episode.episode,
        "index": episode.index,
        "frames": episode.frames,
        "duration_s": episode.duration_s,
        "task": episode.task,
        "attempt": episode.attempt,
        "success": episode.success,
        "failure_reason": episode.failure_reason,
        "placement_error_m": _finite(episode.placement_error_m),
        "object": episode.object,
        "object_colour": episode.object_colour,
        "videos": {camera: f"{videos}/{quote(camera, safe='')}.mp4" for camera in summary.cameras},
    }


def _finite(value: float | None) -> float | None:
    """JSON has no NaN and no infinity."""
    return value if value is not None and math.isfinite(value) else None
