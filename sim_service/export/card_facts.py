"""What a dataset's card tells, read with few columns so that ten thousand episodes take less than a second."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import numpy as np
import pyarrow.parquet as pq
from numpy.typing import NDArray

from lerobot_writer import layout
from lerobot_writer.schema import CODEBASE_VERSION
from sim_service.ledger import COLLECTION_FILE

_COLUMNS: Final = ("collection/success", "collection/success_2cm", "collection/placement_error_m")


@dataclass(frozen=True, eq=False)
class Outcomes:
    """attempts, successes, failures (reason to attempts): of meta/collection.json. recorded: episodes of the dataset
    that succeeded. errors_m: placement errors of those, shape (recorded,)."""

    attempts: int
    successes: int
    successes_2cm: int
    failures: Mapping[str, int]
    recorded: int
    errors_m: NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class CardFacts:
    """features: as in info.json. configuration: of meta/collection.json; it and
    outcomes are None for a dataset of another collector."""

    robot_type: str
    fps: int
    episodes: int
    frames: int
    features: Mapping[str, Mapping[str, Any]]
    tasks: Sequence[str]
    configuration: Mapping[str, Any] | None = None
    outcomes: Outcomes | None = None
    cameras: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)


def read_facts(root: Path) -> CardFacts:
    """Raises OSError, ValueError, LookupError, TypeError, AttributeError or Arrow's errors where it is no dataset."""
    info = json.loads((root / layout.INFO).read_bytes())
    if info["codebase_version"] != CODEBASE_VERSION:
        raise ValueError(f"format {info['codebase_version']}, expected {CODEBASE_VERSION}")
    facts = {
        "robot_type": str(info.get("robot_type") or ""),
        "fps": int(info["fps"]),
        "episodes": int(info["total_episodes"]),
        "frames": int(info["total_frames"]),
        "features": info["features"],
        "tasks": _tasks(root),
    }
    if not (root / COLLECTION_FILE).exists():
        return CardFacts(**facts)
    collection = json.loads((root / COLLECTION_FILE).read_bytes())
    configuration = collection["configuration"]
    outcomes = _outcomes(root, collection["totals"], facts["episodes"])
    return CardFacts(**facts, configuration=configuration, outcomes=outcomes, cameras=configuration["cameras"])


def _tasks(root: Path) -> list[str]:
    table = pq.read_table(root / layout.TASKS)
    (text,) = (name for name in table.column_names if name != "task_index")
    tasks: list[str] = table.column(text).to_pylist()
    return tasks


def _outcomes(root: Path, totals: Mapping[str, Any], episodes: int) -> Outcomes:
    successes: list[bool] = []
    errors_m: list[float] = []
    for path in sorted((root / layout.EPISODES).glob("*/*.parquet")):
        with pq.ParquetFile(path) as file:
            rows = file.read(columns=list(_COLUMNS), use_threads=False).to_pydict()
        successes += rows["collection/success"]
        errors_m += rows["collection/placement_error_m"]
    counted = np.array(successes[:episodes], bool)
    return Outcomes(
        attempts=int(totals["attempts"]),
        successes=int(totals["successes"]),
        successes_2cm=int(totals["successes_2cm"]),
        failures={str(reason): int(count) for reason, count in totals["failures"].items()},
        recorded=int(counted.sum()),
        errors_m=np.array(errors_m[:episodes], np.float64)[counted],
    )
