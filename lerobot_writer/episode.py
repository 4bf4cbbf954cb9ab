"""The episode that is being recorded: checks every frame at the door and keeps its rows until the episode ends."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from lerobot_writer.errors import FrameError, OrderError, raise_all
from lerobot_writer.schema import ACTION, DONE, STATE, Schema

TIMESTAMP_TOLERANCE_S: Final = 1e-4  # LeRobot's own, `tolerance_s` of LeRobotDataset


class OpenEpisode:
    """Rows of one episode. pictures: how many each camera has delivered."""

    def __init__(self, schema: Schema, index: int) -> None:
        self.index = index
        self.length = 0
        self.pictures = dict.fromkeys(schema.cameras, 0)
        self._schema = schema
        self._rows: dict[str, list[NDArray[np.float32]]] = {name: [] for name in schema.vectors}
        self._done = False

    def add_frame(
        self,
        episode_index: int,
        frame_index: int,
        state: ArrayLike,
        action: ArrayLike,
        extra: Mapping[str, ArrayLike],
        timestamp: float,
        next_done: bool,
    ) -> None:
        """Keep a copy of one frame's vectors. Raises, with everything that is wrong, and keeps nothing."""
        if episode_index != self.index or frame_index != self.length:
            raise OrderError(
                f"got frame {frame_index} of episode {episode_index}, "
                f"the next one is frame {self.length} of episode {self.index}"
            )
        if self._done:
            raise OrderError(f"episode {self.index} ended with next_done at frame {self.length - 1}; finish it")
        behind = [f"{camera} has {n}" for camera, n in self.pictures.items() if n < self.length]
        if behind:
            raise OrderError(
                f"episode {self.index}, frame {frame_index}: a camera frame of the {self.length} frames before is "
                f"missing: {', '.join(behind)}"
            )
        problems: list[str] = []
        vectors = {**extra, STATE: state, ACTION: action}
        rows = {name: self._row(name, vectors.get(name), problems) for name in self._schema.vectors}
        known = self._schema.extra_features
        problems += [f"unknown extra feature {name!r}; known: {_listed(known)}" for name in extra if name not in known]
        exact = frame_index / self._schema.fps
        is_number = isinstance(timestamp, int | float | np.integer | np.floating) and not isinstance(timestamp, bool)
        if not is_number or not abs(timestamp - exact) <= TIMESTAMP_TOLERANCE_S:
            where = f"frame {frame_index} at {self._schema.fps} fps is {exact:.6f} s"
            problems.append(f"timestamp is {timestamp!r} s, {where}")
        if not isinstance(next_done, bool | np.bool_):
            problems.append(f"next_done must be a bool, got {next_done!r}")
        raise_all(FrameError, f"episode {self.index}, frame {frame_index}", problems)
        for name, row in rows.items():
            self._rows[name].append(row)
        self.length += 1
        self._done = bool(next_done)

    def require_picture(self, camera: str, rgb: object) -> NDArray[np.uint8]:
        """The picture, when it can be this camera's next one: of the present or the coming frame."""
        where = f"episode {self.index}, camera {camera}"
        if camera not in self.pictures:
            raise FrameError(f"unknown camera {camera!r}; known: {_listed(self.pictures)}")
        if self.pictures[camera] > self.length:
            raise OrderError(f"{where}: already has the picture of frame {self.length}; add that frame first")
        if self._done and self.pictures[camera] == self.length:
            raise OrderError(f"{where}: has the pictures of all {self.length} frames; finish the episode")
        expected = (self._schema.height, self._schema.width, 3)
        if not isinstance(rgb, np.ndarray):
            raise FrameError(f"{where}: expected a uint8 array of shape {expected}, got {type(rgb).__name__}")
        if rgb.shape != expected or rgb.dtype != np.uint8:
            raise FrameError(
                f"{where}: expected uint8 of shape {expected} (height, width, 3), got {rgb.dtype} {rgb.shape}"
            )
        return rgb

    def count_picture(self, camera: str) -> None:
        """Note that the camera's next picture was delivered."""
        self.pictures[camera] += 1

    def require_complete(self, length: int) -> None:
        """Raise with everything that keeps the episode from being finished."""
        problems = []
        if length != self.length:
            problems.append(f"length is given as {length}, {self.length} frames were added")
        if self.length == 0:
            problems.append("it has no frame")
        problems += [
            f"camera {camera} has {n} pictures for {self.length} frames"
            for camera, n in self.pictures.items()
            if n != self.length
        ]
        if self.length and not self._done:
            problems.append("its last frame was not added with next_done=True")
        raise_all(FrameError, f"episode {self.index} cannot be finished", problems)

    def columns(self, first_frame: int, task_index: int) -> dict[str, NDArray[Any]]:
        """Every data column of the episode, in the dtype of the schema."""
        counting = np.arange(self.length, dtype=np.int64)
        done = np.zeros(self.length, dtype=np.bool_)
        done[-1] = True
        return {
            **{name: np.stack(rows) for name, rows in self._rows.items()},
            DONE: done,
            "timestamp": (counting / self._schema.fps).astype(np.float32),
            "frame_index": counting,
            "episode_index": np.full(self.length, self.index, dtype=np.int64),
            "index": first_frame + counting,
            "task_index": np.full(self.length, task_index, dtype=np.int64),
        }

    def _row(self, name: str, value: ArrayLike | None, problems: list[str]) -> NDArray[np.float32]:
        expected = (len(self._schema.vectors[name]),)
        label = {STATE: "state", ACTION: "action"}.get(name, name)
        if value is None:
            problems.append(f"{label} is missing")
            return np.empty(0, dtype=np.float32)
        try:
            array = np.asarray(value)
        except ValueError as error:
            problems.append(f"{label} is no array: {error}")
            return np.empty(0, dtype=np.float32)
        if array.dtype.kind != "f":
            problems.append(f"{label} must be floating point, got {array.dtype}")
        elif array.shape != expected:
            problems.append(f"{label} must have shape {expected}, got {array.shape}")
        else:
            with np.errstate(all="ignore"):
                row = array.astype(np.float32)
            if np.isfinite(row).all():
                return row
            bad = np.flatnonzero(~np.isfinite(row)).tolist()
            where = ", ".join(f"{self._schema.vectors[name][i]}={array[i]}" for i in bad)
            problems.append(f"{label} is not finite (as float32) at {where}")
        return np.empty(0, dtype=np.float32)


def _listed(names: Iterable[str]) -> str:
    return ", ".join(names) or "none"
