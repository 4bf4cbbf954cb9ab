"""`isaac-collect remote`: start, watch and stop collections of a service that runs elsewhere."""

from __future__ import annotations

import argparse
import dataclasses
import json
import os
import sys
from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final, get_args

from tqdm import tqdm

from bridge.client import BridgeClient, Preset
from bridge.client_errors import BadArgumentError, BridgeError, Busy, ProblemError, Unauthorized
from bridge.client_records import JobInfo, StatusInfo

DEFAULT_URL: Final = "http://127.0.0.1:8600"
URL_VARIABLE: Final = "ISAAC_COLLECT_URL"
TOKEN_VARIABLE: Final = "ISAAC_COLLECT_TOKEN"

DONE: Final = 0
FAILED: Final = 1
REFUSED: Final = 2
TOO_FEW_EPISODES: Final = 3
INTERRUPTED: Final = 130

CODES: Final[Mapping[str, int]] = {"completed": DONE, "incomplete": TOO_FEW_EPISODES, "stopped": TOO_FEW_EPISODES}
BAR_FORMAT: Final = "{percentage:3.0f}%|{bar}| {n_fmt}/{total_fmt} episodes{postfix}"  # the service knows the rest
ENDS: Final[Mapping[str, str]] = {
    "completed": "is done",
    "incomplete": "is done, with episodes given up",
    "stopped": "was stopped",
    "failed": "failed",
    "interrupted": "ended with the service",
}


def add_remote_flags(parser: argparse.ArgumentParser) -> None:
    """The subcommands of `remote` and their flags."""
    shared = argparse.ArgumentParser(add_help=False)
    shared.add_argument("--url", help=f"of the service (default: {URL_VARIABLE}, or {DEFAULT_URL})")
    shared.add_argument("--token", help=f"better given as {TOKEN_VARIABLE}: other users can read a command line")
    shared.add_argument("--json", action="store_true", help="end with one line of JSON on standard output")
    commands = parser.add_subparsers(dest="remote_command", required=True)

    start = commands.add_parser("start", parents=[shared], help="begin a collection")
    start.add_argument("--output-dir", required=True, metavar="DIR", help="folder below the service's data root")
    start.add_argument("--num-episodes", type=int, default=50, metavar="N", help="episodes in the finished dataset")
    start.add_argument("--seed", type=int, default=12345, help="episode e is the same for the same seed")
    start.add_argument("--steps-per-segment", type=int, default=30, metavar="N", help="frames per motion segment")
    start.add_argument("--use-ycb", action="store_true", help="YCB objects instead of the cube")
    start.add_argument(
        "--randomize", choices=get_args(Preset), default="none", help="what varies besides the layout (default: none)"
    )
    start.add_argument(
        "--num-objects",
        type=int,
        metavar="N",
        help="objects on the table, 1 to 6: the target and distractors (default: what --randomize says)",
    )
    start.add_argument("--resume", action="store_true", help="continue the dataset in DIR, or start it")
    start.add_argument("--watch", action="store_true", help="show its progress until it is over")

    commands.add_parser("status", parents=[shared], help="what the service does")

    stop = commands.add_parser("stop", parents=[shared], help="end the collection after the episode under way")
    stop.add_argument("--now", action="store_true", help="do not finish the episode under way, discard it")

    watch = commands.add_parser("watch", parents=[shared], help="show a collection's progress until it is over")
    watch.add_argument("job", nargs="?", help="id of the job (default: the one that runs, else the last one)")


def run_remote(arguments: argparse.Namespace, environment: Mapping[str, str] = os.environ) -> int:
    """Do what was asked, and return the exit code: 0 done, 1 the service, the job or the connection failed, 2 refused,
    3 the job ended with fewer episodes than asked, 130 after Ctrl-C."""
    url = arguments.url or environment.get(URL_VARIABLE) or DEFAULT_URL
    token = arguments.token or environment.get(TOKEN_VARIABLE) or None
    outcome: dict[str, Any]
    try:
        with BridgeClient(url, token) as client:
            code, outcome = _run(client, arguments)
    except BridgeError as error:
        print(f"isaac-collect: {_explain(error)}", file=sys.stderr)
        code, outcome = _code_of(error), _error_outcome(error)
    except KeyboardInterrupt:
        print("Interrupted before the service answered.", file=sys.stderr)
        code, outcome = INTERRUPTED, {"error": "interrupted"}
    if arguments.json:
        print(json.dumps({"exit_code": code, **outcome}, default=_json_time))
    return code


def _run(client: BridgeClient, arguments: argparse.Namespace) -> tuple[int, dict[str, Any]]:
    """Exit code, and what --json tells beside it."""
    if arguments.remote_command == "start":
        job = client.start(
            arguments.output_dir,
            num_episodes=arguments.num_episodes,
            seed=arguments.seed,
            steps_per_segment=arguments.steps_per_segment,
            use_ycb=arguments.use_ycb,
            randomize=arguments.randomize,
            num_objects=arguments.num_objects,
            resume=arguments.resume,
        )
        print(f"Job {job.id}: {job.progress.requested} episodes into {job.output_dir}", file=sys.stderr)
        return _watch(client, job.id) if arguments.watch else (DONE, {"job": dataclasses.asdict(job)})
    if arguments.remote_command == "watch":
        job_id = arguments.job or client.status().job_id
        if job_id is None:
            raise BridgeError("nothing has been collected since the service began: there is no job to watch")
        return _watch(client, job_id)
    if arguments.remote_command == "stop":
        status = client.stop("now" if arguments.now else "after_episode")
    else:
        status = client.status()
    if not arguments.json:
        print(_describe(client.url, status))
    return FAILED if status.state == "failed" else DONE, {"status": dataclasses.asdict(status)}


