"""What LeRobot reads from a dataset against what was written into it: one function per way of reading.

Every function raises `Mismatch` (or whatever LeRobot raises) when something is wrong and returns when all is right.
"""

from __future__ import annotations

import importlib
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import truth
from lerobot_versions import Absent, LeRobot
from truth import Mismatch, Truth

STATS = ("min", "max", "mean", "std", "count", "q01", "q10", "q50", "q90", "q99")
QUANTILES = {"q01": 0.01, "q10": 0.1, "q50": 0.5, "q90": 0.9, "q99": 0.99}


def camera_key(camera: int) -> str:
    return f"observation.images.{truth.CAMERAS[camera]}"


def same(what: str, found: Any, written: Any, tolerance: float = 0.0) -> None:
    """Compare two values, numbers within a tolerance; raise `Mismatch` with both where they differ."""
    if isinstance(written, str):
        if found != written:
            raise Mismatch(f"{what} is {found!r}, written was {written!r}")
        return
    left, right = np.asarray(found, dtype=np.float64), np.asarray(written, dtype=np.float64)
    if left.shape != right.shape:
        raise Mismatch(f"{what} has shape {left.shape}, written was {right.shape}")
    if not np.all(np.abs(left - right) <= tolerance):
        raise Mismatch(f"{what} is {left.tolist()}, written was {right.tolist()}")


def check_picture(what: str, picture: Any, expected: Truth, identity: tuple[int, int, int]) -> None:
    """Check the identity drawn in a picture as LeRobot hands it out: (3, height, width), 0..1."""
    pixels = np.asarray(picture, dtype=np.float32)
    if pixels.shape != (3, expected.height, expected.width):
        raise Mismatch(f"{what} has shape {pixels.shape}, not (3, {expected.height}, {expected.width})")
    found = truth.identify(pixels.transpose(1, 2, 0) * 255)
    if found != identity:
        raise Mismatch(f"{what} shows (episode, frame, camera) {found}, written was {identity}")


def check_item(
    item: Any, expected: Truth, index: int, *, tasks: tuple[str, ...] | None = None, missing: tuple[str, ...] = ()
) -> None:
    """Check everything in one item.

    Args:
        tasks: What replaces the episodes' task texts, by position.
        missing: Features that were removed since.
    """
    position, episode, frame = expected.frames[index]
    where = f"item {index} (episode {position}, which is {episode}, frame {frame})"
    floats = truth.features(episode, frame)
    for name in (*floats, *(camera_key(camera) for camera in range(len(truth.CAMERAS)))):
        if (name in item) == (name in missing):
            raise Mismatch(f"{where} {'still has' if name in item else 'lacks'} {name}")
    for name in floats.keys() - set(missing):
        same(f"{where}: {name}", np.asarray(item[name]).reshape(-1), floats[name])
        # LeRobot's streaming reader hands out features of one dimension as Python floats.
        if not isinstance(item[name], float) and np.asarray(item[name]).dtype != np.float32:
            raise Mismatch(f"{where}: {name} is {item[name].dtype}, written was float32")
    same(f"{where}: timestamp", float(item["timestamp"]), float(np.float32(frame / expected.fps)))
    same(f"{where}: task", item["task"], tasks[position] if tasks else truth.task(episode))
    done = np.asarray(item["next.done"]).reshape(-1)
    if done.dtype != np.bool_ or done.shape != (1,):
        raise Mismatch(f"{where}: next.done is {done.dtype} {done.shape}, not one bool")
    same(f"{where}: next.done", done[0], frame == truth.length(episode) - 1)
    for name, value in (("index", index), ("episode_index", position), ("frame_index", frame)):
        same(f"{where}: {name}", int(item[name]), value)
    for camera in range(len(truth.CAMERAS)):
        if (key := camera_key(camera)) not in missing:
            check_picture(f"{where}: {key}", item[key], expected, (episode, frame, camera))


def every_item(dataset: Any, expected: Truth, **options: Any) -> None:
    """Totals and every item of an opened dataset; the options are those of `check_item`."""
    same("num_episodes", dataset.num_episodes, len(expected.episodes))
    same("num_frames", dataset.num_frames, len(expected.frames))
    same("len", len(dataset), len(expected.frames))
    for index in range(len(expected.frames)):
        check_item(dataset[index], expected, index, **options)


