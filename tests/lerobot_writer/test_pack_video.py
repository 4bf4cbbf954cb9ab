"""Joining videos: from any order of episodes in files, into one file or files of a stated size."""

from __future__ import annotations

import random
import shutil
from pathlib import Path

import av
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from dataset_damage import reencoded
from writing import Take, assert_holds, decode, files_of, open_writer, read_episodes, record, video_path

from lerobot_writer import VideoCodec
from lerobot_writer.check import check_dataset
from lerobot_writer.errors import PackError
from lerobot_writer.pack import pack_dataset

CAMERA = ("cam_high",)
KEY = "videos/observation.images.cam_high"
TAKES = [Take(number, 2 + 5 * number % 17) for number in range(12)]
FPS = 30
KEYFRAME_EACH = 3


def write(root: Path, *takes: Take, resume: bool = False) -> None:
    codec = VideoCodec(keyframe_interval=KEYFRAME_EACH)
    with open_writer(root, cameras=CAMERA, resume=resume, codec=codec) as writer:
        record(writer, *takes, cameras=CAMERA)


def regroup(root: Path, groups: list[list[int]], first_file: int = 0) -> None:
    """Puts the episodes' pictures into files as told, in the order told."""
    sources = {episode: video_path(root, "cam_high", 0, episode) for group in groups for episode in group}
    rows = read_episodes(root)
    lengths = rows["length"].to_pylist()
    file_index, starts = {}, {}
    for number, group in enumerate(groups):
        frames = 0
        options = {"video_track_timescale": "15360"}
        with av.open(str(root / f"{number}.mp4"), "w", options=options) as target:
            stream = None
            for episode in group:
                file_index[episode], starts[episode] = first_file + number, frames
                with av.open(str(sources[episode])) as source:
                    stream = stream or target.add_stream_from_template(source.streams.video[0])
                    for packet in source.demux(video=0):
                        if packet.size:
                            packet.pts = packet.dts = frames * 512
                            packet.stream = stream
                            target.mux(packet)
                            frames += 1
    for path in sources.values():
        path.unlink()
    for number in range(len(groups)):
        (root / f"{number}.mp4").rename(video_path(root, "cam_high", 0, first_file + number))
    order = range(len(lengths))
    columns = {
        "file_index": [file_index[episode] for episode in order],
        "from_timestamp": [starts[episode] / FPS for episode in order],
        "to_timestamp": [(starts[episode] + lengths[episode]) / FPS for episode in order],
    }
    for name, values in columns.items():
        position = rows.column_names.index(f"{KEY}/{name}")
        rows = rows.set_column(position, rows.field(position), pa.array(values, rows.field(position).type))
    pq.write_table(rows, root / "meta/episodes/chunk-000/file-000.parquet", compression="snappy")


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("written") / "dataset"
    write(root, *TAKES)
    return root


def copy_of(written: Path, root: Path) -> Path:
    shutil.copytree(written, root)
    return root


def video_sizes(root: Path) -> list[int]:
    return [path.stat().st_size for path in sorted((root / KEY).glob("*/*"))]


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("max_bytes", [None, 8_000])
def test_any_order_in_any_files_packs_to_the_same(written: Path, root: Path, seed: int, max_bytes: int | None) -> None:
    straight = copy_of(written, root.with_name("straight"))
    pack_dataset(straight, max_bytes)
    rng = random.Random(seed)
    episodes = list(range(len(TAKES)))
    rng.shuffle(episodes)
    cuts = sorted(rng.sample(range(1, len(TAKES)), 3))
    groups = [episodes[begin:end] for begin, end in zip([0, *cuts], [*cuts, len(TAKES)], strict=True)]
    copy_of(written, root)
    regroup(root, groups, first_file=seed)
    assert_holds(root, TAKES, cameras=CAMERA)
    pack_dataset(root, max_bytes)
    assert files_of(root) == files_of(straight)
    assert_holds(root, TAKES, cameras=CAMERA)
    assert check_dataset(root).ok


