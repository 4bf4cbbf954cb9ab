"""`isaac-collect collect`: drives a collection, shows its progress, says what came out."""

from __future__ import annotations

import json
import shlex
import statistics
import sys
import time
from contextlib import closing
from typing import Any, Final

from tqdm import tqdm
from tqdm.contrib.logging import logging_redirect_tqdm

from collectors.simulator import Simulator, SimulatorError
from lerobot_writer import DatasetExistsError, WriterError
from sim_service.batch_run import BatchRun
from sim_service.collection import REPO_ID, Collection, step
from sim_service.config import CollectConfig
from sim_service.ledger import LedgerError
from sim_service.ports import JobState
from sim_service.simulators import SimulatorUnavailable, open_simulator
from sim_service.stop_request import StopRequest

DONE: Final = 0
FAILED: Final = 1
BAD_ARGUMENTS: Final = 2
TOO_FEW_EPISODES: Final = 3


def run_collect(config: CollectConfig, batch: BatchRun | None = None) -> int:
    """Collect, and return the exit code. With `config.json` one line on standard output says what came of it. batch:
    told of everything, for those who look on."""
    began_s = time.monotonic()
    with StopRequest() as stop:
        collection, error = _collect(config, stop, batch)
    elapsed_s = time.monotonic() - began_s
    if error is not None:
        print(f"isaac-collect: {error}", file=sys.stderr)
        code = BAD_ARGUMENTS if collection is None else FAILED
        if collection is not None:
            print(f"Every finished episode is safe. {_how_to_go_on(config)}", file=sys.stderr)
    else:
        code = DONE
        if collection is None or collection.ledger.recorded_of(config.num_episodes) < config.num_episodes:
            code = stop.exit_code or TOO_FEW_EPISODES
    if collection is not None and error is None:
        _print_summary(collection, config, elapsed_s, code)
    if batch is not None:
        batch.finish(_final_state(code), str(error) if error is not None else None)
    if config.json:
        print(json.dumps(_result(collection, config, elapsed_s, code, error)))
    return code


def _final_state(code: int) -> JobState:
    if code >= 128:
        return "interrupted"
    states: dict[int, JobState] = {DONE: "completed", TOO_FEW_EPISODES: "incomplete"}
    return states.get(code, "failed")


def _collect(
    config: CollectConfig, stop: StopRequest, batch: BatchRun | None
) -> tuple[Collection | None, Exception | None]:
    """The collection, where one could be opened, and the error that ended it."""
    try:
        simulator = open_simulator(config.simulator, config.settings, config.application)
    except SimulatorUnavailable as error:
        return None, error
    collection: Collection | None = None
    try:
        collection = Collection(config, simulator)
        if batch is not None:
            batch.watch(collection, simulator)
        _drive(collection, simulator, stop, config.num_episodes, batch)
    except DatasetExistsError as error:
        hint = "" if config.resume else " (--resume continues a dataset)"
        return None, DatasetExistsError(f"{error}{hint}")
    except (WriterError, LedgerError, SimulatorError, SimulatorUnavailable) as error:
        return collection, error
    finally:
        simulator.close()
    return collection, None


def _drive(
    collection: Collection, simulator: Simulator, stop: StopRequest, num_episodes: int, batch: BatchRun | None
) -> None:
    ledger = collection.ledger
    settled = ledger.episodes + ledger.exhausted
    # disable=None: no bar where the output is no terminal; there every episode gets a line of its own.
    bar = tqdm(
        total=max(num_episodes, settled),
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
                tick = step(simulator, run, tick, batch.advanced if batch is not None else None)
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
                    _print_progress(now_settled, num_episodes, success, rate, frames - frames_before)
                settled, frames_before = now_settled, frames


def _print_progress(settled: int, wanted: int, success: float, rate: float, frames: int) -> None:
    print(
        f"episode {settled} of {wanted}: {frames} frames, {success:.1%} of attempts succeed, {rate:.0f} frames/s",
        file=sys.stderr,
    )


def _result(
    collection: Collection | None, config: CollectConfig, elapsed_s: float, code: int, error: Exception | None
) -> dict[str, Any]:
    result: dict[str, Any] = {"exit_code": code, "output": str(config.output), "requested": config.num_episodes}
    if error is not None:
        result["error"] = str(error)
    if collection is not None:
        rate = collection.frames_recorded / max(elapsed_s, 1e-9)
        result |= {**collection.ledger.totals(), "frames": collection.num_frames, "frames_per_s": round(rate, 2)}
    return {**result, "seconds": round(elapsed_s, 3)}


def _how_to_go_on(config: CollectConfig) -> str:
    """The command that continues, with every flag that must be the same."""
    words = ["isaac-collect", "collect", "--resume", "--output", str(config.output)]
    words += ["--num-episodes", str(config.num_episodes), "--seed", str(config.seed)]
    words += ["--simulator", config.simulator, "--render-preset", config.settings.render_preset]
    words += ["--fps", str(config.settings.fps), "--steps-per-segment", str(config.steps_per_segment)]
    words += ["--waypoint-noise", str(config.waypoint_noise_rad), "--max-attempts", str(config.max_attempts)]
    words += ["--use-ycb"] * config.settings.use_ycb + ["--keep-failures"] * config.keep_failures
    words += config.application.kit_arguments
    return f"Continue with: {shlex.join(words)}"


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
        state = "every finished episode is in the dataset" if ledger.episodes else "no episode was finished"
        lines.append(f"Interrupted; {state}. {_how_to_go_on(config)}")
    elif code == TOO_FEW_EPISODES:
        lines.append(f"Fewer episodes than asked: {ledger.exhausted} gave up after {config.max_attempts} attempts each")
    if ledger.episodes:
        lines.append("Open it in LeRobot:")
        lines.append("  from lerobot.datasets.lerobot_dataset import LeRobotDataset")
        lines.append(f'  dataset = LeRobotDataset("{REPO_ID}", root="{config.output}")')
    print("\n".join(lines), file=sys.stderr)
