"""`isaac-collect collect`: drives a collection, shows its progress, says what came out."""

from __future__ import annotations

import json
import logging
import statistics
import sys
import time
from typing import Any, Final

from tqdm import tqdm
from tqdm.contrib.logging import logging_redirect_tqdm

from lerobot_writer import WriterError
from sim_service.collection import REPO_ID, Collection, step
from sim_service.config import CollectConfig
from sim_service.ledger import LedgerError
from sim_service.simulators import SimulatorUnavailable, open_simulator
from sim_service.stop_request import StopRequest

DONE: Final = 0
FAILED: Final = 1
BAD_ARGUMENTS: Final = 2
TOO_FEW_EPISODES: Final = 3

_log = logging.getLogger(__name__)


def run_collect(config: CollectConfig) -> int:
    """Collect, and return the exit code."""
    with StopRequest() as stop:
        try:
            simulator = open_simulator(config.simulator, config.settings)
        except SimulatorUnavailable as error:
            print(f"isaac-collect: {error}", file=sys.stderr)
            return BAD_ARGUMENTS
        try:
            try:
                collection = Collection(config, simulator)
            except (WriterError, LedgerError, OSError) as error:
                print(f"isaac-collect: {error}{_resume_hint(config, error)}", file=sys.stderr)
                return BAD_ARGUMENTS
            began_s = time.monotonic()
            try:
                _drive(collection, simulator, config, stop)
            except WriterError as error:
                print(f"isaac-collect: {error}", file=sys.stderr)
                print(
                    f"Every finished episode is safe. Continue with --resume --output {config.output}", file=sys.stderr
                )
                return FAILED
            elapsed_s = time.monotonic() - began_s
        finally:
            simulator.close()
        code = DONE
        if collection.ledger.episodes < config.num_episodes:
            code = stop.exit_code or TOO_FEW_EPISODES
        _print_summary(collection, config, elapsed_s, code)
        if config.json:
            print(json.dumps(_result(collection, config, elapsed_s, code)))
        return code


def _drive(collection: Collection, simulator: Any, config: CollectConfig, stop: StopRequest) -> None:
    ledger = collection.ledger
    settled = ledger.episodes + ledger.exhausted
    # disable=None: no bar where the output is no terminal; there every episode gets a line of its own.
    bar = tqdm(
        total=max(config.num_episodes, settled),
        initial=settled,
        unit="episode",
        file=sys.stderr,
        disable=None,
        smoothing=0.1,
    )
    with bar, logging_redirect_tqdm(tqdm_class=tqdm):
        run = collection.run()
        began_s, frames_before = time.monotonic(), 0
        tick = next(run, None)
        while tick is not None:
            if stop.signal is not None:
                run.close()
                return
            try:
                tick = step(simulator, run, tick)
            except StopIteration:
                tick = None
            frames = collection.frames_recorded
            now_settled = ledger.episodes + ledger.exhausted
            if now_settled != settled:
                rate = frames / max(time.monotonic() - began_s, 1e-9)
                success = ledger.successes / max(ledger.attempts, 1)
                bar.set_postfix_str(f"{success:.1%} of attempts succeed, {rate:.0f} frames/s", refresh=False)
                bar.update(now_settled - settled)
                if bar.disable:
                    _print_progress(now_settled, config.num_episodes, success, rate, frames - frames_before)
                settled, frames_before = now_settled, frames


def _print_progress(settled: int, wanted: int, success: float, rate: float, frames: int) -> None:
    print(
        f"episode {settled} of {wanted}: {frames} frames, {success:.1%} of attempts succeed, {rate:.0f} frames/s",
        file=sys.stderr,
    )


def _result(collection: Collection, config: CollectConfig, elapsed_s: float, code: int) -> dict[str, Any]:
    return {
        "exit_code": code,
        "output": str(config.output),
        "requested": config.num_episodes,
        **collection.ledger.totals(),
        "frames": collection.num_frames,
        "seconds": round(elapsed_s, 3),
        "frames_per_s": round(collection.frames_recorded / max(elapsed_s, 1e-9), 2),
    }


def _print_summary(collection: Collection, config: CollectConfig, elapsed_s: float, code: int) -> None:
    ledger = collection.ledger
    lines = [f"{config.output}: {ledger.episodes} of {config.num_episodes} episodes, {collection.num_frames} frames"]
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
        lines.append(f"Interrupted; the dataset is valid. Continue with --resume --output {config.output}")
    elif code == TOO_FEW_EPISODES:
        lines.append(f"Fewer episodes than asked: {ledger.exhausted} gave up after {config.max_attempts} attempts each")
    if ledger.episodes:
        lines.append("Open it in LeRobot:")
        lines.append("  from lerobot.datasets.lerobot_dataset import LeRobotDataset")
        lines.append(f'  dataset = LeRobotDataset("{REPO_ID}", root="{config.output}")')
    print("\n".join(lines), file=sys.stderr)


def _resume_hint(config: CollectConfig, error: Exception) -> str:
    return " (--resume continues a dataset)" if isinstance(error, FileExistsError) and not config.resume else ""
