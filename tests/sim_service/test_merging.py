"""Shards, collected apart and merged, are byte for byte the dataset of one run. On the fake simulator."""

from __future__ import annotations

import json
import logging
import random
import shutil
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from failing_disk import Death, FailingDisk
from merge_sources import do_not_wait_for_the_disk, names_in, stamps
from shard_runs import EPISODES, collect, collect_shards, configure, interrupt, shard_folders
from writing import files_of

from lerobot_writer import MergeError, ResumeError, WriterError, layout
from lerobot_writer.check import check_dataset
from lerobot_writer.pack import pack_dataset
from sim_service.ledger import COLLECTION_FILE, Ledger
from sim_service.merging import merge_shards
from sim_service.shard import Shard
from sim_service.shard_record import read_shard_record


@pytest.fixture(autouse=True)
def _not_waiting_for_the_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    do_not_wait_for_the_disk(monkeypatch)


@pytest.fixture(scope="module")
def one(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """All episodes, by one process: some took a second attempt, one was given up."""
    root = tmp_path_factory.mktemp("one") / "dataset"
    assert collect(configure(root)) == 3
    content = json.loads((root / COLLECTION_FILE).read_bytes())
    assert content["totals"]["exhausted"] == [3]
    assert content["totals"]["attempts"] > EPISODES
    return root


@pytest.fixture(scope="module")
def four(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with four shards, 0 to 3; the second one gave an episode up. To be read alone."""
    folder = tmp_path_factory.mktemp("four")
    assert collect_shards(folder, 4) == [0, 3, 0, 0]
    return folder


@pytest.fixture
def shards(four: Path, tmp_path: Path) -> list[Path]:
    """A copy of them."""
    shutil.copytree(four, tmp_path / "shards")
    return shard_folders(tmp_path / "shards", 4)


@pytest.mark.parametrize("count", [1, 3, 7, 8, 13])
def test_shards_are_one_run(tmp_path: Path, one: Path, count: int) -> None:
    codes = collect_shards(tmp_path / "shards", count)
    assert sorted(set(codes)) == ([3] if count == 1 else [0, 3])
    roots = shard_folders(tmp_path / "shards", count)
    random.Random(count).shuffle(roots)
    before = stamps(*roots)
    result = merge_shards(tmp_path / "out", roots, allow_missing=True)
    assert (result.episodes, result.missing) == (EPISODES - 1, (3,))
    assert files_of(tmp_path / "out") == files_of(one)
    assert check_dataset(tmp_path / "out").ok
    assert stamps(*roots) == before
    assert names_in(tmp_path) == ["out", "shards"]


def test_empty_shards_have_nothing_but_their_record(tmp_path: Path) -> None:
    """More shards than episodes."""
    assert collect(configure(tmp_path / "one", num_episodes=3)) == 0
    assert collect_shards(tmp_path / "shards", 8, num_episodes=3) == [0] * 8
    roots = shard_folders(tmp_path / "shards", 8)
    empty = [root for root in roots if not (root / layout.INFO).exists()]
    assert [list(files_of(root)) for root in empty] == [["meta", "meta/shard.json"]] * 5
    assert merge_shards(tmp_path / "out", roots, allow_missing=False).missing == ()
    assert files_of(tmp_path / "out") == files_of(tmp_path / "one")
    with pytest.raises(MergeError, match="none of these folders has an episode"):
        merge_shards(tmp_path / "nothing", empty, allow_missing=True)


@pytest.mark.parametrize("seed", range(3))
def test_shards_that_were_interrupted_and_resumed(tmp_path: Path, one: Path, seed: int) -> None:
    """Some as by SIGTERM, some as by SIGKILL, some several times."""
    draw = random.Random(seed)
    roots = shard_folders(tmp_path / "shards", 3)
    for index, root in enumerate(roots):
        config = configure(root, shard=Shard(index, 3), resume=True)
        for _ in range(draw.randint(0, 2)):
            if draw.random() < 0.5:
                interrupt(config, draw.randint(1, 150))
            else:
                disk = FailingDisk(tmp_path, draw.randint(5, 120), dies=True)
                with disk.mounted(), suppress(Death, WriterError, OSError):
                    collect(config)
        assert collect(config) in (0, 3)
    merge_shards(tmp_path / "out", roots, allow_missing=True)
    assert files_of(tmp_path / "out") == files_of(one)


def test_a_shard_killed_at_any_step_of_a_commit_counts_what_it_committed(tmp_path: Path) -> None:
    """What --allow-missing merges of it is what a reopened dataset holds, rows and counts."""
    first = tmp_path / "first"
    collect(configure(first, shard=Shard(0, 3)))
    complete = FailingDisk(tmp_path)
    with complete.mounted():
        collect(configure(tmp_path / "complete", shard=Shard(1, 3)))
    late = ("meta/info.json", "meta/collection.json", "meta/writer.json")  # replaced after or before the rows
    commits = [n for n, (what, *paths) in enumerate(complete.log) if what == "replace" and paths[-1].endswith(late)]
    ahead = 0
    for step in commits[3:]:
        root = tmp_path / str(step)
        disk = FailingDisk(tmp_path, step, dies=True)
        with disk.mounted(), suppress(Death, WriterError, OSError):
            collect(configure(root, shard=Shard(1, 3)))
        if (root / layout.INFO).exists():
            committed = json.loads((root / layout.INFO).read_bytes())["total_episodes"]
            ahead += Ledger.read(root).episodes > committed
        merge_shards(tmp_path / f"{step} out", [first, root], allow_missing=True)
        content = json.loads((tmp_path / f"{step} out" / COLLECTION_FILE).read_bytes())
        assert (
            content["totals"]["episodes"]
            == json.loads((tmp_path / f"{step} out/meta/info.json").read_bytes())["total_episodes"]
        )
        assert files_of(tmp_path / f"{step} out")["meta/collection.json"] == recounted(tmp_path / f"{step} out")
    assert ahead, "no kill between the rows and info.json"


def recounted(root: Path) -> str:
    """The hash of the collection's file as the next `collect --resume` writes it."""
    copy = root.with_name(root.name + " copy")
    shutil.copytree(root, copy)
    stored = json.loads((copy / COLLECTION_FILE).read_bytes())
    Ledger.open(copy, stored["configuration"], stored["num_episodes"]).save()
    return files_of(copy)["meta/collection.json"]


def test_a_tree_of_merges(tmp_path: Path, one: Path, four: Path) -> None:
    roots = shard_folders(four, 4)
    left = merge_shards(tmp_path / "left", [roots[0], roots[3]], allow_missing=True)
    right = merge_shards(tmp_path / "right", [roots[2], roots[1]], allow_missing=True)
    assert left.missing == (*range(2, 7),)
    assert right.missing == (0, 1, 3, 7, 8, 9)
    result = merge_shards(tmp_path / "out", [tmp_path / "right", tmp_path / "left"], allow_missing=True)
    assert result.missing == (3,)
    assert files_of(tmp_path / "out") == files_of(one)


def test_packed_shards(tmp_path: Path, one: Path, shards: list[Path]) -> None:
    for root in shards[::2]:
        pack_dataset(root)
    merge_shards(tmp_path / "out", shards, allow_missing=True)
    for file in (*(path.relative_to(one) for path in (one / "meta").glob("*.*")),):
        assert (tmp_path / "out" / file).read_bytes() == (one / file).read_bytes(), file
    assert check_dataset(tmp_path / "out").ok
    pack_dataset(tmp_path / "out")
    shutil.copytree(one, tmp_path / "packed")
    pack_dataset(tmp_path / "packed")
    assert files_of(tmp_path / "out") == files_of(tmp_path / "packed")


def test_a_merged_dataset_is_complete(tmp_path: Path, shards: list[Path]) -> None:
    """`collect --resume` with the same number finds nothing to do."""
    merge_shards(tmp_path / "out", shards, allow_missing=True)
    before = files_of(tmp_path / "out")
    assert collect(configure(tmp_path / "out", resume=True)) == 3  # one was given up, and stays so
    assert files_of(tmp_path / "out") == before


def test_a_merged_dataset_is_extended(tmp_path: Path, shards: list[Path]) -> None:
    before = stamps(*shards)
    merge_shards(tmp_path / "out", shards, allow_missing=True)
    assert collect(configure(tmp_path / "out", num_episodes=EPISODES + 2, resume=True)) == 3
    assert collect(configure(tmp_path / "one", num_episodes=EPISODES + 2)) == 3
    assert files_of(tmp_path / "out") == files_of(tmp_path / "one")
    assert stamps(*shards) == before


def test_what_is_missing_is_collected_into_the_merged_dataset_and_merged_again(tmp_path: Path, four: Path) -> None:
    """Its episodes are out of order then; merging it once more puts them in order."""
    roots = shard_folders(four, 4)
    merge_shards(tmp_path / "gap", [roots[0], roots[2], roots[3]], allow_missing=True)
    assert collect(configure(tmp_path / "gap", resume=True)) == 3
    merge_shards(tmp_path / "out", [tmp_path / "gap"], allow_missing=True)
    merge_shards(tmp_path / "expected", roots, allow_missing=True)
    assert files_of(tmp_path / "out") == files_of(tmp_path / "expected")


def test_other_versions_are_said_and_not_refused(
    tmp_path: Path, shards: list[Path], caplog: pytest.LogCaptureFixture
) -> None:
    edit(shards[2] / COLLECTION_FILE, lambda content: content["configuration"]["versions"].update(fake="2"))
    with caplog.at_level(logging.WARNING):
        merge_shards(tmp_path / "out", shards, allow_missing=True)
    (record,) = caplog.records
    assert "/2 was collected with" in record.getMessage()
    assert "'fake': '2'" in record.getMessage()
    stored = json.loads((tmp_path / "out" / COLLECTION_FILE).read_bytes())
    assert stored["configuration"]["versions"]["fake"] == "1"


def edit(path: Path, change: Any) -> None:
    content = json.loads(path.read_bytes())
    change(content)
    path.write_text(json.dumps(content, indent=2) + "\n")


def assert_refused(
    folder: Path, roots: Sequence[Path], message: str, allow_missing: bool = True, kind: type[Exception] = MergeError
) -> None:
    before = {name: stamp for name, stamp in stamps(folder).items() if name != str(folder)}
    with pytest.raises(kind, match=message):
        merge_shards(folder / "out", roots, allow_missing)
    assert {name: stamp for name, stamp in stamps(folder).items() if name != str(folder)} == before


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"seed": 8}, r"seed: .*/other has 8, .*/0 has 42"),
        ({"waypoint_noise_rad": 0.01}, r"waypoint_noise_rad: .*has 0.01"),
        ({"max_attempts": 3}, r"max_attempts: .*has 3, .*has 2"),
        ({"steps_per_segment": 2}, r"steps_per_segment: .*has 2, .*has 1"),
        ({"seed": 8, "keep_failures": True}, r"keep_failures: .*; seed: .*"),
    ],
    ids=str,
)
def test_another_configuration(tmp_path: Path, shards: list[Path], changes: dict[str, Any], message: str) -> None:
    collect(configure(tmp_path / "other", num_episodes=11, shard=Shard(10, 11), **changes))
    assert_refused(tmp_path, [*shards, tmp_path / "other"], message)


