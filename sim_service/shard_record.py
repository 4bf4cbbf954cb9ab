"""What a shard says of itself while it is collected and when it is over: `meta/shard.json` in its folder.

A merge that waits, and whoever looks at many shards, reads nothing else; an empty shard has nothing else.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any, Final, Literal, get_args

from lerobot_writer.durable import flush, make_directory, write_flushed
from sim_service.shard import Shard

SHARD_FILE: Final = Path("meta/shard.json")
_FORMAT: Final = 1

_COUNTS: Final = (
    *("index", "count", "num_episodes", "first_index", "end_index"),
    *("recorded", "exhausted", "settled_before", "attempts", "successes", "frames"),
)

# complete: every episode is recorded. incomplete: some were given up, and a retry would give them up again.
ShardState = Literal["collecting", "complete", "incomplete", "interrupted", "failed"]


class ShardRecordError(RuntimeError):
    """The file is there, but is no shard's record; the message says why."""


@dataclass(frozen=True)
class ShardRecord:
    """index, count: of the shard. num_episodes: of all shards. first_index, end_index: it has first_index to before
    end_index. recorded, exhausted, attempts, successes, failures (by reason) count all of its episodes, frames and
    seconds this process' work alone, from the opened simulator on; settled_before: how many episodes were recorded or
    given up when that work began. started_at, updated_at: of this process, seconds since 1970. host: where it ran,
    which is the pod's name. error, exit_code: None where there is none yet."""

    index: int
    count: int
    num_episodes: int
    first_index: int
    end_index: int
    state: ShardState
    recorded: int = 0
    exhausted: int = 0
    settled_before: int = 0
    attempts: int = 0
    successes: int = 0
    failures: Mapping[str, int] = field(default_factory=dict)
    frames: int = 0
    seconds: float = 0.0
    started_at: float = 0.0
    updated_at: float = 0.0
    host: str = ""
    error: str | None = None
    exit_code: int | None = None

    @property
    def episodes(self) -> int:
        """How many it has when it is complete."""
        return self.end_index - self.first_index

    @property
    def settled(self) -> int:
        """How many are recorded or given up."""
        return self.recorded + self.exhausted

    @property
    def episodes_per_s(self) -> float | None:
        """How many this process settles."""
        settled = self.settled - self.settled_before
        return settled / self.seconds if settled > 0 and self.seconds > 0 else None

    @property
    def frames_per_s(self) -> float | None:
        return self.frames / self.seconds if self.frames and self.seconds > 0 else None

    @property
    def is_over(self) -> bool:
        """Whether trying again would change nothing."""
        return self.state in ("complete", "incomplete")


def write_shard_record(root: Path, record: ShardRecord) -> None:
    """Replace the record in the shard's folder, which is made where it is missing. Raises OSError."""
    file = root / SHARD_FILE
    make_directory(file.parent)
    beside = file.with_suffix(".json.tmp")
    write_flushed(beside, (json.dumps({"format": _FORMAT, **asdict(record)}, indent=2) + "\n").encode())
    beside.replace(file)
    flush(file.parent)


def read_shard_record(root: Path) -> ShardRecord | None:
    """None where the folder has none, or is none. Raises ShardRecordError, OSError."""
    path = root / SHARD_FILE
    try:
        content = json.loads(path.read_bytes())
    except (FileNotFoundError, NotADirectoryError):
        return None
    except ValueError as error:
        raise ShardRecordError(f"{path} holds no JSON: {error}") from error
    if not isinstance(content, dict):
        raise ShardRecordError(f"{path} holds no JSON object")
    if content.pop("format", None) != _FORMAT:
        raise ShardRecordError(f"{path} is not of format {_FORMAT}")
    problems = [f"{name} is {content.get(name)!r}" for name in _problems(content)]
    if problems:
        raise ShardRecordError(f"{path} is no shard's record: {', '.join(problems)}")
    record = ShardRecord(**content)
    contradictions = _contradictions(record)
    if contradictions:
        raise ShardRecordError(f"{path} contradicts itself: {', '.join(contradictions)}")
    return record


def _contradictions(record: ShardRecord) -> list[str]:
    try:
        indices = Shard(record.index, record.count).indices(record.num_episodes)
    except ValueError as error:
        return [str(error)]
    found = []
    if (record.first_index, record.end_index) != (indices.start, indices.stop):
        found.append(
            f"shard {record.index}/{record.count} of {record.num_episodes} episodes is {indices.start} to before "
            f"{indices.stop}, not {record.first_index} to before {record.end_index}"
        )
    elif not record.settled_before <= record.settled <= record.episodes:
        found.append(
            f"of {record.episodes} episodes {record.recorded} are recorded, {record.exhausted} given up, "
            f"{record.settled_before} of them before"
        )
    return found


def _problems(content: Mapping[str, Any]) -> list[str]:
    """Names of the entries that are missing, foreign or of another kind."""
    known = {entry.name for entry in fields(ShardRecord)}
    wrong = [name for name in sorted({*known, *content}) if name not in known or name not in content]
    wrong += [name for name in _COUNTS if type(content.get(name)) is not int or content[name] < 0]
    wrong += [
        name
        for name in ("seconds", "started_at", "updated_at")
        if type(content.get(name)) not in (int, float) or not 0 <= content[name] < 1e18
    ]
    if content.get("state") not in get_args(ShardState):
        wrong.append("state")
    if not isinstance(content.get("host"), str):
        wrong.append("host")
    if not isinstance(content.get("error"), str | None):
        wrong.append("error")
    if type(content.get("exit_code")) not in (int, type(None)):
        wrong.append("exit_code")
    failures = content.get("failures")
    if not isinstance(failures, dict) or not all(type(n) is int and n >= 0 for n in failures.values()):
        wrong.append("failures")
    return list(dict.fromkeys(wrong))
