"""Every rule of FORMAT.md has planted defects that the check reports under that rule and no other."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from dataset_damage import (
    Damage,
    add,
    all_of,
    cells,
    delete,
    document,
    doubled,
    exchange,
    metadata,
    one_byte_wrong,
    put,
    reencoded,
    regrouped,
    remuxed,
    reordered,
    replace,
    retyped,
    rewrite,
    row_groups,
    swapped_files,
    table,
)
from small_dataset import SIZE, write_dataset

import lerobot_writer
from lerobot_writer.check import RULES, check_dataset

EPISODES = "meta/episodes/chunk-000/file-000.parquet"
HIGH, WRIST = "observation.images.cam_high", "observation.images.cam_wrist"


@pytest.fixture(scope="module")
def datasets(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("datasets")
    write_dataset(folder / "plain")
    write_dataset(folder / "packed", pack=True)
    return folder


def data(file: int) -> str:
    return f"data/chunk-000/file-{file:03d}.parquet"


def video(file: int, camera: str = HIGH) -> str:
    return f"videos/{camera}/chunk-000/file-{file:03d}.mp4"


def histogram(episode: int) -> str:
    return f"meta/image_histograms/chunk-000/file-{episode:03d}.parquet"


def info(**values: object) -> Damage:
    return document("meta/info.json", lambda content: content.update(values))


def feature(name: str, **values: object) -> Damage:
    return document("meta/info.json", lambda content: content["features"][name].update(values))


def camera_info(**values: object) -> Damage:
    named = {key.replace("_", ".", 1) if key.startswith("video_") else key: value for key, value in values.items()}
    return document("meta/info.json", lambda content: content["features"][WRIST]["info"].update(named))


def stat(name: str, figure: str, change: Callable[[Any], Any]) -> Damage:
    def edit(content: Any) -> None:
        content[name][figure] = change(content[name][figure])

    return document("meta/stats.json", edit)


LAST_FIRST = reordered(lambda names: [*names[1:], names[0]])
BRIGHTER = 20

DEFECTS: dict[str, list[tuple[str, Damage]]] = {
    "F1": [
        ("plain", delete(data(1))),
        ("plain", delete(video(2))),
        ("packed", delete(video(0, WRIST))),
        ("plain", delete("meta/info.json")),
        ("plain", delete("meta/stats.json")),
        ("plain", delete("meta/tasks.parquet")),
        ("plain", delete("meta/tasks.jsonl")),
        ("plain", delete("meta/writer.json")),
        *[("plain", delete(histogram(episode))) for episode in range(3)],
        ("packed", delete(histogram(0))),
        ("plain", delete(EPISODES)),
        ("plain", rewrite("meta/writer.json", "[]")),
        ("plain", document("meta/writer.json", lambda content: content.update(format=2))),
    ],
    "F2": [
        ("plain", add(data(3))),
        ("plain", add("data/chunk-000/file-000.parquet.tmp")),
        ("packed", add(data(1))),
        ("plain", add(video(3))),
        ("plain", add("meta/episodes/chunk-000/file-001.txt")),
        ("plain", add(histogram(3))),
        ("packed", add(histogram(1))),
        ("packed", add(histogram(3))),
        ("packed", add("meta/image_histograms/chunk-000/file-000.parquet.tmp")),
        ("plain", add(".unfinished/data.parquet")),
    ],
    "F3": [
        ("plain", all_of(swapped_files(data(0), data(1)), cells(EPISODES, "data/file_index", exchange(0, 1)))),
        (
            "plain",
            all_of(
                cells(EPISODES, "data/chunk_index", put(2, 1000)),
                lambda root: (root / "data/chunk-1000").mkdir(),
                lambda root: (root / data(2)).rename(root / "data/chunk-1000/file-002.parquet") and None,
            ),
        ),
    ],
    "I1": [
        ("plain", info(comment="hello")),
        ("plain", document("meta/info.json", lambda content: content.pop("robot_type"))),
        ("plain", info(codebase_version="v2.1")),
        ("plain", info(chunks_size=True)),
        ("plain", info(data_files_size_in_mb=100.0)),
        ("plain", info(splits={"train": "0:2"})),
        ("plain", info(robot_type=None)),
        ("plain", info(fps=30.0)),
        ("plain", info(total_tasks="2")),
        ("plain", rewrite("meta/info.json", "{")),
        ("plain", rewrite("meta/info.json", "[1]")),
    ],
    "I2": [
        ("plain", info(data_path="data/{episode_chunk}/{episode_index}.parquet")),
        ("plain", info(video_path=None)),
    ],
    "I3": [("plain", info(total_frames=24)), ("plain", info(total_tasks=1))],
    "I4": [
        ("plain", feature("observation.state", names=["x", "x", "z"])),
        ("plain", feature("action", names=["left"])),
        ("plain", feature("action", names=None)),
        ("plain", feature("next.done", names=["done"])),
        ("plain", feature("timestamp", fps=30)),
        ("plain", feature("index", shape=1)),
        ("plain", feature("privileged.goal", dtype="float64")),
    ],
    "I5": [
        ("plain", feature(HIGH, names=["height", "width", "channel"])),
        ("plain", camera_info(is_depth_map=True)),
        ("plain", camera_info(video_fps=30.0)),
        ("plain", camera_info(video_g=None)),
        ("plain", camera_info(video_comment="hello")),
    ],
    "D1": [
        ("plain", table(data(1), LAST_FIRST)),
        ("plain", table(data(1), lambda old: old, compression="gzip")),
        ("plain", table(data(1), lambda old: old, use_dictionary=False)),
        ("plain", table(data(1), lambda old: old.append_column("more", old.column("index")))),
        ("plain", table(data(1), lambda old: old.drop_columns(["timestamp"]))),
        ("plain", metadata(data(0), "huggingface", None)),
        ("plain", metadata(data(0), "huggingface", '{"info": {"features": {}}}')),
        ("plain", regrouped(data(1), [3, 4])),
        ("packed", regrouped(data(0), [23])),
        ("packed", regrouped(data(0), [7, 6, 10])),
    ],
    "D2": [
        ("plain", cells(data(1), "action", put(2, [float("nan"), 0.0]))),
        ("plain", cells(data(1), "timestamp", put(2, float("inf")))),
        ("packed", cells(data(0), "action", put(2, [None, 0.0]))),
        ("plain", cells(data(1), "frame_index", put(2, None))),
    ],
    "D3": [
        ("plain", cells(data(1), "index", exchange(2, 3))),
        ("plain", cells(data(1), "frame_index", exchange(2, 3))),
        ("packed", cells(data(0), "frame_index", exchange(8, 9))),
    ],
    "D4": [("plain", cells(data(1), "timestamp", exchange(2, 3)))],
    "D5": [("plain", cells(data(1), "next.done", exchange(5, 6)))],
    "E1": [
        ("plain", table(EPISODES, LAST_FIRST)),
        ("plain", table(EPISODES, lambda old: old, compression="zstd")),
        ("plain", table(EPISODES, lambda old: old.drop_columns(["stats/action/q01"]))),
        ("plain", table(EPISODES, lambda old: old.drop_columns(["length"]))),
        ("plain", table(EPISODES, lambda old: old.cast(retyped(old, "length", pa.int32())))),
        ("plain", table(EPISODES, lambda old: old.cast(retyped(old, "stats/action/count", pa.list_(pa.float64()))))),
        ("plain", cells(EPISODES, "collection/seed", put(1, None))),
        ("plain", cells(EPISODES, "stats/action/min", put(1, None))),
        ("plain", cells(EPISODES, "tasks", put(1, ["place the cube", "lift the cube"]))),
    ],
    "E2": [
        ("plain", cells(EPISODES, "tasks", put(1, ["lift the cube"]))),
        ("plain", cells(EPISODES, "dataset_from_index", put(1, 6))),
        ("plain", cells(EPISODES, "length", put(1, 8))),
        ("plain", cells(EPISODES, "episode_index", put(1, 3))),
        (
            "packed",
            all_of(
                cells(EPISODES, "length", lambda old: old.__setitem__(slice(0, 2), [8, 6])),
                cells(EPISODES, "dataset_to_index", put(0, 8)),
                cells(EPISODES, "dataset_from_index", put(1, 8)),
            ),
        ),
    ],
    "E3": [
        ("plain", cells(EPISODES, "data/file_index", exchange(0, 1))),
        ("plain", cells(EPISODES, "meta/episodes/file_index", put(1, 1))),
        ("plain", cells(EPISODES, "meta/episodes/chunk_index", put(1, 1))),
    ],
    "E4": [
        ("packed", cells(EPISODES, f"videos/{HIGH}/from_timestamp", put(1, lambda old: np.nextafter(old, 1)))),
        ("plain", cells(EPISODES, f"videos/{WRIST}/to_timestamp", put(2, lambda old: float(np.float32(old))))),
    ],
    "T1": [
        ("plain", metadata("meta/tasks.parquet", "pandas", None)),
        ("plain", metadata("meta/tasks.parquet", "pandas", '{"index_columns": []}')),
        ("plain", table("meta/tasks.parquet", lambda old: old.rename_columns(["task_index", "text"]))),
        ("plain", cells("meta/tasks.parquet", "task_index", exchange(0, 1))),
    ],
    "T2": [
        ("plain", replace("meta/tasks.jsonl", "lift", "left")),
        ("plain", rewrite("meta/tasks.jsonl", '{"task_index": 0, "task": "lift the cube"}\n')),
        ("plain", replace("meta/tasks.jsonl", "\n", "\n\n")),
        ("plain", rewrite("meta/tasks.jsonl", "not JSON\n{}\n")),
    ],
    "V1": [
        ("plain", remuxed(video(1), ticks_per_s=30000)),
        ("plain", remuxed(video(1), form="mov")),
        ("plain", remuxed(video(1), audio=True)),
        ("plain", reencoded(video(1), codec="mpeg4")),
        ("plain", reencoded(video(1), pix_fmt="yuv444p")),
        ("plain", reencoded(video(1), size=(32, 24))),
        ("plain", add(video(1), b"not a video")),
    ],
    "V2": [
        ("plain", remuxed(video(1), keep=lambda number: number != 6)),
        ("packed", remuxed(video(0), keep=lambda number: number != 22)),
        ("plain", swapped_files(video(1), video(2))),
        ("plain", one_byte_wrong(video(1))),
    ],
    "V3": [
        ("plain", remuxed(video(1), later=lambda number: int(number == 3))),
        ("packed", remuxed(video(0), later=lambda number: int(number == 3))),
    ],
    "V4": [("packed", reencoded(video(0), gop_size=250))],
    "S1": [
        ("plain", document("meta/stats.json", lambda content: content["action"].pop("q50"))),
        ("plain", document("meta/stats.json", lambda content: content["action"].update(var=[1, 1]))),
        ("plain", document("meta/stats.json", lambda content: content.pop("timestamp"))),
        ("plain", document("meta/stats.json", lambda content: content.update(other={}))),
        ("plain", stat("action", "mean", lambda old: [old])),
        ("plain", stat("timestamp", "max", lambda old: old[0])),
        ("plain", stat("action", "std", lambda old: [old[0], float("nan")])),
        ("plain", stat("action", "count", lambda old: [float(old[0])])),
        ("plain", stat(HIGH, "mean", lambda old: [pixel[0][0] for pixel in old])),
        ("plain", rewrite("meta/stats.json", "null")),
    ],
    "S2": [
        ("plain", stat("action", "mean", lambda old: [old[0], old[1] * (1 + 1e-6)])),
        ("plain", stat("action", "std", lambda old: [old[0] * (23 / 22) ** 0.5, old[1]])),
        ("plain", stat("observation.state", "min", lambda old: [np.nextafter(number, 0) for number in old])),
        ("plain", stat("next.done", "count", lambda _: [24])),
    ],
    "S3": [
        ("plain", stat(HIGH, "mean", lambda old: [[[old[0][0][0] + 1e-7]], old[1], old[2]])),
        ("plain", stat(WRIST, "q10", lambda old: [[[old[0][0][0] + 1 / 255]], old[1], old[2]])),
        ("plain", stat(HIGH, "count", lambda old: [old[0] * SIZE[0] * SIZE[1]])),
        ("plain", document("meta/writer.json", lambda content: content.update(image_stride=2))),
    ],
    "S4": [
        ("plain", stat("action", "q50", lambda old: [old[0], old[1] + 1e-6])),
        ("packed", stat("frame_index", "q99", lambda old: [old[0] + 0.01])),
        ("plain", document("meta/writer.json", lambda content: content.update(quantile_episodes=2))),
        ("plain", document("meta/writer.json", lambda content: content.update(quantile_episodes=4))),
        ("plain", document("meta/writer.json", lambda content: content.update(quantile_episodes=None))),
    ],
    "S5": [
        ("plain", cells(EPISODES, "stats/action/mean", exchange(0, 1))),
        ("plain", cells(EPISODES, f"stats/{HIGH}/std", exchange(0, 2))),
        ("plain", cells(EPISODES, "stats/index/count", put(0, [8]))),
        ("plain", cells(EPISODES, "stats/action/q90", put(0, [0.0]))),
        ("packed", cells(EPISODES, f"stats/{WRIST}/q50", exchange(0, 1))),
    ],
    "H1": [
        ("plain", all_of(*(cells(histogram(episode), "counts", doubled) for episode in range(3)))),
        ("plain", all_of(table(histogram(1), lambda old: pa.concat_tables([old, old])), regrouped(histogram(1), [12]))),
        ("plain", row_groups(histogram(2), lambda groups: groups.append(groups[0]))),
        ("plain", table(histogram(1), lambda old: old.slice(1))),
        ("plain", cells(histogram(1), "counts", put(2, lambda old: old[:255]))),
        (
            "plain",
            cells(histogram(1), "channel", exchange(0, 5)),
        ),
        ("plain", table(histogram(1), LAST_FIRST)),
        *[("packed", row_groups(histogram(0), lambda groups, lost=lost: groups.pop(lost))) for lost in range(3)],
        ("packed", row_groups(histogram(0), lambda groups: groups.append(groups[2]))),
        ("packed", row_groups(histogram(0), lambda groups: groups.insert(0, groups[0]))),
        ("packed", add(histogram(0))),
        ("packed", cells(histogram(0), "channel", exchange(6, 11))),
        ("packed", cells(histogram(0), "counts", put(17, lambda old: old[:255]))),
    ],
    "H2": [
        ("plain", reencoded(video(1), lambda rgb: rgb + np.uint8(BRIGHTER))),
        ("packed", reencoded(video(0), lambda rgb: rgb + np.uint8([0, 0, BRIGHTER]), gop_size=1)),
    ],
}


def test_every_rule_of_the_format_has_a_planted_defect() -> None:
    text = (Path(lerobot_writer.__file__).parent / "FORMAT.md").read_text(encoding="utf-8")
    written = re.findall(r"\*\*([A-Z][0-9]+)\*\*", text)
    assert sorted(written) == sorted(RULES) == sorted(DEFECTS)
    assert all(DEFECTS.values())


@pytest.mark.parametrize(
    ("rule", "layout", "damage"),
    [
        pytest.param(rule, layout, damage, id=f"{rule}-{number}")
        for rule, defects in DEFECTS.items()
        for number, (layout, damage) in enumerate(defects)
    ],
)
def test_planted_defect_is_found_under_its_rule_alone(
    rule: str, layout: str, damage: Damage, datasets: Path, tmp_path: Path
) -> None:
    root = tmp_path / "dataset"
    shutil.copytree(datasets / layout, root)
    damage(root)

    report = check_dataset(root)

    assert {finding.rule for finding in report.findings} == {rule}, report.text()
    assert not report.ok
    assert "problem" in report.outcome(rule)


def test_histograms_of_the_wrong_episodes_are_found(datasets: Path, tmp_path: Path) -> None:
    """Two of one length, so that only their figures and pictures tell."""
    root = tmp_path / "dataset"
    shutil.copytree(datasets / "packed", root)
    row_groups(histogram(0), lambda groups: groups.insert(0, groups.pop(1)))(root)
    assert "S5" in {finding.rule for finding in check_dataset(root).findings}
