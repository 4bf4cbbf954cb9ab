"""`isaac-collect pack`: a finished dataset in few files."""

from __future__ import annotations

import argparse
import stat
import sys
import time
from contextlib import suppress
from pathlib import Path

from lerobot_writer import WriterError
from lerobot_writer.pack import pack_dataset
from sim_service.exit_codes import DONE, code_of_error


def add_pack_flags(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("dataset", type=Path, metavar="DATASET", help="folder of a dataset that nobody writes to")
    parser.add_argument(
        "--max-video-mb",
        type=_megabytes,
        metavar="MB",
        help="largest video file, in units of 2^20 bytes, an episode being in one file always; LeRobot's own files "
        "have up to 200 (default: one file per camera, which LeRobot can stream)",
    )


def run_pack(arguments: argparse.Namespace) -> int:
    """Returns the exit code."""
    root: Path = arguments.dataset
    megabytes: float | None = arguments.max_video_mb
    began_s = time.monotonic()
    before = _size_of(root)
    try:
        changed = pack_dataset(root, None if megabytes is None else int(megabytes * 2**20))
    except WriterError as error:
        print(f"isaac-collect: {error}", file=sys.stderr)
        return code_of_error(error)
    if not changed:
        print(f"{root}: packed already, {before}; nothing changed", file=sys.stderr)
        return DONE
    elapsed_s = time.monotonic() - began_s
    print(f"{root}: {before} before, {_size_of(root)} now, packed in {elapsed_s:.1f} s", file=sys.stderr)
    return DONE


def _megabytes(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0 < value < 2**40:
        raise argparse.ArgumentTypeError(f"must be a number of megabytes above 0, got {text!r}")
    return value


def _size_of(root: Path) -> str:
    """The number of files in a folder and their bytes, as text."""
    files, total = 0, 0
    for path in root.resolve().rglob("*"):
        with suppress(FileNotFoundError):  # somebody is at work there
            found = path.lstat()
            if not stat.S_ISDIR(found.st_mode):
                files, total = files + 1, total + found.st_size
    return f"{files} files of {total:,} bytes"
