"""`isaac-collect collect`: drives a collection, shows its progress, says what came out."""

from __future__ import annotations

import json
import logging
import shlex
import statistics
import sys
import time
from collections.abc import Sequence
from contextlib import closing
from typing import Any

from tqdm import tqdm
from tqdm.contrib.logging import logging_redirect_tqdm

from collectors.simulator import Simulator, SimulatorError, Tick
from lerobot_writer import DatasetExistsError, StorageError, WriterError
from sim_service.collect_words import collect_words
from sim_service.collection import REPO_ID, Collection, step
from sim_service.config import CollectConfig
from sim_service.disk_space import require_free_disk
from sim_service.exit_codes import DONE, FAILED, TOO_FEW_EPISODES, code_of_error
from sim_service.ledger import LedgerError
from sim_service.onlooker import Onlooker
from sim_service.shard import Shard
from sim_service.shard_report import nothing_is_left
from sim_service.simulators import SimulatorUnavailable, open_simulator
from sim_service.stop_request import StopRequest

_log = logging.getLogger(__name__)


def run_collect(config: CollectConfig, onlookers: Sequence[Onlooker] = ()) -> int:
    """Collect, and return the exit code. With `config.json` one line on standard output says what came of it."""
    began_s = time.monotonic()
    if config.shard is not None and nothing_is_left(config, config.shard):
        _say_nothing_is_left(config, config.shard)
        for onlooker in onlookers:
            onlooker.finish(DONE, None)
        if config.json:
            print(json.dumps(_result(None, config, time.monotonic() - began_s, DONE, None)))
        return DONE
    with StopRequest() as stop:
        try:
            collection, error = _collect(config, stop, onlookers)
        except Exception as unforeseen:
            for onlooker in onlookers:
                onlooker.finish(FAILED, f"{type(unforeseen).__name__}: {unforeseen}")
            raise
    elapsed_s = time.monotonic() - began_s
    if error is not None:
        _log_error(config, error)
        code = FAILED if collection is not None else code_of_error(error)
        if collection is not None and not _is_structured(config):
            print(f"Every finished episode is safe. {_how_to_go_on(config)}", file=sys.stderr)
    else:
        code = DONE
        if collection is None or collection.ledger.recorded_of(config.indices) < len(config.indices):
            code = stop.exit_code or TOO_FEW_EPISODES
    if _is_structured(config):
        _log.info("the shard ends with exit code %d", code, extra=_result(collection, config, elapsed_s, code, error))
    elif collection is not None and error is None:
        _print_summary(collection, config, elapsed_s, code)
    for onlooker in onlookers:
        onlooker.finish(code, str(error) if error is not None else None)
    if config.json:
        print(json.dumps(_result(collection, config, elapsed_s, code, error)))
    return code


def _is_structured(config: CollectConfig) -> bool:
    """Whether a machine reads what is said: log records then, with fields."""
    return config.shard is not None and not sys.stderr.isatty()


def _log_error(config: CollectConfig, error: Exception) -> None:
    if _is_structured(config):
        _log.error("%s", error)
    else:
        print(f"isaac-collect: {error}", file=sys.stderr)


def _say_nothing_is_left(config: CollectConfig, shard: Shard) -> None:
    what = "complete" if config.indices else "empty: there are more shards than episodes"
    text = f"shard {shard} of {config.num_episodes} episodes is {what}; nothing was left to collect"
    if _is_structured(config):
        _log.info("%s", text)
    else:
        print(f"{config.output}: {text}", file=sys.stderr)


def _collect(
    config: CollectConfig, stop: StopRequest, onlookers: Sequence[Onlooker]
) -> tuple[Collection | None, Exception | None]:
    """The collection, where one could be opened, and the error that ended it."""
    try:
        require_free_disk(config)
        simulator = open_simulator(config.simulator, config.settings, config.application)
    except (StorageError, SimulatorUnavailable) as error:
        return None, error
    collection: Collection | None = None
    try:
        collection = Collection(config, simulator)
        for onlooker in onlookers:
            onlooker.watch(collection, simulator)
        _drive(collection, simulator, stop, config, onlookers)
    except DatasetExistsError as error:
        hint = "" if config.resume else " (--resume continues a dataset)"
        return None, DatasetExistsError(f"{error}{hint}")
    except (WriterError, LedgerError, SimulatorError, SimulatorUnavailable) as error:
        return collection, error
    finally:
        simulator.close()
    return collection, None


