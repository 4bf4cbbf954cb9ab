"""What a container of a pod runs as a process of this machine."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from job_emulator.cluster import Cluster
from job_emulator.expansion import expand
from job_emulator.job_spec import ManifestError
from job_emulator.mounts import localized, mounts
from job_emulator.pod_environment import pod_environment
from job_emulator.pods import Pod


@dataclass(frozen=True)
class Launch:
    """paths: local ones, by those inside the container. static: variables whose value the manifest itself gives."""

    arguments: tuple[str, ...]
    environment: Mapping[str, str]
    working_dir: Path
    paths: Mapping[str, Path]
    static: Mapping[str, str]

    def local(self, words: Sequence[str]) -> tuple[str, ...]:
        """A probe's command inside the container. The kubelet knows no other variables there than static ones
        (pkg/kubelet/container/helpers.go, ExpandContainerCommandOnlyStatic)."""
        return tuple(localized(expand(word, self.static), self.paths) for word in words)


def launch(
    container: Mapping[str, Any],
    metadata: Mapping[str, Any],
    pod: Pod,
    volumes: Mapping[str, Path],
    scratch: Path,
    cluster: Cluster,
) -> Launch:
    """`command` replaces the image's ENTRYPOINT and CMD, `args` its CMD (Kubernetes documentation, Define a command and
    arguments for a container). Raises ManifestError."""
    if container["image"] not in cluster.images:
        raise ManifestError(f"nothing stands for the image {container['image']}, only for {', '.join(cluster.images)}")
    if "lifecycle" in container:
        raise ManifestError(f"container {container['name']}: lifecycle is not emulated")
    if container.get("restartPolicy") is not None:
        raise ManifestError(f"container {container['name']}: sidecars are not emulated")
    image = cluster.images[container["image"]]
    own = pod_environment(container, metadata, pod, cluster)
    environment = {**image.environment, **own}
    paths = {**image.files, **mounts(container, volumes, own)}
    command, arguments = container.get("command"), container.get("args")
    if command is not None:
        words = [*command, *(arguments or ())]
    else:
        words = [*image.entrypoint, *(arguments if arguments is not None else image.command)]
    given = command is not None or arguments is not None
    words = [localized(expand(word, own) if given else word, paths) for word in words]
    working_dir = container.get("workingDir", image.working_dir)
    local_dir = Path(localized(working_dir, paths))
    return Launch(
        arguments=tuple(words),
        environment={
            **image.local_environment,
            **{name: localized(value, paths) for name, value in environment.items()},
        },
        working_dir=local_dir if str(local_dir) != working_dir else scratch,
        paths=paths,
        static={entry["name"]: entry.get("value", "") for entry in container.get("env", ())},
    )
