"""The Kubernetes objects of an instance, as dicts; that they equal the overlays is in test_k8s_interactive.py."""

import argparse
import re
from pathlib import Path
from typing import Any

import pytest

from sim_service.config import ENVIRONMENT_PREFIX, apply_environment
from sim_service.isaac_sim.livestream import Livestream, livestream_from_environment
from sim_service.manifest import Instance, StreamPorts, instance_manifests
from sim_service.serve_config import add_serve_flags, serve_config

ROOT = Path(__file__).parents[2]
INSTANCES = {
    "mujoco": Instance(),
    "isaac": Instance(gpus=1),
    "stream": Instance(gpus=1, stream=StreamPorts()),
    "everything": Instance("cell-2", 8700, 2, "lab/isaac:1", "disk", "secret", "robots", StreamPorts(49110, 48008)),
}
EACH = pytest.mark.parametrize("instance", INSTANCES.values(), ids=INSTANCES)


def parts(instance: Instance) -> tuple[dict[str, Any], dict[str, Any], dict[str, Any]]:
    """Its Service, Deployment and container."""
    service, deployment = instance_manifests(instance)
    (container,) = deployment["spec"]["template"]["spec"]["containers"]
    return service, deployment, container


def literal_environment(container: dict[str, Any]) -> dict[str, str]:
    return {each["name"]: each["value"] for each in container["env"] if "value" in each}


@EACH
def test_the_service_and_the_deployment_find_the_pod(instance: Instance) -> None:
    service, deployment, _ = parts(instance)
    labels = deployment["spec"]["template"]["metadata"]["labels"]
    assert service["spec"]["selector"] == deployment["spec"]["selector"]["matchLabels"] == labels
    assert labels["app.kubernetes.io/instance"] == instance.name
    for manifest in (service, deployment):
        assert manifest["metadata"].items() >= {"name": instance.name, "labels": labels}.items()
        assert manifest["metadata"].get("namespace") == instance.namespace


def test_two_instances_share_neither_a_pod_nor_their_data() -> None:
    """A service refuses a data root that another one uses."""
    one, two = (parts(Instance(name)) for name in ("cell-1", "cell-2"))
    assert one[0]["spec"]["selector"] != two[0]["spec"]["selector"]
    volumes = [each[1]["spec"]["template"]["spec"]["volumes"][-1] for each in (one, two)]
    assert [each["persistentVolumeClaim"]["claimName"] for each in volumes] == ["cell-1-data", "cell-2-data"]


@EACH
def test_probes_and_service_reach_the_port_that_the_command_listens_on(instance: Instance) -> None:
    service, _, container = parts(instance)
    http = {each["name"]: each["containerPort"] for each in container["ports"]}["http"]
    assert http == instance.port == int(literal_environment(container)["ISAAC_COLLECT_PORT"])
    assert [(each["port"], each["targetPort"]) for each in service["spec"]["ports"]] == [(http, "http")]
    for probe, path in (("startupProbe", "/readyz"), ("readinessProbe", "/readyz"), ("livenessProbe", "/healthz")):
        assert container[probe]["httpGet"] == {"path": path, "port": "http"}


@EACH
def test_serve_understands_the_environment(instance: Instance) -> None:
    _, deployment, container = parts(instance)
    parser = argparse.ArgumentParser()
    add_serve_flags(parser)
    flags = {f"{ENVIRONMENT_PREFIX}{action.dest.upper()}" for action in parser._actions}
    names = {each["name"] for each in container["env"] if each["name"].startswith(ENVIRONMENT_PREFIX)}
    assert names - flags == {"ISAAC_COLLECT_URL"}  # of `remote`
    assert container["args"] == ["serve"]
    apply_environment(parser, literal_environment(container))
    config = serve_config(parser.parse_args([]))
    assert (config.page.host, config.page.port) == ("0.0.0.0", instance.port)
    assert str(config.data_root) in [mount["mountPath"] for mount in container["volumeMounts"]]
    assert instance.name in config.page.allowed_hosts
    # what follows the grace time: finalizing the dataset, closing the simulator
    assert config.grace_s <= deployment["spec"]["template"]["spec"]["terminationGracePeriodSeconds"] - 60


