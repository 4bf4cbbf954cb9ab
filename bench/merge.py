"""Our merge against LeRobot's: `python -m bench.merge`. LeRobot's cases need the environment of `make judge`.

Eight shards of 125 episodes of 270 frames with tiny pictures, as collected (a file per episode) and packed. The cases
take turns, each in a process of its own; figures are medians of the rounds. Then: whose statistics are right, and
whether our memory grows with the episodes. Prints tables and a line of JSON.
"""

from __future__ import annotations

import argparse
import json
import shlex
import shutil
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from bench.measure import ChildError, Numbers, machine, medians, run_child, table
from bench.merge_statistics import KINDS, errors
from bench.synthetic_shards import ROOT, Frames, write_shards
from lerobot_writer.pack import pack_dataset

LEROBOT_PYTHON: Final = ROOT / ".cache" / "judges" / "lerobot-0.6.1" / "bin" / "python"
SHARDS: Final = 8
EPISODES_PER_SHARD: Final = 125
GROWTH: Final = (1, 2, 4)  # times as many shards
_ROUNDS: Final = 3
_MOST_S: Final = 5.0
_MOST_MB: Final = 300.0
_LEAST_TIMES: Final = 5.0

# Case: title, LeRobot's case, whether the shards are packed.
CASES: Final[dict[str, tuple[str, str | None, bool]]] = {
    "ours": ("isaac-collect merge", None, False),
    "lerobot-separate": ("LeRobot, a file stays a file: its fastest", "separate", False),
    "ours-packed": ("isaac-collect merge, packed shards", None, True),
    "lerobot-default": ("LeRobot, default, packed shards", "default", True),
}
ONE_SHARD: Final = "lerobot-default-one-shard"

_NOTES: Final = """\
Measured from the command's words, or the call, to its end; starting Python and loading modules are not. Peak RSS is
that of the process since its start, "of it loaded" before the merge began. MB are 10^6 bytes. A difference is the
largest of any figure of any dimension, as a part of that dimension's standard deviation."""


def run_merge(folder: Path, shards: Sequence[Path], lerobot: tuple[str, Path] | None = None) -> Numbers:
    """Merge once, in a process of its own; the dataset is left in `folder`. lerobot: its case and its Python."""
    output, result = folder / "merged", folder / "result.json"
    shutil.rmtree(output, ignore_errors=True)
    if lerobot is None:
        command: list[str | Path] = [sys.executable, "-m", "bench.command_case", result, "--"]
        command += ["merge", output, *shards, "--allow-missing"]
    else:
        case, python = lerobot
        command = [python, "-m", "bench.lerobot_merge_case", case, f"--result={result}", f"--output={output}"]
        command += ["--shards", *shards]
    return run_child(command, result, ROOT)


def compare(
    folder: Path, shards: Mapping[bool, Sequence[Path]], python: Path, rounds: int
) -> tuple[dict[str, list[Numbers]], dict[str, Numbers], dict[str, str]]:
    """Runs of every case that could be measured, the errors of its statistics, and why the others could not.

    shards: by whether they are packed.
    """
    runs: dict[str, list[Numbers]] = {}
    wrong: dict[str, Numbers] = {}
    absent: dict[str, str] = {}
    for number in range(-1, rounds):  # the first one warms up
        for case, (_, lerobot, packed) in CASES.items():
            if case in absent:
                continue
            of_this = shards[packed] if number >= 0 else shards[packed][:1]
            try:
                run = run_merge(folder, of_this, None if lerobot is None else (lerobot, python))
            except ChildError as error:
                if lerobot is None:
                    raise
                absent[case] = str(error)
                continue
            print(f"round {number + 1}, {case}: {run['wall_s']:.2f} s", file=sys.stderr)
            if number < 0:
                if lerobot == "default":
                    runs[ONE_SHARD] = [run_merge(folder, shards[False][:1], (lerobot, python))]
                continue
            runs.setdefault(case, []).append(run)
            if case not in wrong:
                wrong[case] = errors(folder / "merged", shards[False])
    return runs, wrong, absent


def grow(folder: Path, shards: Sequence[Path], first: int) -> list[Numbers]:
    """One merge of ours each for growing numbers of shards, the least of which is `first`."""
    return [run_merge(folder, shards[: first * times]) for times in GROWTH]


def cases_table(results: Mapping[str, Numbers], absent: Mapping[str, str], one_shard: Numbers | None) -> str:
    rows = []
    for case, (title, _, _) in CASES.items():
        if case in absent:
            rows.append([title, f"not measured: {absent[case]}"])
        else:
            rows.append([title, *_costs(results[case])])
    if one_shard is not None:
        rows.append(["LeRobot, default, one shard as collected", *_costs(one_shard)])
    return table(["case", "s", "CPU s", "peak RSS MB", "of it loaded"], rows)


