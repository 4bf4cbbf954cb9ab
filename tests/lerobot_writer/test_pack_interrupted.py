"""Packing that fails or is cut short, or meets a writer: the old dataset or the new one, and nothing beside it."""

from __future__ import annotations

import json
import shutil
from contextlib import suppress
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from failing_disk import Death, FailingDisk
from writing import (
    CAMERAS,
    Take,
    assert_holds,
    files_of,
    open_writer,
    record,
    video_path,
)

from lerobot_writer import DatasetExistsError, ResumeError, SimLeRobotWriter, StorageError, VideoCodec, WriterError
from lerobot_writer.errors import PackError
from lerobot_writer.pack import pack_dataset

TAKES = [Take(1, 3), Take(2, 14, "place the cube"), Take(3, 1), Take(4, 5, "a third task")]


ONE_CAMERA = ("cam_high",)


def write(root: Path, *takes: Take, pack: bool = False, **options: Any) -> None:
    with open_writer(root, **options) as writer:
        record(writer, *takes, cameras=options.get("cameras", CAMERAS))
        writer.finalize(pack=pack)


def names_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_a_dataset_that_is_being_packed_takes_no_writer(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither beside the packing, nor between the moments at which it looks for one."""
    write(root, *TAKES[:2])
    refused = 0

    def try_to_write(*_: object) -> None:
        nonlocal refused
        for options in ({"resume": True}, {"overwrite": True}):
            with pytest.raises(ResumeError, match=r"somebody else|is being packed"):
                open_writer(root, **options)
        with pytest.raises(ResumeError, match="somebody else"):
            pack_dataset(root)
        refused += 1

    monkeypatch.setattr("lerobot_writer.pack.write_rows", _before(try_to_write, "write_rows"))
    pack_dataset(root)
    assert refused == 1
    assert_holds(root, TAKES[:2])


def _before(first: Any, name: str) -> Any:
    from lerobot_writer import pack

    real = getattr(pack, name)

    def both(*arguments: Any) -> Any:
        first()
        return real(*arguments)

    return both


def test_a_writer_that_looked_too_early_for_a_packing_is_refused(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It saw no journal, then a packing by two renames begins: the folder that the writer makes between the two is
    replaced when the second comes, and must not have got an episode."""
    write(root, *TAKES[:2])
    journal = root.with_name("dataset.pack.journal")

    def begin(folder: Path) -> None:
        root.rename(root.with_name("dataset.old"))
        journal.touch()
        folder.mkdir()

    with monkeypatch.context() as patch:
        patch.setattr("lerobot_writer.writer.make_directory", begin)
        with pytest.raises(ResumeError, match="is being packed; try again when that has ended"):
            open_writer(root, resume=True)
    assert list(root.iterdir()) == []
    write(root, TAKES[2], resume=True)
    assert_holds(root, TAKES[:3])


@pytest.mark.parametrize("suffix", [".pack", ".old"])
def test_a_folder_of_that_name_is_not_touched(root: Path, suffix: str) -> None:
    write(root, *TAKES[:2])
    other = root.with_name(root.name + suffix)
    other.mkdir()
    (other / "mine.txt").write_text("mine")
    before = files_of(root.parent)
    with pytest.raises(DatasetExistsError, match=r"is in the way; packing .* needs that name"):
        pack_dataset(root)
    assert files_of(root.parent) == before


def swap_videos_frames(root: Path) -> None:
    shutil.copy(video_path(root, "cam_high", 0, 1), video_path(root, "cam_high", 0, 0))


def tear_video(root: Path) -> None:
    video_path(root, "cam_high", 0, 1).write_bytes(b"no video")


def other_parameters(root: Path) -> None:
    other = root.with_name("other")
    write(other, *TAKES[:2], cameras=ONE_CAMERA, codec=VideoCodec(preset="slow"))
    shutil.copy(video_path(other, "cam_high", 0, 1), video_path(root, "cam_high", 0, 1))
    shutil.rmtree(other)


def tear_data(root: Path) -> None:
    path = root / "data/chunk-000/file-001.parquet"
    path.write_bytes(path.read_bytes()[:-50])


def lose_data(root: Path) -> None:
    (root / "data/chunk-000/file-001.parquet").unlink()


def swap_data(root: Path) -> None:
    first, second = (root / f"data/chunk-000/file-00{number}.parquet" for number in range(2))
    first.rename(root / "aside")
    second.rename(first)
    (root / "aside").rename(second)


def lose_histograms(root: Path) -> None:
    (root / "meta/image_histograms/chunk-000/file-000.parquet").unlink()


def other_histogram_columns(root: Path) -> None:
    path = root / "meta/image_histograms/chunk-000/file-001.parquet"
    pq.write_table(pq.read_table(path).drop_columns("channel"), path)


def change_rows(**columns: list[Any]) -> Any:
    """Each named as in the episode rows, or by the last part of its name for the camera's."""

    def damage(root: Path) -> None:
        path = root / "meta/episodes/chunk-000/file-000.parquet"
        table = pq.read_table(path)
        for name, values in columns.items():
            position = next(i for i, full in enumerate(table.column_names) if full.split("/")[-1] == name)
            field = table.field(position)
            table = table.set_column(position, field, pa.array(values, field.type))
        pq.write_table(table, path)

    return damage


def lose_column(root: Path) -> None:
    path = root / "meta/episodes/chunk-000/file-000.parquet"
    pq.write_table(pq.read_table(path).drop_columns("length"), path)


def tear_info(root: Path) -> None:
    (root / "meta/info.json").write_text("{")


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (swap_data, r"file-000.parquet has a row group of 14 rows for episode 0, expected 3 rows"),
        (lose_histograms, "image_histograms has row groups of 1 episodes, expected 2"),
        (other_histogram_columns, "file-001.parquet has other columns than the files before it"),
        (change_rows(from_timestamp=[0.0, 1 / 30]), "file-001.mp4: episode 1 begins at frame 1, expected 0"),
        (change_rows(from_timestamp=[0.0, None]), "no whole column videos/observation.images.cam_high/from_timestamp"),
        (change_rows(length=[3, 0]), "counts 2 episodes"),
        (lose_column, "no whole column length"),
        (tear_info, "is damaged"),
        (swap_videos_frames, r"file-000.mp4 holds 14 frames, its episodes 3; check"),
        (tear_video, "cannot pack"),
        (other_parameters, r"was encoded with other parameters: it cannot be joined unchanged"),
        (tear_data, "cannot pack"),
        (lose_data, "data has row groups of 1 episodes, expected 2"),
    ],
)
def test_a_damaged_dataset_stays_as_it_is(root: Path, damage: Any, message: str) -> None:
    write(root, *TAKES[:2], cameras=ONE_CAMERA)
    damage(root)
    before = files_of(root.parent)
    with pytest.raises((PackError, ResumeError, StorageError), match=message):
        pack_dataset(root)
    assert files_of(root.parent) == before


