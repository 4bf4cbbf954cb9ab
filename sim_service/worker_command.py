"""The command lines of `collect --workers`: of each worker's process, and the one that continues the whole."""

from __future__ import annotations

import os
import shlex
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from sim_service.collect_words import collect_words
from sim_service.config import ENVIRONMENT_PREFIX, CollectConfig
from sim_service.shard import Shard

# Mesa's software renderer draws with that many threads beside its caller's ("LP_NUM_THREADS" in Mesa's documentation of
# its environment variables).
_RENDER_THREADS: Final = "LP_NUM_THREADS"


def worker_command(config: CollectConfig, shard: Shard, output: Path, verbose: bool) -> list[str]:
    """Of the process that collects the shard, as `sim_service.worker_process` starts it."""
    words = [sys.executable, "-m", "sim_service.worker_child", str(os.getpid())]
    words += ["--verbose"] if verbose else []
    return [*words, *collect_words(config, output), "--resume", "--shard", str(shard)]


def worker_environment(environment: Mapping[str, str], workers: int, cores: int) -> dict[str, str]:
    """What our flags are in the environment counts for the command that was asked for, not for its workers. Where these
    keep all cores busy, a renderer's own threads are in the way: each worker draws in one thread then, unless the user
    has chosen."""
    kept = {name: value for name, value in environment.items() if not name.startswith(ENVIRONMENT_PREFIX)}
    return {_RENDER_THREADS: "0", **kept} if workers >= cores else kept


def how_to_go_on(config: CollectConfig, shards: Path) -> str:
    """Two sentences for whoever was interrupted."""
    resume = ["isaac-collect", *collect_words(config, config.output), "--resume", "--workers", str(config.workers)]
    merge = shlex.join(["isaac-collect", "merge", "--allow-missing", str(config.output)])
    return (
        f"Continue with: {shlex.join(resume)}\n"
        f"What is there already becomes a dataset by: {merge} {shlex.quote(str(shards))}/shard-*/"
    )
