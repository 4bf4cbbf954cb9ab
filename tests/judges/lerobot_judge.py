"""Judge datasets with the LeRobot that is installed: `python tests/judges/lerobot_judge.py DATASET...`.

Runs in a judge's environment (`make_env.py`), offline. A dataset with its truth beside it (`make_dataset.py`) is
compared with the truth and put through LeRobot's tools, on copies; of any other, every item is read.

Prints a line per check: `ok NAME`, `FAIL NAME: why`, or `absent NAME: why` for what this version does not have. The
exit code is 1 if anything failed.
"""

from __future__ import annotations

import argparse
import contextlib
import functools
import json
import logging
import os
import shutil
import sys
import traceback
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path

import lerobot_reading as reading
import lerobot_tools as tools
from lerobot_versions import Absent, LeRobot, go_offline, scratch
from truth import Truth, truth_path

BACKENDS = ("torchcodec", "pyav")


class Report:
    """Runs checks and prints their outcomes."""

    def __init__(self, prefix: str, verbose: bool) -> None:
        self.failed = 0
        self.absent = 0
        self.passed = 0
        self._prefix = prefix
        self._verbose = verbose

    def check(self, name: str, run: Callable[[], None]) -> None:
        name = f"{self._prefix} {name}"
        try:
            run()
        except Absent as reason:
            self.absent += 1
            print(f"absent {name}: {reason}", flush=True)
        except Exception as error:  # whatever LeRobot raises is its verdict
            self.failed += 1
            print(f"FAIL {name}: {type(error).__name__}: {error}", flush=True)
            if self._verbose:
                traceback.print_exc()
        else:
            self.passed += 1
            print(f"ok {name}", flush=True)


def judge(lerobot: LeRobot, report: Report, root: Path, partner: Path, scratch_folder: Path, keep: Path | None) -> None:
    """Every check on one dataset of known truth; `partner` is the dataset to merge it with."""
    expected = Truth.load(truth_path(root))
    for backend in BACKENDS:
        report.check(f"items {backend}", functools.partial(reading.items, lerobot, root, expected, backend))
    for name, read in (
        ("loader 2 workers", reading.loader),
        ("delta_timestamps", reading.delta_timestamps),
        ("episodes=", reading.one_episode),
        ("episode columns", reading.episode_columns),
        ("policy features", reading.policy_features),
        ("stats", reading.stats),
        ("streaming", reading.streaming),
    ):
        report.check(name, functools.partial(read, lerobot, root, expected))
    workbench = tools.Workbench(lerobot, root, partner, expected, scratch_folder)
    for name, use in (
        ("merge", tools.merge),
        ("merge with itself", tools.merge_with_itself),
        ("delete_episodes", tools.delete_episodes),
        ("split_dataset", tools.split_dataset),
        ("add_features", tools.add_features),
        ("remove_feature", tools.remove_feature),
        ("modify_tasks", tools.modify_tasks),
        ("recompute_stats", tools.recompute_stats),
        ("reencode_dataset", tools.reencode_dataset),
        ("append", functools.partial(tools.append, keep=keep)),
    ):
        report.check(name, functools.partial(use, workbench))


@contextlib.contextmanager
def silent_stderr() -> Iterator[None]:
    """Drop what encoders and progress bars write; an exception that ends the program is still shown."""
    kept = os.dup(2)
    with Path(os.devnull).open("w") as nowhere:
        os.dup2(nowhere.fileno(), 2)
    try:
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)


def find_partner(root: Path, others: list[Path]) -> Path:
    """The first other dataset with the same features and rate, or the dataset itself."""

    def described(path: Path) -> object:
        info = json.loads((path / "meta/info.json").read_text(encoding="utf-8"))
        return info["features"], info["fps"], info["robot_type"]

    return next((other for other in others if other != root and described(other) == described(root)), root)


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("datasets", type=Path, nargs="+", metavar="DATASET")
    parser.add_argument("--keep-appended", type=Path, help="leave copies, to which LeRobot added an episode, here")
    parser.add_argument("--verbose", action="store_true", help="print the traceback of every failure")
    arguments = parser.parse_args()
    warnings.simplefilter("ignore")
    failed = absent = passed = 0
    with scratch() as folder, contextlib.ExitStack() as until_the_end:
        if not arguments.verbose:
            until_the_end.enter_context(silent_stderr())
        go_offline(Path(folder))
        lerobot = LeRobot()
        logging.disable(logging.ERROR)
        print(f"LeRobot {lerobot.version}, Python {sys.version.split()[0]}", flush=True)
        roots = [path.resolve() for path in arguments.datasets]
        known = [root for root in roots if truth_path(root).is_file()]
        for root in roots:
            report = Report(root.name, arguments.verbose)
            if root in known:
                copies = Path(folder) / f"copies of {root.name}"
                judge(lerobot, report, root, find_partner(root, known), copies, arguments.keep_appended)
                shutil.rmtree(copies, ignore_errors=True)
            else:
                report.check("every item", functools.partial(reading.anything, lerobot, root))
            failed, absent, passed = failed + report.failed, absent + report.absent, passed + report.passed
    print(f"LeRobot {lerobot.version}: {passed} ok, {failed} failed, {absent} absent")
    return 1 if failed or not passed else 0


if __name__ == "__main__":
    raise SystemExit(main())
