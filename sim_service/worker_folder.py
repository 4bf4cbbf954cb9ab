"""OUT.shards, where workers collect what becomes the dataset OUT, and what has to hold before they start."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

from lerobot_writer import DatasetExistsError, ResumeError, StorageError, WriterError
from lerobot_writer.durable import disk_errors, make_directory
from lerobot_writer.layout import INFO
from lerobot_writer.lock import holding
from sim_service.collection import asked_configuration
from sim_service.config import CollectConfig, ConfigError
from sim_service.ledger import COLLECTION_FILE, Ledger, LedgerError
from sim_service.shard_record import SHARD_FILE, ShardRecord, ShardRecordError, read_shard_record

_SHARD: Final = re.compile(r"shard-(\d{5})")


class WorkerFolder:
    """Of the dataset `output`. Nothing is touched before `held`."""

    def __init__(self, output: Path) -> None:
        """Raises ConfigError for a path without a name."""
        whole = output if output.name not in ("", "..") else output.resolve()
        if not whole.name:
            raise ConfigError(f"--output {output} cannot be a dataset: there is no folder beside it for the shards")
        self.output, self.path = whole, whole.with_name(f"{whole.name}.shards")

    def shard(self, index: int) -> Path:
        return self.path / f"shard-{index:05d}"

    def log(self, index: int) -> Path:
        return self.path / f"shard-{index:05d}.log"

    def shards(self) -> list[Path]:
        """Those that are there, in order."""
        if not self.path.is_dir():
            return []
        return sorted(path for path in self.path.iterdir() if _SHARD.fullmatch(path.name) and path.is_dir())

    def records(self) -> dict[Path, ShardRecord]:
        """Raises ResumeError where one cannot be read."""
        try:
            found = {path: read_shard_record(path) for path in self.shards()}
        except (ShardRecordError, OSError) as error:
            raise ResumeError(f"cannot continue {self.path}: {error}") from error
        return {path: record for path, record in found.items() if record is not None}

    @contextmanager
    def held(self) -> Iterator[None]:
        """The folder is there, and nobody else's. Raises StorageError, and InUseError while somebody else works
        in it."""
        with disk_errors(f"cannot make {self.path}"):
            make_directory(self.path)
        with holding(self.path):
            yield

    def remove(self) -> None:
        """Shards and logs, and the folder when nothing else is in it. Raises StorageError."""
        with disk_errors(f"cannot remove {self.path}, which the dataset {self.output} no longer needs"):
            for path in self.shards():
                if (path / SHARD_FILE).exists() and not path.is_symlink():
                    shutil.rmtree(path)
            for path in self.path.glob("shard-*.log"):
                if _SHARD.fullmatch(path.stem):
                    path.unlink()
            with suppress(OSError):  # something of somebody else's
                self.path.rmdir()


def finished_before(folder: WorkerFolder, config: CollectConfig) -> Ledger | None:
    """Of the output, when a resume finds all episodes settled in it; None when there is nothing yet.

    Raises DatasetExistsError when there is something else, LedgerError when it is of another configuration.
    """
    output = folder.output
    if output.is_symlink() or (output.exists() and not output.is_dir()):
        raise DatasetExistsError(f"{output} exists and is not a folder")
    if not output.is_dir() or not any(output.iterdir()):
        return None
    if not (output / INFO).exists():
        raise DatasetExistsError(f"{output} is not empty; choose another folder, or continue it without --workers")
    if not config.resume:
        raise DatasetExistsError(f"{output} holds a dataset already; choose another folder")
    ledger = Ledger.read(output)
    _require_asked(output, dict(ledger.configuration), config)
    indices = range(config.num_episodes)
    settled = ledger.settled_of(indices)
    if settled < len(indices):
        raise DatasetExistsError(
            f"{output} has {settled} of {len(indices)} episodes already: continue it without --workers"
        )
    return ledger


def remove_left_over(folder: WorkerFolder, config: CollectConfig) -> None:
    """What a process left that was killed between its merge and its end: shards of the finished dataset, all over.
    Anything else stays."""
    try:
        count_of_shards(folder, config)
        if folder.shards() and all(record.is_over for record in folder.records().values()):
            with folder.held():
                folder.remove()
    except (WriterError, LedgerError):
        return


def count_of_shards(folder: WorkerFolder, config: CollectConfig) -> int:
    """How many shards the folder has, or gets. Raises DatasetExistsError, ResumeError or LedgerError when it cannot be
    continued as asked."""
    shards = folder.shards()
    if shards and not config.resume:
        raise DatasetExistsError(f"{folder.path} has shards of an earlier run: --resume continues it, or remove it")
    records = folder.records()
    for path in shards:
        _require_shard_asked(path, config)
    wanted = {record.num_episodes for record in records.values()} - {config.num_episodes}
    if wanted:
        raise ResumeError(
            f"{folder.path} was begun with --num-episodes {min(wanted)}, asked for {config.num_episodes}: finish it "
            "with the number that it was begun with, then continue the dataset without --workers"
        )
    counts = {record.count for record in records.values()}
    astray = [path for path, record in records.items() if path != folder.shard(record.index)]
    if len(counts) > 1 or astray:
        raise ResumeError(
            f"{folder.path} has shards that do not belong together: "
            + ", ".join(f"{path.name} is {record.index}/{record.count}" for path, record in records.items())
        )
    return min(counts) if counts else min(config.workers, config.num_episodes)


def _require_shard_asked(shard: Path, config: CollectConfig) -> None:
    try:
        content = json.loads((shard / COLLECTION_FILE).read_bytes())
        stored, begun = content["configuration"], (shard / INFO).exists() or bool(content["exhausted"])
    except FileNotFoundError:
        return
    except OSError as error:
        raise StorageError(f"cannot read {shard / COLLECTION_FILE}: {error}") from error
    except (ValueError, KeyError, TypeError) as error:
        raise LedgerError(f"{shard / COLLECTION_FILE} is not a collection's file") from error
    if begun and isinstance(stored, dict):
        _require_asked(shard, stored, config)


def _require_asked(root: Path, stored: dict[str, object], config: CollectConfig) -> None:
    differences = [
        f"{key}: the dataset has {stored.get(key)!r}, asked for {value!r}"
        for key, value in asked_configuration(config).items()
        if stored.get(key) != value
    ]
    if differences:
        raise LedgerError(f"cannot continue {root} with another configuration: {'; '.join(differences)}")