def _costs(figures: Numbers) -> list[str]:
    seconds = f"{figures['wall_s']:.2f}", f"{figures['cpu_s']:.2f}"
    return [*seconds, f"{figures['peak_rss_mb']:.0f}", f"{figures['rss_before_mb']:.0f}"]


def statistics_table(wrong: Mapping[str, Numbers]) -> str:
    columns = [f"{kind}/{figures}" for kind in KINDS for figures in ("moments", "quantiles")]
    rows = [[CASES[case][0], *(f"{of_case[column]:.1e}" for column in columns)] for case, of_case in wrong.items()]
    return table(["largest difference", *(column.replace("/", ": ") for column in columns)], rows)


def growth_table(grown: Sequence[Numbers], episodes: int, frames: Frames) -> str:
    rows = [
        [f"{episodes * times}", f"{episodes * times * frames.most}", *_costs(figures)]
        for times, figures in zip(GROWTH, grown, strict=True)
    ]
    return table(["episodes", "frames", "s", "CPU s", "peak RSS MB", "of it loaded"], rows)


def targets_table(results: Mapping[str, Numbers], grown: Sequence[Numbers]) -> str:
    """What is promised of ours, where it was measured."""
    ours = results["ours"]
    rows = [
        _target("s", ours["wall_s"], _MOST_S, at_most=True),
        _target("peak RSS MB", ours["peak_rss_mb"], _MOST_MB, at_most=True),
        _target(f"peak RSS MB, {GROWTH[-1]} times as much", grown[-1]["peak_rss_mb"], _MOST_MB, at_most=True),
    ]
    for mine, other in (("ours", "lerobot-separate"), ("ours-packed", "lerobot-default")):
        if other in results:
            times = results[other]["wall_s"] / results[mine]["wall_s"]
            rows.append(_target(f"times faster than: {CASES[other][0]}", times, _LEAST_TIMES, at_most=False))
    return table(["ours", "measured", "target", "met"], rows)


def _target(name: str, measured: float, target: float, *, at_most: bool) -> list[str]:
    met = measured <= target if at_most else measured >= target
    return [name, f"{measured:.2f}", f"{'at most' if at_most else 'at least'} {target:.2f}", "yes" if met else "NO"]


def report(folder: Path, python: Path, rounds: int, per_shard: int, frames: Frames) -> None:
    where = machine(folder)
    all_shards = SHARDS * GROWTH[-1]
    print(f"writing {all_shards} shards of {per_shard} episodes", file=sys.stderr)
    collected = write_shards(folder / "collected", all_shards, all_shards * per_shard, frames)
    packed = []
    for shard in collected[:SHARDS]:
        packed.append(folder / "packed" / shard.name)
        shutil.copytree(shard, packed[-1])
        pack_dataset(packed[-1])
    runs, wrong, absent = compare(folder, {False: collected[:SHARDS], True: packed}, python, rounds)
    one_shard = runs.pop(ONE_SHARD, [None])[0]
    results = {case: medians(of_case) for case, of_case in runs.items()}
    grown = grow(folder, collected, SHARDS)
    episodes = SHARDS * per_shard
    print(f"\n{SHARDS} shards of {per_shard} episodes of {frames} frames:")
    for text in (
        cases_table(results, absent, one_shard),
        statistics_table(wrong),
        growth_table(grown, episodes, frames),
        targets_table(results, grown),
    ):
        print(f"\n{text}")
    command = shlex.join(["python", "-m", "bench.merge", *sys.argv[1:]])
    print(f"\n{_NOTES}\n")
    print("\n".join(f"{name}: {value}" for name, value in [("command", command), *where.items()]) + "\n")
    content = {"median": results, "runs": runs, "one_shard": one_shard, "growth": grown, "differences": wrong}
    print(json.dumps({"command": command, "machine": where, "not_measured": absent, **content}))


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.merge", description=(__doc__ or "").split("\n\n")[0])
    parser.add_argument("--lerobot-python", type=Path, default=LEROBOT_PYTHON, help="of an environment with LeRobot")
    parser.add_argument("--rounds", type=int, default=_ROUNDS)
    parser.add_argument("--episodes", type=int, default=EPISODES_PER_SHARD, help="of a shard (default: %(default)s)")
    parser.add_argument(
        "--frames", type=Frames.parse, default=Frames(270, 270), help="per episode (default: %(default)s)"
    )
    given = parser.parse_args()
    if min(given.rounds, given.episodes) < 1:
        parser.error("--rounds and --episodes must be at least 1")
    with tempfile.TemporaryDirectory(prefix="bench-merge-") as name:
        try:
            report(Path(name), given.lerobot_python, given.rounds, given.episodes, given.frames)
        except ChildError as error:
            print(f"bench.merge: {error}", file=sys.stderr)
            return 1
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
