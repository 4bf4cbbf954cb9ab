"""`isaac-collect report`: one page about a dataset, in a file that needs nothing else."""

from __future__ import annotations

import argparse
import os
import secrets
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from lerobot_writer.durable import flush
from sim_service.catalogue import REPORT_FILE
from sim_service.exit_codes import DONE, code_of_error
from sim_service.quality.inspection import inspect
from sim_service.report.facts import Quality, ReportFacts
from sim_service.report.gathering import gather, require_usable, with_clips
from sim_service.report.page import GENERATOR, render_report
from sim_service.report.quality_facts import quality_facts
from sim_service.report.shown_episodes import MAX_SHOWN, chosen_episodes, default_episodes
from sim_service.stored import DatasetError, StoredDataset, open_stored

MAX_REPORT_BYTES: Final = 8_000_000
_RESERVE_BYTES: Final = 50_000  # for what stands around the clips
_CONTENT_PER_URI: Final = 3 / 4  # base64
_HEAD_BYTES: Final = 1024


def add_report_flags(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("dataset", type=Path, metavar="DATASET", help="folder of a LeRobot v3.0 dataset")
    parser.add_argument(
        "--output",
        type=Path,
        metavar="FILE",
        help=f"the file to write; an older report is replaced (default: {REPORT_FILE} in the dataset, which the "
        "dashboard links)",
    )
    parser.add_argument(
        "--episodes",
        type=int,
        nargs="+",
        metavar="E",
        help=f"those to show closely, at most {MAX_SHOWN} (default: the first one, and those of the median and the "
        "largest placement error)",
    )


def run_report(arguments: argparse.Namespace) -> int:
    """Returns the exit code. Raises DatasetError."""
    root: Path = arguments.dataset
    output: Path = root / REPORT_FILE if arguments.output is None else arguments.output
    dataset = open_stored(root)
    require_usable(dataset)
    asked: list[int] | None = arguments.episodes
    chosen = default_episodes(dataset.rows) if asked is None else chosen_episodes(dataset, asked)
    try:
        _require_replaceable(output)
        facts = make_facts(dataset, chosen, quality_facts(inspect(dataset)))
        page = render_report(facts).encode()
        _replace(output, page)
    except OSError as error:
        print(f"isaac-collect: cannot write the report {output}: {error.strerror or error}", file=sys.stderr)
        return code_of_error(error)
    for problem in facts.told_problems:
        print(f"isaac-collect: {problem}", file=sys.stderr)
    print(f"{output}: {len(page):,} bytes on {facts.episodes:,} episodes", file=sys.stderr)
    return DONE


def make_facts(dataset: StoredDataset, chosen: Mapping[int, str], quality: Quality) -> ReportFacts:
    """Clips get what the rest of the page leaves of MAX_REPORT_BYTES. chosen: the episodes to show closely, and why."""
    facts = gather(dataset, chosen, quality)
    left_bytes = MAX_REPORT_BYTES - _RESERVE_BYTES - len(render_report(facts).encode())
    return with_clips(facts, dataset, max(0, int(left_bytes * _CONTENT_PER_URI)))


def _require_replaceable(output: Path) -> None:
    """Raises DatasetError for what is there and is no report, OSError for a place where none can be written."""
    if output.is_dir():
        raise DatasetError(f"cannot write the report {output}: that is a folder; name a file")
    if not output.parent.is_dir():
        raise DatasetError(f"cannot write the report {output}: there is no folder {output.parent}")
    if output.exists() and not _is_report(output):
        raise DatasetError(f"{output} is in the way: no report of isaac-collect; move it, or name another --output")
    with tempfile.TemporaryFile(dir=output.parent):
        pass  # before the long work


def _is_report(path: Path) -> bool:
    if not path.is_file():
        return False  # a pipe would block
    with path.open("rb") as stream:
        return f'content="{GENERATOR}"'.encode() in stream.read(_HEAD_BYTES)


def _replace(output: Path, content: bytes) -> None:
    """Beside, under a name where nobody can have left a link, then renamed. Raises OSError."""
    beside = output.with_name(f".{output.name}-{secrets.token_hex(8)}")
    try:
        with beside.open("xb") as stream:
            stream.write(content)
            stream.flush()
            os.fsync(stream.fileno())
        beside.replace(output)
    except BaseException:
        beside.unlink(missing_ok=True)
        raise
    flush(output.parent)
