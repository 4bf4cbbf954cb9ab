"""How a collection is cut into shards, and how a shard is named."""

import itertools

import pytest

from sim_service.shard import Shard, parse_shard


@pytest.mark.parametrize("count", [1, 2, 3, 7, 50, 1000])
@pytest.mark.parametrize("num_episodes", [1, 2, 6, 7, 49, 50, 51, 999])
def test_the_shards_of_a_collection_follow_each_other_and_are_equally_long(count: int, num_episodes: int) -> None:
    parts = [Shard(index, count).indices(num_episodes) for index in range(count)]
    assert list(itertools.chain.from_iterable(parts)) == list(range(num_episodes))
    assert max(map(len, parts)) - min(map(len, parts)) <= 1


@pytest.mark.parametrize(("index", "count"), [(0, 1), (3, 8), (7, 8), (999_999_998, 999_999_999)])
def test_a_shard_is_read_as_it_is_written(index: int, count: int) -> None:
    shard = Shard(index, count)
    assert parse_shard(str(shard), {"JOB_COMPLETION_INDEX": "0"}) == shard
    assert parse_shard(str(count), {"JOB_COMPLETION_INDEX": str(index)}) == shard


@pytest.mark.parametrize(
    ("text", "index", "message"),
    [
        ("8", None, "JOB_COMPLETION_INDEX is not set: give I/8"),
        ("8", "x", "JOB_COMPLETION_INDEX must be a number, got 'x'"),
        ("8", "8", "there is no shard 8/8: with 8 shards I is 0 to 7"),
        ("8/8", None, "there is no shard 8/8: with 8 shards I is 0 to 7"),
        ("0/0", None, "there must be at least 1 shard"),
        ("-1/8", None, "a shard is I/N with I from 0, or N"),
        ("1/", None, "a shard is I/N"),
        ("1/2/3", None, "a shard is I/N"),
        ("1 / 2", None, "a shard is I/N"),
        ("half", None, "a shard is I/N"),
        ("1/9999999999", None, "a shard is I/N"),
    ],
)
def test_what_is_no_shard_is_refused(text: str, index: str | None, message: str) -> None:
    environment = {} if index is None else {"JOB_COMPLETION_INDEX": index}
    with pytest.raises(ValueError, match=message):
        parse_shard(text, environment)
