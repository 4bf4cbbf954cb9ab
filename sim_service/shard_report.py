"""Keeps a shard's record up to date while it is collected."""

from __future__ import annotations

import dataclasses
import json
import logging
import socket
import time
from typing import Final

from collectors.simulator import Simulator, Tick
from sim_service.collection import Collection, asked_configuration
from sim_service.config import CollectConfig
from sim_service.exit_codes import DONE, FAILED, TOO_FEW_EPISODES
from sim_service.ledger import COLLECTION_FILE
from sim_service.shard import Shard
from sim_service.shard_record import (
    ShardRecord,
    ShardRecordError,
    ShardState,
    read_shard_record,
    write_shard_record,
)

_STATES: Final[dict[int, ShardState]] = {DONE: "complete", TOO_FEW_EPISODES: "incomplete"}

_log = logging.getLogger(__name__)


def nothing_is_left(config: CollectConfig, shard: Shard) -> bool:
    """Whether the shard needs no simulator: it is empty, or a resume finds it complete. What is unclear is left to
    whoever opens the dataset."""
    if not config.indices:
        return not (config.output / COLLECTION_FILE).exists()
    if not config.resume:
        return False
    try:
        record = read_shard_record(config.output)
        stored = json.loads((config.output / COLLECTION_FILE).read_bytes())["configuration"]
    except (OSError, ValueError, KeyError, TypeError, ShardRecordError):
        return False
    if record is None or record.state != "complete" or not isinstance(stored, dict):
        return False
    same = (record.index, record.count, record.num_episodes) == (shard.index, shard.count, config.num_episodes)
    return same and asked_configuration(config).items() <= stored.items()


class ShardReport:
    """An `Onlooker`: writes `meta/shard.json` at the begin, after every attempt and at the end."""

    def __init__(self, config: CollectConfig, shard: Shard) -> None:
        self._root, self._indices = config.output, config.indices
        self._collection: Collection | None = None
        self._attempts = -1  # at the last writing
        self._began_s = time.monotonic()
        now = time.time()
        self._record = ShardRecord(
            index=shard.index,
            count=shard.count,
            num_episodes=config.num_episodes,
            first_index=self._indices.start,
            end_index=self._indices.stop,
            state="collecting",
            started_at=now,
            updated_at=now,
            host=socket.gethostname(),
        )

    def watch(self, collection: Collection, simulator: Simulator) -> None:
        del simulator
        self._collection = collection
        self._began_s = time.monotonic()
        settled = collection.ledger.settled_of(self._indices)
        self._record = dataclasses.replace(self._record, settled_before=settled)
        self._write("collecting")

    def advanced(self, tick: Tick) -> None:
        del tick
        if self._collection is not None and self._collection.ledger.attempts != self._attempts:
            self._write("collecting")

    def finish(self, exit_code: int, error: str | None) -> None:
        """Where no collection could begin the folder is left as it was, unless the shard is empty; an earlier record
        of an unfinished shard tells of the machine's failure then."""
        if self._collection is None and self._indices:
            before = self._unfinished_before() if exit_code == FAILED else None
            if before is None:
                return
            now = self._record
            self._record = dataclasses.replace(before, host=now.host, started_at=now.started_at)
        state = _STATES.get(exit_code, "interrupted" if exit_code >= 128 else "failed")
        self._record = dataclasses.replace(self._record, exit_code=exit_code, error=error)
        self._write(state)

    def _unfinished_before(self) -> ShardRecord | None:
        """This shard's record, of an earlier process."""
        try:
            before = read_shard_record(self._root)
        except (OSError, ShardRecordError):
            return None
        now = self._record
        if before is None or before.is_over:
            return None
        same = (before.index, before.count, before.num_episodes) == (now.index, now.count, now.num_episodes)
        return dataclasses.replace(before, frames=0, settled_before=before.settled) if same else None

    def _write(self, state: ShardState) -> None:
        """A disk that refuses it has already ended the collection, or will."""
        self._record = dataclasses.replace(
            self._record, state=state, seconds=round(time.monotonic() - self._began_s, 3), updated_at=time.time()
        )
        if self._collection is not None:
            self._count(self._collection)
        try:
            write_shard_record(self._root, self._record)
        except OSError as error:
            _log.warning("cannot write the record of the shard: %s", error)

    def _count(self, collection: Collection) -> None:
        ledger = collection.ledger
        self._attempts = ledger.attempts
        self._record = dataclasses.replace(
            self._record,
            recorded=ledger.episodes,  # a shard has no others
            exhausted=ledger.exhausted,
            attempts=ledger.attempts,
            successes=ledger.successes,
            failures=dict(sorted(ledger.failures.items())),
            frames=collection.frames_recorded,
        )
