"""Statistics are those of numpy over all the data, not averages of averages, and say how far they reach."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from writing import FPS, read_data, read_episodes, read_json, read_parquet

from lerobot_writer import SimLeRobotWriter
from lerobot_writer.column_spill import ColumnSpill
from lerobot_writer.stats import Moments, count_pixels, exact_column, image_entry, quantiles_of

QUANTILES = {"q01": 0.01, "q10": 0.10, "q50": 0.50, "q90": 0.90, "q99": 0.99}
KEYS = ["min", "max", "mean", "std", "count", *QUANTILES]
SCALARS = ["next.done", "timestamp", "frame_index", "episode_index", "index", "task_index"]
CAMERA = "observation.images.cam"
LENGTHS = (5, 1, 12, 3, 8)


def truth(values: NDArray[Any]) -> dict[str, Any]:
    """numpy's own figures of values of shape (N, D)."""
    x = values.astype(np.float64)
    figures = {"min": x.min(0), "max": x.max(0), "mean": x.mean(0), "std": x.std(0), "count": np.array([len(x)])}
    return {**figures, **{name: np.quantile(x, q, axis=0) for name, q in QUANTILES.items()}}


def assert_same(
    entry: Mapping[str, Any], expected: Mapping[str, Any], keys: Sequence[str] = KEYS, **tolerance: float
) -> None:
    assert list(entry) == KEYS
    for key in keys:
        given = np.array(entry[key])
        np.testing.assert_allclose(
            given.reshape(-1), expected[key].reshape(-1), err_msg=key, **(tolerance or {"rtol": 1e-12})
        )


def states(episode: int, length: int) -> NDArray[np.float32]:
    rng = np.random.default_rng([7, episode])
    x = rng.normal(size=(length, 3))
    x[:, 1] = 1e6 + rng.integers(0, 8, length) / 8  # a large offset, values that float32 holds exactly
    x[:, 2] = 0.1  # constant
    return x.astype(np.float32)


def pictures(episode: int, length: int, size: tuple[int, int]) -> NDArray[np.uint8]:
    """Noise around a level of its own in every episode, so that episodes differ."""
    rng = np.random.default_rng([8, episode])
    noise = rng.normal(20 + 50 * episode, 5 + 10 * episode, (length, size[1], size[0], 3))
    return noise.clip(0, 255).astype(np.uint8)


def open_writer(root: Path, size: tuple[int, int] = (64, 48), *, resume: bool = False) -> SimLeRobotWriter:
    names = (["a", "b", "c"], ["d"])
    return SimLeRobotWriter(root, "t/s", FPS, "arm", 3, 1, ["cam"], size, *names, resume=resume)


def record(writer: SimLeRobotWriter, episode: int, size: tuple[int, int] = (64, 48)) -> None:
    length = LENGTHS[episode]
    for frame, (state, rgb) in enumerate(zip(states(episode, length), pictures(episode, length, size), strict=True)):
        writer.add_frame(episode, frame, state, state[:1] * 2, frame / FPS, frame == length - 1)
        writer.add_video_frame("cam", rgb)
    writer.finish_episode(episode, length, f"task {episode % 3}")


def columns_of(root: Path) -> dict[str, NDArray[Any]]:
    table = read_data(root)
    return {name: np.array(table[name].to_pylist()).reshape(table.num_rows, -1) for name in table.column_names}


@pytest.mark.parametrize("reopened", [False, True])
def test_after_finalize_every_figure_is_that_of_all_frames(root: Path, reopened: bool) -> None:
    writer = open_writer(root)
    for episode in range(len(LENGTHS)):
        record(writer, episode)
        if reopened and episode == 2:
            writer.finalize()
            writer = open_writer(root, resume=True)
    writer.finalize()
    stats = read_json(root, "stats.json")
    assert list(stats) == list(read_json(root, "info.json")["features"])
    for name, values in columns_of(root).items():
        assert_same(stats[name], truth(values))
    assert len(stats["next.done"]["mean"]) == 1
    everything = np.concatenate([pictures(e, n, (64, 48)) for e, n in enumerate(LENGTHS)]) / 255
    expected = truth(everything.reshape(-1, 3)) | {"count": np.array([sum(LENGTHS)])}
    assert_same(stats[CAMERA], expected)
    assert np.array(stats[CAMERA]["mean"]).shape == (3, 1, 1)
    assert read_json(root, "writer.json")["quantile_episodes"] == len(LENGTHS)


