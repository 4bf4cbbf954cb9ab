"""What has to hold before workers start, and what is removed when they are done."""

import dataclasses
import json
from pathlib import Path
from typing import Any

import pytest
from shard_records import record, write

from lerobot_writer import DatasetExistsError, ResumeError
from lerobot_writer.layout import INFO
from sim_service.collection import asked_configuration
from sim_service.config import CollectConfig, ConfigError
from sim_service.ledger import COLLECTION_FILE, LedgerError
from sim_service.worker_folder import WorkerFolder, count_of_shards, finished_before, remove_left_over

EPISODES = 10


def configure(tmp_path: Path, **changes: Any) -> CollectConfig:
    return dataclasses.replace(CollectConfig(tmp_path / "ds", EPISODES, workers=4, resume=True), **changes)


def dataset(root: Path, config: CollectConfig, num_episodes: int = EPISODES, given_up: int = 0) -> Path:
    """The files of a collection that say how far it is; its rows are not looked at where every episode was given up."""
    (root / INFO).parent.mkdir(parents=True, exist_ok=True)
    (root / INFO).write_text('{"total_episodes": 0, "total_frames": 0}')
    content = {
        "configuration": {**asked_configuration(config), "simulator": "mujoco"},
        "num_episodes": num_episodes,
        "exhausted": {str(index): ["dropped"] for index in range(given_up)},
    }
    (root / COLLECTION_FILE).write_text(json.dumps(content))
    return root


def test_a_new_folder_gets_as_many_shards_as_there_are_workers_with_work(tmp_path: Path) -> None:
    folder = WorkerFolder(tmp_path / "ds")
    assert count_of_shards(folder, configure(tmp_path)) == 4
    assert count_of_shards(folder, configure(tmp_path, num_episodes=3)) == 3
    assert not folder.path.exists()


@pytest.mark.parametrize("there", [[0], [1, 2], [0, 1, 2]])
def test_a_folder_keeps_the_number_of_shards_that_it_was_begun_with(tmp_path: Path, there: list[int]) -> None:
    folder = WorkerFolder(tmp_path / "ds")
    for index in there:
        write(folder.path, record(index, 3, EPISODES, "interrupted"))
    for workers in (2, 3, 9):
        assert count_of_shards(folder, configure(tmp_path, workers=workers)) == 3


def test_shards_are_not_taken_up_without_resume(tmp_path: Path) -> None:
    folder = WorkerFolder(tmp_path / "ds")
    write(folder.path, record(0, 4, EPISODES))
    with pytest.raises(DatasetExistsError, match=r"ds\.shards has shards of an earlier run: --resume continues it"):
        count_of_shards(folder, configure(tmp_path, resume=False))


def test_shards_of_something_else_are_refused(tmp_path: Path) -> None:
    folder = WorkerFolder(tmp_path / "ds")
    write(folder.path, record(0, 4, EPISODES))
    with pytest.raises(ResumeError, match="begun with --num-episodes 10, asked for 11"):
        count_of_shards(folder, configure(tmp_path, num_episodes=11))
    write(folder.path, record(1, 5, EPISODES))
    with pytest.raises(ResumeError, match="shard-00000 is 0/4, shard-00001 is 1/5"):
        count_of_shards(folder, configure(tmp_path))
    write(folder.path, record(2, 4, EPISODES), "shard-00001")
    with pytest.raises(ResumeError, match="shard-00001 is 2/4"):
        count_of_shards(folder, configure(tmp_path))
    (folder.shard(1) / "meta/shard.json").write_text("{")
    with pytest.raises(ResumeError, match=r"shard-00001/meta/shard\.json holds no JSON"):
        count_of_shards(folder, configure(tmp_path))


@pytest.mark.parametrize(
    ("changes", "message"),
    [({"seed": 1}, "seed: the dataset has 12345, asked for 1"), ({"keep_failures": True}, "keep_failures: ")],
)
def test_another_configuration_is_told_before_anything_starts(
    tmp_path: Path, changes: dict[str, Any], message: str
) -> None:
    folder = WorkerFolder(tmp_path / "ds")
    config = configure(tmp_path)
    dataset(write(folder.path, record(3, 4, EPISODES, "interrupted")), config)
    assert count_of_shards(folder, config) == 4
    with pytest.raises(LedgerError, match=rf"cannot continue .*shard-00003 with another configuration: {message}"):
        count_of_shards(folder, configure(tmp_path, **changes))


