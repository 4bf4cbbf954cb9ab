"""`isaac-collect manifest`: prints the Kubernetes objects of an instance of the service, for `kubectl apply -f -`."""

from __future__ import annotations

import argparse
import re
import sys
from typing import Final

import yaml

from sim_service.config import ConfigError
from sim_service.isaac_sim.livestream import MEDIA_PORT, SIGNAL_PORT
from sim_service.manifest import Instance, StreamPorts, instance_manifests
from sim_service.page_config import ISAAC_PORTS

SIMULATORS: Final = ("isaac", "mujoco")
PORT_RANGE: Final = (1024, 65535)  # lower ones are root's
MAX_GPUS: Final = 16

_LABEL: Final = re.compile(r"[a-z]([-a-z0-9]{0,61}[a-z0-9])?")  # RFC 1035, as a Service's name has to be
_NAMESPACE: Final = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")  # RFC 1123
_SUBDOMAIN: Final = re.compile(r"(?=.{1,253}$)[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*")
_PLAIN: Final = re.compile(r"[A-Za-z/][-\w./$():,]+")


def add_manifest_flags(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("--name", default=Instance.name, help="of the Deployment and the Service")
    add("--port", type=int, default=Instance.port, help="of the page and the API")
    add("--gpu", type=int, metavar="N", help="GPUs of the pod; Isaac Sim needs one (default: 1 for isaac, else 0)")
    add("--simulator", choices=SIMULATORS, help="default: isaac with a GPU, else mujoco")
    add("--image", help="default: isaac-collect:isaac or isaac-collect:mujoco")
    add(
        "--data-claim",
        metavar="NAME",
        help="PersistentVolumeClaim, of this instance alone (default: its name and -data)",
    )
    add("--token-secret", default=Instance.token_secret, metavar="NAME", help="Secret with the key `token`")
    add("--namespace", metavar="NAME", help="default: that of whoever applies it")
    add(
        "--livestream-port",
        type=int,
        metavar="PORT",
        help=f"switches NVIDIA's own stream on, on the host's network: its TCP port, such as {SIGNAL_PORT}",
    )
    add("--livestream-media-port", type=int, metavar="PORT", help=f"of that stream, UDP (default: {MEDIA_PORT})")


def run_manifest(arguments: argparse.Namespace) -> int:
    """Prints YAML documents and returns 0. Raises ConfigError listing everything that cannot be."""
    documents = instance_manifests(manifest_instance(arguments))
    yaml.dump_all(documents, sys.stdout, _Dumper, sort_keys=False, width=1000)
    return 0


class _Dumper(yaml.SafeDumper):
    """Kubernetes reads y, 0o17 and 1e3 as no strings, PyYAML does: whatever could be something else is quoted."""

    def represent_scalar(self, tag: str, value: str, style: str | None = None) -> yaml.ScalarNode:
        if tag == "tag:yaml.org,2002:str" and not _PLAIN.fullmatch(value):
            style = '"'
        return super().represent_scalar(tag, value, style)


def manifest_instance(arguments: argparse.Namespace) -> Instance:
    """Raises ConfigError listing everything that cannot be."""
    problems: list[str] = []
    gpus = _gpus(arguments.gpu, arguments.simulator, problems)
    stream = _stream(arguments.livestream_port, arguments.livestream_media_port, problems)
    _check_port("--port", arguments.port, ISAAC_PORTS, problems)
    if stream is not None and not gpus:
        problems.append("--livestream-port is Isaac Sim's own stream: it needs --gpu 1")
    if stream is not None and stream.signal == arguments.port:
        problems.append(f"--livestream-port and --port must differ, both are {arguments.port}")
    if not _LABEL.fullmatch(arguments.name):
        problems.append(
            "--name must be 1 to 63 characters a-z, 0-9 and -, begin with a letter and end with a letter or a digit, "
            f"got {arguments.name!r}"
        )
    if arguments.namespace is not None and not _NAMESPACE.fullmatch(arguments.namespace):
        problems.append(
            "--namespace must be 1 to 63 characters a-z, 0-9 and -, begin and end with a letter or a digit, "
            f"got {arguments.namespace!r}"
        )
    for flag, name in (("--data-claim", arguments.data_claim), ("--token-secret", arguments.token_secret)):
        if name is not None and not _SUBDOMAIN.fullmatch(name):
            problems.append(
                f"{flag} must be words of a-z, 0-9 and -, joined by dots, 253 characters at most, got {name!r}"
            )
    if arguments.image is not None and not re.fullmatch(r"\S+", arguments.image):
        problems.append(f"--image must be a name without spaces, such as isaac-collect:isaac, got {arguments.image!r}")
    if problems:
        raise ConfigError("; ".join(problems))
    return Instance(
        name=arguments.name,
        port=arguments.port,
        gpus=gpus,
        image=arguments.image,
        data_claim=arguments.data_claim,
        token_secret=arguments.token_secret,
        namespace=arguments.namespace,
        stream=stream,
    )


def _gpus(asked: int | None, simulator: str | None, problems: list[str]) -> int:
    gpus = asked if asked is not None else int(simulator == "isaac")
    if not 0 <= gpus <= MAX_GPUS:
        problems.append(f"--gpu must be 0 to {MAX_GPUS}, got {gpus}")
    elif simulator == "isaac" and gpus == 0:
        problems.append("--simulator isaac renders on a GPU: --gpu must be at least 1, got 0")
    elif simulator == "mujoco" and gpus > 0:
        problems.append(f"--simulator mujoco draws on the CPU: --gpu must be 0, got {gpus}")
    return gpus


def _stream(signal: int | None, media: int | None, problems: list[str]) -> StreamPorts | None:
    if signal is None:
        if media is not None:
            problems.append("--livestream-media-port belongs to a stream: it needs --livestream-port, too")
        return None
    ports = StreamPorts(signal, MEDIA_PORT if media is None else media)
    _check_port("--livestream-port", ports.signal, ISAAC_PORTS - {SIGNAL_PORT}, problems)
    _check_port("--livestream-media-port", ports.media, ISAAC_PORTS - {MEDIA_PORT}, problems)
    return ports


def _check_port(flag: str, port: int, taken: frozenset[int], problems: list[str]) -> None:
    low, high = PORT_RANGE
    if not low <= port <= high:
        problems.append(f"{flag} must be {low} to {high}, got {port}")
    elif port in taken:
        problems.append(f"{flag} {port} is one of Isaac Sim's own: {', '.join(map(str, sorted(taken)))}")
