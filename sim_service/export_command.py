"""`isaac-collect export`: a dataset in the format of another tool."""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

from lerobot_writer import WriterError
from sim_service.exit_codes import DONE, code_of_error
from sim_service.export import ExportError


def add_export_flags(parser: argparse.ArgumentParser) -> None:
    formats = parser.add_subparsers(dest="format", required=True, metavar="FORMAT")
    groot = formats.add_parser("groot", help="LeRobot v2.1 with meta/modality.json, as NVIDIA GR00T is fine-tuned on")
    groot.add_argument("dataset", type=Path, metavar="DATASET", help="folder of a LeRobot v3.0 dataset")
    groot.add_argument("output", type=Path, metavar="OUT", help="folder to write, which must not exist")
    hdf5 = formats.add_parser("hdf5", help="HDF5, as robomimic reads it")
    from sim_service.export.hdf5_export import add_hdf5_flags

    add_hdf5_flags(hdf5)


def run_export(arguments: argparse.Namespace) -> int:
    """Returns the exit code. Raises DatasetError where there is no dataset."""
    if arguments.format == "hdf5":
        from sim_service.export.hdf5_export import run_hdf5

        return run_hdf5(arguments)
    return _run_groot(arguments.dataset, arguments.output)


def _run_groot(root: Path, out: Path) -> int:
    from sim_service.export.groot import export_groot  # PyAV, which `--help` needs not

    began_s = time.monotonic()
    try:
        dataset = export_groot(root, out)
    except (ExportError, WriterError, OSError) as error:
        print(f"isaac-collect: {error}", file=sys.stderr)
        return code_of_error(error)
    elapsed_s = time.monotonic() - began_s
    print(
        f"{out}: {len(dataset.rows)} episodes, {dataset.info['total_frames']} frames in GR00T's layout, "
        f"written in {elapsed_s:.1f} s",
        file=sys.stderr,
    )
    return DONE
