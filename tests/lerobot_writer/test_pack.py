"""Packing: fewer files, the same dataset; the old one or the new one at every instant."""

from __future__ import annotations

import gc
import os
import shutil
from pathlib import Path
from typing import Any

import av
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from writing import (
    AV1,
    CAMERAS,
    Take,
    add_frame,
    add_frames,
    assert_holds,
    decode,
    files_of,
    finish,
    open_writer,
    picture,
    read_data,
    read_episodes,
    read_json,
    record,
    video_path,
)

from lerobot_writer import ResumeError, VideoCodec
from lerobot_writer.__main__ import main
from lerobot_writer.check import check_dataset
from lerobot_writer.pack import pack_dataset

TAKES = [Take(1, 3), Take(2, 14, "place the cube"), Take(3, 1), Take(4, 5, "a third task")]


ONE_CAMERA = ("cam_high",)


PLACES = ("chunk_index", "file_index", "from_timestamp", "to_timestamp")


def write(root: Path, *takes: Take, pack: bool = False, **options: Any) -> None:
    with open_writer(root, **options) as writer:
        record(writer, *takes, cameras=options.get("cameras", CAMERAS))
        writer.finalize(pack=pack)


def names_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def numbered(root: Path) -> dict[str, int]:
    kinds = ("data", "videos", "meta/episodes", "meta/image_histograms")
    return {kind: len(list((root / kind).rglob("file-*"))) for kind in kinds}


def read_histograms(root: Path) -> list[pa.Table]:
    """Each episode's, in order."""
    tables = []
    for path in sorted(root.glob("meta/image_histograms/*/*")):
        with pq.ParquetFile(path) as file:
            tables += [file.read_row_group(group) for group in range(file.num_row_groups)]
    return tables


@pytest.mark.parametrize(
    ("codec", "size"), [(VideoCodec(), (64, 48)), (VideoCodec(preset="medium"), (64, 48)), (AV1, (96, 64))]
)
def test_packing_changes_nothing_but_the_places(root: Path, codec: VideoCodec, size: tuple[int, int]) -> None:
    with open_writer(root, codec=codec, size=size) as writer:
        for take in TAKES:
            for frame in range(take.length):
                add_frame(writer, take.content, frame, done=frame == take.length - 1)
                for number, camera in enumerate(CAMERAS):
                    writer.add_video_frame(camera, picture(number, take.content, frame, size))
            finish(writer, take)
    rows, episodes = read_data(root), read_episodes(root)
    pictures = [decode(path) for path in sorted(root.glob("videos/*/*/*"))]
    others = {
        name: content
        for name, content in files_of(root).items()
        if name.startswith("meta") and not name.startswith(("meta/episodes", "meta/image_histograms"))
    }
    histograms = read_histograms(root)
    pack_dataset(root)
    assert numbered(root) == {"data": 1, "videos": 2, "meta/episodes": 1, "meta/image_histograms": 1}
    assert read_data(root).equals(rows)
    assert read_data(root).schema.equals(rows.schema, check_metadata=True)
    for camera in CAMERAS:
        packed = decode(video_path(root, camera))
        before = [decoded for shown in pictures[: len(TAKES)] for decoded in shown]
        pictures = pictures[len(TAKES) :]
        np.testing.assert_array_equal(packed, before)
    after = read_episodes(root)
    assert after.schema.equals(episodes.schema, check_metadata=True)
    for name in episodes.column_names:
        if not (name.startswith(("videos/", "data/")) and name.endswith(PLACES)):
            assert after[name].equals(episodes[name]), name
    assert {name: content for name, content in files_of(root).items() if name in others} == others
    assert read_histograms(root) == histograms
    assert len(histograms) == len(TAKES)
    assert_holds(root, TAKES)
    assert check_dataset(root).ok
    assert names_in(root.parent) == [root.name]