def items(lerobot: LeRobot, root: Path, expected: Truth, backend: str) -> None:
    lerobot.require_backend(backend)
    every_item(lerobot.open(root, video_backend=backend), expected)


def loader(lerobot: LeRobot, root: Path, expected: Truth) -> None:
    """Every item once more, shuffled, in batches, from two worker processes."""
    data = importlib.import_module("torch.utils.data")
    torch = importlib.import_module("torch")
    seen: list[int] = []
    batches = data.DataLoader(
        lerobot.open(root), batch_size=8, shuffle=True, num_workers=2, generator=torch.Generator().manual_seed(0)
    )
    for batch in batches:
        for at in range(len(batch["index"])):
            item = {name: values[at] for name, values in batch.items()}
            seen.append(int(item["index"]))
            check_item(item, expected, seen[-1])
    same("the indices of all batches, sorted,", sorted(seen), list(range(len(expected.frames))))


def delta_timestamps(lerobot: LeRobot, root: Path, expected: Truth) -> None:
    """Windows of frames around each item, with their padding at the ends of episodes."""
    steps = (-2, 0, 3)
    keys = (camera_key(0), camera_key(1), "observation.state", "action")
    deltas = {key: [step / expected.fps for step in steps] for key in keys}
    dataset = lerobot.open(root, delta_timestamps=deltas)
    for index, (_, episode, frame) in enumerate(expected.frames):
        item, last = dataset[index], truth.length(episode) - 1
        shown = [min(max(frame + step, 0), last) for step in steps]
        for key in keys:
            where = f"item {index}: {key}"
            padded = [not 0 <= frame + step <= last for step in steps]
            same(f"{where}_is_pad", np.asarray(item[f"{key}_is_pad"]), padded)
            for at, other in enumerate(shown):
                if key in ("observation.state", "action"):
                    same(f"{where}[{at}]", np.asarray(item[key][at]), truth.features(episode, other)[key])
                else:
                    identity = (episode, other, keys.index(key))
                    check_picture(f"{where}[{at}]", item[key][at], expected, identity)


def one_episode(lerobot: LeRobot, root: Path, expected: Truth) -> None:
    """Each episode opened alone, and the first and last together."""
    last = len(expected.episodes) - 1
    for chosen in [*([at] for at in range(last + 1)), [0, last]]:
        dataset = lerobot.open(root, episodes=sorted(set(chosen)))
        rows = [index for index, (position, _, _) in enumerate(expected.frames) if position in chosen]
        same(f"episodes={chosen}: len", len(dataset), len(rows))
        for at, index in enumerate(rows):
            check_item(dataset[at], expected, index)


def episode_columns(lerobot: LeRobot, root: Path, expected: Truth) -> None:
    """The collector's own columns, as LeRobot loads the episodes."""
    rows = lerobot.open(root).meta.episodes
    for position, episode in enumerate(expected.episodes):
        row = rows[position]
        same(f"episode {position}: length", row["length"], truth.length(episode))
        same(f"episode {position}: tasks", row["tasks"][0], truth.task(episode))
        for name, value in truth.episode_columns(episode).items():
            if name not in row:
                raise Mismatch(f"episode {position} lacks {name}")
            same(f"episode {position}: {name}", row[name], value)


def policy_features(lerobot: LeRobot, root: Path, expected: Truth) -> None:
    """A policy takes the state, the pictures and the action, and nothing that is privileged."""
    found = {key: tuple(feature.shape) for key, feature in lerobot.policy_features(lerobot.open(root).features).items()}
    picture = (3, expected.height, expected.width)
    wanted = {
        "observation.state": (len(truth.STATE_NAMES),),
        "action": (len(truth.ACTION_NAMES),),
        camera_key(0): picture,
        camera_key(1): picture,
    }
    if found != wanted:
        raise Mismatch(f"a policy's features are {found}, written were {wanted}")


def true_stats(values: Any, axis: int | tuple[int, ...], count: int) -> dict[str, Any]:
    """Statistics in double precision, by numpy alone; quantiles as `numpy.quantile` has them."""
    numbers = np.asarray(values, dtype=np.float64)
    found: dict[str, Any] = {name: np.quantile(numbers, q, axis=axis) for name, q in QUANTILES.items()}
    found |= {name: getattr(np, name)(numbers, axis=axis) for name in ("min", "max", "mean", "std")}
    return found | {"count": np.array([count])}