def test_missing_episodes_are_listed(tmp_path: Path, shards: list[Path]) -> None:
    interrupt(configure(tmp_path / "late", shard=Shard(2, 4)), ticks=3, episodes=1)
    before = stamps(*shards)
    roots = [shards[0], shards[1], tmp_path / "late", shards[3]]
    with pytest.raises(MergeError) as caught:
        merge_shards(tmp_path / "out", roots, allow_missing=False)
    have = json.loads((tmp_path / "late" / layout.INFO).read_bytes())["total_episodes"]
    assert 0 < have < 2
    text = str(caught.value)
    assert "2 of 10 episodes are missing: 3, 6;" in text
    assert "given up after all their attempts: 3;" in text
    assert f"{shards[1]} is incomplete with 2 of 3 episodes" in text
    assert f"{tmp_path / 'late'} is interrupted with 1 of 2 episodes" in text
    assert "--allow-missing" in text
    assert names_in(tmp_path) == ["late", "shards"]
    assert stamps(*shards) == before


def test_missing_shards_are_listed_in_runs(tmp_path: Path, shards: list[Path]) -> None:
    assert_refused(tmp_path, [shards[0], shards[3]], r"^5 of 10 episodes are missing: 2 to 6; collect", False)
    assert_refused(tmp_path, [shards[2]], r"^8 of 10 episodes are missing: 0 to 4, 7 to 9; collect", False)