def _watch(client: BridgeClient, job_id: str) -> tuple[int, dict[str, Any]]:
    """Until the job is over, or Ctrl-C."""
    with _JobBar() as bar:
        try:
            job = client.wait(job_id, on_progress=bar.show)
        except KeyboardInterrupt:
            job = None
    if job is None:
        print(
            f"No longer watching; the job {job_id} goes on. `isaac-collect remote watch {job_id}` shows it again, "
            "`isaac-collect remote stop` ends it.",
            file=sys.stderr,
        )
        return INTERRUPTED, {"error": f"interrupted; the job {job_id} goes on"}
    print(_verdict(job), file=sys.stderr)
    return CODES.get(job.state, FAILED), {"job": dataclasses.asdict(job)}


class _JobBar:
    """A progress bar over the episodes of one job; where the output is no terminal, a line per episode instead."""

    def __init__(self) -> None:
        self._bar: tqdm[Any] | None = None
        self._settled = 0

    def __enter__(self) -> _JobBar:
        return self

    def __exit__(self, *_: object) -> None:
        if self._bar is not None:
            self._bar.close()

    def show(self, job: JobInfo) -> None:
        progress = job.progress
        settled = progress.completed + progress.exhausted
        if self._bar is None:
            self._settled = settled
            # disable=None: no bar where the output is no terminal
            self._bar = tqdm(
                total=max(progress.requested, settled), bar_format=BAR_FORMAT, file=sys.stderr, disable=None
            )
        if self._bar.disable and settled != self._settled:
            print(f"episode {settled} of {progress.requested}: {_pace(job)}", file=sys.stderr)
        self._bar.set_postfix_str(_pace(job), refresh=False)
        self._bar.n = settled
        self._bar.refresh()
        self._settled = settled


def _pace(job: JobInfo | StatusInfo) -> str:
    """Such as "95% of attempts succeed, 118 frames/s, 12 min left"."""
    parts = []
    if job.success_rate is not None:
        parts.append(f"{job.success_rate:.1%} of attempts succeed")
    if job.frames_per_s is not None:
        parts.append(f"{job.frames_per_s:.0f} frames/s")
    if job.eta_s is not None:
        parts.append(f"{job.eta_s / 60:.0f} min left" if job.eta_s >= 90 else f"{job.eta_s:.0f} s left")
    return ", ".join(parts) or "no attempt is over yet"


def _verdict(job: JobInfo) -> str:
    progress = job.progress
    lines = [
        f"Job {job.id} {ENDS.get(job.state, job.state)}: {progress.completed} of {progress.requested} episodes in "
        f"{job.output_dir}"
    ]
    if job.error is not None:
        lines.append(f"  {job.error}")
    if job.attempts:
        lines.append(f"  attempts {job.attempts}: {job.successes} succeeded")
        lines += [f"           {count} failed: {reason}" for reason, count in sorted(job.failures.items())]
    return "\n".join(lines)


def _describe(url: str, status: StatusInfo) -> str:
    lines = [f"{url}: {status.state}, version {status.version}, data below {status.data_root}"]
    if status.job_id is not None and status.progress is not None:
        lines.append(
            f"  job {status.job_id}: {status.job_state}, {status.progress.completed} of {status.progress.requested} "
            f"episodes in {status.output_dir}"
        )
        lines.append(f"  {_pace(status)}")
    if status.error is not None:
        lines.append(f"  {status.error}")
    return "\n".join(lines)


def _explain(error: BridgeError) -> str:
    if isinstance(error, Busy):
        return f"{error}; `isaac-collect remote watch {error.job_id}` shows it"
    if isinstance(error, Unauthorized):
        return f"{error}; set {TOKEN_VARIABLE} to the service's token"
    return str(error)


def _code_of(error: BridgeError) -> int:
    """A request that will be refused again as it is, is refused; what may pass another time has failed."""
    if isinstance(error, ProblemError):
        return REFUSED if error.status < 500 and not isinstance(error, Busy) else FAILED
    return REFUSED if isinstance(error, BadArgumentError) else FAILED


def _error_outcome(error: BridgeError) -> dict[str, Any]:
    outcome: dict[str, Any] = {"error": str(error)}
    if isinstance(error, ProblemError):
        errors = [dataclasses.asdict(field) for field in error.errors]
        outcome["problem"] = {"status": error.status, "slug": error.slug, "errors": errors, "job_id": error.job_id}
    return outcome


def _json_time(value: object) -> str:
    """As the service writes it."""
    if not isinstance(value, datetime):
        raise TypeError(f"{value!r} is no time")
    return value.isoformat(timespec="milliseconds").replace("+00:00", "Z")