def stats_of(expected: Truth) -> dict[str, dict[str, Any]]:
    """The true statistics of every feature, those of pictures over the pixels that the writer says it takes."""
    frames = expected.frames
    columns: dict[str, Any] = {
        name: [truth.features(episode, frame)[name] for _, episode, frame in frames] for name in truth.features(0, 0)
    }
    columns["next.done"] = [[frame == truth.length(episode) - 1] for _, episode, frame in frames]
    columns["timestamp"] = [[np.float32(frame / expected.fps)] for _, _, frame in frames]
    columns["frame_index"] = [[frame] for _, _, frame in frames]
    columns["episode_index"] = [[position] for position, _, _ in frames]
    columns["index"] = [[index] for index in range(len(frames))]
    tasks = list(dict.fromkeys(truth.task(episode) for episode in expected.episodes))
    columns["task_index"] = [[tasks.index(truth.task(episode))] for _, episode, _ in frames]
    found = {name: true_stats(rows, 0, len(frames)) for name, rows in columns.items()}
    longer = max(expected.width, expected.height)
    stride = 1 if longer < 300 else longer // 150
    for camera in range(len(truth.CAMERAS)):
        size = (expected.width, expected.height)
        pictures = np.stack([truth.picture(e, f, camera, *size)[::stride, ::stride] for _, e, f in frames])
        of_channels = true_stats(pictures.reshape(-1, 3) / 255, 0, len(frames))
        found[camera_key(camera)] = {
            name: value if name == "count" else value.reshape(3, 1, 1) for name, value in of_channels.items()
        }
    return found


def compare_stats(found: Any, expected: Truth, names: Iterable[str] = STATS, without: tuple[str, ...] = ()) -> None:
    """Compare statistics, as LeRobot loads them, with the true ones, but for some features."""
    for feature, stats in stats_of(expected).items():
        if feature in without:
            continue
        if feature not in found:
            raise Mismatch(f"no statistics of {feature}")
        for name in names:
            same(f"stats of {feature}: {name}", found[feature][name], stats[name], tolerance=2e-6)


def stats(lerobot: LeRobot, root: Path, expected: Truth) -> None:
    """The statistics that a policy's normalization would use: shapes and values."""
    compare_stats(lerobot.open(root).meta.stats, expected)


def streaming(lerobot: LeRobot, root: Path, expected: Truth) -> None:
    """Every item through LeRobot's streaming reader.

    It seeks in a camera's file by the episode's own time (huggingface/lerobot#4524), so it needs one file per camera.
    """
    if any(len(list(folder.rglob("*.mp4"))) > 1 for folder in (root / "videos").iterdir()):
        raise Absent("LeRobot streams datasets with one video file per camera (lerobot#4524); this one is not packed")
    lerobot.require_backend("torchcodec")
    seen = []
    for item in lerobot.stream(root):
        seen.append(int(item["index"]))
        check_item(item, expected, seen[-1])
    same("the indices streamed, sorted,", sorted(seen), list(range(len(expected.frames))))


def anything(lerobot: LeRobot, root: Path) -> None:
    """A dataset of which nothing is known: every item is readable, finite, in order, and no picture is black."""
    info = json.loads((root / "meta/info.json").read_text(encoding="utf-8"))
    dataset = lerobot.open(root)
    same("len", len(dataset), info["total_frames"])
    same("num_episodes", dataset.num_episodes, info["total_episodes"])
    if not dataset.meta.camera_keys:
        raise Mismatch("the dataset has no camera")
    index = 0
    for position in range(dataset.num_episodes):
        row = dataset.meta.episodes[position]
        for frame in range(row["length"]):
            item, where = dataset[index], f"item {index}"
            for name, value in (("index", index), ("episode_index", position), ("frame_index", frame)):
                same(f"{where}: {name}", int(item[name]), value)
            same(f"{where}: timestamp", float(item["timestamp"]), float(np.float32(frame / info["fps"])))
            same(f"{where}: task", item["task"], row["tasks"][0])
            for name, feature in info["features"].items():
                values = np.asarray(item[name], dtype=np.float64)
                if not np.all(np.isfinite(values)):
                    raise Mismatch(f"{where}: {name} is not finite")
                if feature["dtype"] == "video" and (values.mean() < 0.02 or values.std() < 0.01):
                    raise Mismatch(f"{where}: {name} is black or blank: mean {values.mean():.3f} of 1")
            index += 1
    same("frames of all episodes", index, len(dataset))
