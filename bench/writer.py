"""Our writer against LeRobot's and against the limit: `python -m bench.writer`, or `--episodes 300` for a soak of ours.

Every case writes the same pictures (2 episodes of 270 frames, two cameras of 512 x 512) in a process of its own, one
after the other, three rounds; figures are medians. Opening the writer and importing it are not measured. Prints tables
and a line of JSON.
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
from bench.writer_case import LEAST_SOAK, SOAK_REPORT
from bench.writer_frames import CAMERAS, SIDE_PX, Ring, draw_ring
from bench.writer_quality import JUDGED, judge

ROOT: Final = Path(__file__).resolve().parents[1]
LEROBOT_PYTHON: Final = ROOT / ".cache" / "judges" / "lerobot-0.6.1" / "bin" / "python"

CASES: Final = {
    "ours": "ours (x264 ultrafast, crf 23, g 10)",
    "plain-pyav": "plain PyAV, same codec: the limit",
    "lerobot-streaming": "LeRobot, streaming, same codec: its best",
    "lerobot-default": "LeRobot, default (PNG, SVT-AV1)",
}
_ROUNDS: Final = 3
_EPISODES: Final = 2
_WARM_UP_FRAMES: Final = 3

_NOTES: Final = f"""\
A frame is a pair of pictures of {SIDE_PX} x {SIDE_PX}, one per camera. Measured from the first frame until all is
closed; loading modules and opening the writer are not. CPU is that of all threads and child processes. Peak RSS is that
of the process since its start, the pictures that it is fed excluded; "of it loaded" is before the first frame, "child
MB" the largest child process beside it. MB are 10^6 bytes. PSNR is over all decoded pictures, as RGB."""


def run_case(case: str, python: Path, folder: Path, episodes: int, frames: int, *, show: bool = False) -> Numbers:
    """One run of a case in a process of its own; the dataset is left in `folder`."""
    module = "bench.lerobot_case" if case.startswith("lerobot") else "bench.writer_case"
    shutil.rmtree(folder / "dataset", ignore_errors=True)
    output, result = folder / "dataset", folder / "result.json"
    options = {"ring": folder / "ring.npy", "output": output, "result": result, "episodes": episodes, "frames": frames}
    words = [f"--{name}={value}" for name, value in options.items()]
    return run_child([python, "-m", module, case, *words], result, ROOT, show=show)


def compare(folder: Path, lerobot_python: Path, frames: int) -> tuple[dict[str, list[Numbers]], dict[str, str]]:
    """Runs of every case that could be measured, and why the others could not."""
    pythons = {case: lerobot_python if case.startswith("lerobot") else Path(sys.executable) for case in CASES}
    absent: dict[str, str] = {}
    for case, python in pythons.items():
        try:
            run_case(case, python, folder, 1, _WARM_UP_FRAMES)
        except ChildError as error:
            if python != lerobot_python:
                raise
            absent[case] = str(error)
    ring = Ring(folder / "ring.npy")
    runs: dict[str, list[Numbers]] = {case: [] for case in CASES if case not in absent}
    for number in range(_ROUNDS):
        for case, of_case in runs.items():
            run = run_case(case, pythons[case], folder, _EPISODES, frames)
            total = _EPISODES * frames
            run["frames_per_s"] = total / run["wall_s"]
            run["cpu_ms_per_frame"] = 1e3 * run["cpu_s"] / total
            # Encoding is deterministic, judging takes long: once is enough.
            judged = of_case[0] if of_case else judge(folder / "dataset", ring, frames)
            run.update({name: judged[name] for name in JUDGED if name in judged})
            of_case.append(run)
            speed = f"{run['frames_per_s']:.0f} frames/s, {run['cpu_ms_per_frame']:.2f} CPU ms/frame"
            print(f"round {number + 1}, {case}: {speed}", file=sys.stderr)
    return runs, absent


def comparison_table(results: Mapping[str, Numbers], absent: Mapping[str, str], frames: int) -> str:
    asked = _EPISODES * frames * len(CAMERAS)
    rows = []
    for case, title in CASES.items():
        if case in absent:
            rows.append([title, f"not measured: {absent[case]}"])
            continue
        figures = results[case]
        dropped = asked - figures["pictures"]
        quality = f"{figures['psnr_db']:.2f}" if not dropped else f"{dropped:.0f} pictures dropped"
        memory = figures["peak_rss_mb"], figures["rss_before_mb"], figures["child_peak_rss_mb"]
        speed = f"{figures['frames_per_s']:.0f}", f"{figures['cpu_ms_per_frame']:.2f}"
        rows.append([title, *speed, *(f"{value:.0f}" for value in memory), f"{figures['mb']:.2f}", quality])
    header = ["case", "frames/s", "CPU ms/frame", "peak RSS MB", "of it loaded", "child MB", "dataset MB", "PSNR dB"]
    return table(header, rows)


