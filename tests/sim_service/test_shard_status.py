"""What the shards' records say together."""

import itertools
from typing import Any

import pytest
from shard_records import FRAMES, NOW_S, record

from sim_service.index_runs import index_runs
from sim_service.shard_record import ShardRecord
from sim_service.shard_status import STALE_S, FoundShard, ShardStatus, shard_status
from sim_service.status_text import as_dict, duration, not_well, summary

COUNT, EPISODES = 4, 22  # 5, 6, 5 and 6 episodes


def found(*records: ShardRecord) -> list[FoundShard]:
    return [FoundShard(f"folder-{number}", shard) for number, shard in enumerate(records)]


def look(*records: ShardRecord, count: int | None = None, now_s: float = NOW_S) -> ShardStatus:
    return shard_status(found(*records), now_s, count)


def shard(index: int, state: Any = "complete", **changes: Any) -> ShardRecord:
    return record(index, COUNT, EPISODES, state, **changes)


ALL = [shard(index) for index in range(COUNT)]


def test_all_complete_is_0_whatever_the_order_of_the_folders() -> None:
    for order in itertools.permutations(ALL):
        status = look(*order)
        assert (status.exit_code, status.is_complete, status.recorded) == (0, True, EPISODES)
        assert [entry.record for entry in status.shards] == ALL
        assert not_well(status) == []


@pytest.mark.parametrize("state", ["collecting", "interrupted", "failed", "incomplete"])
@pytest.mark.parametrize("index", range(COUNT))
def test_one_that_is_not_complete_is_never_0(state: str, index: int) -> None:
    status = look(*ALL[:index], shard(index, state), *ALL[index + 1 :])
    assert status.exit_code == (3 if state == "incomplete" else 1)
    assert status.states == {"complete": COUNT - 1, state: 1}
    assert len(not_well(status)) == (state != "collecting")


@pytest.mark.parametrize("index", range(COUNT))
def test_a_missing_shard_is_never_0(index: int) -> None:
    for count in (None, COUNT):
        status = look(*ALL[:index], *ALL[index + 1 :], count=count)
        assert (status.exit_code, list(status.missing)) == (1, [index])
        assert not_well(status) == [f"shard {index} of 4: no record, not begun"]


def test_incomplete_wins_over_whatever_else_is_wrong() -> None:
    assert look(shard(0, "incomplete"), shard(1, "failed"), shard(1), record(0, 9, 9)).exit_code == 3


def test_sums_are_sums() -> None:
    status = look(
        shard(0),
        shard(1, "collecting", recorded=2, attempts=5, successes=2, failures={"dropped": 2, "unreachable": 1}),
        shard(2, "incomplete", recorded=4, exhausted=1, attempts=9, successes=4, failures={"dropped": 5}),
    )
    assert (status.recorded, status.exhausted, status.attempts, status.successes) == (11, 1, 19, 11)
    assert status.failures == {"dropped": 7, "unreachable": 1}
    assert as_dict(status)["states"] == {"complete": 1, "incomplete": 1, "collecting": 1, "missing": 1}


def test_rates_are_of_those_that_collect_now() -> None:
    moving = {"recorded": 2, "frames": 2 * FRAMES, "seconds": 10.0}
    old = {"updated_at": NOW_S - STALE_S - 1}
    status = look(
        shard(0, "collecting", **moving),
        shard(1, "collecting", **moving),
        shard(2, "collecting", **moving, **old),
        shard(3, "interrupted", **moving),
    )
    assert status.frames_per_s == 2 * 2 * FRAMES / 10
    # 14 of the 22 episodes are left, two shards settle 0.2 a second each
    assert status.time_left_s == pytest.approx(14 / 0.4)
    assert look(*ALL).frames_per_s is None
    assert look(*ALL).time_left_s is None


def test_the_slowest_shard_bounds_the_time_that_is_left() -> None:
    status = look(
        *(shard(0), shard(1)),
        shard(2, "collecting", recorded=4, seconds=10.0),
        shard(3, "collecting", recorded=1, seconds=100.0),
    )
    assert status.time_left_s == pytest.approx(5 * 100)


def test_a_resumed_shard_is_not_credited_with_what_was_there_before() -> None:
    status = look(*ALL[:3], shard(3, "collecting", recorded=4, settled_before=3, seconds=10.0))
    assert status.time_left_s == pytest.approx(2 * 10)


