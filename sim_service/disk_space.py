"""Whether the disk has room for what is about to be collected, asked before a simulator starts."""

from __future__ import annotations

import errno
import json
import os
import shutil
from typing import Final

from collectors.cameras import CAMERAS
from lerobot_writer import StorageError
from lerobot_writer.layout import INFO
from sim_service.config import CollectConfig

_SEGMENTS: Final = 9
# `collect` at its defaults takes 2.5 kB of video a picture and 0.3 kB of tables a frame.
_BYTES_PER_PICTURE: Final = 3000
_RESERVE_BYTES: Final = 100 * 10**6  # the episode under way, logs


def require_free_disk(config: CollectConfig) -> None:
    """Raises StorageError, for want of space, where the episodes that are missing will hardly fit."""
    folder = config.output.absolute()
    episodes = max(len(config.indices) - _recorded(config), 0)
    frames = episodes * _SEGMENTS * config.steps_per_segment
    needed = frames * len(CAMERAS) * _BYTES_PER_PICTURE + _RESERVE_BYTES
    while not folder.is_dir():
        folder = folder.parent
    free = shutil.disk_usage(folder).free
    if episodes and free < needed:
        text = f"{episodes} episodes need about {needed / 1e9:.1f} GB, {folder} has {free / 1e9:.1f} GB left"
        raise StorageError(text) from OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def _recorded(config: CollectConfig) -> int:
    """Episodes of the dataset to be continued, as far as it says."""
    try:
        info = json.loads((config.output / INFO).read_bytes())
    except (OSError, ValueError):
        return 0  # whoever opens it will tell
    episodes = info.get("total_episodes") if isinstance(info, dict) else None
    return episodes if isinstance(episodes, int) else 0
