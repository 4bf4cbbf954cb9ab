"""LeRobot's tools on copies of a dataset: each result is read item by item. One function per tool."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import lerobot_reading as reading
import numpy as np
import truth
from lerobot_versions import LeRobot
from truth import Mismatch, Truth, truth_path

APPENDED = 8
"""The episode that LeRobot adds: 30 frames, and a task that no other of the dataset has."""
EXACT_STATS = ("min", "max", "mean", "std", "count")
"""LeRobot's own dataset-wide quantiles are averages of the episodes' and so no truth to compare with."""


@dataclass(frozen=True)
class Workbench:
    """One dataset under test.

    Attributes:
        partner: Another dataset with the same features, or `root` itself.
        scratch: A folder for copies and results.
    """

    lerobot: LeRobot
    root: Path
    partner: Path
    expected: Truth
    scratch: Path

    def copy(self, name: str) -> Path:
        target = self.scratch / name
        shutil.copytree(self.root, target)
        return target

    def reopened(self, root: Path, expected: Truth, **options: Any) -> Any:
        """Open a result anew, check every item, and return the dataset."""
        dataset = self.lerobot.open(root)
        reading.every_item(dataset, expected, **options)
        return dataset


def _merge(bench: Workbench, partner: Path, name: str) -> None:
    merge_datasets = bench.lerobot.tool("merge_datasets")
    out = bench.scratch / name
    merge_datasets([bench.lerobot.open(bench.root), bench.lerobot.open(partner)], "judge/merged", output_dir=out)
    both = bench.expected.episodes + Truth.load(truth_path(partner)).episodes
    merged = bench.reopened(out, replace(bench.expected, episodes=both))
    # LeRobot adds up the statistics of positions (`index` and the like) as they were before merging.
    moved = ("index", "episode_index", "task_index")
    reading.compare_stats(merged.meta.stats, replace(bench.expected, episodes=both), EXACT_STATS, moved)


def merge(bench: Workbench) -> None:
    _merge(bench, bench.partner, "merged")


def merge_with_itself(bench: Workbench) -> None:
    _merge(bench, bench.root, "doubled")


def delete_episodes(bench: Workbench) -> None:
    """Delete each episode in turn: the first, one in the middle, the last."""
    delete = bench.lerobot.tool("delete_episodes")
    for gone in range(len(bench.expected.episodes)):
        out = bench.scratch / f"without {gone}"
        delete(bench.lerobot.open(bench.root), [gone], output_dir=out, repo_id="judge/fewer")
        left = tuple(episode for at, episode in enumerate(bench.expected.episodes) if at != gone)
        bench.reopened(out, replace(bench.expected, episodes=left))


def split_dataset(bench: Workbench) -> None:
    split = bench.lerobot.tool("split_dataset")
    episodes = bench.expected.episodes
    parts = {"train": [0, *range(2, len(episodes))], "test": [1]}
    out = bench.scratch / "split"
    split(bench.lerobot.open(bench.root), parts, output_dir=out)
    for name, positions in parts.items():
        bench.reopened(out / name, replace(bench.expected, episodes=tuple(episodes[at] for at in positions)))


def add_features(bench: Workbench) -> None:
    add = bench.lerobot.tool("add_features")
    values = np.arange(len(bench.expected.frames), dtype=np.float32) / 8
    described = {"dtype": "float32", "shape": (1,), "names": None}
    out = bench.scratch / "more features"
    add(bench.lerobot.open(bench.root), {"progress": (values, described)}, output_dir=out, repo_id="judge/more")
    dataset = bench.reopened(out, bench.expected)
    for index, value in enumerate(values):
        reading.same(f"item {index}: progress", np.asarray(dataset[index]["progress"]).reshape(-1), [value])


def remove_feature(bench: Workbench) -> None:
    """Remove a vector, then a camera."""
    remove = bench.lerobot.tool("remove_feature")
    for name in ("privileged.object_pose", reading.camera_key(1)):
        out = bench.scratch / f"without {name}"
        remove(bench.lerobot.open(bench.root), name, output_dir=out, repo_id="judge/less")
        bench.reopened(out, bench.expected, missing=(name,))


def modify_tasks(bench: Workbench) -> None:
    """Give all episodes one task, and the first another."""
    modify = bench.lerobot.tool("modify_tasks")
    root = bench.copy("other tasks")
    modify(bench.lerobot.open(root), new_task="tidy up", episode_tasks={0: "wipe the table"})
    tasks = ("wipe the table", *("tidy up" for _ in bench.expected.episodes[1:]))
    bench.reopened(root, bench.expected, tasks=tasks)


def recompute_stats(bench: Workbench) -> None:
    recompute = bench.lerobot.tool("recompute_stats")
    root = bench.copy("recomputed")
    recompute(bench.lerobot.open(root))
    dataset = bench.reopened(root, bench.expected)
    reading.compare_stats(dataset.meta.stats, bench.expected, EXACT_STATS)


def reencode_dataset(bench: Workbench) -> None:
    reencode = bench.lerobot.tool("reencode_dataset")
    root = bench.copy("reencoded")
    reencode(bench.lerobot.open(root), rgb_encoder=bench.lerobot.encoder(vcodec="h264", g=4, crf=20))
    bench.reopened(root, bench.expected)


def _frames(expected: Truth, episode: int) -> Iterator[dict[str, Any]]:
    """An episode's frames as LeRobot's writer takes them."""
    for frame in range(truth.length(episode)):
        pictures = {
            reading.camera_key(camera): truth.picture(episode, frame, camera, expected.width, expected.height)
            for camera in range(len(truth.CAMERAS))
        }
        done = np.array([frame == truth.length(episode) - 1])
        yield {**truth.features(episode, frame), **pictures, "next.done": done, "task": truth.task(episode)}


def append(bench: Workbench, keep: Path | None) -> None:
    """Let LeRobot's own writer add an episode; all of them are right afterwards.

    The result goes to `keep`, if given, for our writer to go on with.
    """
    root = bench.copy("appended")
    bench.lerobot.append(root, _frames(bench.expected, APPENDED))
    longer = replace(bench.expected, episodes=(*bench.expected.episodes, APPENDED))
    if keep is not None:
        kept = keep / bench.root.name
        shutil.copytree(root, kept)
        longer.save(truth_path(kept))
    dataset = bench.reopened(root, longer)
    stats = dataset.meta.stats["observation.state"]
    if not all(np.all(np.isfinite(stats[name])) for name in reading.STATS):
        raise Mismatch(f"statistics after appending are not finite: {stats}")
