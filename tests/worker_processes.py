"""Programs that stand for workers, and processes that run workers, for tests."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from sim_service.config import CollectConfig
from sim_service.shard import Shard
from sim_service.worker_command import worker_command

ROOT = Path(__file__).parent.parent

# `python -c _PARENT FLAGS...`: what `isaac-collect collect FLAGS...` does with more workers than one.
_PARENT = """
import argparse, sys
from sim_service.config import add_collect_flags, apply_environment, collect_config
from sim_service.worker_run import run_workers
parser = argparse.ArgumentParser()
add_collect_flags(parser)
apply_environment(parser)
sys.exit(run_workers(collect_config(parser.parse_args(sys.argv[1:]))))
"""

Command = Callable[[CollectConfig, Shard, Path, bool], list[str]]


def start_parent(flags: Sequence[str]) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", _PARENT, *flags],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def programs(*sources: str) -> Command:
    """Commands for `worker_run.worker_command`: shard I runs the I-th Python source. Its arguments are the shard's
    folder and the words that a worker would get."""

    def command(config: CollectConfig, shard: Shard, output: Path, verbose: bool) -> list[str]:
        words = worker_command(config, shard, output, verbose)[4:]
        return [sys.executable, "-c", sources[shard.index], str(output), *words]

    return command


def command_lines(word: str) -> dict[int, list[str]]:
    """Of the processes that have the word among their arguments, by their ids; zombies have no arguments."""
    found = {}
    for process in Path("/proc").iterdir():
        if process.name.isdigit() and int(process.name) != os.getpid():
            try:
                words = (process / "cmdline").read_bytes().decode().split("\0")
            except (FileNotFoundError, ProcessLookupError):
                continue
            if any(word in entry for entry in words):
                found[int(process.name)] = words
    return found
