"""Whether the disk has room for what is about to be collected, asked before a simulator starts."""

from __future__ import annotations

import errno
import json
import os
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from collectors.cameras import CAMERAS
from lerobot_writer import StorageError
from lerobot_writer.layout import INFO
from sim_service.config import CollectConfig

_SEGMENTS: Final = 9
_LEAST_FRAMES: Final = 120  # of an episode at 30 frames/s, however few steps are asked for: joints have speed limits
# `collect` at its defaults takes 3.5 kB of video a picture and 0.3 kB of tables a frame (docs/benchmarks.md).
_BYTES_PER_PICTURE: Final = 3700
_RESERVE_BYTES: Final = 100 * 10**6  # the episode under way, logs


def require_free_disk(config: CollectConfig, parts: Sequence[Path] | None = None) -> None:
    """Raises StorageError, for want of space, where the episodes that are missing will hardly fit.

    parts: the datasets with the episodes that are there already, where that is not the output itself."""
    folder = config.output.absolute()
    episodes = max(len(config.indices) - sum(map(_recorded, [config.output] if parts is None else parts)), 0)
    frames = episodes * max(_SEGMENTS * config.steps_per_segment, _LEAST_FRAMES)
    needed = frames * len(CAMERAS) * _BYTES_PER_PICTURE + _RESERVE_BYTES
    while not folder.is_dir():
        folder = folder.parent
    free = shutil.disk_usage(folder).free
    if episodes and free < needed:
        text = f"{episodes} episodes need about {needed / 1e9:.1f} GB, {folder} has {free / 1e9:.1f} GB left"
        raise StorageError(text) from OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def _recorded(dataset: Path) -> int:
    """Episodes of a dataset to be continued, as far as it says."""
    try:
        info = json.loads((dataset / INFO).read_bytes())
    except (OSError, ValueError):
        return 0  # whoever opens it will tell
    episodes = info.get("total_episodes") if isinstance(info, dict) else None
    return episodes if isinstance(episodes, int) else 0