def test_overlapping_shards(tmp_path: Path, shards: list[Path]) -> None:
    """Of another number of shards; also an episode that was given up twice."""
    other = tmp_path / "other"
    collect(configure(other, shard=Shard(0, 2)))
    assert_refused(
        tmp_path,
        [*shards, other],
        rf"{shards[0]} and {other} both have episode 0 to 1; {shards[1]} and {other} both have episode 2 to 4",
    )
    given_up = tmp_path / "given up"
    collect(configure(given_up, num_episodes=10, shard=Shard(3, 10)))
    assert not (given_up / layout.INFO).exists()
    assert_refused(tmp_path, [*shards, given_up], rf"{shards[1]} and {given_up} both have episode 3$")


def test_a_shard_that_only_gave_up(tmp_path: Path, one: Path) -> None:
    assert collect_shards(tmp_path / "shards", 10) == [0, 0, 0, 3, 0, 0, 0, 0, 0, 0]
    result = merge_shards(tmp_path / "out", shard_folders(tmp_path / "shards", 10), allow_missing=True)
    assert result.missing == (3,)
    assert files_of(tmp_path / "out") == files_of(one)


def test_a_shard_named_twice(tmp_path: Path, shards: list[Path]) -> None:
    (tmp_path / "link").symlink_to(shards[2])
    for again in (shards[2], Path(f"{shards[2]}/"), shards[2] / ".." / "2", tmp_path / "link"):
        assert_refused(tmp_path, [*shards, again], rf"{again} was named twice")


