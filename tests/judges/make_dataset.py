"""Write synthetic datasets of known truth with `lerobot_writer`: `python tests/judges/make_dataset.py OUT`.

Runs in the product's environment, with the repository on PYTHONPATH where the product is not installed. Beside each
dataset DIR lies DIR.truth.json, what it holds.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import truth
from truth import Truth, truth_path

from lerobot_writer import SimLeRobotWriter, VideoCodec, WriterError

H264 = VideoCodec()
AV1 = VideoCodec("av1", "12", 30, 2)
"""LeRobot's default."""
AV1_TO_EDIT = VideoCodec("av1", "8", 30, 2)
"""For a packed dataset: to delete or split off episodes, LeRobot encodes their video once more, with the preset that it
came with. At preset 12 this second generation loses whole blocks of pictures that change as fast as ours."""
FIRST = (4, 7, 6)
"""Lengths 31, 23, 16; two tasks, the first of them second in `truth.TASKS`."""
SECOND = (12, 10)
"""Lengths 29, 15; the same two tasks the other way round, so that merging must renumber them."""
ADDED_BY_US = 9


def open_writer(root: Path, expected: Truth, *, resume: bool = False, codec: VideoCodec = H264) -> SimLeRobotWriter:
    return SimLeRobotWriter(
        output_dir=root,
        repo_id="judge/synthetic",
        fps=expected.fps,
        robot_type="synthetic_arm",
        state_dim=len(truth.STATE_NAMES),
        action_dim=len(truth.ACTION_NAMES),
        camera_names=list(truth.CAMERAS),
        camera_resolution=(expected.width, expected.height),
        state_names=list(truth.STATE_NAMES),
        action_names=list(truth.ACTION_NAMES),
        extra_features=truth.EXTRA_FEATURES,
        resume=resume,
        codec=codec,
    )


def add_episode_frames(writer: SimLeRobotWriter, expected: Truth, episode: int, frames: int | None = None) -> None:
    """Give the writer the first `frames` frames of an episode, or all of them."""
    last = truth.length(episode) - 1
    for frame in range(last + 1 if frames is None else frames):
        floats = truth.features(episode, frame)
        state, action = floats.pop("observation.state"), floats.pop("action")
        writer.add_frame(writer.num_episodes, frame, state, action, frame / expected.fps, frame == last, extra=floats)
        for camera, name in enumerate(truth.CAMERAS):
            writer.add_video_frame(name, truth.picture(episode, frame, camera, expected.width, expected.height))


def finish_episode(writer: SimLeRobotWriter, episode: int) -> None:
    columns = truth.episode_columns(episode)
    writer.finish_episode(writer.num_episodes, truth.length(episode), truth.task(episode), columns=columns)


def add_episode(writer: SimLeRobotWriter, expected: Truth, episode: int) -> None:
    add_episode_frames(writer, expected, episode)
    finish_episode(writer, episode)


def write(root: Path, expected: Truth, *, codec: VideoCodec = H264, pack: bool = False) -> None:
    """One dataset, written in one go."""
    with open_writer(root, expected, codec=codec) as writer:
        for episode in expected.episodes:
            add_episode(writer, expected, episode)
        writer.finalize(pack=pack)
    expected.save(truth_path(root))


def write_interrupted(root: Path, expected: Truth) -> None:
    """The same dataset, written with a reopening before every episode and a discarded episode in each part."""
    for at, episode in enumerate(expected.episodes):
        with open_writer(root, expected, resume=at > 0) as writer:
            add_episode_frames(writer, expected, 100 + at, 3)
            writer.discard_episode()
            add_episode(writer, expected, episode)
            writer.finalize()
    expected.save(truth_path(root))


def write_all(out: Path) -> list[Path]:
    """Every variant, each in its own folder of `out`."""
    small = Truth(FIRST, width=128, height=96, fps=30)
    write(out / "plain", small)
    write(out / "partner", replace(small, episodes=SECOND))
    write(out / "packed", small, pack=True)
    write_interrupted(out / "interrupted", small)
    write(out / "av1", Truth(FIRST, width=96, height=128, fps=24), codec=AV1)
    write(out / "large", Truth(FIRST, width=512, height=384, fps=10))
    write(out / "av1_packed", Truth(FIRST, width=64, height=64, fps=50), codec=AV1_TO_EDIT, pack=True)
    return [out / name for name in ("plain", "partner", "packed", "interrupted", "av1", "large", "av1_packed")]


def go_on(root: Path) -> None:
    """Open a dataset with `resume=True`, whoever wrote it last, and add an episode."""
    expected = Truth.load(truth_path(root))
    info = json.loads((root / "meta/info.json").read_text(encoding="utf-8"))
    video = info["features"][f"observation.images.{truth.CAMERAS[0]}"]["info"]
    codec = VideoCodec(*(video[f"video.{name}"] for name in ("codec", "preset", "crf", "g")))
    with open_writer(root, expected, resume=True, codec=codec) as writer:
        add_episode(writer, expected, ADDED_BY_US)
        writer.finalize()
    replace(expected, episodes=(*expected.episodes, ADDED_BY_US)).save(truth_path(root))


def main(words: Iterable[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("out", type=Path, help="an empty or missing folder; with --go-on a dataset")
    parser.add_argument("--go-on", action="store_true", help="add an episode to a dataset that another program changed")
    arguments = parser.parse_args(words if words is None else list(words))
    try:
        if arguments.go_on:
            go_on(arguments.out)
        else:
            for dataset in write_all(arguments.out):
                print(dataset)
    except WriterError as error:
        print(f"{type(error).__name__}: {error}", file=sys.stderr)
        return 3
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