def packed_and_unpacked(tmp_path: Path) -> tuple[Path, dict[str, str], dict[str, str]]:
    template = tmp_path / "template"
    write(template, *TAKES[:2], cameras=ONE_CAMERA)
    unpacked = files_of(template)
    shutil.copytree(template, tmp_path / "packed")
    pack_dataset(tmp_path / "packed")
    packed = files_of(tmp_path / "packed")
    shutil.rmtree(tmp_path / "packed")
    return template, unpacked, packed


def steps_to_try(template: Path, scratch: Path) -> list[int]:
    """Every third step of building the new folder, and all from there on."""
    shutil.copytree(template, scratch)
    disk = FailingDisk(scratch)
    with disk.mounted():
        pack_dataset(scratch)
    built = next(number for number, step in enumerate(disk.log) if step[0] == "exchange")
    assert 20 < built < len(disk.log) - 3
    return [number for number in range(len(disk.log)) if number >= built - 2 or number % 3 == 0]


@pytest.mark.parametrize("dies", [True, False], ids=["death", "error"])
@pytest.mark.parametrize("has_exchange", [True, False], ids=["exchange", "two renames"])
def test_old_or_new_at_every_step(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, has_exchange: bool, dies: bool
) -> None:
    """Whatever is there afterwards, the next writer clears it away and goes on."""
    template, unpacked, packed = packed_and_unpacked(tmp_path)
    if not has_exchange:
        monkeypatch.setattr("failing_disk.exchange", lambda a, b: False)
    outcomes = set()
    for step in steps_to_try(template, tmp_path / "scratch" / "dataset"):
        parent = tmp_path / str(step)
        root = parent / "dataset"
        shutil.copytree(template, root)
        disk = FailingDisk(root, step, dies=dies)
        with disk.mounted(), suppress(Death, WriterError):
            pack_dataset(root)
        assert disk.failed is not None
        there = files_of(root) if root.exists() else None
        assert there in (unpacked, packed) or (there is None and not has_exchange), disk.failed
        if not dies:
            assert there is not None
            if disk.failed[0] not in ("rmtree", "unlink"):
                assert names_in(parent) == ["dataset"], disk.failed
        write(root, Take(9, 1), cameras=ONE_CAMERA, resume=True)
        assert_holds(root, [*TAKES[:2], Take(9, 1)], cameras=ONE_CAMERA)
        outcomes.add("missing" if there is None else "old" if there == unpacked else "new")
        assert names_in(parent) == ["dataset"]
        shutil.rmtree(parent)
    assert outcomes == {"old", "new", *(["missing"] if dies and not has_exchange else [])}


