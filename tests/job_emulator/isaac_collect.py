"""Runs of isaac-collect on the emulator: an overlay as a user writes one, rendered, and this tree as the image."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import yaml

from job_emulator.cluster import Cluster, Image
from job_emulator.faults import Fault, Moment, json_reaches
from job_emulator.job_run import JobRun, run_job
from job_emulator.manifests import Manifest, config_maps, one, render

ROOT: Final = Path(__file__).parents[2]
RUN: Final = "pick_place"
TIMEOUT_S: Final = 240.0


@dataclass(frozen=True)
class CollectRun:
    """The Jobs of the mujoco overlay with a user's settings. folder: the volume and all else is in it."""

    folder: Path
    manifests: Sequence[Manifest]

    @property
    def dataset(self) -> Path:
        return self.folder / "volume" / RUN

    def shard(self, index: int) -> Path:
        return self.folder / "volume" / f"{RUN}.shards" / str(index)

    def recorded(self, index: int, least: int) -> Moment:
        """When the shard has so many episodes."""
        return json_reaches(self.shard(index) / "meta/shard.json", "recorded", least)

    def run(
        self, job: str, faults: Sequence[Fault] = (), backoff_speedup: float = 1000.0, probe_speedup: float = 0.0
    ) -> JobRun:
        """job: a name in the overlay. Until it is over."""
        manifest = one(self.manifests, "Job", job)
        image = Image(
            entrypoint=("isaac-collect",),
            command=("serve",),
            environment={"ISAAC_COLLECT_DATA_ROOT": "/data/datasets", "ISAAC_COLLECT_HOST": "0.0.0.0"},
            local_environment=self.environment(),
            working_dir="/data",
        )
        offered = Cluster(
            folder=self.folder / job,
            images={each["image"]: image for each in _containers(manifest)},
            claims=dict.fromkeys(_claims(manifest), self.folder / "volume"),
            config_maps=config_maps(self.manifests),
            probe_speedup=probe_speedup,
        )
        return run_job(manifest, offered, faults, backoff_speedup, TIMEOUT_S)

    def command(self, *words: str, settings: bool = True) -> subprocess.CompletedProcess[str]:
        """`isaac-collect` outside any Job. settings: with those of the run."""
        environment = dict(self.environment())
        if settings:
            environment |= one(self.manifests, "ConfigMap")["data"]
        return subprocess.run(
            ["isaac-collect", *words], capture_output=True, text=True, env=environment, cwd=self.folder, check=False
        )

    def environment(self) -> Mapping[str, str]:
        """Its programs, and no home to write to. The renderer's library is this machine's, so MUJOCO_GL is left to
        it."""
        inherited = {name: os.environ[name] for name in ("MUJOCO_GL",) if name in os.environ}
        return {
            "PATH": f"{self.folder / 'bin'}:/usr/local/bin:/usr/bin:/bin",
            "PYTHONPATH": str(ROOT),
            "PYTHONDONTWRITEBYTECODE": "1",
            "PYTHONUNBUFFERED": "1",
            "HOME": "/nonexistent",
            **inherited,
        }


def collect_run(folder: Path, **settings: str | int) -> CollectRun:
    """settings: of the ConfigMap `isaac-collect-run`, beside those that make a short run of it. Needs kubectl."""
    overlay = folder / "overlay"
    overlay.mkdir(parents=True)
    (folder / "volume").mkdir()
    values: dict[str, str | int] = {
        "RUN": RUN,
        "SHARDS": 3,
        "PARALLELISM": 3,
        "MAX_FAILED_SHARDS": 0,
        "ISAAC_COLLECT_NUM_EPISODES": 6,
        "ISAAC_COLLECT_SIMULATOR": "mujoco",
        "ISAAC_COLLECT_RENDER_PRESET": "fast",
        "ISAAC_COLLECT_STEPS_PER_SEGMENT": 3,
        **settings,
    }
    k8s = os.path.relpath(ROOT / "k8s", overlay.resolve())
    kustomization = {
        "apiVersion": "kustomize.config.k8s.io/v1beta1",
        "kind": "Kustomization",
        "resources": [f"{k8s}/overlays/mujoco/batch"],
        "configMapGenerator": [
            {
                "name": "isaac-collect-run",
                "behavior": "merge",
                "literals": [f"{name}={value}" for name, value in values.items()],
            }
        ],
        "transformers": [f"{k8s}/base/batch/settings"],
    }
    (overlay / "kustomization.yaml").write_text(yaml.safe_dump(kustomization), encoding="utf-8")
    program = folder / "bin" / "isaac-collect"
    program.parent.mkdir()
    program.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m sim_service "$@"\n', encoding="utf-8")
    program.chmod(0o755)
    return CollectRun(folder, render(overlay))


def _containers(job: Manifest) -> list[Manifest]:
    pod = job["spec"]["template"]["spec"]
    return [*pod.get("initContainers", ()), *pod["containers"]]


def _claims(job: Manifest) -> list[str]:
    volumes = job["spec"]["template"]["spec"]["volumes"]
    return [each["persistentVolumeClaim"]["claimName"] for each in volumes if "persistentVolumeClaim" in each]