def test_files_alternating_more_than_are_held_open(written: Path, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lerobot_writer.pack_video._OPEN_SOURCES", 2)
    copy_of(written, root)
    regroup(root, [list(range(first, len(TAKES), 4)) for first in range(4)])
    pack_dataset(root)
    assert_holds(root, TAKES, cameras=CAMERA)


@pytest.mark.parametrize("max_bytes", [1, 6_000, 9_000, 10**6])
def test_files_are_split_between_episodes_as_late_as_the_size_allows(written: Path, root: Path, max_bytes: int) -> None:
    pack_dataset(copy_of(written, root), max_bytes)
    assert_holds(root, TAKES, cameras=CAMERA)
    assert check_dataset(root).ok
    sizes = video_sizes(root)
    numbers = read_episodes(root)[f"{KEY}/file_index"].to_pylist()
    episode_bytes = [path.stat().st_size for path in sorted((written / KEY).glob("*/*"))]
    assert len(sizes) == {1: len(TAKES), 10**6: 1}.get(max_bytes, len(sizes))
    assert numbers == sorted(numbers)
    for number, size in enumerate(sizes):
        assert size <= max_bytes or numbers.count(number) == 1
        if number + 1 < len(sizes):
            slack = 4096 + 24 * 17 * numbers.count(number)
            assert size + episode_bytes[numbers.index(number + 1)] > max_bytes - slack, "another episode had room"


@pytest.mark.parametrize("max_bytes", [None, 8_000])
def test_packing_a_packed_dataset_does_nothing(written: Path, root: Path, max_bytes: int | None) -> None:
    assert pack_dataset(copy_of(written, root), max_bytes)
    inode, before = root.stat().st_ino, files_of(root)
    assert not pack_dataset(root, max_bytes)
    assert (root.stat().st_ino, files_of(root)) == (inode, before)


def test_joined_split_and_grown_datasets_leave_no_trace_of_it(written: Path, root: Path) -> None:
    more = Take(40, 9)
    at_once = copy_of(written, root.with_name("at once"))
    write(at_once, more, resume=True)
    split = copy_of(at_once, root.with_name("split"))
    pack_dataset(at_once)
    pack_dataset(split, 8_000)
    assert len(video_sizes(split)) > 2
    pack_dataset(copy_of(written, root), 8_000)
    write(root, more, resume=True)
    assert_holds(root, [*TAKES, more], cameras=CAMERA)
    assert check_dataset(root).ok
    assert pack_dataset(root, 8_000)
    assert files_of(root) == files_of(split)
    assert pack_dataset(root)
    assert files_of(root) == files_of(at_once)
    assert pack_dataset(root, 8_000)
    assert files_of(root) == files_of(split)


@pytest.mark.parametrize("max_bytes", [None, 1])
def test_an_episode_that_begins_between_keyframes_is_refused(written: Path, root: Path, max_bytes: int | None) -> None:
    """In a file of its own, its first pictures would not decode."""
    pack_dataset(copy_of(written, root))
    reencoded(f"{KEY}/chunk-000/file-000.mp4", gop_size=250, size=(64, 48))(root)
    data = root / "data/chunk-000/file-000.parquet"
    data.rename(data.with_name("file-001.parquet"))  # so that there is something to pack
    before = files_of(root)
    with pytest.raises(PackError, match=rf"has no keyframe at frame {TAKES[0].length}, where an episode begins"):
        pack_dataset(root, max_bytes)
    assert files_of(root) == before


def test_the_packets_are_those_of_the_episodes(written: Path, root: Path) -> None:
    pack_dataset(copy_of(written, root))
    packed = decode(video_path(root, "cam_high"))
    single = [frame for path in sorted((written / KEY).glob("*/*")) for frame in decode(path)]
    np.testing.assert_array_equal(packed, single)
