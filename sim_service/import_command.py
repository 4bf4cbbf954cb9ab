"""`isaac-collect import`: a dataset of what other tools recorded."""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

from tqdm import tqdm

from lerobot_writer import WriterError
from sim_service.exit_codes import DONE, code_of_error
from sim_service.export.hdf5_library import Hdf5Error
from sim_service.importing.mapping import MappingError, read_mapping
from sim_service.ledger import LedgerError


def add_import_flags(parser: argparse.ArgumentParser) -> None:
    formats = parser.add_subparsers(dest="format", required=True, metavar="FORMAT")
    hdf5 = formats.add_parser("hdf5", help="a file of robomimic, Isaac Lab Mimic, or of `export hdf5`")
    hdf5.add_argument("input", type=Path, metavar="IN.hdf5")
    hdf5.add_argument("output", type=Path, metavar="OUT", help="folder of the new dataset")
    hdf5.add_argument(
        "--mapping",
        type=Path,
        metavar="FILE",
        help="YAML or JSON: which arrays become state, action and cameras; without it, a file that needs one is "
        "refused with a draft to begin with",
    )
    hdf5.add_argument("--task", help="what the robot was asked to do, in words, where the file does not say")
    hdf5.add_argument("--fps", type=_at_least_one, metavar="N", help="frames a second, where the file does not say")
    hdf5.add_argument(
        "--skip-first", type=_count, default=0, metavar="N", help="frames to leave out of every demonstration"
    )
    hdf5.add_argument("--keep-failed", action="store_true", help="also import demonstrations that failed")


def run_import(arguments: argparse.Namespace) -> int:
    """Returns the exit code."""
    from sim_service.importing.demos import open_demos
    from sim_service.importing.hdf5_import import ImportRequest, import_hdf5

    output = Path(arguments.output).absolute()
    began_s = time.monotonic()
    try:
        mapping = None if arguments.mapping is None else read_mapping(arguments.mapping)
        request = ImportRequest(
            output, mapping, arguments.fps, arguments.task, arguments.skip_first, arguments.keep_failed
        )
        with open_demos(arguments.input) as file, tqdm(unit="episode", disable=None) as bar:

            def progress(total: int) -> None:
                bar.total = total
                bar.update()

            imported = import_hdf5(file, request, progress)
    except (Hdf5Error, MappingError, WriterError, LedgerError) as error:
        print(f"isaac-collect: {error}", file=sys.stderr)
        return code_of_error(error)
    without = f", without {len(imported.left_out)} that failed" if imported.left_out else ""
    print(
        f"{arguments.output}: {imported.episodes} episodes{without}, {imported.frames} frames, imported in "
        f"{time.monotonic() - began_s:.1f} s",
        file=sys.stderr,
    )
    return DONE


def _count(text: str) -> int:
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"must be a number from 0 on, got {text!r}")
    return int(text)


def _at_least_one(text: str) -> int:
    value = _count(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f"must be at least 1, got {text!r}")
    return value