@pytest.mark.parametrize("codec", [VideoCodec(), AV1], ids=["h264", "av1"])
def test_a_packed_video_is_like_the_written_ones(root: Path, codec: VideoCodec) -> None:
    """Codec, colours, rate, time base, keyframes at every episode's start, times exactly n / fps."""

    def describe(path: Path) -> tuple[dict[str, Any], list[tuple[bool, int]]]:
        with av.open(str(path)) as container:
            stream = container.streams.video[0]
            context = stream.codec_context
            described = {
                name: getattr(context, name)
                for name in ("width", "height", "pix_fmt", "colorspace", "color_range", "extradata", "codec_tag")
            }
            described |= {"rate": stream.average_rate, "base": stream.time_base, "streams": len(container.streams)}
            packets = [p for p in container.demux(stream) if p.dts is not None]
            assert all(p.pts == p.dts for p in packets)
            return described, [(p.is_keyframe, p.pts) for p in packets]

    takes = [Take(1, 7), Take(2, 5), Take(3, 9)]
    with open_writer(root, codec=codec, size=(64, 64), cameras=ONE_CAMERA, fps=25) as writer:
        for take in takes:
            for frame in range(take.length):
                add_frame(writer, take.content, frame, done=frame == take.length - 1, fps=25)
                writer.add_video_frame("cam_high", picture(0, take.content, frame, (64, 64)))
            finish(writer, take)
    single = [describe(video_path(root, "cam_high", 0, episode)) for episode in range(3)]
    pack_dataset(root)
    packed, packets = describe(video_path(root, "cam_high"))
    assert packed == single[0][0]
    ticks = single[0][1][1][1]
    assert packets == [
        (is_keyframe, (offset + number) * ticks)
        for (_, one), offset in zip(single, (0, 7, 12), strict=True)
        for number, (is_keyframe, _) in enumerate(one)
    ]
    assert all(packets[start][0] for start in (0, 7, 12))


