"""How far the workers are, by their records."""

import dataclasses
from pathlib import Path

import pytest
from shard_records import NOW_S, record, write

from sim_service.worker_progress import WorkerProgress

COUNT, EPISODES = 2, 10


def test_lines_tell_of_all_shards_together(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    shards = [tmp_path / f"shard-0000{index}" for index in range(COUNT)]
    with WorkerProgress(shards, {}, EPISODES, lambda: 0.0) as progress:
        assert not progress.look()
        write(tmp_path, record(0, COUNT, EPISODES, "collecting"))
        assert progress.look()
        assert capsys.readouterr().err == ""
        write(tmp_path, record(0, COUNT, EPISODES, "collecting", recorded=1, attempts=2, successes=1, frames=100))
        assert progress.look()
        assert capsys.readouterr().err == "episode 1 of 10: 50.0% of attempts succeed, 10 frames/s\n"
        shard = record(1, COUNT, EPISODES, "collecting", recorded=1, exhausted=1, attempts=6, successes=1, frames=200)
        write(tmp_path, shard)
        assert progress.look()
        assert not progress.look()
        assert capsys.readouterr().err == "episode 3 of 10: 25.0% of attempts succeed, 30 frames/s\n"
        assert (progress.settled, progress.frames) == (3, 300)


def test_what_was_there_before_is_neither_new_nor_work_of_now(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    old = record(0, COUNT, EPISODES, "interrupted", recorded=3, frames=300)
    folder = write(tmp_path, old)
    with WorkerProgress([folder, tmp_path / "shard-00001"], {folder: old}, EPISODES, lambda: 0.0) as progress:
        assert (progress.settled, progress.frames) == (3, 0)
        assert not progress.look()
        now = dataclasses.replace(old, state="collecting", started_at=NOW_S, settled_before=3, frames=0)
        write(tmp_path, now)
        assert progress.look()
        assert capsys.readouterr().err == ""
        write(tmp_path, dataclasses.replace(now, recorded=4, frames=50, seconds=5.0))
        assert progress.look()
        assert (progress.settled, progress.frames) == (4, 50)
        assert capsys.readouterr().err.endswith(" 10 frames/s\n")


def test_a_damaged_record_changes_nothing(tmp_path: Path) -> None:
    folder = write(tmp_path, record(0, 1, EPISODES, "collecting", recorded=4))
    with WorkerProgress([folder], {}, EPISODES, lambda: 0.0) as progress:
        assert progress.look()
        (folder / "meta/shard.json").write_text("{")
        assert not progress.look()
        assert progress.settled == 4