def targets_table(results: Mapping[str, Numbers]) -> str:
    """What is promised of ours, where it was measured."""
    ours, limit = results["ours"], results["plain-pyav"]
    cpu = ours["cpu_ms_per_frame"]
    most_cpu = max(4.0, 1.6 * limit["cpu_ms_per_frame"])
    rows = [
        _target("CPU ms per frame", cpu, most_cpu, at_most=True),
        _target("frames/s, of the limit's", ours["frames_per_s"] / limit["frames_per_s"], 0.65, at_most=False),
        _target("peak RSS MB", ours["peak_rss_mb"], 150.0, at_most=True),
    ]
    for case, least in (("lerobot-streaming", 2.5), ("lerobot-default", 15.0)):
        if case in results:
            rows.append(
                _target(f"times less CPU than {case}", results[case]["cpu_ms_per_frame"] / cpu, least, at_most=False)
            )
    return table(["ours", "measured", "target", "met"], rows)


def _target(name: str, measured: float, target: float, *, at_most: bool) -> list[str]:
    met = measured <= target if at_most else measured >= target
    return [name, f"{measured:.2f}", f"{'at most' if at_most else 'at least'} {target:.2f}", "yes" if met else "NO"]


def soak_table(figures: Numbers) -> str:
    parts = [f"{figures[f'{kind}_{when}_mb']:.0f}" for when in ("loaded", "written") for kind in ("anonymous", "files")]
    rows = [
        ["peak RSS", f"{figures['peak_rss_mb']:.1f} MB"],
        ["RSS after the first and the last episode", f"{figures['rss_first_mb']:.1f}, {figures['rss_last_mb']:.1f} MB"],
        [
            f"slope from episode {SOAK_REPORT} on",
            f"{figures['rss_slope_mb_per_100_episodes']:+.2f} MB per 100 episodes",
        ],
        ["heaps and stacks, mapped files: loaded", f"{parts[0]}, {parts[1]} MB"],
        ["heaps and stacks, mapped files: writing", f"{parts[2]}, {parts[3]} MB"],
        ["median episode, first quarter", f"{1e3 * figures['episode_s_first_quarter']:.0f} ms"],
        ["median episode, last quarter", f"{1e3 * figures['episode_s_last_quarter']:.0f} ms"],
        ["finalize", f"{1e3 * figures['finalize_s']:.0f} ms"],
    ]
    return table(["soak of ours", "measured"], rows)


def report_comparison(folder: Path, where: Mapping[str, str], lerobot_python: Path, frames: int) -> None:
    runs, absent = compare(folder, lerobot_python, frames)
    results = {case: medians(of_case) for case, of_case in runs.items()}
    tables = [comparison_table(results, absent, frames), targets_table(results)]
    print_report(tables, where, {"median": results, "runs": runs, "not_measured": absent, "frames": frames})


def report_soak(folder: Path, where: Mapping[str, str], episodes: int, frames: int) -> None:
    run_case("ours", Path(sys.executable), folder, 1, _WARM_UP_FRAMES)
    figures = run_case("soak", Path(sys.executable), folder, episodes, frames, show=True)
    print_report([soak_table(figures)], where, {"soak": figures, "episodes": episodes, "frames": frames})


def print_report(tables: Sequence[str], where: Mapping[str, str], content: Mapping[str, object]) -> None:
    command = shlex.join(["python", "-m", "bench.writer", *sys.argv[1:]])
    for text in tables:
        print(f"\n{text}")
    print(f"\n{_NOTES}")
    print("\n" + "\n".join(f"{name}: {value}" for name, value in [("command", command), *where.items()]) + "\n")
    print(json.dumps({"command": command, "machine": where, **content}))


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.writer", description=(__doc__ or "").split("\n\n")[0])
    parser.add_argument(
        "--lerobot-python", type=Path, default=LEROBOT_PYTHON, help="Python of an environment with LeRobot"
    )
    parser.add_argument("--episodes", type=int, help="instead of comparing: let ours write that many")
    parser.add_argument("--frames", type=int, default=270, help="per episode (default: %(default)s)")
    given = parser.parse_args()
    if given.frames < _WARM_UP_FRAMES:
        parser.error(f"--frames must be at least {_WARM_UP_FRAMES}, got {given.frames}")
    if given.episodes is not None and given.episodes < LEAST_SOAK:
        parser.error(f"--episodes must be at least {LEAST_SOAK}, to tell a slope, got {given.episodes}")
    with tempfile.TemporaryDirectory(prefix="bench-writer-") as name:
        folder = Path(name)
        where = machine(folder)
        draw_ring(folder / "ring.npy")
        try:
            if given.episodes is None:
                report_comparison(folder, where, given.lerobot_python, given.frames)
            else:
                report_soak(folder, where, given.episodes, given.frames)
        except ChildError as error:
            print(f"bench.writer: {error}", file=sys.stderr)
            return 1
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
