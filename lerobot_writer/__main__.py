"""Command line of the writer's tools: `python -m lerobot_writer check DATASET [--json]`."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from lerobot_writer.check import check_dataset

_VALID, _INVALID, _BAD_ARGUMENTS = 0, 1, 2


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs a subcommand. Returns the exit code: 0 done, 1 the dataset is invalid, 2 arguments that cannot be used."""
    parser = argparse.ArgumentParser(prog="python -m lerobot_writer", description="Tools for LeRobot v3.0 datasets.")
    commands = parser.add_subparsers(dest="command", required=True)
    check = commands.add_parser(
        "check",
        help="check a dataset against every rule of FORMAT.md",
        description="Checks a dataset against every rule of FORMAT.md. Exit code 0: valid, 1: invalid, 2: no folder.",
    )
    check.add_argument("dataset", type=Path, metavar="DATASET", help="folder with meta/info.json in it")
    check.add_argument("--json", action="store_true", help="print one JSON object instead of text")
    options = parser.parse_args(arguments)
    return _check(options.dataset, options.json)


def _check(dataset: Path, as_json: bool) -> int:
    try:
        report = check_dataset(dataset)
    except OSError as error:
        print(f"error: {error}", file=sys.stderr)
        return _BAD_ARGUMENTS
    print(report.to_json() if as_json else report.text())
    return _VALID if report.ok else _INVALID


if __name__ == "__main__":
    sys.exit(main())