def test_between_finalizes_all_but_the_quantiles_is_exact_and_writer_json_says_how_far_those_reach(root: Path) -> None:
    writer = open_writer(root)
    reach = []
    for episode in range(len(LENGTHS)):
        record(writer, episode)
        stats, columns = read_json(root, "stats.json"), columns_of(root)
        exact_up_to = read_json(root, "writer.json")["quantile_episodes"]
        reach.append(exact_up_to)
        rows = sum(LENGTHS[:exact_up_to])
        for name, values in columns.items():
            assert_same(stats[name], truth(values), ["min", "max", "mean", "std", "count"], rtol=1e-9, atol=1e-12)
            assert_same(stats[name], truth(values[:rows]), list(QUANTILES))
        so_far = np.concatenate([pictures(e, LENGTHS[e], (64, 48)) for e in range(episode + 1)]) / 255
        assert_same(stats[CAMERA], truth(so_far.reshape(-1, 3)) | {"count": np.array([len(so_far)])})
        if episode == 2:
            writer.finalize()
            writer = open_writer(root, resume=True)
    writer.finalize()
    assert reach == [1, 1, 1, 3, 3]


def test_an_episode_row_has_the_figures_of_that_episode_alone(root: Path) -> None:
    with open_writer(root) as writer:
        for episode in range(len(LENGTHS)):
            record(writer, episode)
    columns = columns_of(root)
    first = 0
    for episode, row in enumerate(read_episodes(root).to_pylist()):
        length = LENGTHS[episode]
        for name, values in columns.items():
            entry = {key: row[f"stats/{name}/{key}"] for key in KEYS}
            assert_same(entry, truth(values[first : first + length]))
        rgb = pictures(episode, length, (64, 48)).reshape(-1, 3) / 255
        entry = {key: row[f"stats/{CAMERA}/{key}"] for key in KEYS}
        assert_same(entry, truth(rgb) | {"count": np.array([length])})
        assert np.array(entry["q50"]).shape == (3, 1, 1)
        first += length


@pytest.mark.parametrize(
    ("size", "stride"), [((64, 48), 1), ((298, 10), 1), ((300, 20), 2), ((20, 452), 3), ((512, 8), 3), ((640, 6), 4)]
)
def test_large_pictures_are_sampled_at_a_stated_stride(root: Path, size: tuple[int, int], stride: int) -> None:
    with open_writer(root, size) as writer:
        record(writer, 0, size)
    assert read_json(root, "writer.json")["image_stride"] == stride
    sampled = pictures(0, LENGTHS[0], size)[:, ::stride, ::stride].reshape(-1, 3) / 255
    assert_same(read_json(root, "stats.json")[CAMERA], truth(sampled) | {"count": np.array([LENGTHS[0]])})


@pytest.mark.parametrize("seed", range(40))
def test_a_histogram_tells_what_numpy_tells_of_the_pixels(seed: int) -> None:
    """Pictures of any size, from constant over two-valued to noise."""
    rng = np.random.default_rng(seed)
    height, width, stride = rng.integers(1, 30, 2).tolist() + [int(rng.integers(1, 5))]
    levels = rng.choice(256, size=rng.integers(1, (2, 3, 20, 256)[seed % 4] + 1), replace=False)
    stack = rng.choice(levels, size=(rng.integers(1, 5), height, width, 3)).astype(np.uint8)
    counts = sum(count_pixels(rgb, stride) for rgb in stack)
    assert counts.sum(axis=1).tolist() == [stack[:, ::stride, ::stride, 0].size] * 3
    values = stack[:, ::stride, ::stride].reshape(-1, 3) / 255
    entry = image_entry(counts, len(stack))
    assert_same(entry, truth(values) | {"count": np.array([len(stack)])}, rtol=1e-12, atol=1e-13)
    for key, value in truth(values).items():
        if key in ("min", "max"):
            assert np.array(entry[key]).reshape(-1).tolist() == value.tolist(), "to the bit"


def test_a_constant_picture_has_no_deviation_at_all() -> None:
    for level in range(256):
        entry = image_entry(3 * count_pixels(np.full((7, 11, 3), level, np.uint8), 1), 3)
        assert entry["std"] == [[[0.0]]] * 3
        assert {entry[key][1][0][0] for key in KEYS if key not in ("std", "count")} == {level / 255}


def test_deviation_of_a_million_pictures_is_not_lost_in_the_sums() -> None:
    """One pixel of 10**13 differs: in double precision, the difference of the sums would be noise."""
    counts = np.zeros((3, 256), dtype=np.int64)
    counts[:, 254], counts[:, 255] = 1, 10**13 - 1
    entry = image_entry(counts, 10**6)
    assert entry["std"][0][0][0] == pytest.approx(1e-13**0.5 / 255, rel=1e-9)


