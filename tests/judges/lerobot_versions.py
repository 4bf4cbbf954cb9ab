"""LeRobot as the judges see it: where versions differ, the difference is said here and nowhere else.

Runs in a judge's environment, where LeRobot is installed; LeRobot ships no types that the product's could check.
"""

from __future__ import annotations

import importlib
import importlib.metadata
import os
import tempfile
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

REPO_ID = "judge/synthetic"


class Absent(Exception):
    """This version, or this machine, does not have what is to be tried."""


def go_offline(cache: Path) -> None:
    """Cut the Hub off and keep caches in a folder of our own. Before LeRobot is imported."""
    for name in ("HF_HUB_OFFLINE", "HF_DATASETS_OFFLINE", "TRANSFORMERS_OFFLINE", "HF_DATASETS_DISABLE_PROGRESS_BARS"):
        os.environ[name] = "1"
    os.environ["HF_HOME"] = str(cache / "huggingface")
    os.environ["HF_LEROBOT_HOME"] = str(cache / "lerobot")
    os.environ["OMP_NUM_THREADS"] = "1"


class LeRobot:
    """The installed version."""

    def __init__(self) -> None:
        self.version = importlib.metadata.version("lerobot")
        self._dataset = importlib.import_module("lerobot.datasets.lerobot_dataset").LeRobotDataset
        self._tools = importlib.import_module("lerobot.datasets.dataset_tools")
        self._videos = importlib.import_module("lerobot.datasets.video_utils")

    def open(self, root: Path, **options: Any) -> Any:
        """A `LeRobotDataset` of a local folder."""
        return self._dataset(REPO_ID, root=root, **options)

    def stream(self, root: Path, **options: Any) -> Any:
        """A `StreamingLeRobotDataset` of a local folder, in order."""
        streaming = importlib.import_module("lerobot.datasets.streaming_dataset").StreamingLeRobotDataset
        return streaming(REPO_ID, root=root, shuffle=False, buffer_size=1, max_num_shards=1, **options)

    def tool(self, name: str) -> Callable[..., Any]:
        """A function of `lerobot.datasets.dataset_tools`.

        Raises:
            Absent: This version has none of that name.
        """
        if not hasattr(self._tools, name):
            raise Absent(f"LeRobot {self.version} has no dataset_tools.{name}")
        found: Callable[..., Any] = getattr(self._tools, name)
        return found

    def require_backend(self, name: str) -> None:
        """Check that a video backend works here.

        Raises:
            Absent: It does not, and why.
        """
        if name == "torchcodec":
            try:
                importlib.import_module("torchcodec.decoders")
            except (ImportError, OSError, RuntimeError) as error:
                raise Absent(f"torchcodec does not load: {str(error).splitlines()[0]}") from error
            return
        # 0.4.4's pyav reads through torchvision's reader, which later torchvisions dropped.
        by_torchvision = hasattr(self._videos, "decode_video_frames_torchvision")
        if by_torchvision and not hasattr(importlib.import_module("torchvision.io"), "VideoReader"):
            raise Absent(f"torchvision {importlib.metadata.version('torchvision')} has no VideoReader")

    def policy_features(self, features: Mapping[str, Any]) -> dict[str, Any]:
        """What a policy would take as its inputs and outputs."""
        before_0_5 = hasattr(importlib.import_module("lerobot.datasets.utils"), "dataset_to_policy_features")
        module = importlib.import_module("lerobot.datasets.utils" if before_0_5 else "lerobot.utils.feature_utils")
        found: dict[str, Any] = module.dataset_to_policy_features(features)
        return found

    def encoder(self, **options: Any) -> Any:
        """An H.264 setting for LeRobot's own encoder.

        Raises:
            Absent: This version takes none (before `lerobot.configs.video`).
        """
        try:
            video = importlib.import_module("lerobot.configs.video")
        except ModuleNotFoundError as error:
            raise Absent(f"LeRobot {self.version} has no lerobot.configs.video") from error
        return video.RGBEncoderConfig(**options)

    def append(self, root: Path, frames: Iterable[dict[str, Any]]) -> None:
        """Add an episode to a dataset on disk with LeRobot's own writer."""
        if hasattr(self._dataset, "resume"):
            h264 = self.encoder(vcodec="h264", g=10, crf=23, preset="ultrafast")
            dataset = self._dataset.resume(REPO_ID, root=root, rgb_encoder=h264)
        else:  # 0.4.4: a dataset that is opened can be written to
            dataset = self._dataset(REPO_ID, root=root, vcodec="h264")
        for frame in frames:
            dataset.add_frame(frame)
        dataset.save_episode()
        dataset.finalize()

    def forget_videos(self) -> None:
        """Close the videos that LeRobot keeps open by their paths."""
        cache = getattr(self._videos, "_default_decoder_cache", None)
        if cache is not None:
            cache.clear()


def scratch() -> tempfile.TemporaryDirectory[str]:
    """A folder for one judge's caches and copies, gone with it."""
    return tempfile.TemporaryDirectory(prefix="judge-")