@pytest.mark.parametrize(("age_s", "state"), [(0, "collecting"), (STALE_S, "collecting"), (STALE_S + 1, "stale")])
def test_silence_makes_a_collecting_shard_stale(age_s: float, state: str) -> None:
    status = look(*ALL[1:], shard(0, "collecting", recorded=1), now_s=NOW_S + age_s)
    assert status.states == {"complete": 3, state: 1}
    assert any("shard 0/4 (folder-3, on pod-0): stale, with 1 of 5" in line for line in not_well(status)) == (
        state == "stale"
    )


def test_what_is_over_or_ended_never_gets_stale() -> None:
    status = look(shard(0), shard(1, "failed"), shard(2, "interrupted"), shard(3, "incomplete"), now_s=NOW_S + 1e7)
    assert "stale" not in status.states


def test_two_folders_that_claim_one_shard_are_told_and_count_once() -> None:
    half = shard(1, "interrupted", recorded=2)
    for order in itertools.permutations([*ALL, half]):
        status = look(*order)
        assert (status.recorded, status.is_complete, status.exit_code) == (EPISODES, True, 1)
        assert len(status.contradictions) == 1
        assert "both claim to be shard 1/4" in status.contradictions[0]


@pytest.mark.parametrize("stray", [record(2, 8, EPISODES), record(2, COUNT, 50), record(7, 8, 50, "failed")])
def test_a_shard_of_another_collection_is_told_and_does_not_count(stray: ShardRecord) -> None:
    for order in itertools.permutations([*ALL, stray]):
        status = look(*order)
        assert (status.count, status.num_episodes, status.recorded, status.exit_code) == (COUNT, EPISODES, EPISODES, 1)
        assert [text.partition(" is ")[2] for text in status.contradictions] == [
            f"shard {stray.index}/{stray.count} of {stray.num_episodes} episodes: not one of 4 of 22 episodes"
        ]


def test_the_count_that_was_asked_for_wins_over_the_records() -> None:
    status = look(*ALL, record(2, 8, 50), count=8)
    assert (status.count, status.num_episodes, len(status.contradictions), status.exit_code) == (8, 50, 4, 1)
    status = look(*ALL, count=9)
    assert (status.count, list(status.missing), len(status.contradictions)) == (9, list(range(9)), 4)


def test_nothing_is_not_complete() -> None:
    assert look().exit_code == 1
    assert look(count=3).exit_code == 1
    assert summary(look()) == "no shard has a record yet"
    assert summary(look(count=3)) == "3 shards: 3 missing"
    assert not_well(look(count=3)) == ["shards 0-2 of 3: no record, not begun"]


def test_what_cannot_be_read_is_told() -> None:
    status = shard_status([*found(*ALL[:3]), FoundShard("odd", None, "odd/meta/shard.json holds no JSON")], NOW_S)
    assert status.exit_code == 1
    assert status.states == {"complete": 3, "missing": 1, "unreadable": 1}
    assert not_well(status)[0] == "odd: odd/meta/shard.json holds no JSON"
    assert as_dict(status)["not_well"] == [
        {"folder": "odd", "state": "unreadable", "error": "odd/meta/shard.json holds no JSON"}
    ]


def test_one_line_says_it_all() -> None:
    status = look(
        shard(0),
        shard(1, "collecting", recorded=3, attempts=4, successes=3, frames=300, seconds=10.0, failures={"dropped": 1}),
        shard(3, "failed", recorded=2, error="no space left on device"),
    )
    assert summary(status) == (
        "4 shards: 1 complete, 1 collecting, 1 failed, 1 missing; 10 of 22 episodes, 88.9% of 9 attempts succeed, "
        "30 frames/s, 40 s left"
    )
    assert not_well(status) == [
        "shard 3/4 (folder-2, on pod-3): failed, with 2 of 6 episodes (exit code 1): no space left on device",
        "shard 2 of 4: no record, not begun",
    ]


def test_an_incomplete_shard_says_why() -> None:
    given_up = shard(0, "incomplete", recorded=3, exhausted=2, failures={"unreachable": 4, "dropped": 6})
    assert not_well(look(given_up, *ALL[1:])) == [
        "shard 0/4 (folder-0, on pod-0): incomplete, with 3 of 5 episodes; failed attempts: dropped 6, unreachable 4"
    ]


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.2, "0 s"), (89, "89 s"), (90, "2 min"), (3600, "60 min"), (5400, "1 h 30 min"), (360_000, "100 h 0 min")],
)
def test_durations_are_told_to_the_precision_that_matters(seconds: float, text: str) -> None:
    assert duration(seconds) == text


def test_runs_of_indices_name_each_index_once() -> None:
    assert index_runs([0, 1, 2, 5, 7, 8]) == "0-2, 5, 7-8"
    assert index_runs(range(10_000)) == "0-9999"
    assert index_runs(range(0, 100, 2)).endswith("36, 38 and 30 more")