def test_data_files_are_cut_at_the_stated_size(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    takes = [Take(content, 40) for content in range(6)]
    write(root, *takes, cameras=())
    rows = read_data(root)
    monkeypatch.setattr("lerobot_writer.layout.DATA_FILE_BYTES", 6000)
    pack_dataset(root)
    assert 1 < numbered(root)["data"] < len(takes)
    assert read_data(root).equals(rows)
    assert_holds(root, takes, cameras=())
    write(root, Take(9), cameras=(), resume=True)
    assert_holds(root, [*takes, Take(9)], cameras=())


def test_pack_resume_pack_and_pack_again(root: Path) -> None:
    takes: list[Take] = []
    for content in range(1, 4):
        new = [Take(content, content + 2), Take(content + 10, 2, "place the cube")]
        write(root, *new, resume=True)
        takes += new
        assert_holds(root, takes)
        pack_dataset(root)
        assert numbered(root) == {"data": 1, "videos": 2, "meta/episodes": 1, "meta/image_histograms": 1}
        assert_holds(root, takes)
    before = files_of(root)
    pack_dataset(root)
    assert files_of(root) == before
    at_once = root.with_name("at once")
    write(at_once, *takes, pack=True)
    assert files_of(at_once) == before, "the history leaves no trace"
    assert check_dataset(root).ok


def test_other_files_and_links_are_carried_over(root: Path) -> None:
    write(root, *TAKES[:2])
    (root / "notes/deep").mkdir(parents=True)
    (root / "notes/deep/empty").mkdir()
    (root / "notes/deep/a.txt").write_text("a")
    (root / "meta/collection.json").write_text("{}")
    (root / "README.md").symlink_to("notes/deep/a.txt")
    (root / "linked").symlink_to("notes/deep", target_is_directory=True)
    (root / "meta/dangling").symlink_to("nowhere")
    pack_dataset(root)
    assert (root / "linked/a.txt").read_text() == (root / "README.md").read_text() == "a"
    assert (root / "linked").is_symlink()
    assert (root / "meta/dangling").is_symlink()
    assert (root / "notes/deep/empty").is_dir()
    assert (root / "meta/collection.json").read_text() == "{}"


def test_where_hard_links_are_impossible_files_are_copied(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def link(*_: object) -> None:
        raise OSError(1, "Operation not permitted")

    write(root, *TAKES[:2])
    monkeypatch.setattr(os, "link", link)
    pack_dataset(root)
    assert_holds(root, TAKES[:2])
    assert check_dataset(root).ok


def test_only_a_finalized_dataset_is_packed(tmp_path: Path) -> None:
    with pytest.raises(ResumeError, match="holds no dataset"):
        pack_dataset(tmp_path / "nothing")
    root = tmp_path / "dataset"
    writer = open_writer(root)
    record(writer, *TAKES[:2])
    before = files_of(root)
    with pytest.raises(ResumeError, match="is being written or packed by somebody else"):
        pack_dataset(root)
    add_frames(writer, TAKES[2])
    del writer
    gc.collect()
    with pytest.raises(ResumeError, match="was left unfinished; resume it to its end"):
        pack_dataset(root)
    shutil.rmtree(root / ".unfinished")  # its quantiles are still those of the first episode
    with pytest.raises(ResumeError, match="was left unfinished"):
        pack_dataset(root)
    assert files_of(root) == before
    write(root, resume=True, pack=True)
    assert_holds(root, TAKES[:2])


def test_packing_nothing_is_no_error(root: Path) -> None:
    write(root, pack=True)
    assert files_of(root).keys() == {"meta", "meta/writer.json"}
    write(root, TAKES[0], resume=True, pack=True)
    assert_holds(root, TAKES[:1])


def test_the_statistics_of_a_packed_dataset_reach_all_episodes(root: Path) -> None:
    write(root, *TAKES, pack=True)
    assert read_json(root, "writer.json")["quantile_episodes"] == len(TAKES)
    stats = read_json(root, "stats.json")
    write(root, resume=True)
    assert read_json(root, "stats.json") == stats


def test_times_are_one_division_of_integers(root: Path) -> None:
    """Sums of 1/7 s drift; FORMAT.md, E4."""
    takes = [Take(number, 1 + number % 3) for number in range(12)]
    with open_writer(root, cameras=ONE_CAMERA, fps=7) as writer:
        record(writer, *takes, cameras=ONE_CAMERA, fps=7)
        writer.finalize(pack=True)
    starts = np.cumsum([0, *(take.length for take in takes)]).tolist()
    rows = read_episodes(root)
    key = "videos/observation.images.cam_high"
    assert rows[f"{key}/from_timestamp"].to_pylist() == [start / 7 for start in starts[:-1]]
    assert rows[f"{key}/to_timestamp"].to_pylist() == [end / 7 for end in starts[1:]]


def test_the_command_packs(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write(root, *TAKES)
    assert [main(["pack", str(root)]) for _ in range(2)] == [0, 0]
    assert capsys.readouterr().out == f"{root}: packed\n{root}: was packed already\n"
    assert_holds(root, TAKES)
    assert main(["pack", str(root.parent)]) == 1
    assert capsys.readouterr().err == f"error: {root.parent} holds no dataset of lerobot_writer\n"


def test_histogram_files_are_cut_and_go_on(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lerobot_writer.layout.HISTOGRAMS_PER_FILE", 2)
    takes = [Take(content, 2) for content in range(5)]
    write(root, *takes)
    pack_dataset(root)
    assert [names_in(root / "meta/image_histograms/chunk-000")] == [[f"file-00{number}.parquet" for number in range(3)]]
    assert check_dataset(root).ok
    write(root, Take(9), Take(10), resume=True)
    assert_holds(root, [*takes, Take(9), Take(10)])
    assert check_dataset(root).ok
    assert pack_dataset(root)
    assert numbered(root)["meta/image_histograms"] == 4
    assert_holds(root, [*takes, Take(9), Take(10)])
    assert check_dataset(root).ok
