"""docs/scale.md says what the arithmetic says, and the arithmetic counts the files that there are."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from bench import scale_arithmetic
from bench.scale_arithmetic import ORDERS, Rates, limits_table, scale_of, scales_table
from bench.synthetic_shards import Frames, write_part
from lerobot_writer.pack import pack_dataset
from sim_service.export.card import write_card
from sim_service.merging import merge_shards
from sim_service.shard import Shard

_DOC = Path(__file__).resolve().parents[1] / "docs" / "scale.md"


@pytest.mark.parametrize("text", [scales_table(Rates()), limits_table(Rates())], ids=["scales", "limits"])
def test_the_document_has_the_tables_that_the_arithmetic_prints(text: str) -> None:
    assert text in _DOC.read_text(encoding="utf-8"), (
        "put what `python -m bench.scale_arithmetic` prints into docs/scale.md"
    )


def test_the_document_has_the_limits_and_rates_in_words() -> None:
    words = " ".join(_DOC.read_text(encoding="utf-8").split())
    rates = Rates()
    for figure in (f"{rates.frames_per_s} frames/s", f"{rates.frames_per_episode} frames", "10,000 files in a folder"):
        assert figure in words, figure


@pytest.mark.parametrize("episodes", ORDERS)
def test_twice_the_speed_or_twice_the_pods_halve_the_hours(episodes: int) -> None:
    rates = dataclasses.replace(Rates(), pods=3)
    hours = scale_of(episodes, rates).hours
    for faster in (
        dataclasses.replace(rates, frames_per_s=2 * rates.frames_per_s),
        dataclasses.replace(rates, pods=6),
    ):
        assert scale_of(episodes, faster).hours == pytest.approx(hours / 2)


def test_files_and_inodes_are_those_of_real_shards_merged_and_packed(tmp_path: Path) -> None:
    num_episodes, pods = 5, 2
    expected = scale_of(num_episodes, dataclasses.replace(Rates(), pods=pods))
    shards = [tmp_path / f"{index}" for index in range(pods)]
    for index, shard in enumerate(shards):
        write_part(shard, num_episodes, Frames(2, 3), Shard(index, pods)).finalize()
        write_card(shard)
    merged = tmp_path / "merged"
    merge_shards(merged, shards, allow_missing=False)
    assert len(_files(merged)) == expected.files
    assert len({path.stat().st_ino for root in (*shards, merged) for path in _files(root)}) == expected.inodes

    for shard in shards:
        pack_dataset(shard)
    packed = tmp_path / "packed"
    merge_shards(packed, shards, allow_missing=False)
    assert len(_files(packed)) == expected.files_packed_shards


def _files(root: Path) -> list[Path]:
    return [path for path in root.rglob("*") if path.is_file()]


def test_the_command_takes_own_figures(capsys: pytest.CaptureFixture[str]) -> None:
    assert scale_arithmetic.main(["--frames-per-s", "155", "--pods", "1"]) == 0
    rates = dataclasses.replace(Rates(), frames_per_s=155.0, pods=1)
    assert scales_table(rates) in capsys.readouterr().out
    with pytest.raises(SystemExit):
        scale_arithmetic.main(["--pods", "-1"])
