"""`isaac-collect status`: how the shards of a collection stand, by their records alone; on request until they are done.

A record is a file of half a kilobyte. Looking at 10,000 of them takes half a second of CPU; on a network file system
the files' latency counts. A waiting command reads those that are not over again, and rests at least as long as it read.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from sim_service.config import ConfigError, folder
from sim_service.exit_codes import DONE, FAILED, TOO_FEW_EPISODES
from sim_service.shard_record import ShardRecord, ShardRecordError, read_shard_record
from sim_service.shard_status import FoundShard, ShardStatus, shard_status
from sim_service.status_text import as_dict, not_well, summary
from sim_service.stop_request import StopRequest

INTERVAL_S: Final = 2.0
NEWS_S: Final = 30.0  # shortest time between two lines of a waiting command
_NAP_S: Final = 0.2  # how late a signal may be seen


@dataclass(frozen=True)
class Clock:
    """now_s: seconds since 1970. monotonic_s: never goes back. sleep: takes seconds."""

    now_s: Callable[[], float] = time.time
    monotonic_s: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep


def add_status_flags(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("directory", type=folder, metavar="DIR", help="folder with the shards' folders in it, or a shard's folder")
    add("--shards", type=int, metavar="N", help="how many there are (default: what their records say)")
    add("--wait", action="store_true", help="until all are complete, or one finished with episodes missing")
    add("--timeout", type=float, metavar="S", help="wait no longer than that [s]")
    add("--json", action="store_true", help="print one line of JSON instead")


def run_status(arguments: argparse.Namespace, clock: Clock = Clock()) -> int:
    """Prints the status. Returns 0 when all shards are complete, 3 when one finished with episodes given up, 130 or 143
    after a signal, 1 otherwise. Raises ConfigError."""
    if arguments.shards is not None and not 1 <= arguments.shards < 10**9:
        raise ConfigError(f"--shards must be at least 1, got {arguments.shards}")
    if arguments.timeout is not None and not arguments.wait:
        raise ConfigError("--timeout is how long --wait waits: it needs --wait")
    if arguments.timeout is not None and not 0 <= arguments.timeout < float("inf"):
        raise ConfigError(f"--timeout must be 0 or more seconds, got {arguments.timeout}")
    shards = ShardFolders(arguments.directory)
    if not arguments.wait:
        if not arguments.directory.is_dir():
            raise ConfigError(f"{arguments.directory} is not a folder")
        status = shards.status(arguments.shards, clock.now_s())
        code = status.exit_code
    else:
        with StopRequest() as stop:
            status, code = _wait(shards, arguments.shards, arguments.timeout, stop, clock)
    if arguments.json:
        print(json.dumps({**as_dict(status), "exit_code": code}))
    else:
        print(f"{arguments.directory}: {summary(status)}")
        for line in not_well(status):
            print(f"  {line}")
    return code


class ShardFolders:
    """Reads the records below a folder, or the folder's own."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._over: dict[str, ShardRecord] = {}  # these stay as they are

    def status(self, count: int | None, now_s: float) -> ShardStatus:
        """count: of the shards, where it is known. now_s: seconds since 1970."""
        own = self._read(self._directory, str(self._directory))
        if own is not None:
            return shard_status([own], now_s, count, alone=True)
        return shard_status(self._below(), now_s, count)

    def _below(self) -> list[FoundShard]:
        """In the order of the folders' names; without a record a folder is none of ours."""
        try:
            names = sorted(path.name for path in self._directory.iterdir() if not path.name.startswith("."))
        except (FileNotFoundError, NotADirectoryError):
            names = []
        except OSError as error:
            return [FoundShard(str(self._directory), None, str(error))]
        self._over = {name: self._over[name] for name in names if name in self._over}
        found = (self._found(name) for name in names)
        return [shard for shard in found if shard is not None]

    def _found(self, name: str) -> FoundShard | None:
        if name in self._over:
            return FoundShard(name, self._over[name])
        found = self._read(self._directory / name, name)
        if found is not None and found.record is not None and found.record.is_over:
            self._over[name] = found.record
        return found

    @staticmethod
    def _read(root: Path, name: str) -> FoundShard | None:
        try:
            record = read_shard_record(root)
        except (ShardRecordError, OSError) as error:
            return FoundShard(name, None, str(error))
        return None if record is None else FoundShard(name, record)


def _wait(
    shards: ShardFolders, count: int | None, timeout_s: float | None, stop: StopRequest, clock: Clock
) -> tuple[ShardStatus, int]:
    """Whoever runs the shards may try failed and interrupted ones again: those are waited for, too."""
    began_s = clock.monotonic_s()
    told, told_s = "", -NEWS_S
    while True:
        looked_s = clock.monotonic_s()
        status = shards.status(count, clock.now_s())
        now_s = clock.monotonic_s()
        if status.exit_code in (DONE, TOO_FEW_EPISODES):
            return status, status.exit_code
        if status.is_complete:  # and yet there are contradictions, which nobody is left to resolve
            return status, FAILED
        news = summary(status)
        if news != told and now_s - began_s >= told_s + NEWS_S:
            told, told_s = news, now_s - began_s
            print(news, file=sys.stderr, flush=True)
        rest_s = max(INTERVAL_S, now_s - looked_s)
        if timeout_s is not None:
            rest_s = min(rest_s, began_s + timeout_s - now_s)
            if rest_s <= 0:
                return status, FAILED
        until_s = now_s + rest_s
        while clock.monotonic_s() < until_s and stop.signal is None:
            clock.sleep(min(_NAP_S, max(until_s - clock.monotonic_s(), 0.0)))
        if stop.signal is not None:
            return status, stop.exit_code
