"""Whether the disk has room is asked before a simulator starts."""

import json
import shutil
from pathlib import Path

import pytest

from lerobot_writer import StorageError
from lerobot_writer.layout import INFO
from sim_service.config import CollectConfig
from sim_service.disk_space import require_free_disk
from sim_service.shard import Shard


@pytest.fixture
def disk(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Its last number is how many bytes are free."""
    free = [0]
    usage = type(shutil.disk_usage("/"))
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage(10**15, 10**15 - free[-1], free[-1]))
    return free


def enough(config: CollectConfig, disk: list[int], parts: list[Path] | None = None) -> int:
    """The least number of free bytes at which it is not refused, to a megabyte."""
    low, high = 0, 10**15
    while high - low > 10**6:
        disk.append((low + high) // 2)
        try:
            require_free_disk(config, parts)
        except StorageError:
            low = disk[-1]
        else:
            high = disk[-1]
    return high


def recorded(root: Path, episodes: int) -> Path:
    (root / INFO).parent.mkdir(parents=True)
    (root / INFO).write_text(json.dumps({"total_episodes": episodes}))
    return root


def test_more_episodes_need_more(tmp_path: Path, disk: list[int]) -> None:
    needs = [enough(CollectConfig(tmp_path / "new/ds", number), disk) for number in (100, 200, 300)]
    assert needs[2] - needs[1] == pytest.approx(needs[1] - needs[0], abs=3e6)
    # 1.5 MB of video each (docs/benchmarks.md), and some air
    assert 1.2e6 < (needs[1] - needs[0]) / 100 < 3e6


def test_a_shard_needs_its_part(tmp_path: Path, disk: list[int]) -> None:
    whole = enough(CollectConfig(tmp_path, 100), disk)
    parts = [enough(CollectConfig(tmp_path, 400, shard=Shard(index, 4)), disk) for index in range(4)]
    assert parts == pytest.approx([whole] * 4, abs=2e6)


def test_what_is_recorded_needs_nothing(tmp_path: Path, disk: list[int]) -> None:
    recorded(tmp_path / "whole", 60)
    parts = [recorded(tmp_path / "0", 40), recorded(tmp_path / "1", 20), tmp_path / "2"]
    rest = enough(CollectConfig(tmp_path / "x", 40), disk)
    assert enough(CollectConfig(tmp_path / "whole", 100), disk) == pytest.approx(rest, abs=2e6)
    assert enough(CollectConfig(tmp_path / "x", 100), disk, parts) == pytest.approx(rest, abs=2e6)


def test_nothing_to_collect_fits_on_a_full_disk(tmp_path: Path, disk: list[int]) -> None:
    require_free_disk(CollectConfig(recorded(tmp_path / "ds", 7), 7))
    require_free_disk(CollectConfig(recorded(tmp_path / "more", 9), 7))
    with pytest.raises(StorageError, match=r"1 episodes need about .* GB, .* has 0\.0 GB left") as refused:
        require_free_disk(CollectConfig(tmp_path / "ds", 8))
    assert isinstance(refused.value.__cause__, OSError)
    assert refused.value.__cause__.errno == 28


@pytest.mark.parametrize("content", [b"", b"[]", b"{}", b'{"total_episodes": "many"}'])
def test_a_damaged_dataset_is_for_others_to_tell(tmp_path: Path, disk: list[int], content: bytes) -> None:
    recorded(tmp_path, 0)
    (tmp_path / INFO).write_bytes(content)
    disk.append(10**12)
    require_free_disk(CollectConfig(tmp_path, 10))
