"""Judge the GR00T export: `python tests/judges/groot_judge.py [DATASET...]`.

Exports each dataset (without one: a small synthetic one, as written and packed), lets LeRobot 0.6.1's own converter
bring the copy from v2.1 back to v3.0, and has LeRobot read both: every number, task and picture of every item must be
equal. Prints `ok NAME` or `FAIL NAME: why` per dataset; the exit code is 1 if anything failed.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from make_env import ROOT, ensure

CONVERTER = "lerobot.scripts.convert_dataset_v21_to_v30"
STATISTICS = ("min", "max", "mean", "std", "count")
STATISTICS_TOLERANCE = 1e-5  # LeRobot's converter sums episodes' statistics up in another order


def product(code: str, *arguments: Path) -> None:
    """Run a piece of the product in its own environment."""
    environment = {**os.environ, "PYTHONPATH": f"{ROOT}{os.pathsep}{ROOT / 'tests'}"}
    subprocess.run([sys.executable, "-c", code, *map(str, arguments)], env=environment, check=True)


def synthetic(folder: Path) -> list[Path]:
    code = "import sys; from pathlib import Path; from small_dataset import write_dataset; "
    product(code + "write_dataset(Path(sys.argv[1]))", folder / "written")
    product(code + "write_dataset(Path(sys.argv[1]), pack=True)", folder / "packed")
    return [folder / "written", folder / "packed"]


def judge(python: Path, source: Path, folder: Path) -> str:
    """What is wrong with a dataset that went to GR00T's layout and back; "" for nothing. python: LeRobot's."""
    there = folder / "groot"
    environment = {**os.environ, "HF_HUB_OFFLINE": "1", "HF_HOME": str(folder / "huggingface")}
    export = "import sys; from pathlib import Path; from sim_service.export.groot import export_groot; "
    try:
        product(export + "export_groot(Path(sys.argv[1]), Path(sys.argv[2]))", source.resolve(), there)
        words = ["-m", CONVERTER, "--repo-id=judge/groot", f"--root={there}", "--push-to-hub=false"]
        subprocess.run([python, *words], env=environment, check=True, capture_output=True, text=True)
        compared = subprocess.run(
            [python, Path(__file__).resolve(), "--compare", source.resolve(), there],
            env=environment,
            check=False,
            capture_output=True,
            text=True,
        )
    except subprocess.CalledProcessError as error:
        return f"{error}: {(error.stderr or '')[-2000:]}"
    return "" if compared.returncode == 0 else compared.stdout + compared.stderr[-2000:]


def compare(source: Path, converted: Path) -> list[str]:
    """What differs, as LeRobot reads it. Runs in LeRobot's environment."""
    from lerobot_versions import LeRobot

    lerobot = LeRobot()
    before, after = lerobot.open(source), lerobot.open(converted)
    if (len(before), before.num_episodes) != (len(after), after.num_episodes):
        return [f"{len(after)} frames in {after.num_episodes} episodes, {len(before)} in {before.num_episodes} before"]
    problems: list[str] = []
    for index in range(len(before)):
        problems += unequal_items(index, before[index], after[index])
        if len(problems) > 10:
            return problems
    for episode in range(before.num_episodes):
        for name in ("length", "tasks", "dataset_from_index", "dataset_to_index"):
            if before.meta.episodes[episode][name] != after.meta.episodes[episode][name]:
                problems.append(f"{name} of episode {episode}")
    return problems + unequal_statistics(before.meta.stats, after.meta.stats)


def unequal_items(index: int, before: dict[str, Any], after: dict[str, Any]) -> list[str]:
    if before.keys() != after.keys():
        return [f"item {index} has {sorted(after)}, had {sorted(before)}"]
    problems = []
    for name, value in before.items():
        same = value == after[name] if isinstance(value, str) else equal_tensors(value, after[name])
        if not same:
            problems.append(f"{name} of item {index}")
    return problems


def equal_tensors(before: Any, after: Any) -> bool:
    import torch

    before, after = torch.as_tensor(before), torch.as_tensor(after)
    return before.dtype == after.dtype and before.shape == after.shape and bool((before == after).all())


def unequal_statistics(before: dict[str, Any], after: dict[str, Any]) -> list[str]:
    """Quantiles are left out: LeRobot averages those of the episodes."""
    import numpy as np

    if before.keys() != after.keys():
        return [f"statistics of {sorted(after)}, had {sorted(before)}"]
    return [
        f"{figure} of {name} is {after[name][figure]}, was {before[name][figure]}"
        for name in before
        for figure in STATISTICS
        if not np.allclose(before[name][figure], after[name][figure], rtol=STATISTICS_TOLERANCE, atol=1e-6)
    ]


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("datasets", type=Path, nargs="*", metavar="DATASET")
    parser.add_argument("--compare", type=Path, nargs=2, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.compare is not None:
        problems = compare(*arguments.compare)
        print("\n".join(problems))
        return 1 if problems else 0
    python = ensure("lerobot-0.6.1")
    failed = 0
    with tempfile.TemporaryDirectory(prefix="groot-") as scratch:
        for number, source in enumerate(arguments.datasets or synthetic(Path(scratch))):
            folder = Path(scratch) / str(number)
            folder.mkdir()
            problem = judge(python, source, folder)
            failed += bool(problem)
            name = f"{source.name} to GR00T's layout and back by LeRobot's converter"
            print(f"FAIL {name}: {problem}" if problem else f"ok {name}", flush=True)
    return 1 if failed else 0


if __name__ == "__main__":
    raise SystemExit(main())
