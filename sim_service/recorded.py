"""Reads recorded episodes back: their scene, states, actions and pictures."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import av
import av.error
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from collectors.cameras import CAMERAS
from collectors.features import TRUE_STATE
from collectors.randomization import from_mapping
from collectors.replay import RecordedEpisode
from collectors.simulator import Image
from sim_service.ledger import COLLECTION_FILE
from sim_service.scene_columns import scene_of_row
from sim_service.simulators import SimulatorSettings


class DatasetError(RuntimeError):
    """The folder holds no dataset of this collector, or not that episode; the message says which."""


@dataclass(frozen=True)
class Dataset:
    """A collected dataset. rows: one dict per episode, as in meta/episodes, without statistics."""

    root: Path
    info: dict[str, Any]
    configuration: dict[str, Any]
    rows: list[dict[str, Any]]

    @property
    def cameras(self) -> list[str]:
        """Feature names of the cameras."""
        return [name for name, feature in self.info["features"].items() if feature["dtype"] == "video"]

    @property
    def settings(self) -> SimulatorSettings:
        """Of the simulator that collected it."""
        stored = self.configuration
        randomization = from_mapping(stored["randomization"])
        return SimulatorSettings.of(stored["fps"], stored["use_ycb"], stored["render_preset"], randomization)

    def row(self, episode: int) -> dict[str, Any]:
        if not 0 <= episode < len(self.rows):
            raise DatasetError(f"no episode {episode} in {self.root}: it has 0 to {len(self.rows) - 1}")
        return self.rows[episode]


def open_dataset(root: Path) -> Dataset:
    """Raises DatasetError."""
    try:
        info = json.loads((root / "meta/info.json").read_bytes())
        configuration = json.loads((root / COLLECTION_FILE).read_bytes())["configuration"]
        rows: list[dict[str, Any]] = []
        for file in sorted((root / "meta/episodes").glob("*/*.parquet")):
            columns = [name for name in pq.read_schema(file).names if not name.startswith("stats/")]
            rows += pq.read_table(file, columns=columns).to_pylist()
        dataset = Dataset(root, info, configuration, rows[: info["total_episodes"]])
        _ = dataset.settings, dataset.cameras, info["fps"], configuration["simulator"]
    except FileNotFoundError as error:
        raise DatasetError(f"{root} holds no dataset of this collector: no {Path(error.filename).name}") from None
    except (OSError, ValueError, KeyError, TypeError, pa.ArrowException) as error:
        raise DatasetError(f"{root} holds no dataset of this collector: {error!r}") from error
    if not all("collection/segment_frames" in row for row in rows):
        raise DatasetError(f"{root} holds episodes of another collector: no column collection/segment_frames")
    return dataset


def load_episode(dataset: Dataset, episode: int) -> RecordedEpisode:
    """What a replay needs. Raises DatasetError."""
    row = dataset.row(episode)
    path = dataset.info["data_path"].format(chunk_index=row["data/chunk_index"], file_index=row["data/file_index"])
    states = TRUE_STATE if TRUE_STATE in dataset.info["features"] else "observation.state"  # which may be noisy
    try:
        table = pq.read_table(dataset.root / path, columns=[states, "action", "episode_index"])
    except (OSError, pa.ArrowException) as error:
        raise DatasetError(f"cannot read episode {episode} from {path}: {error}") from error
    table = table.filter(np.asarray(table.column("episode_index")) == episode)
    return RecordedEpisode(
        scene_of_row(row, CAMERAS),
        _matrix(table.column(states)),
        _matrix(table.column("action")),
        row["collection/attach_frame"],
        row["collection/detach_frame"],
    )


def read_pictures(dataset: Dataset, episode: int, camera: str, frames: Iterable[int]) -> Iterator[Image]:
    """The decoded pictures of one camera (its feature name) at these rising frame numbers of the episode."""
    row = dataset.row(episode)
    path = dataset.info["video_path"].format(
        video_key=camera,
        chunk_index=row[f"videos/{camera}/chunk_index"],
        file_index=row[f"videos/{camera}/file_index"],
    )
    first = round(row[f"videos/{camera}/from_timestamp"] * dataset.info["fps"])
    wanted = iter(frames)
    target = next(wanted, None)
    try:
        with av.open(str(dataset.root / path)) as container:
            if not container.streams.video:
                raise DatasetError(f"{path} holds no video")
            stream = container.streams.video[0]
            # Every episode begins with a keyframe, and frame n is presented at n / fps.
            ticks_per_frame = 1 / (dataset.info["fps"] * stream.time_base)
            container.seek(int(first * ticks_per_frame), stream=stream)
            for frame in container.decode(stream):
                number = round(frame.pts / ticks_per_frame) - first
                while target is not None and number == target:
                    yield frame.to_ndarray(format="rgb24")
                    target = next(wanted, None)
                if target is None:
                    return
    except (OSError, av.error.FFmpegError) as error:
        raise DatasetError(f"cannot read episode {episode} from {path}: {error}") from error
    raise DatasetError(f"{path} ends before frame {target} of episode {episode}")


def _matrix(column: Any) -> NDArray[np.float32]:
    array = column.combine_chunks()
    values: NDArray[np.float32] = array.flatten().to_numpy(zero_copy_only=False)
    return values.reshape(len(array), -1)
