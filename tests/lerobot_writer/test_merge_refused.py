"""What cannot be merged is refused with the reason: the sources stay as they are, and nothing appears."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from dataset_damage import all_of, cells, delete, document, put, table
from foreign_dataset import write_foreign
from merge_sources import TAKES, do_not_wait_for_the_disk, merge, names_in, stamps, write
from writing import GOAL, Take, add_frames, files_of, finish, open_writer, video_path

from lerobot_writer import DatasetExistsError, MergeError, StorageError, VideoCodec, layout
from lerobot_writer.merge_source import open_source
from lerobot_writer.swap import rebuilding

ONE_CAMERA = ("cam_high",)
VIDEO = "videos/observation.images.cam_high/chunk-000/file-001.mp4"
ROWS = "meta/episodes/chunk-000/file-000.parquet"
HISTOGRAMS = "meta/image_histograms/chunk-000/file-001.parquet"
DATA = "data/chunk-000/file-001.parquet"
READ = (VIDEO, ROWS, HISTOGRAMS, DATA, "meta/info.json", "meta/writer.json")
"""One file of each kind that is read."""


@pytest.fixture(autouse=True)
def _not_waiting_for_the_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    do_not_wait_for_the_disk(monkeypatch)


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two datasets of one camera, `a` with three episodes and `b` with two."""
    folder = tmp_path_factory.mktemp("template")
    write(folder / "a", *TAKES[:3], cameras=ONE_CAMERA)
    write(folder / "b", *TAKES[3:5], cameras=ONE_CAMERA)
    return folder


@pytest.fixture
def two(template: Path, tmp_path: Path) -> list[Path]:
    shutil.copytree(template, tmp_path, dirs_exist_ok=True)
    return [tmp_path / "a", tmp_path / "b"]


def assert_refused(
    folder: Path, roots: list[Path], message: str, kind: type[Exception] = MergeError, output: str = "out"
) -> None:
    """Nothing in `folder` changes, the folder itself included."""
    before = {name: stamp for name, stamp in stamps(folder).items() if name != str(folder)}
    with pytest.raises(kind, match=message):
        merge(folder / output, roots)
    assert {name: stamp for name, stamp in stamps(folder).items() if name != str(folder)} == before


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"fps": 24}, r"fps: .*/c has 24, .*/a has 30"),
        ({"robot_type": "hand"}, r"robot_type: .*/c has 'hand', .*/a has 'arm'"),
        ({"repo_id": "test/other"}, r"repo_id: .*/c has 'test/other', .*/a has 'test/synthetic'"),
        ({"codec": VideoCodec(crf=30)}, r"feature observation.images.cam_high: .*'video.crf': 30.*'video.crf': "),
        ({"size": (64, 64)}, r"feature observation.images.cam_high: .*\[64, 64, 3\].*\[48, 64, 3\]"),
        ({"cameras": ("cam_high", "cam_wrist")}, r"feature observation.images.cam_wrist: .*/c has \{.*/a has None"),
        ({"cameras": ("cam_low",)}, r"cam_high: .*/c has None.*cam_low: .*/a has None"),
        ({"extra": {GOAL: ((2,), ["x", "y"])}}, rf"feature {GOAL}: .*\['x', 'y'\].*\['goal_x', 'goal_y'\]"),
    ],
    ids=lambda value: "-".join(value) if isinstance(value, dict) else "",
)
def test_another_schema(two: list[Path], tmp_path: Path, options: dict[str, Any], message: str) -> None:
    other = write(tmp_path / "c", Take(1, 2), **{"cameras": ONE_CAMERA, **options})
    assert_refused(tmp_path, [*two, other], message)