def test_a_copy_of_a_shard(tmp_path: Path, shards: list[Path]) -> None:
    shutil.copytree(shards[2], tmp_path / "copy")
    assert_refused(tmp_path, [*shards, tmp_path / "copy"], rf"{shards[2]} and {tmp_path}/copy both have episode 5 to 6")


def halve(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


@pytest.mark.parametrize("file", ["meta/collection.json", "meta/shard.json", "meta/info.json", "meta/writer.json"])
def test_a_file_that_is_cut_short(tmp_path: Path, shards: list[Path], file: str) -> None:
    halve(shards[2] / file)
    assert_refused(tmp_path, shards, f"{shards[2]}/{file}")


def test_a_collection_file_that_is_missing(tmp_path: Path, shards: list[Path]) -> None:
    (shards[2] / COLLECTION_FILE).unlink()
    assert_refused(tmp_path, shards, f"{shards[2]} has no meta/collection.json: what it was collected with is unknown")


def test_a_dataset_needs_no_record_of_a_shard(tmp_path: Path, one: Path, shards: list[Path]) -> None:
    for root in shards:
        (root / "meta/shard.json").unlink()
    merge_shards(tmp_path / "out", shards, allow_missing=True)
    assert files_of(tmp_path / "out") == files_of(one)


def test_everything_that_is_wrong_is_told(tmp_path: Path, shards: list[Path]) -> None:
    halve(shards[0] / "meta/shard.json")
    halve(shards[1] / COLLECTION_FILE)
    (tmp_path / "file").touch()
    (tmp_path / "empty").mkdir()
    (tmp_path / "loop").symlink_to("loop")
    roots = [*shards, tmp_path / "file", tmp_path / "empty", tmp_path / "loop", tmp_path / "nowhere", shards[3]]
    assert_refused(
        tmp_path,
        roots,
        rf"{shards[0]}/meta/shard.json holds no JSON.*; cannot read {shards[1]}/meta/collection.json.*; "
        rf"{tmp_path}/file is not a folder; {tmp_path}/empty holds no dataset: neither meta/info.json nor "
        rf"meta/shard.json; {tmp_path}/loop is not a folder; {tmp_path}/nowhere is not a folder; "
        rf"{shards[3]} was named twice$",
    )


@pytest.mark.parametrize("episodes", [0, 1], ids=["before its first episode", "after it"])
def test_a_shard_that_is_being_collected(tmp_path: Path, shards: list[Path], episodes: int) -> None:
    late = tmp_path / "late"
    refused = []

    def refuse() -> None:
        record = read_shard_record(late)
        assert record is not None
        assert (record.state, record.recorded) == ("collecting", episodes)
        assert (late / layout.INFO).exists() == (episodes > 0)
        with pytest.raises(MergeError, match=f"{late} is being written or packed by somebody else"):
            merge_shards(tmp_path / "out", [*shards[:2], late, shards[3]], allow_missing=True)
        refused.append(names_in(tmp_path))

    interrupt(configure(late, shard=Shard(2, 4)), 3, episodes, refuse)
    assert refused == [["late", "shards"]]
    merge_shards(tmp_path / "out", [*shards[:2], late, shards[3]], allow_missing=True)


@pytest.mark.parametrize("inside", [1, 0], ids=["of episodes", "empty"])
def test_an_output_in_a_shard(tmp_path: Path, shards: list[Path], inside: int) -> None:
    empty = tmp_path / "empty"
    collect(configure(empty, num_episodes=2, shard=Shard(0, 5)))
    parent = shards[2] if inside else empty
    before = stamps(parent)
    with pytest.raises(MergeError, match=f"/out is in {parent}, which is to be merged"):
        merge_shards(parent / "new/out", [*shards, empty], allow_missing=True)
    assert stamps(parent) == before


def test_a_merge_of_a_folder_that_another_merge_makes(tmp_path: Path, shards: list[Path]) -> None:
    def again(episodes: int) -> Any:
        with pytest.raises(ResumeError, match="somebody else"):
            merge_shards(tmp_path / "out", shards, allow_missing=True)
        return lambda: None

    def progress(episodes: int) -> Any:
        assert episodes == EPISODES - 1
        return lambda: again(episodes) and None

    merge_shards(tmp_path / "out", shards, True, progress)
    assert names_in(tmp_path) == ["out", "shards"]
