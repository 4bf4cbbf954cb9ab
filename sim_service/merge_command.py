"""`isaac-collect merge`: the shards of a collection become one dataset."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable
from pathlib import Path

from tqdm import tqdm

from lerobot_writer import WriterError
from sim_service.exit_codes import BAD_ARGUMENTS, DONE, FAILED, OF_THE_MACHINE, TOO_FEW_EPISODES
from sim_service.ledger import LedgerError
from sim_service.merging import merge_shards


def add_merge_flags(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("output", type=Path, metavar="OUT", help="folder of the merged dataset; must be new or empty")
    parser.add_argument("shards", type=Path, nargs="+", metavar="SHARD", help="folders of shards, or of other datasets")
    parser.add_argument(
        "--allow-missing", action="store_true", help="go on where episodes are missing; the exit code is 3 then"
    )


def run_merge(arguments: argparse.Namespace) -> int:
    """Returns the exit code."""
    began_s = time.monotonic()
    with tqdm(unit="episode", file=sys.stderr, disable=None) as bar:

        def progress(episodes: int) -> Callable[[], None]:
            bar.reset(episodes)
            return lambda: bar.update() and None

        try:
            result = merge_shards(arguments.output, arguments.shards, arguments.allow_missing, progress)
        except (WriterError, LedgerError) as error:
            problem: Exception | None = error
        else:
            problem = None
    if problem is not None:
        print(f"isaac-collect: {problem}", file=sys.stderr)
        told = problem.__cause__ if isinstance(problem.__cause__, OSError) else problem
        return FAILED if getattr(told, "errno", None) in OF_THE_MACHINE else BAD_ARGUMENTS
    elapsed_s = time.monotonic() - began_s
    print(
        f"{arguments.output}: {result.episodes} episodes, {result.frames} frames of {len(arguments.shards)} shards, "
        f"merged in {elapsed_s:.1f} s",
        file=sys.stderr,
    )
    if result.missing:
        print(f"{len(result.missing)} episodes are missing", file=sys.stderr)
        return TOO_FEW_EPISODES
    return DONE
