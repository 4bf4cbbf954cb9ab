"""Merges the shards of a collection, or any datasets of one configuration, into the dataset of them all."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lerobot_writer import MergeError
from lerobot_writer.durable import disk_errors, write_flushed
from lerobot_writer.layout import INFO
from lerobot_writer.merge import Episode, merge_datasets, require_outside
from lerobot_writer.merge_source import Source, open_source, require_idle
from sim_service.export.card import CardError, write_card
from sim_service.index_runs import index_runs
from sim_service.ledger import COLLECTION_FILE, VERSIONS, Ledger, LedgerError, differing
from sim_service.shard_record import SHARD_FILE, ShardRecord, ShardRecordError, read_shard_record

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class MergeResult:
    """missing: indices of episodes that no source has, out of those that were asked for."""

    episodes: int
    frames: int
    missing: tuple[int, ...]


@dataclass(frozen=True)
class _Part:
    """One folder to be merged. source, ledger: None where it has no episode. indices: of its episodes, in order."""

    root: Path
    record: ShardRecord | None
    source: Source | None
    ledger: Ledger | None
    indices: Sequence[int]


def merge_shards(
    output: Path,
    sources: Sequence[Path],
    allow_missing: bool,
    progress: Callable[[int], Callable[[], None]] | None = None,
) -> MergeResult:
    """Write the dataset `output` of all episodes in `sources`, in the order of their indices. The sources stay as they
    are; `output` appears whole or not at all.

    allow_missing: go on without the episodes that no source has. progress: gets the number of episodes, returns what is
    to be called after each. Raises MergeError with everything that does not fit, LedgerError, and what
    `merge_datasets` raises.
    """
    problems: list[str] = []
    parts = _open_parts(sources, problems)
    _refuse(problems)
    require_outside(output, [part.root for part in parts])
    with_ledger = [part for part in parts if part.ledger is not None]
    if not with_ledger:
        raise MergeError("none of these folders has an episode: there is nothing to merge")
    problems += _differences(with_ledger)
    order = _order(parts, problems)
    _refuse(problems)
    num_episodes = max(_asked_for(part) for part in parts)
    have = {index for index, _ in order}
    missing = tuple(index for index in range(num_episodes) if index not in have)
    if missing and not allow_missing:
        raise MergeError(_missing_text(missing, num_episodes, parts))
    with_ledger.sort(key=lambda part: min(part.indices, default=num_episodes))
    ledger = Ledger.together([part.ledger for part in with_ledger if part.ledger is not None], num_episodes)
    frames = merge_datasets(
        output,
        [part.source for part in parts if part.source is not None],
        [episode for _, episode in order],
        lambda dataset: _add_files(dataset, ledger),
        progress(len(order)) if progress is not None else None,
    )
    return MergeResult(len(order), frames, missing)


def _add_files(dataset: Path, ledger: Ledger) -> None:
    """Counted anew from the rows: those of a source that was killed may run ahead of its info.json."""
    write_flushed(dataset / COLLECTION_FILE, ledger.content())
    write_flushed(dataset / COLLECTION_FILE, Ledger.read(dataset).content())
    try:
        write_card(dataset)
    except CardError as error:  # the dataset is whole without
        _log.warning("%s", error)


def _refuse(problems: Sequence[str]) -> None:
    if problems:
        raise MergeError("; ".join(problems))


def _open_parts(sources: Sequence[Path], problems: list[str]) -> list[_Part]:
    parts = []
    seen: dict[Path, Path] = {}
    for root in sources:
        try:
            with disk_errors(f"cannot read {root}"):
                parts.append(_open_part(root, seen))
        except (MergeError, ShardRecordError, LedgerError) as error:
            problems.append(str(error))
    return parts


def _open_part(root: Path, seen: dict[Path, Path]) -> _Part:
    if not root.is_dir():
        raise MergeError(f"{root} is not a folder")
    folder = root.resolve()
    if folder in seen:
        other = f", also as {seen[folder]}" if seen[folder] != root else ""
        raise MergeError(f"{root} was named twice{other}")
    seen[folder] = root
    record = read_shard_record(root)
    if (root / INFO).exists():
        source = open_source(root)
        collected = Ledger.read(root)  # before the column, which datasets of other programs lack, too
        return _Part(root, record, source, collected, source.column("collection/index"))
    if record is None:
        raise MergeError(f"{root} holds no dataset: neither {INFO} nor {SHARD_FILE}")
    require_idle(root)
    ledger = Ledger.read(root) if (root / COLLECTION_FILE).exists() else None
    return _Part(root, record, None, ledger, ())


def _asked_for(part: _Part) -> int:
    told = [part.record.num_episodes] if part.record is not None else []
    told += [part.ledger.num_episodes] if part.ledger is not None else []
    return max(told)


def _differences(parts: Sequence[_Part]) -> list[str]:
    """Between the configurations; other versions are said, not refused."""
    first = parts[0]
    problems = []
    for part in parts[1:]:
        one, other = _configuration(first), _configuration(part)
        problems += [
            f"{key}: {part.root} has {other.get(key)!r}, {first.root} has {one.get(key)!r}"
            for key in differing(one, other)
        ]
        if one.get(VERSIONS) != other.get(VERSIONS):
            _log.warning(
                "%s was collected with %s, %s with %s: equal seeds may differ in their last bits",
                *(part.root, other.get(VERSIONS), first.root, one.get(VERSIONS)),
            )
    return problems


def _configuration(part: _Part) -> dict[str, Any]:
    return dict(part.ledger.configuration) if part.ledger is not None else {}


def _order(parts: Sequence[_Part], problems: list[str]) -> list[tuple[int, Episode]]:
    """Index and place of each episode, in the order of the indices."""
    owners: dict[int, Path] = {}
    twice: dict[tuple[Path, Path], list[int]] = {}
    order = []
    number = 0
    for part in parts:
        given_up = part.ledger.given_up if part.ledger is not None else ()
        for index in (*part.indices, *given_up):
            owner = owners.setdefault(index, part.root)
            if owner is not part.root:
                twice.setdefault((owner, part.root), []).append(index)
        if part.source is None:
            continue
        order += [(index, Episode(number, position)) for position, index in enumerate(part.indices)]
        if len(set(part.indices)) < len(part.indices):
            problems.append(f"{part.root} has an episode twice")
        number += 1
    for (a, b), indices in twice.items():
        problems.append(f"{a} and {b} both have episode {index_runs(sorted(indices), ' to ')}")
    return sorted(order)


def _missing_text(missing: Sequence[int], num_episodes: int, parts: Iterable[_Part]) -> str:
    given_up = {index for part in parts if part.ledger is not None for index in part.ledger.given_up}
    lines = [f"{len(missing)} of {num_episodes} episodes are missing: {index_runs(missing, ' to ')}"]
    lost = sorted(given_up.intersection(missing))
    if lost:
        lines.append(f"given up after all their attempts: {index_runs(lost, ' to ')}")
    for part in parts:
        record = part.record
        if record is not None and record.state != "complete":
            have = sum(record.first_index <= index < record.end_index for index in part.indices)
            lines.append(f"{part.root} is {record.state} with {have} of {record.episodes} episodes")
    lines.append("collect them with --resume, or merge what is there with --allow-missing")
    return "; ".join(lines)
