"""`isaac-collect push`: a dataset goes to the Hugging Face Hub."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from lerobot_writer import WriterError
from sim_service.exit_codes import BAD_ARGUMENTS, DONE, FAILED, code_of_error
from sim_service.export.card import CardError
from sim_service.push import PushError, push_dataset


def add_push_flags(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("dataset", type=Path, metavar="DATASET", help="folder of a dataset that nobody writes to")
    parser.add_argument("repo_id", metavar="REPO_ID", help="USER/NAME on the Hub; made where there is none")
    parser.add_argument("--private", action="store_true", help="a repository that others cannot see")
    parser.add_argument(
        "--license", metavar="ID", help="of the dataset, such as apache-2.0 (default: what its card says, else unknown)"
    )


def run_push(arguments: argparse.Namespace) -> int:
    """Returns the exit code. Raises DatasetError where there is no dataset."""

    def report(line: str) -> None:
        print(line, file=sys.stderr)

    try:
        address = push_dataset(arguments.dataset, arguments.repo_id, arguments.private, arguments.license, report)
    except PushError as error:
        print(f"isaac-collect: {error}", file=sys.stderr)
        return FAILED if error.again else BAD_ARGUMENTS
    except (CardError, WriterError, OSError) as error:
        print(f"isaac-collect: {error}", file=sys.stderr)
        return code_of_error(error)
    print(address)
    return DONE
