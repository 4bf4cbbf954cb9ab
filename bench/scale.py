"""A dataset of many episodes: `python -m bench.scale`. LeRobot's steps need the environment of `make judge`.

Ten thousand episodes of 10 to 30 frames with tiny pictures: written into one folder, reopened, written again as eight
shards by two processes, merged, compared file by file, checked, opened in LeRobot, packed, checked and opened again.
Each step is a process of its own. Prints tables and a line of JSON.
"""

from __future__ import annotations

import argparse
import filecmp
import json
import os
import shlex
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from bench.measure import MB, ChildError, Numbers, machine, run_child, table
from bench.merge import LEROBOT_PYTHON
from bench.scale_case import BLOCK
from bench.synthetic_shards import ROOT, Frames, write_shards
from sim_service.shard_record import SHARD_FILE

_SHARDS: Final = 8
_WARM_UP_EPISODES: Final = 16
_MOST_GROWTH: Final = 1.2  # of an episode's time, from the first block to the last

_NOTES: Final = """\
An episode's time is that of its frames, its commit, the ledger and the shard's record. Peak RSS is that of the step's
process since its start, "of it loaded" when the step began. MB are 10^6 bytes."""


class Steps:
    """Runs steps and keeps what each one took, by its title. folder: for what they leave beside the datasets."""

    def __init__(self, folder: Path, lerobot_python: Path, episodes: int, frames: Frames) -> None:
        self._folder, self._python, self.episodes, self.frames = folder, lerobot_python, episodes, frames
        self.results: dict[str, Numbers] = {}
        self.absent: dict[str, str] = {}

    def step(self, title: str, step: str, dataset: Path) -> Numbers:
        options = [f"--output={dataset}", f"--episodes={self.episodes}", f"--frames={self.frames}"]
        return self._run(title, [sys.executable, "-m", "bench.scale_case", step, *options, f"--result={self._result}"])

    def command(self, title: str, *words: str | Path) -> Numbers:
        """Of isaac-collect. Raises ChildError unless it ends with 0."""
        figures = self._run(title, [sys.executable, "-m", "bench.command_case", self._result, "--", *words])
        if figures["exit_code"]:
            raise ChildError(f"{' '.join(map(str, words))} ended with exit code {figures['exit_code']:.0f}")
        return figures

    def lerobot(self, title: str, dataset: Path) -> None:
        cache = self._folder / f"cache-{self.episodes}-{len(self.results)}"
        options = [f"--result={self._result}", f"--output={dataset}", f"--cache={cache}"]
        try:
            self._run(title, [self._python, "-m", "bench.lerobot_open_case", *options])
        except ChildError as error:
            self.absent[title] = str(error)

    @property
    def _result(self) -> Path:
        return self._folder / "result.json"

    def _run(self, title: str, command: list[str | Path]) -> Numbers:
        print(f"{title} ...", file=sys.stderr)
        figures = self.results[title] = run_child(command, self._result, ROOT)
        return figures


def run_steps(steps: Steps, folder: Path) -> dict[str, Numbers]:
    """Run all steps in a new folder; returns the dataset's size as files, before and after packing."""
    whole, merged = folder / "whole", folder / "merged"
    steps.step("write, one folder", "write", whole)
    steps.step("reopen", "reopen", whole)
    print("write shards ...", file=sys.stderr)
    began = time.perf_counter()
    shards = write_shards(folder / "shards", _SHARDS, steps.episodes, steps.frames)
    shards_s = time.perf_counter() - began
    steps.command("status of the shards", "status", folder / "shards")
    steps.command("merge", "merge", merged, *shards)
    steps.results["merge"]["shards_s"] = shards_s
    steps.results["merge"]["files_that_differ"] = differing_files(whole, merged)
    sizes = {"as collected": size_of(merged)}
    steps.command("check", "check", merged)
    steps.lerobot("LeRobot opens", merged)
    steps.step("pack", "pack", merged)
    sizes["packed"] = size_of(merged)
    steps.command("check, packed", "check", merged)
    steps.lerobot("LeRobot opens, packed", merged)
    return sizes


def differing_files(one: Path, other: Path) -> int:
    """How many files are not in both folders with the same content, the shard's record apart."""
    names = [{p.relative_to(root) for p in root.rglob("*") if p.is_file()} - {SHARD_FILE} for root in (one, other)]
    alone = names[0] ^ names[1]
    return len(alone) + sum(not filecmp.cmp(one / n, other / n, shallow=False) for n in names[0] & names[1])