def test_every_difference_is_told(two: list[Path], tmp_path: Path) -> None:
    other = write(tmp_path / "c", Take(1, 2), cameras=ONE_CAMERA, fps=24, repo_id="test/other")
    with pytest.raises(MergeError, match=r"fps.*video.fps.*repo_id"):
        merge(tmp_path / "out", [*two, other])


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"collection/other": 3}, "collection/content, collection/other"),
        ({"collection/content": 3.5}, "collection/content"),
        ({"collection/content": 3, "collection/other": 3}, "collection/other"),
        ({}, "collection/content"),
    ],
    ids=str,
)
def test_other_episode_columns(two: list[Path], tmp_path: Path, columns: dict[str, Any], message: str) -> None:
    with open_writer(tmp_path / "c", cameras=ONE_CAMERA) as writer:
        add_frames(writer, Take(1, 2), cameras=ONE_CAMERA)
        writer.finish_episode(0, 2, "lift the cube", columns)
    assert_refused(tmp_path, [*two, tmp_path / "c"], rf"/c has other episode columns: {message}$")


def test_episode_columns_in_another_order(tmp_path: Path) -> None:
    names = ["collection/x", "collection/y"]
    for root, order in (("a", names), ("b", names[::-1])):
        with open_writer(tmp_path / root, cameras=ONE_CAMERA) as writer:
            add_frames(writer, Take(1, 2), cameras=ONE_CAMERA)
            writer.finish_episode(0, 2, "lift the cube", dict.fromkeys(order, 1))
    assert_refused(tmp_path, [tmp_path / "a", tmp_path / "b"], r"/b has other episode columns: their order$")


def halve(path: Path) -> None:
    os.truncate(path, path.stat().st_size // 2)


def shorten(path: Path) -> None:
    os.truncate(path, path.stat().st_size - 1)


def empty(path: Path) -> None:
    os.truncate(path, 0)


def overwrite_the_first_page(path: Path) -> None:
    """Where its header is: values alone may be any bytes."""
    with pq.ParquetFile(path) as file:
        column = file.metadata.row_group(0).column(0)
        at = min(column.data_page_offset, column.dictionary_page_offset or column.data_page_offset)
    content = bytearray(path.read_bytes())
    content[at : at + 60] = bytes(60)
    path.write_bytes(content)


@pytest.mark.parametrize("file", READ)
@pytest.mark.parametrize("damage", [halve, shorten, empty, Path.unlink])
@pytest.mark.parametrize("which", [0, 1])
def test_a_file_that_is_cut_short_or_missing(
    two: list[Path], tmp_path: Path, file: str, damage: Callable[[Path], None], which: int
) -> None:
    damage(two[which] / file)
    if damage is shorten and file.endswith(".json"):
        merge(tmp_path / "out", two)  # the line break at its end
        return
    assert_refused(tmp_path, two, str(two[which]))


@pytest.mark.parametrize("file", [DATA, HISTOGRAMS, ROWS])
def test_a_file_with_damaged_bytes(two: list[Path], tmp_path: Path, file: str) -> None:
    """Also where Arrow speaks of an input or output error."""
    overwrite_the_first_page(two[0] / file)
    assert_refused(tmp_path, two, f"{two[0]}.* is damaged")


@pytest.mark.parametrize("file", ["meta/stats.json", "meta/tasks.parquet", "meta/tasks.jsonl"])
@pytest.mark.parametrize("damage", [halve, Path.unlink])
def test_what_is_computed_anew_is_not_read(
    two: list[Path], tmp_path: Path, file: str, damage: Callable[[Path], None]
) -> None:
    merge(tmp_path / "whole", two)
    damage(two[1] / file)
    merge(tmp_path / "out", two)
    assert files_of(tmp_path / "out") == files_of(tmp_path / "whole")


def two_tasks(values: list[Any]) -> None:
    values[1] = ["lift the cube", "drop it"]


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (document("meta/info.json", lambda info: info.update(fps=24)), "a is damaged|cannot be merged"),
        (
            document("meta/info.json", lambda info: info.update(total_episodes=4, splits={"train": "0:4"})),
            "counts 4 episodes",
        ),
        (
            document("meta/info.json", lambda info: info.update(total_episodes="3", splits={"train": "0:3"})),
            "total_episodes is '3'",
        ),
        (
            document("meta/info.json", lambda info: info.update(total_episodes=0, splits={"train": "0:0"})),
            "total_episodes is 0",
        ),
        (document("meta/info.json", lambda info: info.pop("splits")), "splits changed"),
        (document("meta/info.json", lambda info: info.update(codebase_version="v2.1")), "codebase_version changed"),
        (lambda root: (root / "meta/info.json").write_text("[]") and None, "holds no JSON object"),
        (document("meta/writer.json", lambda writer: writer.update(format=2)), "not of format 1"),
        (document("meta/writer.json", lambda writer: writer.update(image_stride=2)), "image_stride 2, expected 1"),
        (cells(ROWS, "tasks", two_tasks), r"tasks \['lift the cube', 'drop it'\], expected one"),
        (cells(ROWS, "length", put(1, 3)), r"file-001.parquet is damaged: episode 1 has 5 rows, expected 3"),
        (table(DATA, lambda old: old.drop_columns(["action"])), "its data has the columns"),
        (table(HISTOGRAMS, lambda old: old.drop_columns(["channel"])), "file-001.parquet is damaged: columns"),
        (table(HISTOGRAMS, lambda old: old.slice(0, 0)), "file-001.parquet is damaged"),
        (cells(HISTOGRAMS, "counts", lambda all_: all_[0].__setitem__(3, 77)), "episode 1 has other counts than"),
        (cells(ROWS, "data/file_index", put(0, 2)), "data files are not in the order"),
        (delete("meta/image_histograms/chunk-000/file-000.parquet"), "missing meta/image_histograms"),
        (lambda root: video_path(root, "cam_high").write_bytes(b"no video" * 9) and None, "file-000.mp4 is damaged"),
        (all_of(delete("meta/info.json")), "holds no dataset"),
    ],
)
def test_damage(two: list[Path], tmp_path: Path, damage: Callable[[Path], None], message: str) -> None:
    damage(two[0])
    assert_refused(tmp_path, two, message)


