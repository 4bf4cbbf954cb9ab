"""A shard: the part of a collection's episode indices that one process collects."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

# Kubernetes sets it in every pod of an Indexed Job ("Job completion mode" in its documentation).
COMPLETION_INDEX: Final = "JOB_COMPLETION_INDEX"

_INDEX_AND_COUNT: Final = re.compile(r"(\d{1,9})/(\d{1,9})")
_COUNT: Final = re.compile(r"\d{1,9}")


@dataclass(frozen=True)
class Shard:
    """Number `index`, from 0, of `count`."""

    index: int
    count: int

    def __post_init__(self) -> None:
        if not 0 <= self.index < self.count:
            last = self.count - 1
            allowed = f"with {self.count} shards I is 0 to {last}" if self.count else "there must be at least 1 shard"
            raise ValueError(f"there is no shard {self}: {allowed}")

    def __str__(self) -> str:
        return f"{self.index}/{self.count}"

    def indices(self, num_episodes: int) -> range:
        """The episode indices, out of the `num_episodes` of all shards. They follow each other, so that a merge can
        read shard after shard; the shards' lengths differ by one at most, and where there are more shards than
        episodes, some are empty."""
        return range(self.index * num_episodes // self.count, (self.index + 1) * num_episodes // self.count)


def parse_shard(text: str, environment: Mapping[str, str]) -> Shard:
    """text: I/N, or N alone with I in the environment's JOB_COMPLETION_INDEX. Raises ValueError."""
    given = _INDEX_AND_COUNT.fullmatch(text)
    if given is not None:
        return Shard(int(given[1]), int(given[2]))
    if not _COUNT.fullmatch(text):
        raise ValueError(f"a shard is I/N with I from 0, or N with I in {COMPLETION_INDEX}, got {text!r}")
    index = environment.get(COMPLETION_INDEX)
    if index is None:
        raise ValueError(f"{text!r} names no index, and {COMPLETION_INDEX} is not set: give I/{text}")
    if not _COUNT.fullmatch(index):
        raise ValueError(f"{COMPLETION_INDEX} must be a number, got {index!r}")
    return Shard(int(index), int(text))
