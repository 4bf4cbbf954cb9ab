"""What this machine offers for what a pod's manifest names: images, claims, ConfigMaps."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True)
class Image:
    """A local program that stands for an image. entrypoint, command: its ENTRYPOINT and CMD. environment: what the
    image sets, with paths inside the container. local_environment: the same with local paths, such as PATH.
    working_dir: of the image, a path inside the container. files: local paths for paths inside the image that arguments
    may name."""

    entrypoint: tuple[str, ...] = ()
    command: tuple[str, ...] = ()
    environment: Mapping[str, str] = field(default_factory=dict)
    local_environment: Mapping[str, str] = field(default_factory=dict)
    working_dir: str = "/"
    files: Mapping[str, Path] = field(default_factory=dict)


@dataclass(frozen=True)
class Cluster:
    """folder: for what pods leave behind: logs, emptyDirs. claims: the folder of each PersistentVolumeClaim.
    host_paths: local folders for hostPath volumes. config_maps, secrets: their data. probe_speedup: divides the periods
    of probes, 0 leaves probes out."""

    folder: Path
    images: Mapping[str, Image]
    claims: Mapping[str, Path] = field(default_factory=dict)
    host_paths: Mapping[str, Path] = field(default_factory=dict)
    config_maps: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    secrets: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    node_name: str = "emulated-node"
    probe_speedup: float = 0.0
