"""Collect two episodes on a service that runs, watch it, and look at what came out.

    isaac-collect serve --data-root datasets
    python examples/remote_collect.py [--url URL] [--episodes N] [--output-dir NAME]

The token, where the service wants one, comes from the environment variable ISAAC_COLLECT_TOKEN.
"""

from __future__ import annotations

import argparse
import os
import time

from bridge.client import BridgeClient
from bridge.client_records import JobInfo


def main(url: str, num_episodes: int, output_dir: str) -> None:
    with BridgeClient(url, token=os.environ.get("ISAAC_COLLECT_TOKEN")) as client:
        job = client.start(output_dir, num_episodes=num_episodes)
        print(f"job {job.id} into {job.output_dir}")
        job = client.wait(job.id, timeout_s=3600, on_progress=show)
        print(f"{job.state}: {job.successes} of {job.attempts} attempts succeeded, {job.frames} frames")
        for episode in client.episodes(job.dataset):
            error_mm = "unknown" if episode.placement_error_m is None else f"{1000 * episode.placement_error_m:.2f} mm"
            print(f"  episode {episode.episode}: {episode.frames} frames, placed {error_mm} off, {episode.task}")


def show(job: JobInfo) -> None:
    print(f"{job.progress.fraction:4.0%} {job.progress.phase}", flush=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--url", default="http://127.0.0.1:8600")
    parser.add_argument("--episodes", type=int, default=2)
    parser.add_argument("--output-dir", default=time.strftime("remote_%Y-%m-%dT%H-%M-%S"))
    arguments = parser.parse_args()
    main(arguments.url, arguments.episodes, arguments.output_dir)
