"""What writing costs end to end, and where the time of a collection goes.

python -m bench.collect [--presets fast default high] [--episodes 3] [--rounds 3] [--json FILE]

Collects whole episodes on the embedded simulator, into a dataset and with the same loop and no writer, each in its own
process, the cases taking turns; figures are medians over the rounds. All times are milliseconds per frame; a
frame is one control period with both cameras. physics, render, write, commit and rest are the main thread's wall time:
write is the copying of pictures and waiting for the encoders, commit the end of an episode until it is on the disk,
rest everything else, the 25 unrecorded ticks around each episode included.
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
import tempfile
from pathlib import Path

from bench.measure import Numbers, machine, medians, run_child, table
from sim_service.simulators import RENDER_PRESETS

ROOT = Path(__file__).resolve().parent.parent
SCRATCH = ROOT / ".cache"  # on the repository's disk, and out of git's sight
PARTS = ("physics", "render", "write", "commit", "rest")


def run_case(preset: str, writing: bool, episodes: int, folder: Path) -> Numbers:
    output = folder / "dataset"
    shutil.rmtree(output, ignore_errors=True)
    result = folder / "result.json"
    command = [sys.executable, "-m", "bench.collect_case", "--preset", preset, "--episodes", str(episodes)]
    command += ["--result", str(result)] + (["--output", str(output)] if writing else [])
    run = run_child(command, result, ROOT)
    run["fps"] = run["frames"] / run["wall_s"]
    run["cpu_ms"] = 1000 * run["cpu_s"] / run["frames"]
    return run


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--presets", nargs="+", choices=RENDER_PRESETS, default=["fast", "default"])
    parser.add_argument("--episodes", type=int, default=3)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    before = machine(ROOT)
    cases = [(preset, writing) for preset in arguments.presets for writing in (False, True)]
    runs: dict[tuple[str, bool], list[Numbers]] = {case: [] for case in cases}
    SCRATCH.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(dir=SCRATCH) as name:
        for _ in range(arguments.rounds):
            for preset, writing in cases:
                runs[preset, writing].append(run_case(preset, writing, arguments.episodes, Path(name)))
    results = {case: medians(figures) for case, figures in runs.items()}
    rows = []
    for (preset, writing), figures in results.items():
        kept = figures["fps"] / results[preset, False]["fps"]
        rows.append(
            [
                f"{preset}, {'writing' if writing else 'no writer'}",
                f"{figures['fps']:.1f}",
                f"{100 * kept:.0f}",
                f"{figures['cpu_ms']:.1f}",
                *(f"{figures.get(f'{part}_ms', 0):.2f}" for part in PARTS),
                f"{figures['peak_rss_mb']:.0f}",
            ]
        )
    print(table(["case", "frames/s", "% of no writer", "CPU ms", *PARTS, "peak RSS MB"], rows))
    print("\n" + "\n".join(f"{key}: {value}" for key, value in before.items()))
    if arguments.json:
        cases_json = [{"preset": p, "writing": w, **figures} for (p, w), figures in results.items()]
        arguments.json.write_text(json.dumps({"machine": before, "cases": cases_json}, indent=2) + "\n")


if __name__ == "__main__":
    main()
