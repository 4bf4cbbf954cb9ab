"""What a second process brings: one process against `collect --workers K`, in pairs that take turns.

python -m bench.workers [--preset default] [--episodes 20] [--workers 2] [--rounds 2] [--json FILE]

Both collect the same dataset by the command line, in the order A B A B: what else the machine does falls on both.
frames/s counts the whole command, from its start to its end; "before the merge" leaves out the merge of the shards,
which one process does not need. Ratios are of neighbours; all figures are medians over the rounds.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from bench.measure import ChildError, Numbers, machine, medians, table
from sim_service.config import ENVIRONMENT_PREFIX
from sim_service.simulators import RENDER_PRESETS

ROOT = Path(__file__).resolve().parent.parent
SCRATCH = ROOT / ".cache"  # on the repository's disk, and out of git's sight


def run_case(preset: str, episodes: int, workers: int, folder: Path) -> Numbers:
    """One collection, from the start of its process to its end. Raises ChildError."""
    output = folder / f"dataset-{workers}"
    command = [sys.executable, "-m", "sim_service", "collect", "--output", str(output), "--json"]
    command += ["--num-episodes", str(episodes), "--render-preset", preset, "--simulator", "mujoco"]
    command += ["--workers", str(workers)]
    environment = {name: value for name, value in os.environ.items() if not name.startswith(ENVIRONMENT_PREFIX)}
    began_s = time.perf_counter()
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    wall_s = time.perf_counter() - began_s
    if done.returncode != 0:
        raise ChildError(f"{workers} workers: exit code {done.returncode}: {done.stderr.strip()[-500:]}")
    result: dict[str, Any] = json.loads(done.stdout)
    shutil.rmtree(output)
    merge_s = float(result.get("merge_seconds", 0.0))
    return {
        "frames": result["frames"],
        "wall_s": wall_s,
        "merge_s": merge_s,
        "fps": result["frames"] / wall_s,
        "fps_before_merge": result["frames"] / (wall_s - merge_s),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--preset", choices=RENDER_PRESETS, default="default")
    parser.add_argument("--episodes", type=int, default=20)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    before = machine(ROOT)
    cases = (1, arguments.workers)
    runs: dict[int, list[Numbers]] = {workers: [] for workers in cases}
    SCRATCH.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(dir=SCRATCH) as name:
        for number in range(arguments.rounds):
            for workers in cases:
                runs[workers].append(run_case(arguments.preset, arguments.episodes, workers, Path(name)))
            print(f"round {number + 1} of {arguments.rounds}: {ratio(runs, arguments.workers, 'fps', number):.2f}")
    results = {workers: medians(figures) for workers, figures in runs.items()}
    ratios = {
        key: statistics.median(ratio(runs, arguments.workers, key, number) for number in range(arguments.rounds))
        for key in ("fps", "fps_before_merge")
    }
    rows = [
        [
            "one process" if workers == 1 else f"{workers} workers",
            f"{figures['fps']:.1f}",
            f"{figures['fps_before_merge']:.1f}",
            f"{figures['wall_s']:.1f}",
            f"{figures['merge_s']:.2f}",
        ]
        for workers, figures in results.items()
    ]
    rows.append(["ratio", f"{ratios['fps']:.2f}", f"{ratios['fps_before_merge']:.2f}", "", ""])
    print(f"\n{arguments.preset}, {arguments.episodes} episodes, {arguments.rounds} rounds\n")
    print(table(["case", "frames/s", "before the merge", "seconds", "of them merge"], rows))
    print("\n" + "\n".join(f"{key}: {value}" for key, value in before.items()))
    if arguments.json:
        content = {
            "machine": before,
            "preset": arguments.preset,
            "episodes": arguments.episodes,
            "ratios": ratios,
            "cases": [{"workers": workers, **figures} for workers, figures in results.items()],
        }
        arguments.json.write_text(json.dumps(content, indent=2) + "\n")


def ratio(runs: dict[int, list[Numbers]], workers: int, key: str, number: int) -> float:
    """Of one round: how many times as fast the workers are."""
    return runs[workers][number][key] / runs[1][number][key]


if __name__ == "__main__":
    main()
