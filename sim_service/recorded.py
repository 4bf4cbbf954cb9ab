"""Reads back what this collector recorded: the scenes, states and actions of its episodes."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from collectors.cameras import CAMERAS
from collectors.features import TRUE_STATE
from collectors.randomization import from_mapping
from collectors.replay import RecordedEpisode
from sim_service.ledger import COLLECTION_FILE
from sim_service.scene_columns import scene_of_row
from sim_service.simulators import SimulatorSettings
from sim_service.stored import DatasetError, StoredDataset, open_stored


@dataclass(frozen=True)
class Dataset(StoredDataset):
    """A dataset of this collector. configuration: as in meta/collection.json."""

    configuration: dict[str, Any]

    @property
    def settings(self) -> SimulatorSettings:
        """Of the simulator that collected it."""
        stored = self.configuration
        randomization = from_mapping(stored["randomization"])
        return SimulatorSettings.of(stored["fps"], stored["use_ycb"], stored["render_preset"], randomization)


def open_dataset(root: Path) -> Dataset:
    """Raises DatasetError."""
    stored = open_stored(root)
    try:
        configuration = json.loads((root / COLLECTION_FILE).read_bytes())["configuration"]
        dataset = Dataset(stored.root, stored.info, stored.rows, configuration)
        _ = dataset.settings, configuration["simulator"]
    except FileNotFoundError as error:
        raise DatasetError(f"{root} holds no dataset of this collector: no {Path(error.filename).name}") from None
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DatasetError(f"{root} holds no dataset of this collector: {error!r}") from error
    if not all(row.get("collection/segment_frames") for row in dataset.rows):
        raise DatasetError(f"{root} holds episodes of another collector: no column collection/segment_frames")
    return dataset


def load_episode(dataset: Dataset, episode: int) -> RecordedEpisode:
    """What a replay needs. Raises DatasetError."""
    states = TRUE_STATE if TRUE_STATE in dataset.features else "observation.state"  # which may be noisy
    columns = dataset.numbers(episode, [states, "action"])
    row = dataset.row(episode)
    return RecordedEpisode(
        scene_of_row(row, CAMERAS),
        columns[states],
        columns["action"],
        row["collection/attach_frame"],
        row["collection/detach_frame"],
    )