@EACH
def test_a_variable_stands_after_those_that_it_uses(instance: Instance) -> None:
    """Else Kubernetes leaves $(NAME) as it is."""
    seen: set[str] = set()
    used = 0
    for each in parts(instance)[2]["env"]:
        names = re.findall(r"\$\((\w+)\)", each.get("value", ""))
        assert seen.issuperset(names), each
        used += len(names)
        seen.add(each["name"])
    assert used == 4


@EACH
def test_what_can_be_chosen_is_in_its_place(instance: Instance) -> None:
    _, deployment, container = parts(instance)
    pod = deployment["spec"]["template"]["spec"]
    claims = [each["persistentVolumeClaim"]["claimName"] for each in pod["volumes"] if "persistentVolumeClaim" in each]
    assert claims == [instance.data_claim or "isaac-collect-data"]
    secrets = [each["valueFrom"]["secretKeyRef"] for each in container["env"] if "secretKeyRef" in str(each)]
    assert secrets == [{"name": instance.token_secret, "key": "token"}]
    gpu = {} if instance.gpus == 0 else {"nvidia.com/gpu": str(instance.gpus)}
    for side in ("requests", "limits"):
        assert {key: n for key, n in container["resources"][side].items() if key.startswith("nvidia")} == gpu
    assert container["image"] == (
        instance.image or ("isaac-collect:isaac" if instance.gpus else "isaac-collect:mujoco")
    )


def test_the_hosts_network_is_for_the_stream_alone() -> None:
    for instance in INSTANCES.values():
        pod = parts(instance)[1]["spec"]["template"]["spec"]
        wanted = (True, "ClusterFirstWithHostNet") if instance.stream else (None, None)
        assert (pod.get("hostNetwork"), pod.get("dnsPolicy")) == wanted


@pytest.mark.parametrize("ports", [StreamPorts(), StreamPorts(49110, 48008)])
def test_isaac_sim_streams_on_the_ports_that_the_scheduler_knows_of(ports: StreamPorts) -> None:
    container = parts(Instance(gpus=1, stream=ports))[2]
    stream = livestream_from_environment(literal_environment(container))
    assert stream == Livestream(ports.signal, ports.media)
    numbers = {(each["containerPort"], each["protocol"]) for each in container["ports"]}
    assert numbers == {(8600, "TCP"), (ports.signal, "TCP"), (ports.media, "UDP")}


def test_the_caches_are_those_that_the_dockerfile_lists() -> None:
    text = (ROOT / "Dockerfile").read_text(encoding="utf-8")
    listed = re.search(r"# Mount these to keep caches and logs.*?all owned by", text, re.DOTALL)
    assert listed is not None
    paths = set()
    for path in re.findall(r"/(?:isaac-sim|root)/[\w./{},-]+", listed[0]):
        head, _, choices = path.rstrip(",").partition("{")
        paths |= {head + choice for choice in choices.rstrip("}").split(",")}
    mounts = parts(Instance(gpus=1))[2]["volumeMounts"]
    assert {each["mountPath"] for each in mounts if each["name"] == "cache"} == paths
    assert len(paths) == 12


@EACH
def test_nothing_has_more_rights_than_it_needs(instance: Instance) -> None:
    _, deployment, container = parts(instance)
    pod = deployment["spec"]["template"]["spec"]
    assert pod["automountServiceAccountToken"] is pod["enableServiceLinks"] is False
    assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert container["securityContext"]["allowPrivilegeEscalation"] is False
    assert container["securityContext"]["capabilities"]["drop"] == ["ALL"]
    if not instance.gpus:
        assert pod["securityContext"]["runAsNonRoot"] is container["securityContext"]["readOnlyRootFilesystem"] is True


@EACH
def test_every_volume_is_mounted_and_every_mount_has_one(instance: Instance) -> None:
    _, deployment, container = parts(instance)
    volumes = [each["name"] for each in deployment["spec"]["template"]["spec"]["volumes"]]
    assert {each["name"] for each in container["volumeMounts"]} == set(volumes)
    assert len(volumes) == len(set(volumes))


def test_who_changes_the_dicts_changes_no_other_ones() -> None:
    _, deployment, container = parts(Instance())
    container["env"].clear()
    deployment["spec"]["selector"]["matchLabels"].clear()
    assert deployment["spec"]["template"]["metadata"]["labels"]
    assert parts(Instance())[2]["env"]
