"""`isaac-collect check`: a dataset against every rule of the format and, on request, against the gates of quality."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from lerobot_writer.check import check_dataset
from sim_service.exit_codes import DONE, FAILED
from sim_service.stored import DatasetError, open_stored


def add_check_flags(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("dataset", type=Path)
    parser.add_argument(
        "--quality",
        action="store_true",
        help="also judge whether it is worth training on: motion, actions, pictures, coverage; decodes every video",
    )
    parser.add_argument("--json", action="store_true", help="print the report as JSON")


def run_check(arguments: argparse.Namespace) -> int:
    """Returns the exit code: DONE where every rule holds, and with --quality every gate passes or is skipped. Raises
    DatasetError where there is no folder."""
    root: Path = arguments.dataset
    if not root.is_dir():
        raise DatasetError(f"{root} is not a folder")
    report = check_dataset(root)
    if not arguments.quality:
        print(report.to_json() if arguments.json else report.text())
        return DONE if report.ok else FAILED
    if not arguments.json:
        print(report.text(), flush=True)
    from sim_service.quality.inspection import inspect
    from sim_service.quality.report import QualityReport

    try:
        quality = inspect(open_stored(root))
    except DatasetError as error:
        quality = QualityReport(unread=str(error))
    ok = report.ok and quality.ok
    if arguments.json:
        print(json.dumps({**json.loads(report.to_json()), "ok": ok, "quality": quality.as_json()}))
    else:
        print(f"\n{quality.text()}")
    return DONE if ok else FAILED
