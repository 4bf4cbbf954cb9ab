"""Merging: byte for byte what one writer would have written, whoever wrote which episodes."""

from __future__ import annotations

import errno
import gc
import os
import random
import shutil
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from failing_encoder import PATIENCE_S, encoder_threads
from merge_sources import TAKES, do_not_wait_for_the_disk, merge, names_in, stamps, write, write_parts
from writing import AV1, Take, add_frames, assert_holds, files_of, open_writer, read_episodes, record

from lerobot_writer import VideoCodec, layout
from lerobot_writer.check import check_dataset

ALL = range(len(TAKES))


@pytest.fixture(autouse=True)
def _not_waiting_for_the_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    do_not_wait_for_the_disk(monkeypatch)


@pytest.fixture(scope="module")
def one(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """All takes, by one writer."""
    return write(tmp_path_factory.mktemp("one") / "dataset", *TAKES)


@pytest.mark.parametrize("sizes", [(10,), (3, 1, 6), (1, 1, 1, 1, 1, 1, 4), (1,) * 10], ids=str)
def test_parts_in_order_are_the_whole(tmp_path: Path, one: Path, sizes: tuple[int, ...]) -> None:
    roots = write_parts(tmp_path, TAKES, sizes)
    before = stamps(*roots)
    assert merge(tmp_path / "out", roots) == sum(take.length for take in TAKES)
    assert files_of(tmp_path / "out") == files_of(one)
    assert_holds(tmp_path / "out", TAKES)
    report = check_dataset(tmp_path / "out")
    assert report.ok, report.text()
    assert stamps(*roots) == before
    assert names_in(tmp_path) == sorted(["out", *(root.name for root in roots)])


@pytest.mark.parametrize(
    ("takes", "options"),
    [
        (TAKES[:6], {"codec": AV1, "size": (96, 64)}),
        (TAKES[:6], {"codec": VideoCodec(crf=30, keyframe_interval=3)}),
        (TAKES, {"cameras": ()}),
        (TAKES[:6], {"cameras": ("cam_high",)}),
        (TAKES[:4], {"size": (320, 32)}),
        ([Take(n, 1, f"task {n % 3}") for n in range(7)], {}),
        (TAKES[:6], {"fps": 24}),
    ],
    ids=["av1", "coarse", "no camera", "one camera", "wide pictures", "one-frame episodes", "fps"],
)
def test_parts_of_any_schema(tmp_path: Path, takes: list[Take], options: dict) -> None:
    one = write(tmp_path / "one", *takes, **options)
    merge(tmp_path / "out", write_parts(tmp_path, takes, (2, len(takes) - 3, 1), **options))
    assert files_of(tmp_path / "out") == files_of(one)
    assert check_dataset(tmp_path / "out").ok


def scatter(folder: Path, draw: random.Random) -> tuple[list[Path], list[tuple[int, int]]]:
    """The takes in some datasets, in any order; each written in several goes, the last one killed. Returns the datasets
    and where each take is."""
    count = draw.randint(1, 4)
    held: list[list[int]] = [[] for _ in range(count)]
    for number in draw.sample(ALL, len(TAKES)):
        draw.choice(held).append(number)
    held = [numbers for numbers in held if numbers]
    roots = [folder / f"part {number}" for number in range(len(held))]
    for root, numbers in zip(roots, held, strict=True):
        cut = draw.randint(0, len(numbers))
        if cut:
            write(root, *(TAKES[number] for number in numbers[:cut]))
        writer = open_writer(root, resume=True)
        record(writer, *(TAKES[number] for number in numbers[cut:]))
        add_frames(writer, Take(99, 5), 2)
        del writer  # without `finalize`
        gc.collect()
        for thread in encoder_threads():
            thread.join(PATIENCE_S)
        assert (root / ".unfinished").exists()
    return roots, [next((s, at.index(n)) for s, at in enumerate(held) if n in at) for n in ALL]


@pytest.mark.parametrize("seed", range(6))
def test_scattered_episodes_are_the_whole(tmp_path: Path, one: Path, seed: int) -> None:
    roots, order = scatter(tmp_path, random.Random(seed))
    before = stamps(*roots)
    merge(tmp_path / "out", roots, order)
    assert files_of(tmp_path / "out") == files_of(one)
    assert stamps(*roots) == before


def test_merged_parts_can_be_merged(tmp_path: Path, one: Path) -> None:
    roots = write_parts(tmp_path, TAKES, (2, 3, 1, 4))
    merge(tmp_path / "left", roots[:2])
    merge(tmp_path / "right", roots[2:])
    merge(tmp_path / "out", [tmp_path / "left", tmp_path / "right"])
    assert files_of(tmp_path / "out") == files_of(one)


@pytest.mark.parametrize("stride", [1, 3], ids=["one after the other", "taking turns"])
def test_numbered_files_roll_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, stride: int) -> None:
    """With 4 episodes to a file of episode rows and 6 files to a chunk."""
    monkeypatch.setattr(layout, "EPISODES_PER_META_FILE", 4)
    monkeypatch.setattr(layout, "FILES_PER_CHUNK", 6)
    takes = [Take(number, 1 + number % 3, f"task {number % 5}") for number in range(26)]
    held = [takes[:9], takes[9:13], takes[13:]] if stride == 1 else [takes[first::3] for first in range(3)]
    roots = [write(tmp_path / f"part {number}", *some, cameras=["cam_high"]) for number, some in enumerate(held)]
    order = None if stride == 1 else [(number % 3, number // 3) for number in range(26)]
    one = write(tmp_path / "one", *takes, cameras=["cam_high"])
    merge(tmp_path / "out", roots, order)
    assert files_of(tmp_path / "out") == files_of(one)
    assert len(list((one / "meta/episodes").glob("*/*"))) == 7
    assert len(list((one / "data").glob("*"))) == 5


@pytest.mark.long
@pytest.mark.parametrize("sizes", [(1003, 204), (300, 700, 207)], ids=str)
def test_more_than_a_thousand_episodes(tmp_path: Path, sizes: tuple[int, ...]) -> None:
    takes = [Take(number % 200, 1, f"task {number % 7}") for number in range(sum(sizes))]
    one = write(tmp_path / "one", *takes, cameras=())
    merge(tmp_path / "out", write_parts(tmp_path, takes, sizes, cameras=()))
    assert files_of(tmp_path / "out") == files_of(one)
    rows = [pq.read_metadata(file).num_rows for file in sorted((one / "meta/episodes").glob("*/*"))]
    assert rows == [1000, sum(sizes) - 1000]
    assert check_dataset(tmp_path / "out").ok


def test_a_writer_goes_on_with_a_merged_dataset_and_its_sources_stay(tmp_path: Path, one: Path) -> None:
    """They share files with it."""
    roots = write_parts(tmp_path, TAKES[:6], (2, 4))
    before = stamps(*roots)
    merge(tmp_path / "out", roots)
    write(tmp_path / "out", *TAKES[6:], resume=True)
    assert files_of(tmp_path / "out") == files_of(one)
    with open_writer(tmp_path / "out", overwrite=True) as writer:
        record(writer, Take(77, 2))
    assert stamps(*roots) == before


def test_a_source_goes_on_and_the_merged_dataset_stays(tmp_path: Path, one: Path) -> None:
    roots = write_parts(tmp_path, TAKES, (4, 6))
    merge(tmp_path / "out", roots)
    before = stamps(tmp_path / "out")
    write(roots[0], Take(50, 3), resume=True, pack=True)
    assert stamps(tmp_path / "out") == before
    shutil.rmtree(roots[1])
    assert files_of(tmp_path / "out") == files_of(one)


def linked(root: Path) -> set[int]:
    return {path.stat().st_nlink for path in root.glob("videos/**/*.mp4")}


def test_pictures_are_not_copied(tmp_path: Path) -> None:
    merge(tmp_path / "out", write_parts(tmp_path, TAKES[:3], (2, 1)))
    assert linked(tmp_path / "out") == {2}


@pytest.mark.parametrize("reason", [errno.EPERM, errno.EMLINK, errno.EXDEV, errno.EOPNOTSUPP], ids=errno.errorcode.get)
def test_where_a_file_takes_no_further_name_it_is_copied(
    tmp_path: Path, one: Path, monkeypatch: pytest.MonkeyPatch, reason: int
) -> None:
    def refuse(*paths: object, **options: object) -> None:
        raise OSError(reason, os.strerror(reason), *paths)

    roots = write_parts(tmp_path, TAKES, (4, 6))
    with monkeypatch.context() as patch:
        patch.setattr(os, "link", refuse)
        merge(tmp_path / "out", roots)
    assert linked(tmp_path / "out") == {1}
    assert files_of(tmp_path / "out") == files_of(one)


def test_into_another_file_system(tmp_path: Path, one: Path) -> None:
    memory = Path("/dev/shm")
    if not memory.is_dir() or memory.stat().st_dev == tmp_path.stat().st_dev:
        pytest.skip("there is no second file system")
    roots = write_parts(tmp_path, TAKES, (4, 6))
    before = stamps(*roots)
    folder = memory / f"merge-{os.getpid()}"
    try:
        merge(folder / "out", roots)
        assert files_of(folder / "out") == files_of(one)
        assert linked(folder / "out") == {1}
        assert names_in(folder) == ["out"]
    finally:
        shutil.rmtree(folder)
    assert stamps(*roots) == before


def test_files_that_are_links_become_files(tmp_path: Path, one: Path) -> None:
    """As in a cache of downloads, which names its files by their content."""
    roots = write_parts(tmp_path, TAKES, (4, 6))
    (tmp_path / "blobs").mkdir()
    for number, path in enumerate(path for root in roots for path in root.rglob("*") if path.is_file()):
        blob = tmp_path / "blobs" / str(number)
        path.rename(blob)
        path.symlink_to(os.path.relpath(blob, path.parent))
    merge(tmp_path / "elsewhere/out", roots)
    assert not any(path.is_symlink() for path in (tmp_path / "elsewhere").rglob("*"))
    assert files_of(tmp_path / "elsewhere/out") == files_of(one)


def test_progress_and_further_files(tmp_path: Path) -> None:
    roots = write_parts(tmp_path, TAKES[:5], (2, 3), cameras=())
    told = []
    merge(
        tmp_path / "out",
        roots,
        progress=lambda: told.append((tmp_path / "out").exists()),
        add_files=lambda folder: (folder / "README.md").write_text(str(len(told))) and None,
    )
    assert told == [False] * 5
    assert (tmp_path / "out/README.md").read_text() == "5"


def test_into_an_empty_folder(tmp_path: Path, one: Path) -> None:
    roots = write_parts(tmp_path, TAKES, (5, 5))
    (tmp_path / "out").mkdir()
    merge(tmp_path / "out", roots)
    assert files_of(tmp_path / "out") == files_of(one)


def test_statistics_of_what_is_merged_do_not_count_what_is_left_out(tmp_path: Path) -> None:
    """A merge may take some of a source's episodes."""
    roots = write_parts(tmp_path, TAKES, (4, 6))
    merge(tmp_path / "out", roots, [(1, 2), (0, 1), (0, 2), (1, 5)])
    one = write(tmp_path / "one", TAKES[6], TAKES[1], TAKES[2], TAKES[9])
    assert files_of(tmp_path / "out") == files_of(one)


def test_rows_in_waiting_do_not_keep_their_sources_in_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Sources that take turns: a file of rows is full only after many of their tables were read."""
    monkeypatch.setattr("lerobot_writer.merge_source._ROWS_HELD", 0)
    takes = [Take(number, 1) for number in range(160)]
    roots = [write(tmp_path / f"part {first}", *takes[first::2], cameras=()) for first in range(2)]
    sizes = []
    order = [(number % 2, number // 2) for number in range(160)]
    merge(tmp_path / "out", roots, order, progress=lambda: sizes.append(pa.total_allocated_bytes()))
    assert max(sizes) < 24 * read_episodes(roots[0]).nbytes
