"""Records of shards, for tests."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

from sim_service.shard import Shard
from sim_service.shard_record import ShardRecord, write_shard_record

NOW_S = 1_790_000_000.0
FRAMES = 100  # of an episode


def record(index: int, count: int, num_episodes: int, state: Any = "complete", **changes: Any) -> ShardRecord:
    """As a shard leaves it that is over, or has just been begun; `changes` win."""
    indices = Shard(index, count).indices(num_episodes)
    full = len(indices) if state == "complete" else 0
    made = ShardRecord(
        index=index,
        count=count,
        num_episodes=num_episodes,
        first_index=indices.start,
        end_index=indices.stop,
        state=state,
        recorded=full,
        attempts=full,
        successes=full,
        frames=FRAMES * full,
        seconds=10.0,
        started_at=NOW_S - 60,
        updated_at=NOW_S,
        host=f"pod-{index}",
        exit_code={"complete": 0, "incomplete": 3, "interrupted": 143, "failed": 1}.get(state),
    )
    return dataclasses.replace(made, **changes)


def write(root: Path, shard: ShardRecord, name: str | None = None) -> Path:
    """Into a folder below `root`, which is returned."""
    folder = root / (name or f"shard-{shard.index:05d}")
    write_shard_record(folder, shard)
    return folder
