"""Replies of the Bridge API as its contract has them, for tests that play the server."""

from __future__ import annotations

from typing import Any


def progress_json(**changes: Any) -> dict[str, Any]:
    return {
        "requested": 2,
        "completed": 1,
        "exhausted": 0,
        "current_episode": 1,
        "attempt": 0,
        "frame": 30,
        "frames": 270,
        "phase": "lift",
        "fraction": 0.55,
    } | changes


def job_json(**changes: Any) -> dict[str, Any]:
    return {
        "id": "job-0001",
        "state": "collecting",
        "skill": "pick_place",
        "request": {
            "output_dir": "pick_place_001",
            "skill": "pick_place",
            "num_episodes": 2,
            "seed": 12345,
            "steps_per_segment": 30,
            "use_ycb": False,
            "randomize": "none",
            "num_objects": None,
            "resume": False,
        },
        "output_dir": "/data/datasets/pick_place_001",
        "dataset": "pick_place_001",
        "progress": progress_json(),
        "attempts": 2,
        "successes": 1,
        "success_rate": 0.5,
        "failures": {"grasp_missed": 1},
        "frames": 300,
        "frames_per_s": 118.5,
        "eta_s": 2,
        "started_at": "2026-11-20T21:05:03.120Z",
        "finished_at": None,
        "error": None,
    } | changes


def status_json(**changes: Any) -> dict[str, Any]:
    job = job_json()
    of_job = {key: job[key] for key in job if key not in ("id", "state", "request")}
    return {
        **of_job,
        "state": "collecting",
        "job_id": job["id"],
        "job_state": job["state"],
        "last_event_id": None,
        "read_only": False,
        "data_root": "/data/datasets",
        "version": "1.2.3",
        "viewers": 0,
    } | changes
