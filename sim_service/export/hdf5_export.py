"""`isaac-collect export hdf5`: a dataset as one file for robomimic and Isaac Lab."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tqdm import tqdm

from lerobot_writer import WriterError
from lerobot_writer.lock import holding
from sim_service.exit_codes import DONE, code_of_error
from sim_service.export.hdf5_library import Hdf5Error
from sim_service.stored import DatasetError, StoredDataset, open_stored


def add_hdf5_flags(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("dataset", type=Path, metavar="DATASET", help="folder of a LeRobot v3.0 dataset")
    parser.add_argument("output", type=Path, metavar="OUT.hdf5", help="file to write; must not exist")


@contextmanager
def _unchanging(root: Path) -> Iterator[StoredDataset]:
    """The dataset, to which nobody writes during the block."""
    if not root.is_dir():
        raise DatasetError(f"{root} is not a folder")
    with holding(root):
        yield open_stored(root)


def run_hdf5(arguments: argparse.Namespace) -> int:
    """Returns the exit code."""
    from sim_service.export.hdf5_file import write_hdf5

    output: Path = arguments.output
    began_s = time.monotonic()
    try:
        with (
            _unchanging(arguments.dataset) as dataset,
            tqdm(total=len(dataset.rows), unit="episode", disable=None) as bar,
        ):
            frames = write_hdf5(dataset, output, bar.update)
    except (DatasetError, Hdf5Error, WriterError) as error:
        print(f"isaac-collect: {error}", file=sys.stderr)
        return code_of_error(error)
    elapsed_s = time.monotonic() - began_s
    print(
        f"{output}: {len(dataset.rows)} demonstrations of {frames} frames, {output.stat().st_size:,} bytes, "
        f"written in {elapsed_s:.1f} s",
        file=sys.stderr,
    )
    return DONE
