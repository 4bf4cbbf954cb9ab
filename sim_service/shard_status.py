"""How a collection in shards stands: the sum of the shards' records, and which of them are not well."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Literal

from sim_service.exit_codes import DONE, FAILED, TOO_FEW_EPISODES
from sim_service.shard import Shard
from sim_service.shard_record import ShardRecord, ShardState

# A record is renewed after every attempt, which takes seconds; with long segments or on a slow simulator minutes.
STALE_S: Final = 600.0

# stale: "collecting", but the record is old: killed, or hung. missing: no folder has the shard's record.
SeenState = Literal[ShardState, "stale", "missing", "unreadable"]
_IN_ORDER: Final[tuple[SeenState, ...]] = (
    *("complete", "incomplete", "collecting", "stale", "interrupted", "failed", "missing", "unreadable"),
)


@dataclass(frozen=True)
class FoundShard:
    """A folder with a shard's record. folder: its name. record: None where it cannot be read; `problem` says why."""

    folder: str
    record: ShardRecord | None
    problem: str | None = None


@dataclass(frozen=True)
class SeenShard:
    """One that counts. record: None in the state "unreadable"."""

    folder: str
    state: SeenState
    record: ShardRecord | None = None
    problem: str | None = None


@dataclass(frozen=True)
class ShardStatus:
    """count, num_episodes: of all shards; None where no record says it. shards: one for each that has a folder, in
    order, the unreadable ones at the end. missing: indices without a record, none where `count` is unknown.
    contradictions: records that do not belong together; all but one of them count for nothing. now_s: seconds since
    1970. alone: of one shard whatever became of the others; num_episodes are its own then."""

    count: int | None
    num_episodes: int | None
    shards: Sequence[SeenShard]
    missing: Sequence[int]
    contradictions: Sequence[str]
    now_s: float
    alone: bool = False

    @property
    def states(self) -> dict[SeenState, int]:
        """How many shards are in each state that occurs."""
        counted: Counter[SeenState] = Counter(shard.state for shard in self.shards)
        counted["missing"] = len(self.missing)
        return {state: counted[state] for state in _IN_ORDER if counted[state]}

    @property
    def records(self) -> list[ShardRecord]:
        return [shard.record for shard in self.shards if shard.record is not None]

    @property
    def recorded(self) -> int:
        return sum(record.recorded for record in self.records)

    @property
    def exhausted(self) -> int:
        return sum(record.exhausted for record in self.records)

    @property
    def attempts(self) -> int:
        return sum(record.attempts for record in self.records)

    @property
    def successes(self) -> int:
        return sum(record.successes for record in self.records)

    @property
    def failures(self) -> Mapping[str, int]:
        """By reason."""
        return _sum(record.failures for record in self.records)

    @property
    def frames_per_s(self) -> float | None:
        """Of the shards that are being collected, together; None while nothing is known."""
        return sum(record.frames_per_s or 0.0 for record in self._moving) or None

    @property
    def time_left_s(self) -> float | None:
        """Until all episodes are there, at the rate of the shards that are being collected now. The slowest of those
        may take longer than all work divided by all rates. None while no rate is known."""
        rates = [(record, record.episodes_per_s) for record in self._moving]
        total = sum(rate for _, rate in rates if rate is not None)
        if self.num_episodes is None or not total:
            return None
        left = self.num_episodes - self.recorded - self.exhausted
        slowest = max((record.episodes - record.settled) / rate for record, rate in rates if rate is not None)
        return max(left / total, slowest)

    @property
    def exit_code(self) -> int:
        """0 when every shard is complete, 3 when one finished with episodes given up, 1 otherwise."""
        states = self.states
        if "incomplete" in states:
            return TOO_FEW_EPISODES
        return DONE if self.is_complete and not self.contradictions else FAILED

    @property
    def is_complete(self) -> bool:
        """Whether every shard is, whatever other records lie about."""
        wanted = 1 if self.alone else self.count
        return wanted is not None and self.states.get("complete", 0) == wanted

    @property
    def _moving(self) -> list[ShardRecord]:
        return [shard.record for shard in self.shards if shard.state == "collecting" and shard.record is not None]


def shard_status(
    found: Sequence[FoundShard], now_s: float, count: int | None = None, alone: bool = False
) -> ShardStatus:
    """count: of the shards, where it is known; else that of most records. now_s: seconds since 1970. alone: nothing is
    missing besides what was found."""
    read = [(shard.folder, shard.record) for shard in found if shard.record is not None]
    fitting = [record for _, record in read if count in (None, record.count)]
    kinds = Counter((record.count, record.num_episodes) for record in fitting)
    kind = max(kinds, key=lambda kind: (kinds[kind], kind)) if kinds else None
    contradictions = []
    chosen: dict[int, tuple[str, ShardRecord]] = {}
    for folder, record in sorted(read, key=lambda entry: (entry[1].index, entry[0])):
        if (record.count, record.num_episodes) != kind:
            contradictions.append(_of_another_collection(folder, record, kind, count))
            continue
        other = chosen.get(record.index)
        if other is not None:
            shard = Shard(record.index, record.count)
            contradictions.append(f"{other[0]} and {folder} both claim to be shard {shard}")
            if record.settled <= other[1].settled:
                continue
        chosen[record.index] = (folder, record)
    shards = [SeenShard(folder, _seen(record, now_s), record) for _, (folder, record) in sorted(chosen.items())]
    shards += [SeenShard(shard.folder, "unreadable", None, shard.problem) for shard in found if shard.record is None]
    known = kind[0] if kind is not None else count
    num_episodes = kind[1] if kind is not None else None
    if alone:
        num_episodes = sum(record.episodes for _, record in chosen.values()) if chosen else None
    missing = [index for index in range(known or 0) if index not in chosen and not alone]
    return ShardStatus(known, num_episodes, shards, missing, contradictions, now_s, alone)


def _seen(record: ShardRecord, now_s: float) -> SeenState:
    return "stale" if record.state == "collecting" and now_s - record.updated_at > STALE_S else record.state


def _of_another_collection(folder: str, record: ShardRecord, kind: tuple[int, int] | None, count: int | None) -> str:
    shard = Shard(record.index, record.count)
    if kind is None:
        return f"{folder} is shard {shard}: not one of {count}"
    return f"{folder} is shard {shard} of {record.num_episodes} episodes: not one of {kind[0]} of {kind[1]} episodes"


def _sum(counts: Iterable[Mapping[str, int]]) -> dict[str, int]:
    total: Counter[str] = Counter()
    for count in counts:
        total.update(count)
    return dict(sorted(total.items()))
