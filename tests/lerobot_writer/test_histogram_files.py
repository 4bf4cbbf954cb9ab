"""Reading image histograms: row groups of all files, sorted by name, are the episodes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from lerobot_writer import layout
from lerobot_writer.histogram_files import count_episodes, episode_histograms
from lerobot_writer.tables import HISTOGRAM_SCHEMA, histogram_table

CAMERAS = ("observation.images.cam_low", "observation.images.cam_high")


def random_histograms(episodes: int, cameras: tuple[str, ...] = CAMERAS) -> list[dict[str, np.ndarray]]:
    rng = np.random.default_rng(7)
    return [{camera: rng.integers(0, 2**33, (3, 256)) for camera in cameras} for _ in range(episodes)]


def write(root: Path, numbers: dict[int, list[dict[str, np.ndarray]]]) -> list[Path]:
    """By file number the episodes of the file, a row group each; returns the files."""
    files = []
    for number, episodes in numbers.items():
        file = layout.histogram_file(*layout.chunk_and_file(number))
        (root / file).parent.mkdir(parents=True, exist_ok=True)
        with pq.ParquetWriter(root / file, HISTOGRAM_SCHEMA) as writer:
            for histograms in episodes:
                table = histogram_table(histograms)
                writer.write_table(table, row_group_size=max(1, table.num_rows))
        files.append(file)
    return files


def assert_same(found: list[dict[str, np.ndarray]], expected: list[dict[str, np.ndarray]]) -> None:
    assert [list(histograms) for histograms in found] == [list(histograms) for histograms in expected]
    for one, other in zip(found, expected, strict=True):
        assert all(np.array_equal(one[camera], other[camera]) and one[camera].dtype == np.int64 for camera in other)


@pytest.mark.parametrize("sizes", [{0: 7}, dict.fromkeys(range(7), 1), {0: 3, 1: 2, 5: 1, 6: 1}])
@pytest.mark.parametrize("cameras", [CAMERAS, CAMERAS[:1], ()])
def test_any_split_into_files_reads_the_same(tmp_path: Path, sizes: dict[int, int], cameras: tuple[str, ...]) -> None:
    episodes = random_histograms(7, cameras)
    rest = iter(episodes)
    files = write(tmp_path, {number: [next(rest) for _ in range(size)] for number, size in sizes.items()})
    assert_same(list(episode_histograms(tmp_path, files)), episodes)
    assert [count_episodes(tmp_path / file) for file in files] == list(sizes.values())


def test_it_reads_no_file_before_its_turn(tmp_path: Path) -> None:
    first = write(tmp_path, {0: random_histograms(2)})
    reading = episode_histograms(tmp_path, [*first, Path("missing.parquet")])
    next(reading), next(reading)
    with pytest.raises(FileNotFoundError):
        next(reading)


ROWS = histogram_table(random_histograms(1)[0])
LISTS = ROWS.column("counts").to_pylist()


@pytest.mark.parametrize(
    "table",
    [
        ROWS.slice(1),
        pa.concat_tables([ROWS, ROWS.slice(0, 1)]),
        ROWS.drop_columns("channel"),
        ROWS.set_column(1, "channel", pa.array([0, 1, 3, 0, 1, 2])),
        ROWS.set_column(2, "counts", pa.array([[*LISTS[0], 0], LISTS[1][1:], *LISTS[2:]])),
        ROWS.set_column(2, "counts", pa.array([[None, *LISTS[0][1:]], *LISTS[1:]])),
        ROWS.set_column(2, "counts", pa.array([None, *LISTS[1:]], pa.list_(pa.int64()))),
        ROWS.set_column(2, "counts", ROWS.column("channel")),
        ROWS.set_column(2, "counts", ROWS.column("counts").cast(pa.list_(pa.float64()))),
    ],
)
def test_a_damaged_row_group_is_named(tmp_path: Path, table: pa.Table) -> None:
    with pq.ParquetWriter(tmp_path / "file.parquet", table.schema) as writer:
        if table.schema.equals(HISTOGRAM_SCHEMA):
            writer.write_table(ROWS)
        writer.write_table(table)
    number = int(table.schema.equals(HISTOGRAM_SCHEMA))
    with pytest.raises(ValueError, match=rf"file\.parquet, row group {number}: "):
        list(episode_histograms(tmp_path, [Path("file.parquet")]))
