"""A shards' status in words, for people, and as a dict, for machines."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

from sim_service.index_runs import index_runs
from sim_service.shard import Shard
from sim_service.shard_status import SeenShard, ShardStatus

_WELL: Final = ("complete", "collecting")


def summary(status: ShardStatus) -> str:
    """One line."""
    if status.count is None and not status.shards:
        return "no shard has a record yet"
    named = ", ".join(f"{number} {state}" for state, number in status.states.items())
    shards = f"{status.count} shards" if status.count is not None else "an unknown number of shards"
    if status.alone:
        shards = f"one of {shards}"
    parts = []
    if status.num_episodes is not None:
        parts.append(f"{status.recorded} of {status.num_episodes} episodes")
    if status.attempts:
        parts.append(f"{status.successes / status.attempts:.1%} of {status.attempts} attempts succeed")
    if status.frames_per_s is not None:
        parts.append(f"{status.frames_per_s:.0f} frames/s")
    if status.time_left_s is not None:
        parts.append(f"{duration(status.time_left_s)} left")
    return f"{shards}: {named}" + (f"; {', '.join(parts)}" if parts else "")


def not_well(status: ShardStatus) -> list[str]:
    """A line for each shard that somebody should look at, and for each contradiction; all missing ones share one."""
    lines = [_line(shard, status.now_s) for shard in status.shards if shard.state not in _WELL]
    if status.missing:
        what = "shard" if len(status.missing) == 1 else "shards"
        lines.append(f"{what} {index_runs(status.missing)} of {status.count}: no record, not begun")
    return [*lines, *(f"contradiction: {text}" for text in status.contradictions)]


def as_dict(status: ShardStatus) -> dict[str, Any]:
    """Times in seconds, rates per second; null where something is not known."""
    return {
        "exit_code": status.exit_code,
        "shards": status.count,
        "states": status.states,
        "requested": status.num_episodes,
        "episodes": status.recorded,
        "given_up": status.exhausted,
        "attempts": status.attempts,
        "successes": status.successes,
        "failures": status.failures,
        "frames_per_s": _rounded(status.frames_per_s),
        "seconds_left": _rounded(status.time_left_s),
        "missing": list(status.missing),
        "not_well": [_entry(shard) for shard in status.shards if shard.state not in _WELL],
        "contradictions": list(status.contradictions),
    }


def duration(seconds: float) -> str:
    """To the precision that matters."""
    minutes = round(seconds / 60)
    if seconds < 90:
        return f"{seconds:.0f} s"
    if minutes < 90:
        return f"{minutes} min"
    return f"{minutes // 60} h {minutes % 60} min"


def failures_text(failures: Iterable[tuple[str, int]]) -> str:
    """The most frequent reason first."""
    return ", ".join(f"{reason} {n}" for reason, n in sorted(failures, key=lambda entry: (-entry[1], entry[0])))


def _line(shard: SeenShard, now_s: float) -> str:
    record = shard.record
    if record is None:
        return f"{shard.folder}: {shard.problem}"
    where = f"shard {Shard(record.index, record.count)} ({shard.folder}, on {record.host})"
    have = f"{record.recorded} of {record.episodes} episodes"
    if shard.state == "stale":
        silence = duration(now_s - record.updated_at)
        return f"{where}: stale, with {have}: it says that it is collecting, and nothing since {silence}"
    if shard.state == "incomplete":
        return f"{where}: incomplete, with {have}; failed attempts: {failures_text(record.failures.items())}"
    code = f" (exit code {record.exit_code})" if record.exit_code is not None else ""
    error = f": {record.error}" if record.error else ""
    return f"{where}: {shard.state}, with {have}{code}{error}"


def _entry(shard: SeenShard) -> dict[str, Any]:
    record = shard.record
    if record is None:
        return {"folder": shard.folder, "state": shard.state, "error": shard.problem}
    return {
        "shard": record.index,
        "folder": shard.folder,
        "state": shard.state,
        "host": record.host,
        "requested": record.episodes,
        "episodes": record.recorded,
        "given_up": record.exhausted,
        "failures": dict(record.failures),
        "updated_at": record.updated_at,
        "exit_code": record.exit_code,
        "error": record.error,
    }


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 2)
