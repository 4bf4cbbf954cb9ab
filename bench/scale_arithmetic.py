"""The arithmetic of docs/scale.md: `python -m bench.scale_arithmetic`, or with your own figures, such as
`--frames-per-s 30 --pods 8`.

Nothing is measured here: every rate is a field of `Rates`, which says where it comes from.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

from bench.measure import table
from lerobot_writer.layout import DATA_FILE_BYTES, EPISODES_PER_META_FILE, HISTOGRAMS_PER_FILE, MAX_FILES

ORDERS: Final = (100, 1_000, 10_000, 100_000, 1_000_000)
# Chosen, not found: so many that an order takes hours and not days.
PODS: Final = {100: 1, 1_000: 4, 10_000: 10, 100_000: 50, 1_000_000: 200}

_CAMERAS: Final = 2
FIXED_FILES: Final = 7  # info, stats, tasks twice, writer, collection, the card

# "Storage limits" of the Hugging Face Hub documentation (docs/hub/storage-limits.md in huggingface/hub-docs):
# recommended below so many files, folders of so many at most, files recommended below and never above so many bytes.
HUB_FILES: Final = 100_000
HUB_FILES_PER_FOLDER: Final = 10_000
HUB_FILE_BYTES: Final = 200e9
HUB_MOST_FILE_BYTES: Final = 500e9

# LeRobot 0.6.1 (datasets/video_utils.py) compares times in float32, whose steps are 1/16 s from 2**19 s on: coarser
# than a frame.
LEROBOT_MOST_VIDEO_S: Final = 2.0**19


@dataclass(frozen=True)
class Rates:
    """Whatever can be replaced by one's own measurement.

    frames_per_s: of one pod. frames_per_episode: 9 segments of 30, and what joint limits add (docs/benchmarks.md,
    "Outcomes"). The bytes are those of the default look; merge_s and pack_s are per 1000 episodes.
    """

    frames_per_s: float = 77.5  # docs/benchmarks.md, "Collecting": default, writing, a pod of 2 cores
    frames_per_episode: int = 271
    fps: int = 30
    bytes_per_picture: float = 3500.0  # docs/benchmarks.md, "Merging and many episodes"
    bytes_per_row: float = 225.0  # of data/, likewise
    bytes_per_episode: float = 9000.0  # histograms and the episode's row, likewise
    merge_s: float = 5.0  # `python -m bench.merge`
    pack_s: float = 5.0  # eight packed shards of `python -m bench.merge`
    pods: int | None = None  # instead of PODS


@dataclass(frozen=True)
class Scale:
    """What so many episodes take. hours: of all pods at once. files: as collected, one dataset; inodes: with the shards
    and the merged dataset in one file system, where videos and histograms are shared."""

    episodes: int
    pods: int
    pod_hours: float
    hours: float
    bytes: float
    files: int
    inodes: int
    files_packed_shards: int
    video_bytes: float
    video_s: float
    merge_s: float
    pack_s: float


def scale_of(episodes: int, rates: Rates) -> Scale:
    pods = rates.pods or PODS[episodes]
    frames = episodes * rates.frames_per_episode
    pod_hours = frames / rates.frames_per_s / 3600
    table_bytes = frames * rates.bytes_per_row
    video_bytes = frames * rates.bytes_per_picture
    meta_files = math.ceil(episodes / EPISODES_PER_META_FILE)
    of_episodes = (_CAMERAS + 2) * episodes
    of_shards = of_episodes + pods * (math.ceil(episodes / pods / EPISODES_PER_META_FILE) + FIXED_FILES + 1)
    return Scale(
        episodes,
        pods,
        pod_hours,
        pod_hours / pods,
        table_bytes + _CAMERAS * video_bytes + episodes * rates.bytes_per_episode,
        of_episodes + meta_files + FIXED_FILES,
        of_shards + episodes + meta_files + FIXED_FILES,  # a merge writes data/ and most of meta/ anew
        _CAMERAS * pods
        + math.ceil(table_bytes / DATA_FILE_BYTES)
        + math.ceil(episodes / HISTOGRAMS_PER_FILE)
        + meta_files
        + FIXED_FILES,
        video_bytes,
        frames / rates.fps,
        rates.merge_s * episodes / 1000,
        rates.pack_s * episodes / 1000,
    )


def scales_table(rates: Rates) -> str:
    rows = []
    for scale in (scale_of(episodes, rates) for episodes in ORDERS):
        hours = _rounded(scale.pod_hours), _rounded(scale.hours)
        files = f"{scale.files}", f"{scale.inodes}", f"{scale.files_packed_shards}"
        steps = _rounded(scale.merge_s), _rounded(scale.pack_s / scale.pods)
        rows.append([f"{scale.episodes}", f"{scale.pods}", *hours, _rounded(scale.bytes / 1e9), *files, *steps])
    header = ["episodes", "pods", "pod hours", "hours", "GB", "files", "inodes, merged", "files, packed shards"]
    return table([*header, "merge s", "pack s per pod"], rows)


def limits_table(rates: Rates) -> str:
    """The number of episodes at which a limit is met."""
    most = scale_of(ORDERS[-1], rates)
    episode_bytes, episode_s = most.video_bytes / most.episodes, most.video_s / most.episodes
    rows: list[tuple[str, str, float]] = [
        ("files of one repository, Hub's recommendation", "as collected", HUB_FILES / (_CAMERAS + 2)),
        ("times that LeRobot tells apart in one video", "packed", LEROBOT_MOST_VIDEO_S / episode_s),
        ("size of a file, Hub's recommendation", "packed", HUB_FILE_BYTES / episode_bytes),
        ("size of a file, Hub's hard limit", "packed", HUB_MOST_FILE_BYTES / episode_bytes),
        ("three digits for a chunk and for a file", "as collected", float(MAX_FILES)),
    ]
    return table(
        ["limit", "met by a dataset", "at episodes"], [[limit, form, f"{int(most)}"] for limit, form, most in rows]
    )


def _rounded(value: float) -> str:
    """Two digits, without an exponent."""
    if value <= 0:
        return "0"
    digits = 1 - math.floor(math.log10(value))
    return f"{round(value, digits):.{max(0, digits)}f}"


def main(arguments: Sequence[str] | None = None) -> int:
    rates = Rates()
    summary = (__doc__ or "").split("\n")[0]
    parser = argparse.ArgumentParser(prog="python -m bench.scale_arithmetic", description=summary)
    parser.add_argument(
        "--frames-per-s", type=float, default=rates.frames_per_s, help="of a pod (default: %(default)s)"
    )
    parser.add_argument("--frames-per-episode", type=int, default=rates.frames_per_episode)
    parser.add_argument("--bytes-per-picture", type=float, default=rates.bytes_per_picture)
    parser.add_argument("--pods", type=int, help="the same number for every order of magnitude")
    given = parser.parse_args(arguments)
    numbers = given.frames_per_s, given.frames_per_episode, given.bytes_per_picture, given.pods or 1
    if min(numbers) <= 0:
        parser.error("all figures must be above 0")
    rates = replace(rates, **vars(given))
    print(f"{scales_table(rates)}\n\n{limits_table(rates)}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
