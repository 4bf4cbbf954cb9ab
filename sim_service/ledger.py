"""Which episode indices are done, given up or open, and the counts: read off the dataset, kept in meta/collection.json.

The episodes' own rows are the truth, so that a kill between an episode's commit and the file's update loses nothing;
the file adds what no row can say: the configuration and the indices whose attempts all failed.
"""

from __future__ import annotations

import json
import logging
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import pyarrow as pa
import pyarrow.parquet as pq

from collectors.episode import EpisodeOutcome
from lerobot_writer.durable import flush, write_flushed

COLLECTION_FILE: Final = Path("meta/collection.json")
# Columns of the episodes' rows that are counted.
_COUNTED: Final = (
    "index",
    "failed_attempts",
    "success",
    "success_2cm",
    "failure_reason",
    "placement_error_m",
    "max_joint_speed_fraction",
)
VERSIONS: Final = "versions"  # may differ on a resume: said, not refused

_log = logging.getLogger(__name__)


class LedgerError(RuntimeError):
    """The collection's file cannot be read or written, or tells of another configuration."""


class Ledger:
    """Counts of one dataset. placement_errors_m: of the successes, in order."""

    def __init__(self, root: Path, configuration: dict[str, Any], num_episodes: int) -> None:
        self._root, self._configuration, self._num_episodes = root, configuration, num_episodes
        self._done: set[int] = set()
        self._exhausted: dict[int, list[str]] = {}
        self.failures: Counter[str] = Counter()
        self.attempts = 0
        self.successes = 0
        self.successes_2cm = 0
        self.placement_errors_m: list[float] = []
        self.max_joint_speed_fraction = 0.0

    @staticmethod
    def require_same(root: Path, configuration: dict[str, Any]) -> None:
        """Raise LedgerError naming every difference, where there is something to continue."""
        stored = _read(root)
        begun = (root / "meta/info.json").exists()
        if stored is None:
            if begun:
                raise LedgerError(
                    f"{root} has episodes but no {COLLECTION_FILE}: what it was collected with is unknown"
                )
            return
        if not begun and not stored["exhausted"]:
            return
        before = stored["configuration"]
        differences = [
            f"{key}: the dataset has {before.get(key)!r}, asked for {configuration.get(key)!r}"
            for key in differing(before, configuration)
        ]
        if differences:
            raise LedgerError(f"cannot continue {root} with another configuration: {'; '.join(differences)}")
        if before.get(VERSIONS) != configuration.get(VERSIONS):
            _log.warning(
                "the episodes so far were collected with %s, those to come with %s: their last bits may differ",
                before.get(VERSIONS),
                configuration.get(VERSIONS),
            )

    @staticmethod
    def open(root: Path, configuration: dict[str, Any], num_episodes: int) -> Ledger:
        """Of the dataset at `root`, or an empty one; nothing is written before `save`. A dataset with episodes keeps
        the configuration it began with. num_episodes: asked for, those of all other shards included."""
        stored = _read(root)
        if stored is not None and (root / "meta/info.json").exists():
            configuration = stored["configuration"]
        ledger = Ledger(root, configuration, num_episodes)
        ledger._read(stored)
        return ledger

    @staticmethod
    def read(root: Path) -> Ledger:
        """Of a collection as it is; nothing is written. Raises LedgerError where there is none."""
        stored = _read(root)
        if stored is None:
            raise LedgerError(f"{root} has no {COLLECTION_FILE}: what it was collected with is unknown")
        num_episodes = stored.get("num_episodes")
        if type(num_episodes) is not int or num_episodes < 1:
            raise LedgerError(f"{root / COLLECTION_FILE} does not say how many episodes were asked for")
        ledger = Ledger(root, stored["configuration"], num_episodes)
        ledger._read(stored)
        return ledger

    @staticmethod
    def together(parts: Sequence[Ledger], num_episodes: int) -> Ledger:
        """With the configuration, which must be one, and the indices that were given up; the episodes of a dataset of
        them all are to be counted from its rows (`read`)."""
        joined = Ledger(parts[0]._root, parts[0]._configuration, num_episodes)
        for part in parts:
            joined._exhausted |= part._exhausted
        return joined

    @property
    def configuration(self) -> Mapping[str, Any]:
        return self._configuration

    @property
    def num_episodes(self) -> int:
        """Asked for, those of all other shards included."""
        return self._num_episodes

    @property
    def given_up(self) -> Sequence[int]:
        return sorted(self._exhausted)

    @property
    def episodes(self) -> int:
        return len(self._done)

    @property
    def exhausted(self) -> int:
        return len(self._exhausted)

    def recorded_of(self, indices: range) -> int:
        """How many of these are recorded."""
        return sum(index in indices for index in self._done)

    def settled_of(self, indices: range) -> int:
        """How many of these are recorded or given up."""
        return self.recorded_of(indices) + sum(index in indices for index in self._exhausted)

    def outside(self, indices: range) -> list[int]:
        """What is recorded or given up besides these, sorted."""
        return sorted(index for index in (*self._done, *self._exhausted) if index not in indices)

    def is_settled(self, index: int) -> bool:
        """Whether the index is recorded or given up."""
        return index in self._done or index in self._exhausted

    def add_episode(self, index: int, attempt: int, failures: Sequence[str], outcome: EpisodeOutcome) -> None:
        """Count a committed episode. failures: the reasons of the attempts before it."""
        if len(failures) != attempt:
            raise ValueError(f"attempt {attempt} must come after {attempt} failures, got {list(failures)}")
        self._count(
            index=index,
            failures=failures,
            success=outcome.success,
            success_2cm=outcome.success_2cm,
            failure_reason=outcome.failure_reason,
            placement_error_m=outcome.placement_error_m,
            max_joint_speed_fraction=outcome.max_joint_speed_fraction,
        )
        self.save()

    def add_exhausted(self, index: int, failures: Sequence[str]) -> None:
        """Give the index up."""
        self._exhausted[index] = list(failures)
        self._count_failures(failures)
        self.save()

    def totals(self) -> dict[str, Any]:
        """The counts that meta/collection.json and `--json` show."""
        return {
            "episodes": self.episodes,
            "attempts": self.attempts,
            "successes": self.successes,
            "successes_2cm": self.successes_2cm,
            "failures": dict(sorted(self.failures.items())),
            "exhausted": sorted(self._exhausted),
        }

    def _read(self, stored: Mapping[str, Any] | None) -> None:
        if stored is not None:
            self._exhausted = {int(index): reasons for index, reasons in stored["exhausted"].items()}
            for reasons in self._exhausted.values():
                self._count_failures(reasons)
        for file in sorted((self._root / "meta/episodes").glob("*/*.parquet")):
            for row in _read_rows(file):
                values = {name.removeprefix("collection/"): value for name, value in row.items()}
                failed = values.pop("failed_attempts")
                self._count(failures=failed.split(",") if failed else [], **values)

    def _count(
        self,
        index: int,
        failures: Sequence[str],
        success: bool,
        success_2cm: bool,
        failure_reason: str,
        placement_error_m: float,
        max_joint_speed_fraction: float,
    ) -> None:
        self._done.add(index)
        self._count_failures(failures)
        self.attempts += 1
        self.successes += success
        self.successes_2cm += success_2cm
        if not success:
            self.failures[failure_reason] += 1
        if success:
            self.placement_errors_m.append(placement_error_m)
        self.max_joint_speed_fraction = max(self.max_joint_speed_fraction, max_joint_speed_fraction)

    def _count_failures(self, reasons: Sequence[str]) -> None:
        self.attempts += len(reasons)
        self.failures.update(reasons)

    def content(self) -> bytes:
        """Of meta/collection.json."""
        content = {
            "configuration": self._configuration,
            "num_episodes": self._num_episodes,
            "totals": self.totals(),
            "exhausted": {str(index): reasons for index, reasons in sorted(self._exhausted.items())},
        }
        return (json.dumps(content, indent=2) + "\n").encode()

    def save(self) -> None:
        """Replace meta/collection.json. Raises LedgerError."""
        file = self._root / COLLECTION_FILE
        beside = file.with_suffix(".json.tmp")
        try:
            write_flushed(beside, self.content())
            beside.replace(file)
            flush(file.parent)
        except OSError as error:
            raise LedgerError(f"cannot write {file}: {error}") from error


def differing(one: Mapping[str, Any], other: Mapping[str, Any]) -> list[str]:
    """The entries of two configurations that decide an episode's content and are not the same."""
    return [
        key for key in sorted({*one, *other} - {VERSIONS}) if json.dumps(one.get(key)) != json.dumps(other.get(key))
    ]


def _read_rows(file: Path) -> list[dict[str, Any]]:
    try:
        rows: list[dict[str, Any]] = pq.read_table(file, columns=[f"collection/{n}" for n in _COUNTED]).to_pylist()
    except (OSError, pa.ArrowException) as error:
        raise LedgerError(f"{file} has no rows of this collector: {error}") from error
    return rows


def _read(root: Path) -> dict[str, Any] | None:
    try:
        content = json.loads((root / COLLECTION_FILE).read_bytes())
    except FileNotFoundError:
        return None
    except ValueError as error:
        raise LedgerError(f"cannot read {root / COLLECTION_FILE}: {error}") from error
    known = isinstance(content, dict) and {"configuration", "exhausted"} <= content.keys()
    if not known or not isinstance(content["configuration"], dict) or not isinstance(content["exhausted"], dict):
        raise LedgerError(f"{root / COLLECTION_FILE} is not a collection's file")
    result: dict[str, Any] = content
    return result