def test_one_works_in_it_at_a_time(tmp_path: Path) -> None:
    folder = WorkerFolder(tmp_path / "ds")
    with folder.held(), pytest.raises(ResumeError, match="somebody else"), WorkerFolder(tmp_path / "ds").held():
        pass
    with folder.held():
        pass


def test_removed_is_what_is_ours(tmp_path: Path) -> None:
    folder = WorkerFolder(tmp_path / "ds")
    elsewhere = write(tmp_path, record(1, 2, EPISODES), "elsewhere")
    write(folder.path, record(0, 2, EPISODES))
    folder.log(0).write_text("said")
    folder.shard(1).symlink_to(elsewhere)
    (folder.path / "notes.txt").write_text("mine")
    (folder.path / "shard-00007").mkdir()
    (folder.path / "shard-x.log").write_text("mine")
    folder.remove()
    assert sorted(path.name for path in folder.path.iterdir()) == [
        "notes.txt",
        "shard-00001",
        "shard-00007",
        "shard-x.log",
    ]
    assert list(elsewhere.iterdir())
    (folder.path / "shard-00007").rmdir()
    for path in list(folder.path.iterdir()):
        path.unlink()
    folder.remove()
    assert not folder.path.exists()


@pytest.mark.parametrize("output", ["ds", ".", "sub/.."])
def test_the_shards_lie_beside_the_dataset(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, output: str) -> None:
    (tmp_path / "here/sub").mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "here")
    folder = WorkerFolder(Path(output))
    assert folder.path.parent.resolve() == folder.output.resolve().parent
    assert folder.path.name == f"{folder.output.resolve().name}.shards"


def test_the_root_has_nothing_beside_it() -> None:
    with pytest.raises(ConfigError, match="--output / cannot be a dataset"):
        WorkerFolder(Path("/"))


def test_nothing_there_is_nothing_finished(tmp_path: Path) -> None:
    assert finished_before(WorkerFolder(tmp_path / "ds"), configure(tmp_path, resume=False)) is None
    (tmp_path / "ds").mkdir()
    assert finished_before(WorkerFolder(tmp_path / "ds"), configure(tmp_path, resume=False)) is None


def test_a_settled_output_is_finished(tmp_path: Path) -> None:
    config = configure(tmp_path)
    dataset(config.output, config, given_up=EPISODES)
    ledger = finished_before(WorkerFolder(config.output), config)
    assert ledger is not None
    assert ledger.exhausted == EPISODES
    assert finished_before(WorkerFolder(config.output), configure(tmp_path, num_episodes=4)) is not None


@pytest.mark.parametrize(
    ("given_up", "changes", "message"),
    [
        (EPISODES, {"resume": False}, "holds a dataset already; choose another folder"),
        (EPISODES, {"seed": 5}, "seed: the dataset has 12345, asked for 5"),
        (7, {}, "has 7 of 10 episodes already: continue it without --workers"),
        (EPISODES, {"num_episodes": 11}, "has 10 of 11 episodes already: continue it without --workers"),
    ],
)
def test_any_other_dataset_is_refused(tmp_path: Path, given_up: int, changes: dict[str, Any], message: str) -> None:
    config = configure(tmp_path)
    dataset(config.output, config, given_up=given_up)
    with pytest.raises((DatasetExistsError, LedgerError), match=message):
        finished_before(WorkerFolder(config.output), configure(tmp_path, **changes))


def test_what_is_no_dataset_is_refused(tmp_path: Path) -> None:
    config = configure(tmp_path)
    folder = WorkerFolder(config.output)
    config.output.write_text("")
    with pytest.raises(DatasetExistsError, match="exists and is not a folder"):
        finished_before(folder, config)
    config.output.unlink()
    config.output.symlink_to(tmp_path)
    with pytest.raises(DatasetExistsError, match="exists and is not a folder"):
        finished_before(folder, config)
    config.output.unlink()
    config.output.mkdir()
    (config.output / "thesis.tex").write_text("precious")
    with pytest.raises(DatasetExistsError, match="is not empty"):
        finished_before(folder, config)


def test_left_over_shards_go_when_all_of_them_are_over(tmp_path: Path) -> None:
    config = configure(tmp_path)
    folder = WorkerFolder(config.output)
    write(folder.path, record(0, 2, EPISODES))
    write(folder.path, record(1, 2, EPISODES, "interrupted"))
    remove_left_over(folder, config)
    assert len(folder.shards()) == 2
    write(folder.path, record(1, 2, EPISODES, "incomplete"))
    remove_left_over(folder, configure(tmp_path, num_episodes=11))
    assert len(folder.shards()) == 2
    remove_left_over(folder, config)
    assert not folder.path.exists()
