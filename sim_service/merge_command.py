"""`isaac-collect merge`: the shards of a collection become one dataset."""

from __future__ import annotations

import argparse
import signal
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

from tqdm import tqdm

from lerobot_writer import WriterError
from lerobot_writer.layout import INFO
from sim_service.exit_codes import DONE, TOO_FEW_EPISODES, code_of_error
from sim_service.ledger import LedgerError
from sim_service.merging import MergeResult, merge_shards
from sim_service.stop_request import EXIT_CODES


def add_merge_flags(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("output", type=Path, metavar="OUT", help="folder of the merged dataset; must be new or empty")
    parser.add_argument("shards", type=Path, nargs="+", metavar="SHARD", help="folders of shards, or of other datasets")
    parser.add_argument(
        "--allow-missing", action="store_true", help="go on where episodes are missing; the exit code is 3 then"
    )


class _Interrupted(BaseException):
    """A signal came."""

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.exit_code = EXIT_CODES[signal.Signals(number)]


def run_merge(arguments: argparse.Namespace) -> int:
    """Returns the exit code."""
    began_s = time.monotonic()
    try:
        with _interruptible():
            result = _merge(arguments)
    except _Interrupted as interrupted:
        there = (arguments.output / INFO).exists()
        told = "is whole" if there else "was not made; the shards are as they were"
        print(f"isaac-collect: interrupted; {arguments.output} {told}", file=sys.stderr)
        return interrupted.exit_code
    except (WriterError, LedgerError) as error:
        print(f"isaac-collect: {error}", file=sys.stderr)
        return code_of_error(error)
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


def _merge(arguments: argparse.Namespace) -> MergeResult:
    with tqdm(unit="episode", file=sys.stderr, disable=None) as bar:

        def progress(episodes: int) -> Callable[[], None]:
            bar.reset(episodes)
            return lambda: bar.update() and None

        return merge_shards(arguments.output, arguments.shards, arguments.allow_missing, progress)


@contextmanager
def _interruptible() -> Iterator[None]:
    """In the block, Ctrl-C and SIGTERM raise _Interrupted, so that what was begun is cleared away."""

    def interrupt(number: int, frame: FrameType | None) -> None:
        del frame
        raise _Interrupted(number)

    before = {number: signal.signal(number, interrupt) for number in EXIT_CODES}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