def size_of(root: Path) -> Numbers:
    """files, folders, megabytes: of the files' content and of the blocks they take."""
    files = folders = 0
    size = blocks = 0
    for folder, _, names in os.walk(root):
        folders += 1
        for name in names:
            status = (Path(folder) / name).stat()
            files, size, blocks = files + 1, size + status.st_size, blocks + 512 * status.st_blocks
    return {"files": files, "folders": folders, "mb": size / MB, "mb_on_disk": blocks / MB}


def curve_table(figures: Numbers, episodes: int) -> str:
    rows = []
    for end in range(BLOCK, episodes + 1, BLOCK):
        values = (figures[f"{name}_{end}"] for name in ("ms", "p99_ms", "rss_mb"))
        rows.append([f"{end}", *(f"{value:.1f}" for value in values)])
    return table(["up to episode", "median ms per episode", "p99 ms", "RSS MB"], rows)


def growth(figures: Numbers, episodes: int) -> float:
    """The last block's median over the first's."""
    return figures[f"ms_{episodes - episodes % BLOCK}"] / figures[f"ms_{BLOCK}"]


def steps_table(steps: Steps) -> str:
    rows = []
    for title, figures in steps.results.items():
        costs = figures["wall_s"], figures["cpu_s"]
        memory = figures["peak_rss_mb"], figures["rss_before_mb"]
        told = [f"{name} {figures[name]:.2f}" for name in figures if name in _TOLD]
        rows.append([title, *(f"{c:.1f}" for c in costs), *(f"{m:.0f}" for m in memory), ", ".join(told)])
    rows += [[title, f"not measured: {why}"] for title, why in steps.absent.items()]
    return table(["step", "s", "CPU s", "peak RSS MB", "of it loaded", "of it"], rows)


_TOLD: Final = (
    "finalize_s",
    "writer_s",
    "ledger_s",
    "open_s",
    "open_again_s",
    "item_ms",
    "files_that_differ",
    "shards_s",
)


def sizes_table(sizes: Mapping[str, Numbers]) -> str:
    rows = [
        [name, *(f"{size[what]:.0f}" for what in ("files", "folders", "mb", "mb_on_disk"))]
        for name, size in sizes.items()
    ]
    return table(["dataset", "files", "folders", "MB", "MB on the disk"], rows)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.scale", description=(__doc__ or "").split("\n\n")[0])
    parser.add_argument("--lerobot-python", type=Path, default=LEROBOT_PYTHON, help="of an environment with LeRobot")
    parser.add_argument("--episodes", type=int, default=10_000)
    parser.add_argument(
        "--frames", type=Frames.parse, default=Frames(10, 30), help="per episode (default: %(default)s)"
    )
    given = parser.parse_args()
    if given.episodes < 2 * BLOCK:
        parser.error(f"--episodes must be at least {2 * BLOCK}, to tell a growth, got {given.episodes}")
    with tempfile.TemporaryDirectory(prefix="bench-scale-") as name:
        folder = Path(name)
        where = machine(folder)
        try:
            run_steps(Steps(folder, given.lerobot_python, _WARM_UP_EPISODES, given.frames), folder / "warm-up")
            steps = Steps(folder, given.lerobot_python, given.episodes, given.frames)
            sizes = run_steps(steps, folder / "measured")
        except ChildError as error:
            print(f"bench.scale: {error}", file=sys.stderr)
            return 1
    written = steps.results["write, one folder"]
    ratio = growth(written, given.episodes)
    print(f"\n{curve_table(written, given.episodes)}")
    met = "yes" if ratio <= _MOST_GROWTH else "NO"
    print(f"\nlast block over the first: {ratio:.2f}, target: at most {_MOST_GROWTH:.2f}, met: {met}")
    print(f"\n{steps_table(steps)}\n\n{sizes_table(sizes)}\n\n{_NOTES}\n")
    command = shlex.join(["python", "-m", "bench.scale", *sys.argv[1:]])
    print("\n".join(f"{name}: {value}" for name, value in [("command", command), *where.items()]) + "\n")
    content = {"steps": steps.results, "not_measured": steps.absent, "sizes": sizes, "growth": ratio}
    print(json.dumps({"command": command, "machine": where, **content}))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