def _drive(
    collection: Collection,
    simulator: Simulator,
    stop: StopRequest,
    config: CollectConfig,
    onlookers: Sequence[Onlooker],
) -> None:
    ledger = collection.ledger
    settled = ledger.episodes + ledger.exhausted

    def look_on(tick: Tick) -> None:
        for onlooker in onlookers:
            onlooker.advanced(tick)

    # disable=None: no bar where the output is no terminal; there every episode gets a line of its own.
    bar = tqdm(
        total=max(len(config.indices), settled),
        initial=settled,
        unit="episode",
        file=sys.stderr,
        disable=None,
        smoothing=0.1,
    )
    with bar, logging_redirect_tqdm(tqdm_class=tqdm), closing(collection.run()) as run:
        began_s, frames_before = time.monotonic(), 0
        tick = next(run, None)
        while tick is not None:
            if stop.signal is not None:
                return
            try:
                tick = step(simulator, run, tick, look_on)
            except StopIteration:
                tick = None
            frames = collection.frames_recorded
            now_settled = ledger.episodes + ledger.exhausted
            if now_settled != settled:
                rate = frames / max(time.monotonic() - began_s, 1e-9)
                success = ledger.successes / max(ledger.attempts, 1)
                bar.set_postfix_str(f"{success:.1%} of attempts succeed, {rate:.0f} frames/s", refresh=False)
                bar.update(now_settled - settled)
                if _is_structured(config):
                    _log.info(
                        "episode %d of %d is settled",
                        now_settled,
                        len(config.indices),
                        extra={"frames": frames - frames_before, "success_rate": success, "frames_per_s": rate},
                    )
                elif bar.disable:
                    _print_progress(now_settled, len(config.indices), success, rate, frames - frames_before)
                settled, frames_before = now_settled, frames


def _print_progress(settled: int, wanted: int, success: float, rate: float, frames: int) -> None:
    print(
        f"episode {settled} of {wanted}: {frames} frames, {success:.1%} of attempts succeed, {rate:.0f} frames/s",
        file=sys.stderr,
    )


def _result(
    collection: Collection | None, config: CollectConfig, elapsed_s: float, code: int, error: Exception | None
) -> dict[str, Any]:
    result: dict[str, Any] = {"exit_code": code, "output": str(config.output), "requested": len(config.indices)}
    if config.shard is not None:
        result["shard"] = str(config.shard)
    if error is not None:
        result["error"] = str(error)
    if collection is not None:
        rate = collection.frames_recorded / max(elapsed_s, 1e-9)
        result |= {**collection.ledger.totals(), "frames": collection.num_frames, "frames_per_s": round(rate, 2)}
    return {**result, "seconds": round(elapsed_s, 3)}


def _how_to_go_on(config: CollectConfig) -> str:
    """The command that continues, with every flag that must be the same."""
    words = ["isaac-collect", *collect_words(config, config.output), "--resume"]
    words += ["--shard", str(config.shard)] if config.shard is not None else []
    return f"Continue with: {shlex.join(words)}"


def _print_summary(collection: Collection, config: CollectConfig, elapsed_s: float, code: int) -> None:
    ledger = collection.ledger
    lines = [f"{config.output}: {ledger.episodes} of {len(config.indices)} episodes, {collection.num_frames} frames"]
    if config.shard is not None:
        lines[0] += f"; shard {config.shard} of {config.num_episodes} episodes"
    if ledger.attempts:
        share = f"{ledger.successes / ledger.attempts:.1%}"
        lines.append(
            f"  attempts   {ledger.attempts}: {ledger.successes} succeeded ({share}), "
            f"{ledger.successes_2cm} within 2 cm"
        )
        lines += [f"             {count} failed: {reason}" for reason, count in ledger.failures.most_common()]
    if ledger.placement_errors_m:
        median_mm = statistics.median(ledger.placement_errors_m) * 1000
        lines.append(f"  placement  median {median_mm:.2f} mm, worst {max(ledger.placement_errors_m) * 1000:.2f} mm")
        lines.append(f"  speed      at most {ledger.max_joint_speed_fraction:.0%} of a joint's velocity limit")
    if collection.frames_recorded:
        lines.append(f"  time       {elapsed_s:.1f} s, {collection.frames_recorded / elapsed_s:.0f} frames/s")
    elif code == DONE:
        lines.append("Nothing was left to collect.")
    if code >= 128:
        state = "every finished episode is in the dataset" if ledger.episodes else "no episode was finished"
        lines.append(f"Interrupted; {state}. {_how_to_go_on(config)}")
    elif code == TOO_FEW_EPISODES:
        lines.append(f"Fewer episodes than asked: {ledger.exhausted} gave up after {config.max_attempts} attempts each")
    if ledger.episodes:
        lines.append("Open it in LeRobot:")
        lines.append("  from lerobot.datasets.lerobot_dataset import LeRobotDataset")
        lines.append(f'  dataset = LeRobotDataset("{REPO_ID}", root="{config.output}")')
    print("\n".join(lines), file=sys.stderr)
