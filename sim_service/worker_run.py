"""`isaac-collect collect --workers K`: K processes collect a shard each, and the shards become one dataset.

It equals the dataset that one process would have collected. What is finished stays in OUT.shards until OUT is there:
after a kill, a full disk or a failed worker `--resume` goes on from it.
"""

from __future__ import annotations

import json
import logging
import os
import signal
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from lerobot_writer import StorageError, WriterError
from lerobot_writer.layout import INFO
from sim_service.collection import REPO_ID
from sim_service.config import CollectConfig
from sim_service.disk_space import require_free_disk
from sim_service.exit_codes import BAD_ARGUMENTS, DONE, FAILED, TOO_FEW_EPISODES, code_of_error
from sim_service.heartbeat import Heartbeat
from sim_service.ledger import COLLECTION_FILE, Ledger, LedgerError
from sim_service.merging import merge_shards
from sim_service.shard import Shard
from sim_service.status_text import failures_text
from sim_service.stop_request import StopRequest
from sim_service.worker_command import how_to_go_on, worker_command, worker_environment
from sim_service.worker_folder import WorkerFolder, count_of_shards, finished_before, remove_left_over
from sim_service.worker_process import WorkerProcess
from sim_service.worker_progress import WorkerProgress

POLL_S: Final = 0.2

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class _Outcome:
    """code: the exit code. error: what is to be said. frames_recorded: by this run. merge_s: None without a merge.
    began: whether workers were started, so that there may be something to continue."""

    code: int
    error: str | None = None
    frames_recorded: int = 0
    merge_s: float | None = None
    began: bool = False


class _Interrupted(Exception):
    """A signal during the merge."""


def run_workers(config: CollectConfig) -> int:
    """Collect, merge, and return the exit code, as `run_collect` does. Raises ConfigError."""
    began_s = time.monotonic()
    folder = WorkerFolder(config.output)
    heartbeat = Heartbeat(config.heartbeat_file) if config.heartbeat_file is not None else None
    beat = heartbeat.beat if heartbeat is not None else _nothing
    with StopRequest() as stop:
        try:
            outcome = _run(config, folder, stop, beat)
        except (WriterError, LedgerError) as error:
            outcome = _Outcome(code_of_error(error), str(error))
    elapsed_s = time.monotonic() - began_s
    ledger, frames = _contents(folder)
    _say(config, folder, outcome, ledger, frames, elapsed_s)
    if config.json:
        print(json.dumps(_result(config, outcome, ledger, frames, elapsed_s)))
    return outcome.code


def _nothing() -> None:
    pass


def _run(config: CollectConfig, folder: WorkerFolder, stop: StopRequest, beat: Callable[[], None]) -> _Outcome:
    finished = finished_before(folder, config)
    if finished is not None:
        remove_left_over(folder, config)
        return _Outcome(_code_of(finished, config))
    count = count_of_shards(folder, config)
    if count != min(config.workers, config.num_episodes):
        print(f"{folder.path} has {count} shards: {count} workers continue them", file=sys.stderr)
    shards = [folder.shard(index) for index in range(count)]
    require_free_disk(config, shards)
    with folder.held():
        outcome = _collect(config, folder, shards, stop, beat)
        if outcome.code != DONE:
            if not folder.shards():
                folder.remove()  # logs alone: their last lines were told
            return outcome
        return _merge(config, folder, shards, outcome, stop, beat)


def _collect(
    config: CollectConfig, folder: WorkerFolder, shards: Sequence[Path], stop: StopRequest, beat: Callable[[], None]
) -> _Outcome:
    """The code is 0 when every shard is complete or has given episodes up."""
    progress = WorkerProgress(shards, folder.records(), config.num_episodes)
    environment = worker_environment(os.environ, len(shards), len(os.sched_getaffinity(0)))
    verbose = _log.isEnabledFor(logging.DEBUG)
    running: dict[int, WorkerProcess] = {}
    refused: str | None = None
    failed, stopped = False, False
    try:
        for index, path in enumerate(shards):
            command = worker_command(config, Shard(index, len(shards)), path, verbose)
            running[index] = WorkerProcess(command, environment, folder.log(index))
        with progress:
            while running:
                time.sleep(POLL_S)
                ended = {index: code for index, worker in running.items() if (code := worker.exit_code) is not None}
                if progress.look():
                    beat()
                for index, code in ended.items():
                    worker = running.pop(index)
                    if code == BAD_ARGUMENTS:  # the same for all
                        refused = refused or worker.error() or "; ".join(worker.last_words())
                    elif not _ended_as_meant(code, stopped or stop.signal is not None):
                        failed = True
                        progress.say(_failure_text(Shard(index, len(shards)), code, worker, bool(running)))
                if not stopped and (refused is not None or stop.signal is not None):
                    stopped = True
                    for worker in running.values():
                        worker.stop()
    except OSError as error:
        raise StorageError(f"cannot start a worker: {error}") from error
    finally:
        for worker in running.values():
            worker.kill()
    begun = _Outcome(DONE, None, progress.frames, began=True)
    if refused is not None:
        return _Outcome(BAD_ARGUMENTS, refused)
    if stop.signal is not None and progress.settled < config.num_episodes:
        return _Outcome(stop.exit_code, None, begun.frames_recorded, began=True)
    return _Outcome(FAILED, None, begun.frames_recorded, began=True) if failed else begun


def _ended_as_meant(code: int, stopped: bool) -> bool:
    if code in (DONE, TOO_FEW_EPISODES):
        return True
    # A worker that had not come to handle signals dies of it.
    return stopped and code in (128 + signal.SIGTERM, -signal.SIGTERM)


