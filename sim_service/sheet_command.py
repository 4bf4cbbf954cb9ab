"""`isaac-collect sheet`: a contact sheet of what the cameras saw."""

from __future__ import annotations

import argparse
from pathlib import Path

from sim_service.config import ConfigError
from sim_service.exit_codes import DONE
from sim_service.recorded import open_dataset
from sim_service.report.contact_sheet import write_contact_sheet


def add_sheet_flags(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("dataset", type=Path)
    parser.add_argument("picture", type=Path, help="file to write, such as sheet.png")
    parser.add_argument("--episodes", type=int, nargs="+", metavar="E", help="which ones (default: the first four)")
    parser.add_argument("--width", type=int, default=192, metavar="PX", help="of one picture")


def run_sheet(arguments: argparse.Namespace) -> int:
    """Returns the exit code. Raises ConfigError and DatasetError."""
    if arguments.width < 1:
        raise ConfigError(f"--width must be at least 1, got {arguments.width}")
    dataset = open_dataset(arguments.dataset)
    chosen: list[int] = arguments.episodes or list(range(min(4, len(dataset.rows))))
    write_contact_sheet(dataset, chosen, arguments.picture, arguments.width)
    print(
        f"{arguments.picture}: episodes {chosen}; a row per camera ({', '.join(dataset.cameras)}); "
        "columns: the first frame, then the last one of each phase"
    )
    return DONE
