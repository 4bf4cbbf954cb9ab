"""How far all workers are together, by the records of their shards: a bar on a terminal, lines elsewhere."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import TracebackType

from tqdm import tqdm

from sim_service.shard_record import SHARD_FILE, ShardRecord, ShardRecordError, read_shard_record


class WorkerProgress:
    """A context manager. before: the records that earlier processes left."""

    def __init__(
        self,
        shards: Sequence[Path],
        before: Mapping[Path, ShardRecord],
        num_episodes: int,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._shards, self._before, self._num_episodes = shards, before, num_episodes
        self._records = dict(before)
        self._seen: dict[Path, tuple[int, int]] = {}  # time of change and inode of the record
        self._clock, self._began_s = clock, clock()
        self._bar: tqdm[None] | None = None

    def __enter__(self) -> WorkerProgress:
        # disable=None: no bar where the output is no terminal; there what is new gets a line.
        self._bar = tqdm(
            total=self._num_episodes,
            initial=self.settled,
            unit="episode",
            file=sys.stderr,
            disable=None,
            smoothing=0.1,
        )
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._bar is not None:
            self._bar.close()

    @property
    def settled(self) -> int:
        """How many episodes are recorded or given up."""
        return sum(record.settled for record in self._records.values())

    @property
    def frames(self) -> int:
        """What these workers recorded."""
        return sum(record.frames for record in self._ours())

    def look(self) -> bool:
        """Read the records that changed and show what is new. Returns whether one changed."""
        settled = self.settled
        moved = [self._look_at(shard) for shard in self._shards]
        if self.settled != settled:
            self._show(self.settled - settled)
        return any(moved)

    def say(self, text: str) -> None:
        """A message, above the bar where there is one."""
        tqdm.write(text, file=sys.stderr)

    def _look_at(self, shard: Path) -> bool:
        try:
            file = (shard / SHARD_FILE).stat()
            if self._seen.get(shard) == (file.st_mtime_ns, file.st_ino):
                return False
            record = read_shard_record(shard)
        except (OSError, ShardRecordError):  # a worker that cannot begin, or write, says so itself
            return False
        first = shard not in self._seen
        self._seen[shard] = (file.st_mtime_ns, file.st_ino)
        if record is None:
            return False
        self._records[shard] = record
        return not first or record != self._before.get(shard)

    def _ours(self) -> list[ShardRecord]:
        """The records that are of a process of now."""
        found = []
        for shard, record in self._records.items():
            before = self._before.get(shard)
            if before is None or record.started_at != before.started_at:
                found.append(record)
        return found

    def _show(self, new: int) -> None:
        attempts = sum(record.attempts for record in self._records.values())
        successes = sum(record.successes for record in self._records.values())
        text = f"{successes / max(attempts, 1):.1%} of attempts succeed, {self._frames_per_s():.0f} frames/s"
        if self._bar is not None and not self._bar.disable:
            self._bar.set_postfix_str(text, refresh=False)
            self._bar.update(new)
        else:
            print(f"episode {self.settled} of {self._num_episodes}: {text}", file=sys.stderr)

    def _frames_per_s(self) -> float:
        """Of those that collect, together; at the end over all the time."""
        rates = [record.frames_per_s or 0.0 for record in self._ours() if record.state == "collecting"]
        return sum(rates) or self.frames / max(self._clock() - self._began_s, 1e-9)
