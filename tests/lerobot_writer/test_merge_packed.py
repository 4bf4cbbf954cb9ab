"""Merging packed datasets: the same rows, pictures and statistics as one writer's, in fewer files."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from merge_sources import TAKES, do_not_wait_for_the_disk, merge, stamps, write, write_parts
from writing import AV1, CAMERAS, Take, assert_holds, decode, files_of, read_data, read_episodes, read_json

from lerobot_writer import layout
from lerobot_writer.check import check_dataset
from lerobot_writer.pack import pack_dataset

PLACES = ("/chunk_index", "/file_index", "/from_timestamp", "/to_timestamp")
"""Ends of the columns that name files."""
TURNS = [(number % 2, number // 2) for number in range(10)]


@pytest.fixture(autouse=True)
def _not_waiting_for_the_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    do_not_wait_for_the_disk(monkeypatch)


@pytest.fixture(scope="module")
def one(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write(tmp_path_factory.mktemp("one") / "dataset", *TAKES)


def pictures(root: Path, camera: str) -> list[np.ndarray]:
    """All frames as they are stored, episode by episode."""
    shown, held = [], {}
    key = f"videos/observation.images.{camera}"
    for row in read_episodes(root).to_pylist():
        path = root / layout.VIDEOS / key.partition("/")[2]
        path = path / f"chunk-{row[f'{key}/chunk_index']:03d}" / f"file-{row[f'{key}/file_index']:03d}.mp4"
        if path not in held:
            held[path] = decode(path)
        first = round(row[f"{key}/from_timestamp"] * 30)
        shown += held[path][first : first + row["length"]]
    return shown


def assert_same_content(root: Path, one: Path) -> None:
    """Rows, episode rows but for their places, tasks, totals and decoded frames are equal; statistics to 1e-9."""
    rows, expected = read_data(root), read_data(one)
    assert rows.equals(expected)
    assert rows.schema.equals(expected.schema, check_metadata=True)
    episodes, expected = read_episodes(root), read_episodes(one)
    assert episodes.schema.equals(expected.schema, check_metadata=True)
    for name in expected.column_names:
        if not name.endswith(PLACES):
            assert episodes.column(name).equals(expected.column(name)), name
    for name in ("info.json", "writer.json"):
        assert read_json(root, name) == read_json(one, name)
    assert (root / layout.TASKS).read_bytes() == (one / layout.TASKS).read_bytes()
    assert (root / layout.TASKS_JSONL).read_bytes() == (one / layout.TASKS_JSONL).read_bytes()
    found, stats = read_json(root, "stats.json"), read_json(one, "stats.json")
    assert {name: list(entry) for name, entry in found.items()} == {name: list(entry) for name, entry in stats.items()}
    for name, entry in stats.items():
        for statistic, values in entry.items():
            np.testing.assert_allclose(found[name][statistic], values, rtol=0, atol=1e-9, err_msg=f"{name} {statistic}")
    for camera in CAMERAS:
        np.testing.assert_array_equal(pictures(root, camera), pictures(one, camera))


def count_files(root: Path) -> dict[str, int]:
    return {kind: len(list((root / kind).rglob("file-*"))) for kind in ("data", "videos")}


@pytest.mark.parametrize("packs", [(True, True, True), (True, False, True), (False, True, False)], ids=str)
def test_packed_and_unpacked_parts(tmp_path: Path, one: Path, packs: tuple[bool, ...]) -> None:
    roots, start = [], 0
    for number, (size, pack) in enumerate(zip((4, 3, 3), packs, strict=True)):
        roots.append(write(tmp_path / f"part {number}", *TAKES[start : start + size], pack=pack))
        start += size
    before = stamps(*roots)
    merge(tmp_path / "out", roots)
    assert_same_content(tmp_path / "out", one)
    assert_holds(tmp_path / "out", TAKES)
    report = check_dataset(tmp_path / "out")
    assert report.ok, report.text()
    videos = sum(1 if pack else size for size, pack in zip((4, 3, 3), packs, strict=True))
    assert count_files(tmp_path / "out") == {"data": 1, "videos": 2 * videos}
    assert stamps(*roots) == before


def test_packed_parts_that_take_turns(tmp_path: Path, one: Path) -> None:
    roots = [write(tmp_path / f"part {first}", *TAKES[first::2], pack=first == 0) for first in range(2)]
    merge(tmp_path / "out", roots, TURNS)
    assert_same_content(tmp_path / "out", one)
    assert check_dataset(tmp_path / "out").ok


def test_packing_what_was_merged_of_parts_that_take_turns(tmp_path: Path, one: Path) -> None:
    """The frames of an episode need not follow those of the one before it in their file."""
    roots = [write(tmp_path / f"part {first}", *TAKES[first::2], pack=True) for first in range(2)]
    merge(tmp_path / "out", roots, TURNS)
    pack_dataset(tmp_path / "out")
    assert_same_content(tmp_path / "out", one)
    assert check_dataset(tmp_path / "out").ok


def test_packed_parts_in_av1(tmp_path: Path) -> None:
    options: dict[str, Any] = {"codec": AV1, "size": (96, 64)}
    one = write(tmp_path / "one", *TAKES[:5], **options)
    merge(tmp_path / "out", write_parts(tmp_path, TAKES[:5], (2, 3), pack=True, **options))
    assert_same_content(tmp_path / "out", one)
    assert check_dataset(tmp_path / "out").ok


@pytest.mark.parametrize("packed_before", [True, False])
def test_packing_what_was_merged_is_packing_what_was_written(tmp_path: Path, one: Path, packed_before: bool) -> None:
    merge(tmp_path / "out", write_parts(tmp_path, TAKES, (4, 1, 5), pack=packed_before))
    pack_dataset(tmp_path / "out")
    assert files_of(tmp_path / "out") == files_of(write(tmp_path / "packed", *TAKES, pack=True))
    assert_same_content(tmp_path / "out", one)


def test_full_files_are_followed_by_further_ones(tmp_path: Path, one: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    roots = write_parts(tmp_path, TAKES, (4, 6), pack=True)
    monkeypatch.setattr("lerobot_writer.layout.DATA_FILE_BYTES", 1)
    monkeypatch.setattr("lerobot_writer.layout.HISTOGRAMS_PER_FILE", 3)
    merge(tmp_path / "out", roots)
    assert_same_content(tmp_path / "out", one)
    assert check_dataset(tmp_path / "out").ok
    assert count_files(tmp_path / "out") == {"data": len(TAKES), "videos": 4}


def test_a_writer_goes_on_with_what_was_merged_of_packed_parts(tmp_path: Path, one: Path) -> None:
    roots = write_parts(tmp_path, TAKES[:7], (4, 3), pack=True)
    before = stamps(*roots)
    merge(tmp_path / "out", roots)
    write(tmp_path / "out", *TAKES[7:], resume=True)
    assert_same_content(tmp_path / "out", one)
    assert check_dataset(tmp_path / "out").ok
    assert stamps(*roots) == before


def test_parts_that_went_on_after_packing(tmp_path: Path, one: Path) -> None:
    """A dataset that is packed in its first half; merged with others, and what became of it merged once more."""
    root = write(tmp_path / "a", *TAKES[:3], pack=True)
    write(root, *TAKES[3:5], resume=True)
    other = write(tmp_path / "b", *TAKES[5:8])
    last = write(tmp_path / "c", *TAKES[8:], pack=True)
    merge(tmp_path / "ab", [root, other])
    merge(tmp_path / "out", [tmp_path / "ab", last])
    assert_same_content(tmp_path / "out", one)
    assert check_dataset(tmp_path / "out").ok


def test_one_episode_packed_is_like_one_unpacked(tmp_path: Path) -> None:
    roots = [write(tmp_path / "a", TAKES[0], pack=True), write(tmp_path / "b", Take(2, 5), pack=True)]
    one = write(tmp_path / "one", TAKES[0], Take(2, 5))
    merge(tmp_path / "out", roots)
    assert_same_content(tmp_path / "out", one)
    assert check_dataset(tmp_path / "out").ok
    assert json.loads((tmp_path / "out/meta/info.json").read_bytes())["total_episodes"] == 2