def test_a_source_that_is_being_written(two: list[Path], tmp_path: Path) -> None:
    writer = open_writer(two[1], cameras=ONE_CAMERA, resume=True)
    add_frames(writer, Take(6, 3), cameras=ONE_CAMERA)
    with pytest.raises(MergeError, match=r"/b is being written or packed by somebody else"):
        merge(tmp_path / "out", two)
    finish(writer, Take(6, 3))
    writer.finalize()
    assert names_in(tmp_path) == ["a", "b"]
    merge(tmp_path / "out", two)


def test_a_source_that_is_being_packed(two: list[Path], tmp_path: Path) -> None:
    with suppress(KeyboardInterrupt), rebuilding(two[1]):
        with pytest.raises(MergeError, match=r"/b is being packed, or a packing was interrupted"):
            merge(tmp_path / "out", two)
        raise KeyboardInterrupt
    merge(tmp_path / "out", two)


def test_a_dataset_of_lerobot(two: list[Path], tmp_path: Path) -> None:
    write_foreign(tmp_path / "c")
    assert_refused(tmp_path, [*two, tmp_path / "c"], r"only datasets of lerobot_writer can be merged")


def test_no_dataset(two: list[Path], tmp_path: Path) -> None:
    (tmp_path / "c").mkdir()
    (tmp_path / "d").touch()
    for name in ("c", "d", "e"):
        assert_refused(tmp_path, [*two, tmp_path / name], f"/{name} holds no dataset")


def test_no_episode(two: list[Path], tmp_path: Path) -> None:
    with pytest.raises(MergeError, match="there is no episode to merge"):
        merge(tmp_path / "out", two, [])
    assert names_in(tmp_path) == ["a", "b"]


