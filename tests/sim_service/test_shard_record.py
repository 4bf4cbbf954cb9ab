"""A shard's record on the disk."""

import json
from pathlib import Path
from typing import Any

import pytest
from shard_records import record, write

from sim_service.shard_record import SHARD_FILE, ShardRecordError, read_shard_record, write_shard_record

RECORDS = [
    record(0, 1, 1),
    record(3, 8, 50, "collecting", recorded=2, settled_before=1, attempts=4, failures={"dropped": 2}),
    record(3, 8, 50, "failed", error="no space left on device"),
    record(1, 8, 3, "incomplete", recorded=0, exhausted=0),
    record(0, 4, 3),  # empty
]


@pytest.mark.parametrize("shard", RECORDS)
def test_a_record_is_read_as_it_was_written(tmp_path: Path, shard: Any) -> None:
    write(tmp_path, record(0, 1, 7), "s")
    write(tmp_path, shard, "s")
    assert read_shard_record(tmp_path / "s") == shard
    assert [path.name for path in (tmp_path / "s/meta").iterdir()] == ["shard.json"]


def test_a_folder_without_a_record_has_none(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    assert read_shard_record(tmp_path) is None
    assert read_shard_record(tmp_path / "nowhere") is None
    assert read_shard_record(tmp_path / "file") is None


def test_a_record_is_replaced_at_once_or_not_at_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path, record(0, 1, 7), "s")

    def full(path: Path, content: bytes) -> None:
        path.write_bytes(content[:20])
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("sim_service.shard_record.write_flushed", full)
    with pytest.raises(OSError, match="No space left"):
        write_shard_record(tmp_path / "s", record(0, 1, 7, "failed"))
    assert read_shard_record(tmp_path / "s") == record(0, 1, 7)


@pytest.mark.parametrize("content", [b"", b"{", b"\xff\xfe", b"[]", b"7", b"null", b'{"format": 2}', b"{}"])
def test_what_is_no_record_is_said_not_to_be(tmp_path: Path, content: bytes) -> None:
    (tmp_path / SHARD_FILE).parent.mkdir()
    (tmp_path / SHARD_FILE).write_bytes(content)
    with pytest.raises(ShardRecordError, match=r"meta/shard\.json (holds no JSON|is not of format 1)"):
        read_shard_record(tmp_path)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("index", -1),
        ("index", True),
        ("count", 2.0),
        ("num_episodes", None),
        ("state", "fine"),
        ("recorded", "3"),
        ("settled_before", -1),
        ("seconds", float("nan")),
        ("updated_at", -5),
        ("host", 7),
        ("error", 7),
        ("exit_code", "1"),
        ("exit_code", True),
        ("failures", {"dropped": "2"}),
        ("failures", {"dropped": -2}),
        ("failures", []),
        ("colour", "red"),
    ],
)
def test_each_entry_of_another_kind_is_named(tmp_path: Path, name: str, value: object) -> None:
    change(tmp_path, **{name: value})
    with pytest.raises(ShardRecordError, match=rf"is no shard's record: {name} is "):
        read_shard_record(tmp_path)


@pytest.mark.parametrize("name", [name for name in vars(RECORDS[0]) if name not in ("error", "exit_code")])
def test_each_missing_entry_is_named(tmp_path: Path, name: str) -> None:
    change(tmp_path, **{name: ...})
    with pytest.raises(ShardRecordError, match=rf"is no shard's record: {name} is None"):
        read_shard_record(tmp_path)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"index": 8}, "there is no shard 8/8"),
        ({"first_index": 17}, "shard 3/8 of 50 episodes is 18 to before 25, not 17 to before 25"),
        ({"num_episodes": 60}, "shard 3/8 of 60 episodes is 22 to before 30"),
        ({"recorded": 8}, "of 7 episodes 8 are recorded"),
        ({"recorded": 4, "exhausted": 4}, "4 are recorded, 4 given up"),
        ({"recorded": 1, "settled_before": 2}, "2 of them before"),
    ],
)
def test_a_record_that_contradicts_itself_is_refused(tmp_path: Path, changes: dict[str, int], message: str) -> None:
    change(tmp_path, **changes)
    with pytest.raises(ShardRecordError, match=message):
        read_shard_record(tmp_path)


def test_rates_are_those_of_the_process() -> None:
    shard = record(3, 8, 50, "collecting", recorded=5, settled_before=1, frames=400, seconds=20.0)
    assert shard.frames_per_s == 20
    assert shard.episodes_per_s == 0.2
    begun = record(3, 8, 50, "collecting", recorded=5, settled_before=5, frames=0, seconds=20.0)
    assert begun.frames_per_s is None
    assert begun.episodes_per_s is None


def change(root: Path, **values: object) -> None:
    """Of a good record; ... leaves an entry out."""
    write_shard_record(root, record(3, 8, 50, "collecting"))
    content = {**json.loads((root / SHARD_FILE).read_bytes()), **values}
    (root / SHARD_FILE).write_text(json.dumps({name: value for name, value in content.items() if value is not ...}))
