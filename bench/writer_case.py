"""One measured writer in a process of its own: `python -m bench.writer_case CASE ...`, started by `bench.writer`.

Only the writing is measured: from the first frame until everything is on the disk, imports and opening excluded.
"""

from __future__ import annotations

import argparse
import statistics
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from bench.measure import Meter, write_result
from bench.writer_frames import ACTION_DIM, CAMERAS, FPS, SIDE_PX, STATE_DIM, Ring, vectors

TASK: Final = "Pick up the red cube and place it on the green disc."
SOAK_REPORT: Final = 25  # episodes between two lines of a soak; the first so many do not count for its slope
LEAST_SOAK: Final = 2 * SOAK_REPORT  # episodes


def open_ours(output: Path) -> Any:
    from lerobot_writer import SimLeRobotWriter

    states, actions = ([f"{word}_{i}" for i in range(n)] for word, n in (("state", STATE_DIM), ("action", ACTION_DIM)))
    return SimLeRobotWriter(
        output, "bench/ours", FPS, "panda", STATE_DIM, ACTION_DIM, CAMERAS, (SIDE_PX, SIDE_PX), states, actions
    )


def write_episode(writer: Any, ring: Ring, episode: int, rows: tuple[NDArray[Any], NDArray[Any]]) -> None:
    states, actions = rows
    last = len(states) - 1
    for k in range(last + 1):
        writer.add_frame(episode, k, states[k], actions[k], k / FPS, k == last)
        for i, camera in enumerate(CAMERAS):
            writer.add_video_frame(camera, ring.picture(i, k))
    writer.finish_episode(episode, last + 1, TASK)


def ours(ring: Ring, output: Path, episodes: int, frames: int) -> Meter:
    """`lerobot_writer` with its default codec."""
    rows = vectors(frames)
    with open_ours(output) as writer, Meter(ring.path) as meter:
        for episode in range(episodes):
            write_episode(writer, ring, episode, rows)
        writer.finalize()
    return meter


def plain_pyav(ring: Ring, output: Path, episodes: int, frames: int) -> Meter:
    """The limit: the same codec in PyAV, a thread per camera. No dataset, statistics, copies, checks or flushing."""
    import av

    def encode(camera: int) -> None:
        folder = output / "videos" / CAMERAS[camera]
        folder.mkdir(parents=True)
        for episode in range(episodes):
            with av.open(str(folder / f"{episode}.mp4"), "w") as container:
                options = {"preset": "ultrafast", "crf": "23", "g": "10", "threads": "1"}
                stream: Any = container.add_stream("libx264", rate=FPS, options=options)
                stream.width, stream.height, stream.pix_fmt = SIDE_PX, SIDE_PX, "yuv420p"
                for k in range(frames):
                    picture = av.VideoFrame.from_numpy_buffer(ring.picture(camera, k), format="rgb24")
                    container.mux(stream.encode(picture))
                container.mux(stream.encode(None))

    with Meter(ring.path) as meter:
        threads = [threading.Thread(target=encode, args=(camera,)) for camera in range(len(CAMERAS))]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    return meter


def soak(ring: Ring, output: Path, episodes: int, frames: int) -> tuple[Meter, dict[str, float]]:
    """Ours over many episodes, with memory and time per episode as it goes."""
    rows = vectors(frames)
    rss_mb, seconds = [], []
    with open_ours(output) as writer, Meter(ring.path) as meter:
        loaded = meter.rss_parts_mb()
        for episode in range(episodes):
            began = time.perf_counter()
            write_episode(writer, ring, episode, rows)
            seconds.append(time.perf_counter() - began)
            rss_mb.append(meter.rss_mb())
            if (episode + 1) % SOAK_REPORT == 0:
                recent = statistics.median(seconds[-SOAK_REPORT:])
                print(
                    f"episode {episode + 1:4d}: RSS {rss_mb[-1]:6.1f} MB, {1e3 * recent:6.1f} ms per episode",
                    flush=True,
                )
        written = meter.rss_parts_mb()
        began = time.perf_counter()
        writer.finalize()
        finalize_s = time.perf_counter() - began
    settled = slice(SOAK_REPORT, None)
    slope, _ = np.polyfit(np.arange(episodes)[settled], rss_mb[settled], 1)
    quarter = episodes // 4
    return meter, {
        "rss_slope_mb_per_100_episodes": 100 * float(slope),
        "rss_first_mb": rss_mb[0],
        "rss_last_mb": rss_mb[-1],
        "episode_s_first_quarter": statistics.median(seconds[:quarter]),
        "episode_s_last_quarter": statistics.median(seconds[-quarter:]),
        "finalize_s": finalize_s,
        **{f"{kind}_loaded_mb": value for kind, value in loaded.items()},
        **{f"{kind}_written_mb": value for kind, value in written.items()},
    }


CASES: Final[dict[str, Callable[[Ring, Path, int, int], Meter]]] = {"ours": ours, "plain-pyav": plain_pyav}


def parser(cases: list[str]) -> argparse.ArgumentParser:
    """The arguments of a measured writer."""
    arguments = argparse.ArgumentParser(description="One measured writer; started by bench.writer.")
    arguments.add_argument("case", choices=cases)
    arguments.add_argument("--ring", type=Path, required=True)
    arguments.add_argument("--output", type=Path, required=True)
    arguments.add_argument("--result", type=Path, required=True)
    arguments.add_argument("--episodes", type=int, required=True)
    arguments.add_argument("--frames", type=int, required=True)
    return arguments


def main() -> None:
    given = parser([*CASES, "soak"]).parse_args()
    ring = Ring(given.ring)
    ring.touch()
    further: dict[str, float] = {}
    if given.case == "soak":
        meter, further = soak(ring, given.output, given.episodes, given.frames)
    else:
        meter = CASES[given.case](ring, given.output, given.episodes, given.frames)
    write_result(given.result, meter.usage, **further)


if __name__ == "__main__":
    main()