@pytest.mark.parametrize("pack", [True, False], ids=["packing", "reader"])
def test_the_next_packing_finishes_an_interrupted_one(tmp_path: Path, pack: bool) -> None:
    template, _, packed = packed_and_unpacked(tmp_path)
    root = tmp_path / "dataset"
    shutil.copytree(template, root)
    shutil.copytree(template, tmp_path / "dataset.pack")
    root.rename(tmp_path / "dataset.old")
    (tmp_path / "dataset.pack.journal").touch()
    if pack:
        pack_dataset(root)
        assert files_of(root) == packed
    else:
        write(root, resume=True, cameras=ONE_CAMERA)
        assert_holds(root, TAKES[:2], cameras=ONE_CAMERA)
    assert names_in(tmp_path) == ["dataset", "template"]


def test_a_half_built_folder_never_becomes_the_dataset(tmp_path: Path) -> None:
    """Killed while building, then the user moves the dataset away: what is left over is no dataset."""
    root = tmp_path / "dataset"
    write(root, *TAKES[:2], cameras=ONE_CAMERA)
    shutil.copytree(root, tmp_path / "dataset.pack")
    shutil.rmtree(tmp_path / "dataset.pack/data")
    (tmp_path / "dataset.pack.journal").touch()
    root.rename(tmp_path / "moved")
    with open_writer(root, cameras=ONE_CAMERA) as writer:
        assert writer.num_episodes == 0
        record(writer, TAKES[2], cameras=ONE_CAMERA)
    assert_holds(root, TAKES[2:3], cameras=ONE_CAMERA)
    assert_holds(tmp_path / "moved", TAKES[:2], cameras=ONE_CAMERA)
    assert names_in(tmp_path) == ["dataset", "moved"]


def test_the_old_dataset_is_not_deleted_while_nothing_takes_its_place(tmp_path: Path) -> None:
    root = tmp_path / "dataset"
    write(root, *TAKES[:2], cameras=ONE_CAMERA)
    root.rename(tmp_path / "dataset.old")
    (tmp_path / "dataset.pack.journal").touch()
    root.mkdir()  # by a writer that looked between the two renames
    write(root, TAKES[2], cameras=ONE_CAMERA, resume=True)
    assert_holds(root, TAKES[:3], cameras=ONE_CAMERA)
    assert names_in(tmp_path) == ["dataset"]


def test_a_packing_writer_is_ended_even_when_packing_fails(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    writer: SimLeRobotWriter = open_writer(root, cameras=ONE_CAMERA)
    record(writer, *TAKES[:2], cameras=ONE_CAMERA)
    with monkeypatch.context() as patch:
        patch.setattr("lerobot_writer.pack.write_rows", _fail)
        with pytest.raises(StorageError, match=r"cannot pack .*No space left"):
            writer.finalize(pack=True)
    assert_holds(root, TAKES[:2], cameras=ONE_CAMERA)
    assert json.loads((root / "meta/writer.json").read_bytes())["quantile_episodes"] == 2
    write(root, TAKES[2], cameras=ONE_CAMERA, resume=True)
    assert_holds(root, TAKES[:3], cameras=ONE_CAMERA)


def _fail(*_: object) -> None:
    raise OSError(28, "No space left on device")
