"""Reads the GR00T flavour of LeRobot v2.1 as its documentation describes it, and from nothing else of ours."""

from __future__ import annotations

import json
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pyarrow.parquet as pq


@dataclass(frozen=True)
class GrootDataset:
    root: Path

    def json(self, name: str) -> Any:
        return json.loads((self.root / "meta" / name).read_text(encoding="utf-8"))

    def lines(self, name: str) -> list[Any]:
        """Every line is an object: a blank one would be an error for GR00T's readers, too."""
        text = (self.root / "meta" / name).read_text(encoding="utf-8")
        assert text.endswith("\n")
        return [json.loads(line) for line in text.removesuffix("\n").split("\n")]

    @property
    def info(self) -> dict[str, Any]:
        found: dict[str, Any] = self.json("info.json")
        return found

    def _path(self, template: str, episode: int, key: str) -> Path:
        names = {"episode_chunk": episode // self.info["chunks_size"], "episode_index": episode, "video_key": key}
        return self.root / self.info[template].format(**names)

    def columns(self, episode: int) -> dict[str, np.ndarray]:
        """Of an episode's parquet file: (frames,), or (frames, size) of lists."""
        with pq.ParquetFile(self._path("data_path", episode, "")) as file:
            return {name: np.array(values) for name, values in file.read().to_pydict().items()}

    def part(self, episode: int, modality: str, key: str) -> np.ndarray:
        """Of the state or action, shape (frames, size)."""
        where = self.json("modality.json")[modality][key]
        column = where.get("original_key", {"state": "observation.state", "action": "action"}[modality])
        return self.columns(episode)[column][:, where["start"] : where["end"]]

    def texts(self, episode: int, annotation: str) -> list[str]:
        column = self.json("modality.json")["annotation"][annotation]["original_key"]
        texts = {line["task_index"]: line["task"] for line in self.lines("tasks.jsonl")}
        return [texts[index] for index in self.columns(episode)[column].tolist()]

    def video_path(self, episode: int, key: str) -> Path:
        return self._path("video_path", episode, self.json("modality.json")["video"][key]["original_key"])

    def pictures(self, episode: int, key: str) -> list[np.ndarray]:
        """As they are stored, yuv420p. Each is presented at exactly its number / fps."""
        found = []
        with av.open(str(self.video_path(episode, key))) as container:
            stream = container.streams.video[0]
            assert stream.codec_context.name == "h264"
            for number, frame in enumerate(container.decode(stream)):
                assert frame.pts is not None
                assert frame.time_base is not None
                assert frame.pts * frame.time_base == Fraction(number, self.info["fps"])
                found.append(frame.to_ndarray())
        return found
