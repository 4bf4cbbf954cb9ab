"""Any LeRobot dataset, read an episode at a time."""

from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from small_dataset import CAMERAS, FPS, LENGTHS, picture, write_dataset

from sim_service.stored import DatasetError, StoredDataset, open_stored


@pytest.fixture(scope="module", params=[False, True], ids=["written", "packed"])
def dataset(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> StoredDataset:
    root = tmp_path_factory.mktemp("stored") / "ds"
    write_dataset(root, pack=request.param)
    return open_stored(root)


def test_rows_are_those_of_the_files(dataset: StoredDataset) -> None:
    files = sorted(dataset.root.glob("meta/episodes/*/*.parquet"))
    told = [row for file in files for row in pq.read_table(file).to_pylist()]
    told = [{name: value for name, value in row.items() if not name.startswith("stats/")} for row in told]
    assert list(dataset.rows) == told == [dataset.row(episode) for episode in range(len(LENGTHS))]
    assert list(dataset.rows[1:]) == told[1:]
    assert dataset.rows[-1] == told[-1]
    with pytest.raises(IndexError):
        dataset.rows[len(LENGTHS)]


def test_numbers_are_those_of_the_data_files(dataset: StoredDataset) -> None:
    tables = [pq.read_table(file) for file in sorted(dataset.root.glob("data/*/*.parquet"))]
    state = np.concatenate([np.array(table.column("observation.state").to_pylist()) for table in tables])
    episode_index = np.concatenate([np.array(table.column("episode_index")) for table in tables])
    for episode, length in enumerate(LENGTHS):
        numbers = dataset.numbers(episode)
        assert list(numbers) == dataset.numeric
        assert numbers["observation.state"].shape == (length, 3)
        assert numbers["timestamp"].shape == (length,)
        assert np.array_equal(numbers["observation.state"], state[episode_index == episode])
        assert np.array_equal(numbers["frame_index"], np.arange(length))
        assert list(dataset.numbers(episode, ["action"])) == ["action"]


def test_pictures_are_those_of_the_episode(dataset: StoredDataset) -> None:
    """Of any frames, in order: near to what was given, and nearer than to the picture before or after."""
    for number, camera in enumerate(CAMERAS):
        for episode, length in enumerate(LENGTHS):
            wanted = [0, 3, length - 1]
            found = list(dataset.pictures(episode, f"observation.images.{camera}", wanted))
            assert len(found) == len(wanted)
            for frame, rgb in zip(wanted, found, strict=True):
                errors = [np.abs(rgb.astype(int) - picture(number, episode, other)).mean() for other in range(length)]
                assert int(np.argmin(errors)) == frame


def test_what_is_not_there_is_told(dataset: StoredDataset, tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match=r"no episode 3 in .*: it has 0 to 2"):
        dataset.row(3)
    with pytest.raises(DatasetError, match="cannot read episode 0 from"):
        dataset.numbers(0, ["no such"])
    with pytest.raises(DatasetError, match="ends before frame 100 of episode 2"):
        list(dataset.pictures(2, "observation.images.cam_high", [100]))
    with pytest.raises(DatasetError, match=r"holds no LeRobot dataset: no info\.json"):
        open_stored(tmp_path)


def test_a_dataset_whose_files_are_damaged(tmp_path: Path) -> None:
    write_dataset(tmp_path / "ds")
    (file,) = (tmp_path / "ds").glob("meta/episodes/*/*.parquet")
    content = file.read_bytes()
    file.write_bytes(content[: len(content) // 2])
    with pytest.raises(DatasetError, match="holds no LeRobot dataset"):
        open_stored(tmp_path / "ds")
    file.unlink()
    with pytest.raises(DatasetError, match=r"counts 3 episodes in info\.json, has 0 rows"):
        open_stored(tmp_path / "ds")


def test_frames_of_an_episode_at_30_a_second(dataset: StoredDataset) -> None:
    assert dataset.fps == FPS
    assert dataset.cameras == [f"observation.images.{camera}" for camera in CAMERAS]
