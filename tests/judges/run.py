"""Judge `lerobot_writer` with the real LeRobot: `python tests/judges/run.py --lerobot 0.6.1`.

Makes LeRobot's environment, writes synthetic datasets of known truth, merges further ones, has LeRobot read them and
put them through its tools, and lets our writer go on where LeRobot's own has appended. LeRobot also reads every item of
what the Isaac Sim adapter collects on the stand-in, and 0.6.1 brings our GR00T exports back. With `--dataset PATH`
every item of that dataset is read instead. Exit code 1 when anything failed.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from make_env import ROOT, MakeEnvError, ensure

HERE = Path(__file__).resolve().parent
VERSIONS = ("0.6.1", "0.4.4")
REFUSED = 3
"""Exit code of `make_dataset.py` when the writer raised one of its own errors."""


def product_environment() -> dict[str, str]:
    """Environment variables under which the product is importable, and SVT-AV1 prints errors alone."""
    return {**os.environ, "PYTHONPATH": str(ROOT), "SVT_LOG": "1"}


def judge(python: Path, datasets: list[Path], *options: str | Path) -> bool:
    """Run LeRobot's judge on datasets; true when nothing failed."""
    sys.stdout.flush()
    return subprocess.run([python, HERE / "lerobot_judge.py", *datasets, *options], check=False).returncode == 0


def fingerprint(folder: Path) -> str:
    """A digest of every file below a folder, names included."""
    digest = hashlib.sha256()
    for path in sorted(folder.rglob("*")):
        digest.update(str(path.relative_to(folder)).encode())
        if path.is_file():
            digest.update(path.read_bytes())
    return digest.hexdigest()


def go_on_after_lerobot(python: Path, dataset: Path) -> bool:
    """Let our writer reopen a dataset to which LeRobot's added an episode.

    It must either go on, with every item right, or refuse with its own error and leave the dataset as it was.
    """
    name, before = f"{dataset.name} our resume after LeRobot's append", fingerprint(dataset)
    done = subprocess.run(
        [sys.executable, HERE / "make_dataset.py", "--go-on", dataset],
        env=product_environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    said = done.stderr.strip().splitlines()[-1] if done.stderr.strip() else "nothing"
    if done.returncode == REFUSED and fingerprint(dataset) == before:
        print(f"ok {name}: refused, dataset untouched: {said.replace(str(dataset), dataset.name)}")
        return True
    if done.returncode == 0:
        print(f"ok {name}: went on")
        return judge(python, [dataset])
    print(f"FAIL {name}: exit code {done.returncode}, said {said}, touched: {fingerprint(dataset) != before}")
    return False


def collect_on_isaac_sim(out: Path) -> list[Path]:
    """A dataset of two episodes from the adapter, on the stand-in for Isaac Sim; none when that failed."""
    out.mkdir()
    isaac_sim = [sys.executable, ROOT / "tests/isaac_process.py", "6.0.1", out / "report.json", "{}"]
    words = ["-m", "sim_service", "collect", "--simulator", "isaac", "--output", out / "isaac", "--num-episodes", "2"]
    collected = subprocess.run(
        [*isaac_sim, *words],
        env={**product_environment(), "TMPDIR": str(out)},
        capture_output=True,
        text=True,
        check=False,
        cwd=ROOT,
    )
    if collected.returncode == 0:
        return [out / "isaac"]
    print(f"FAIL collecting on the stand-in: exit code {collected.returncode}: {collected.stderr}")
    return []


def judge_datasets(python: Path, out: Path) -> bool:
    """Make every dataset and judge it; true when nothing failed."""
    datasets = []
    for program in ("make_dataset.py", "merged_datasets.py"):
        written = subprocess.run(
            [sys.executable, HERE / program, out / "datasets"],
            env=product_environment(),
            stdout=subprocess.PIPE,
            text=True,
            check=False,
        )
        if written.returncode != 0:
            print(f"FAIL writing the datasets: {program} ended with exit code {written.returncode}")
            return False
        datasets += [Path(line) for line in written.stdout.splitlines()]
    collected = collect_on_isaac_sim(out / "collected")
    datasets += collected
    right = bool(collected)
    for dataset in datasets:
        command = [sys.executable, "-m", "lerobot_writer", "check", str(dataset)]
        checked = subprocess.run(
            command, env=product_environment(), capture_output=True, text=True, check=False, cwd=ROOT
        )
        ok = checked.returncode == 0
        said = "" if ok else f": {checked.stdout}{checked.stderr}"
        print(f"{'ok' if ok else 'FAIL'} {dataset.name} our check{said}")
        right &= ok
    right &= judge(python, datasets, "--keep-appended", out / "appended")
    for dataset in sorted(path for path in (out / "appended").glob("*") if path.is_dir()):
        right &= go_on_after_lerobot(python, dataset)
    return right


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--lerobot", choices=VERSIONS, default=VERSIONS[0])
    parser.add_argument("--dataset", type=Path, help="read every item of this dataset instead of synthetic ones")
    arguments = parser.parse_args()
    try:
        python = ensure(f"lerobot-{arguments.lerobot}")
    except MakeEnvError as error:
        print(f"judge: {error}", file=sys.stderr)
        return 1
    if arguments.dataset is not None:
        return 0 if judge(python, [arguments.dataset]) else 1
    with tempfile.TemporaryDirectory(prefix="judge-") as folder:
        right = judge_datasets(python, Path(folder))
    if arguments.lerobot == VERSIONS[0]:
        sys.stdout.flush()
        right &= subprocess.run([sys.executable, HERE / "groot_judge.py"], check=False).returncode == 0
    print(f"LeRobot {arguments.lerobot}: {'all right' if right else 'FAILED'}")
    return 0 if right else 1


if __name__ == "__main__":
    raise SystemExit(main())