def _failure_text(shard: Shard, code: int, worker: WorkerProcess, others: bool) -> str:
    how = f"exit code {code}" if code >= 0 else f"killed by {signal.Signals(-code).name}"
    lines = [f"shard {shard} failed: {how}" + ("; the others go on" if others else "")]
    words = worker.last_words()
    lines.append(f"Its log, {worker.log}, ends with:" if words else f"It wrote nothing into {worker.log}")
    return "\n".join([*lines, *(f"  {line}" for line in words)])


def _merge(
    config: CollectConfig,
    folder: WorkerFolder,
    shards: Sequence[Path],
    collected: _Outcome,
    stop: StopRequest,
    beat: Callable[[], None],
) -> _Outcome:
    if not any((shard / INFO).exists() for shard in shards):
        text = f"all {config.num_episodes} episodes were given up: there is no dataset; why is in {folder.path}"
        return _Outcome(TOO_FEW_EPISODES, text, began=True)

    def look_up() -> None:
        beat()
        if stop.signal is not None:
            raise _Interrupted

    def begin(episodes: int) -> Callable[[], None]:
        del episodes
        return look_up

    began_s = time.monotonic()
    frames = collected.frames_recorded
    given_up = any(_given_up(shard) for shard in shards)
    try:
        merge_shards(folder.output, shards, given_up, begin)
    except _Interrupted:
        return _Outcome(stop.exit_code, None, frames, began=True)
    except (WriterError, LedgerError) as error:
        return _Outcome(
            code_of_error(error), f"the shards are collected, but cannot be merged: {error}", frames, began=True
        )
    merge_s = time.monotonic() - began_s
    try:
        folder.remove()
    except StorageError as error:
        print(f"isaac-collect: {error}", file=sys.stderr)  # the dataset is whole
    return _Outcome(_code_of(Ledger.read(folder.output), config), None, frames, merge_s, began=True)


def _given_up(shard: Path) -> bool:
    return (shard / COLLECTION_FILE).exists() and bool(Ledger.read(shard).given_up)


def _code_of(ledger: Ledger, config: CollectConfig) -> int:
    complete = ledger.recorded_of(range(config.num_episodes)) == config.num_episodes
    return DONE if complete else TOO_FEW_EPISODES


def _contents(folder: WorkerFolder) -> tuple[Ledger | None, int]:
    """What there is, in the dataset or in its shards: counts, and frames."""
    roots = [folder.output] if (folder.output / INFO).exists() else folder.shards()
    ledgers, frames = [], 0
    for root in roots:
        try:
            ledgers.append(Ledger.read(root))
            if (root / INFO).exists():
                frames += int(json.loads((root / INFO).read_bytes())["total_frames"])
        except (LedgerError, OSError, ValueError, KeyError, TypeError):
            continue  # not begun, or not ours: told elsewhere
    if len(ledgers) < 2:
        return (ledgers[0] if ledgers else None), frames
    return Ledger.together(ledgers, ledgers[0].num_episodes), frames


def _say(
    config: CollectConfig, folder: WorkerFolder, outcome: _Outcome, ledger: Ledger | None, frames: int, elapsed_s: float
) -> None:
    lines = [f"isaac-collect: {outcome.error}"] if outcome.error is not None else []
    if ledger is not None and (outcome.began or outcome.error is None):
        lines += _summary(config, outcome, ledger, frames, elapsed_s)
    if outcome.code == TOO_FEW_EPISODES and ledger is not None:
        lines.append(f"Fewer episodes than asked: {ledger.exhausted} gave up after {config.max_attempts} attempts each")
    if outcome.began and outcome.code not in (DONE, TOO_FEW_EPISODES):
        what = "Interrupted; every" if outcome.code >= 128 else "Every"
        lines.append(f"{what} finished episode is safe in {folder.path}. {how_to_go_on(config, folder.path)}")
    elif ledger is not None and outcome.error is None:
        lines.append("Open it in LeRobot:")
        lines.append("  from lerobot.datasets.lerobot_dataset import LeRobotDataset")
        lines.append(f'  dataset = LeRobotDataset("{REPO_ID}", root="{config.output}")')
    if lines:
        print("\n".join(lines), file=sys.stderr)


def _summary(config: CollectConfig, outcome: _Outcome, ledger: Ledger, frames: int, elapsed_s: float) -> list[str]:
    lines = [f"{config.output}: {ledger.episodes} of {config.num_episodes} episodes, {frames} frames"]
    if ledger.attempts:
        share = f"{ledger.successes / ledger.attempts:.1%}"
        failures = f"; failed: {failures_text(ledger.failures.items())}" if ledger.failures else ""
        lines.append(f"  attempts   {ledger.attempts}: {ledger.successes} succeeded ({share}){failures}")
    if outcome.frames_recorded:
        merge = f", {outcome.merge_s:.1f} s of it for the merge" if outcome.merge_s is not None else ""
        lines.append(f"  time       {elapsed_s:.1f} s{merge}; {outcome.frames_recorded / elapsed_s:.0f} frames/s")
    elif outcome.code == DONE:
        lines.append("Nothing was left to collect.")
    return lines


def _result(
    config: CollectConfig, outcome: _Outcome, ledger: Ledger | None, frames: int, elapsed_s: float
) -> dict[str, Any]:
    result: dict[str, Any] = {"exit_code": outcome.code, "output": str(config.output)}
    result |= {"requested": config.num_episodes, "workers": config.workers}
    if outcome.error is not None:
        result["error"] = outcome.error
    if ledger is not None and (outcome.began or outcome.error is None):
        rate = outcome.frames_recorded / max(elapsed_s, 1e-9)
        result |= {**ledger.totals(), "frames": frames, "frames_per_s": round(rate, 2)}
    if outcome.merge_s is not None:
        result["merge_seconds"] = round(outcome.merge_s, 3)
    return {**result, "seconds": round(elapsed_s, 3)}
