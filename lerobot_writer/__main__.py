"""Command line of the writer's tools: `python -m lerobot_writer check DATASET [--json]`, `... pack DATASET`."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from lerobot_writer.check import check_dataset
from lerobot_writer.errors import WriterError
from lerobot_writer.pack import pack_dataset

_VALID, _INVALID, _BAD_ARGUMENTS = 0, 1, 2


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs a subcommand. Returns the exit code: 0 done, 1 the dataset is invalid or stays unpacked, 2 unusable
    arguments."""
    parser = argparse.ArgumentParser(prog="python -m lerobot_writer", description="Tools for LeRobot v3.0 datasets.")
    commands = parser.add_subparsers(dest="command", required=True)
    check = commands.add_parser(
        "check",
        help="check a dataset against every rule of FORMAT.md",
        description="Checks a dataset against every rule of FORMAT.md. Exit code 0: valid, 1: invalid, 2: no folder.",
    )
    check.add_argument("dataset", type=Path, metavar="DATASET", help="folder with meta/info.json in it")
    check.add_argument("--json", action="store_true", help="print one JSON object instead of text")
    pack = commands.add_parser(
        "pack",
        help="join a finished dataset's files without re-encoding",
        description="Joins a finished dataset's files without re-encoding, one video per camera. Exit code 0: packed, "
        "1: refused, and left as it was.",
    )
    pack.add_argument("dataset", type=Path, metavar="DATASET", help="folder with meta/info.json in it")
    options = parser.parse_args(arguments)
    if options.command == "pack":
        return _pack(options.dataset)
    return _check(options.dataset, options.json)


def _check(dataset: Path, as_json: bool) -> int:
    try:
        report = check_dataset(dataset)
    except OSError as error:
        print(f"error: {error}", file=sys.stderr)
        return _BAD_ARGUMENTS
    print(report.to_json() if as_json else report.text())
    return _VALID if report.ok else _INVALID


def _pack(dataset: Path) -> int:
    try:
        changed = pack_dataset(dataset)
    except WriterError as error:
        print(f"error: {error}", file=sys.stderr)
        return _INVALID
    print(f"{dataset}: {'packed' if changed else 'was packed already'}")
    return _VALID


if __name__ == "__main__":
    sys.exit(main())
