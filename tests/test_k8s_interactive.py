"""The interactive Deployment as kustomize builds it: the overlays, the component, the examples of the documentation."""

import argparse
import re
from pathlib import Path
from typing import Any

import pytest
from kubernetes_batch_manifests import CONFIG_MAPS, kustomize
from kubernetes_batch_pod import pod_problems

from sim_service.manifest import Instance, StreamPorts, instance_manifests
from sim_service.manifest_command import add_manifest_flags, manifest_instance

ROOT = Path(__file__).parent.parent
DOCUMENTATION = ROOT / "docs" / "kubernetes-interactive.md"
OVERLAYS = {"mujoco": Instance(), "isaac": Instance(gpus=1)}


def examples() -> dict[str, str]:
    """The kustomizations of the documentation, by the folder that their first line names."""
    text = DOCUMENTATION.read_text(encoding="utf-8")
    return dict(re.findall(r"```yaml\n# ([\w-]+)/kustomization\.yaml\n(.*?)```", text, re.DOTALL))


def built_example(name: str, folder: Path) -> list[dict[str, Any]]:
    (folder / "k8s").symlink_to(ROOT / "k8s")
    (folder / name).mkdir()
    (folder / name / "kustomization.yaml").write_text(examples()[name], encoding="utf-8")
    return kustomize(folder / name)


@pytest.mark.kubectl
@pytest.mark.parametrize("overlay", OVERLAYS)
def test_the_command_prints_what_the_overlay_is(overlay: str) -> None:
    assert kustomize(ROOT / "k8s" / "overlays" / overlay / "interactive") == instance_manifests(OVERLAYS[overlay])


@pytest.mark.kubectl
def test_with_a_stream_it_is_the_overlay_with_the_component(tmp_path: Path) -> None:
    assert built_example("my-stream", tmp_path) == instance_manifests(Instance(gpus=1, stream=StreamPorts()))


@pytest.mark.kubectl
@pytest.mark.parametrize("overlay", OVERLAYS)
def test_a_pod_of_the_overlay_breaks_no_rule(overlay: str) -> None:
    _, deployment = kustomize(ROOT / "k8s" / "overlays" / overlay / "interactive")
    claims = ["isaac-collect-data"]
    assert pod_problems(deployment["spec"]["template"], CONFIG_MAPS, claims) == []
    assert pod_problems(deployment["spec"]["template"], {}, ()) != []


@pytest.mark.kubectl
@pytest.mark.parametrize("overlay", OVERLAYS)
def test_who_deletes_the_service_keeps_the_data(overlay: str) -> None:
    objects = kustomize(ROOT / "k8s" / "overlays" / overlay / "interactive")
    assert {each["kind"] for each in objects} == {"Service", "Deployment"}
    (claim,) = kustomize(ROOT / "k8s" / "base" / "interactive" / "claim")
    assert claim["kind"] == "PersistentVolumeClaim"
    volumes = objects[1]["spec"]["template"]["spec"]["volumes"]
    assert [each["persistentVolumeClaim"] for each in volumes if "persistentVolumeClaim" in each] == [
        {"claimName": claim["metadata"]["name"]}
    ]


@pytest.mark.kubectl
def test_the_example_for_a_cluster_of_your_own(tmp_path: Path) -> None:
    """What it patches is in its place, and the rest is as in the overlay."""
    objects = built_example("my-cluster", tmp_path)
    wanted = instance_manifests(
        Instance(gpus=1, namespace="robots", image="registry.example/isaac-collect:isaac-5.1.0")
    )
    pod = wanted[1]["spec"]["template"]["spec"]
    pod["runtimeClassName"] = "nvidia"
    pod["nodeSelector"] = {"nvidia.com/gpu.product": "NVIDIA-L40S"}
    pod["volumes"][0] = {"name": "cache", "persistentVolumeClaim": {"claimName": "isaac-sim-cache"}}
    assert objects == wanted


@pytest.mark.kubectl
def test_the_example_for_an_ingress(tmp_path: Path) -> None:
    objects = built_example("my-ingress", tmp_path)
    wanted = instance_manifests(Instance())
    environment = wanted[1]["spec"]["template"]["spec"]["containers"][0]["env"]
    (hosts,) = [each for each in environment if each["name"] == "ISAAC_COLLECT_ALLOW_HOST"]
    environment.remove(hosts)
    environment.insert(0, {**hosts, "value": "collect.lab.example,isaac-collect"})  # a patch's items come first
    assert objects == wanted


def test_every_example_is_tried() -> None:
    assert set(examples()) == {"my-cluster", "my-stream", "my-ingress"}


def test_what_the_documentation_names_is_there() -> None:
    text = DOCUMENTATION.read_text(encoding="utf-8")
    paths = set(re.findall(r"\bk8s/[\w/.-]*\w", text))
    assert {path for path in paths if not (ROOT / path).exists()} == set()
    assert len(paths) >= 5


def test_the_documentations_commands_are_taken() -> None:
    parser = argparse.ArgumentParser()
    add_manifest_flags(parser)
    lines = re.findall(r"^isaac-collect manifest (.*?) \| kubectl apply -f -$", DOCUMENTATION.read_text(), re.MULTILINE)
    instances = [manifest_instance(parser.parse_args(line.split())) for line in lines]
    assert [each.name for each in instances] == ["cell-2", "cell-1", "cell-2"]
    on_one_host = [port for each in instances[1:] if each.stream for port in (each.port, each.stream.signal)]
    assert len(on_one_host) == len(set(on_one_host)) == 4


def test_the_documentations_defaults_are_the_commands() -> None:
    text = DOCUMENTATION.read_text(encoding="utf-8")
    flags = dict(re.findall(r"^\| `--([\w-]+)` \| (.*?) \|", text, re.MULTILINE))
    assert flags["name"] == f"`{Instance.name}`"
    assert flags["port"] == str(Instance.port)
    assert flags["token-secret"] == f"`{Instance.token_secret}`"
    assert flags["livestream-media-port"] == str(StreamPorts.media)
    assert len(flags) == 10