def test_too_many_episodes(two: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(layout, "MAX_FILES", 4)
    assert_refused(tmp_path, two, "5 episodes are too many: a dataset holds at most 4")


def taken(output: Path) -> None:
    output.mkdir()
    (output / "mine.txt").write_text("mine")


def a_link_to_nothing(output: Path) -> None:
    output.symlink_to("nothing")


def a_link_to_an_empty_folder(output: Path) -> None:
    output.with_name("empty").mkdir()
    output.symlink_to("empty")


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (taken, "exists and is not empty"),
        (lambda output: shutil.copytree(output.parent / "a", output) and None, "exists and is not empty"),
        (Path.touch, "exists and is not a folder"),
        (a_link_to_nothing, "exists and is not a folder"),
        (a_link_to_an_empty_folder, "exists and is not a folder"),
    ],
)
def test_an_output_that_exists(two: list[Path], tmp_path: Path, make: Callable[[Path], None], message: str) -> None:
    make(tmp_path / "out")
    assert_refused(tmp_path, two, message, DatasetExistsError)


def test_an_output_that_appears_meanwhile(two: list[Path], tmp_path: Path) -> None:
    with pytest.raises(DatasetExistsError, match="exists and is not empty"):
        merge(tmp_path / "out", two, add_files=lambda folder: taken(tmp_path / "out"))
    assert names_in(tmp_path) == ["a", "b", "out"]
    assert names_in(tmp_path / "out") == ["mine.txt"]


@pytest.mark.parametrize(
    "output", ["a/out", "a/data/out", "b/meta/new/out", "link/out", "c/../a/out", "a", ".a.merging"]
)
def test_an_output_among_the_sources(two: list[Path], tmp_path: Path, output: str) -> None:
    (tmp_path / "link").symlink_to("a")
    (tmp_path / "c").mkdir()
    kind = DatasetExistsError if output == ".a.merging" else MergeError
    if output == ".a.merging":
        (tmp_path / output).mkdir()
        (tmp_path / output / "mine.txt").touch()
    assert_refused(tmp_path, two, "is to be merged and stays as it is|not empty", kind, output)


def test_an_output_around_a_source(two: list[Path], tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    two[0].rename(tmp_path / "out/a")
    assert_refused(tmp_path, [tmp_path / "out/a", two[1]], "exists and is not empty", DatasetExistsError)


def test_a_source_where_the_new_dataset_would_be_built(two: list[Path], tmp_path: Path) -> None:
    """It looks like what a merge leaves that was killed."""
    two[0].rename(tmp_path / ".out.merging")
    assert_refused(tmp_path, [tmp_path / ".out.merging", two[1]], "stays as it is")


def test_a_folder_in_the_way_that_is_not_ours(two: list[Path], tmp_path: Path) -> None:
    taken(tmp_path / ".out.merging")
    assert_refused(tmp_path, two, r"\.out\.merging is in the way, with mine\.txt in it", DatasetExistsError)


def test_a_parent_that_is_a_file(two: list[Path], tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    assert_refused(tmp_path, two, "cannot merge into .*/file/out: .*/file'", StorageError, "file/out")


@pytest.mark.skipif(os.geteuid() == 0, reason="root writes in spite of permissions")
def test_a_parent_that_is_read_only(two: list[Path], tmp_path: Path) -> None:
    (tmp_path / "parent").mkdir(mode=0o555)
    assert_refused(tmp_path, two, "cannot merge into .*Permission denied", StorageError, "parent/out")


def test_a_source_is_read_only_as_far_as_it_is_committed(two: list[Path], tmp_path: Path) -> None:
    """Rows, tasks and files beyond info.json's totals are of an episode that a killed writer did not finish."""
    merge(tmp_path / "expected", two)
    info = (two[1] / "meta/info.json").read_bytes()
    write(two[1], Take(40, 3, "never finished"), cameras=ONE_CAMERA, resume=True)
    (two[1] / "meta/info.json").write_bytes(info)
    assert pq.read_metadata(two[1] / ROWS).num_rows == 3
    before = stamps(*two)
    merge(tmp_path / "out", two)
    assert files_of(tmp_path / "out") == files_of(tmp_path / "expected")
    assert stamps(*two) == before
    assert open_source(two[1]).episodes == json.loads(info)["total_episodes"] == 2