@pytest.mark.parametrize("seed", range(10))
def test_moments_of_parts_are_those_of_the_whole(seed: int) -> None:
    """Also with an offset that is a thousand times the deviation, in any partition and any order of magnitude."""
    rng = np.random.default_rng(seed)
    scale = 10.0 ** rng.integers(-20, 20)
    x = scale * (1000 * rng.normal(size=4) + rng.normal(size=(500, 4)))
    cuts = np.sort(rng.choice(np.arange(1, 500), size=rng.integers(1, 60), replace=False))
    merged, *rest = [Moments.of(part) for part in np.split(x, cuts)]
    for part in rest:
        merged = merged.merge(part)
    assert merged.count == 500
    np.testing.assert_array_equal([merged.minimum, merged.maximum], [x.min(0), x.max(0)])
    np.testing.assert_allclose(merged.mean, x.mean(0), rtol=1e-13)
    np.testing.assert_allclose(merged.squared_deviations, np.square(x - x.mean(0)).sum(0), rtol=1e-9)


@pytest.mark.parametrize("block_values", [7, 400, 2**20])
@pytest.mark.parametrize("dtype", ["float32", "int64", "bool"])
def test_a_column_read_in_blocks_is_the_column_read_at_once(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, block_values: int, dtype: str
) -> None:
    rng = np.random.default_rng(3)
    x = (rng.normal(size=(300, 5)) * 100).astype(dtype)
    monkeypatch.setattr("lerobot_writer.column_spill._BLOCK_VALUES", block_values)
    monkeypatch.setattr("lerobot_writer.column_spill._IN_MEMORY_BYTES", 100)
    with ColumnSpill(tmp_path, {"x": (dtype, 5)}) as columns:
        for part in np.split(x, [1, 2, 117, 299]):
            columns.add("x", part)
        assert columns.rows("x") == 300
        np.testing.assert_array_equal(np.concatenate(list(columns.blocks("x"))), x)
        moments, quantiles = exact_column(columns, "x")
    whole = Moments.of(x)
    for name in ("count", "minimum", "maximum"):
        np.testing.assert_array_equal(getattr(moments, name), getattr(whole, name))
    for name in ("mean", "squared_deviations"):
        np.testing.assert_allclose(getattr(moments, name), getattr(whole, name), rtol=1e-12)
    np.testing.assert_array_equal(quantiles, quantiles_of(x))
    np.testing.assert_array_equal(quantiles, np.quantile(x.astype(np.float64), list(QUANTILES.values()), axis=0))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("values", [np.zeros((3, 2), np.float32), np.zeros((3, 1)), np.zeros(3, np.float32)])
def test_rows_of_another_kind_do_not_get_into_a_column(tmp_path: Path, values: NDArray[Any]) -> None:
    with ColumnSpill(tmp_path, {"x": ("float32", 1)}) as columns:
        with pytest.raises(ValueError, match="column x is float32 of 1 dimensions"):
            columns.add("x", values)
        with pytest.raises(ValueError, match="no rows"):
            exact_column(columns, "x")


def test_image_histograms_are_kept_beside_the_data(root: Path) -> None:
    """FORMAT.md, H1: a row per camera and channel in a file per episode."""
    with open_writer(root) as writer:
        for episode in range(3):
            record(writer, episode)
    for episode in range(3):
        table = read_parquet(root / f"meta/image_histograms/chunk-000/file-{episode:03d}.parquet").to_pydict()
        assert table["feature"] == [CAMERA] * 3
        assert table["channel"] == [0, 1, 2]
        rgb = pictures(episode, LENGTHS[episode], (64, 48))
        expected = [np.bincount(rgb[..., channel].ravel(), minlength=256).tolist() for channel in range(3)]
        assert table["counts"] == expected


def test_statistics_of_scalars_count_booleans_as_numbers(root: Path) -> None:
    with open_writer(root) as writer:
        for episode in range(len(LENGTHS)):
            record(writer, episode)
    stats = read_json(root, "stats.json")
    assert stats["next.done"]["mean"] == [pytest.approx(len(LENGTHS) / sum(LENGTHS))]
    assert (stats["next.done"]["min"], stats["next.done"]["max"]) == ([0.0], [1.0])
    assert stats["index"]["max"] == [sum(LENGTHS) - 1]
    assert all(stats[name]["count"] == [sum(LENGTHS)] for name in SCALARS)
