"""The real kubectl does with our objects what the documentation says, on a stub of the Kubernetes API."""

import argparse
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from kubernetes_api_stub import KubernetesApi, Request, merged

from sim_service.manifest import Instance, StreamPorts, instance_manifests
from sim_service.manifest_command import add_manifest_flags, run_manifest

ROOT = Path(__file__).parent.parent
INTERACTIVE = [f"k8s/overlays/{simulator}/interactive" for simulator in ("mujoco", "isaac")]
BATCH = sorted(str(path.relative_to(ROOT)) for path in ROOT.glob("k8s/overlays/*/batch"))
SERVICES = "/api/v1/namespaces/lab/services"
DEPLOYMENTS = "/apis/apps/v1/namespaces/lab/deployments"
JOBS = "/apis/batch/v1/namespaces/lab/jobs"
LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"


@pytest.fixture
def api(tmp_path: Path) -> Iterator[KubernetesApi]:
    with KubernetesApi(tmp_path) as served:
        yield served


def printed(capsys: pytest.CaptureFixture[str], *flags: str) -> str:
    """By `isaac-collect manifest`."""
    parser = argparse.ArgumentParser()
    add_manifest_flags(parser)
    run_manifest(parser.parse_args(flags))
    return capsys.readouterr().out


def apply(api: KubernetesApi, manifests: str) -> str:
    return api.kubectl("apply", "--validate=false", "-f", "-", stdin=manifests).stdout


def kept(api: KubernetesApi) -> list[dict[str, Any]]:
    """What the server has, without what it or kubectl have added."""
    objects = json.loads(json.dumps(list(api.objects.values())))
    for each in objects:
        for name in ("namespace", "uid", "resourceVersion"):
            del each["metadata"][name]
        annotations = each["metadata"].get("annotations", {})
        annotations.pop(LAST_APPLIED, None)
        if not annotations:
            each["metadata"].pop("annotations", None)
    return objects


def sent(api: KubernetesApi) -> list[tuple[str, str]]:
    return [(each.method, each.path) for each in api.requests]


@pytest.mark.kubectl
@pytest.mark.parametrize("folder", INTERACTIVE)
def test_an_overlay_is_created_and_deleted(api: KubernetesApi, folder: str) -> None:
    api.kubectl("apply", "--validate=false", "-k", str(ROOT / folder))
    assert sent(api) == [("POST", SERVICES), ("POST", DEPLOYMENTS)]
    assert kept(api) == instance_manifests(Instance(gpus=int("isaac" in folder)))
    api.kubectl("delete", "-k", str(ROOT / folder))
    assert sent(api)[2:] == [("DELETE", f"{SERVICES}/isaac-collect"), ("DELETE", f"{DEPLOYMENTS}/isaac-collect")]
    assert api.objects == {}


@pytest.mark.kubectl
@pytest.mark.parametrize(
    ("flags", "instance"),
    [
        ("", Instance()),
        ("--name cell-2 --gpu 1 --image lab.example/isaac:1", Instance("cell-2", gpus=1, image="lab.example/isaac:1")),
        (
            "--gpu 1 --port 8601 --livestream-port 49101 --livestream-media-port 48001",
            Instance(port=8601, gpus=1, stream=StreamPorts(49101, 48001)),
        ),
        ("--name y --data-claim 1e3 --token-secret 0o17", Instance("y", data_claim="1e3", token_secret="0o17")),
        ("--name null --data-claim 123 --token-secret n", Instance("null", data_claim="123", token_secret="n")),
    ],
)
def test_what_the_command_prints_arrives(
    api: KubernetesApi, capsys: pytest.CaptureFixture[str], flags: str, instance: Instance
) -> None:
    """Types, too: Kubernetes' YAML has words and numbers that PyYAML takes for strings."""
    apply(api, printed(capsys, *flags.split()))
    assert sent(api) == [("POST", SERVICES), ("POST", DEPLOYMENTS)]
    assert kept(api) == instance_manifests(instance)


@pytest.mark.kubectl
def test_applying_again_changes_nothing(api: KubernetesApi, capsys: pytest.CaptureFixture[str]) -> None:
    text = printed(capsys, "--gpu=1", "--livestream-port=49100")
    apply(api, text)
    before = len(api.requests)
    assert apply(api, text).splitlines() == [
        "service/isaac-collect unchanged",
        "deployment.apps/isaac-collect unchanged",
    ]
    assert len(api.requests) == before


@pytest.mark.kubectl
@pytest.mark.parametrize(
    "flags",
    [
        ["--port=8700"],
        ["--image=lab.example/other:2"],
        ["--gpu=1"],
        ["--gpu=1", "--port=8601", "--livestream-port=49101"],
        ["--data-claim=disk", "--token-secret=other"],
    ],
)
def test_applying_something_else_makes_it_that(
    api: KubernetesApi, capsys: pytest.CaptureFixture[str], flags: list[str]
) -> None:
    """Nothing of what was before is left over."""
    before, after = printed(capsys), printed(capsys, *flags)
    apply(api, before)
    apply(api, after)
    assert [method for method, _ in sent(api)[2:]] in (["PATCH"], ["PATCH", "PATCH"])
    assert kept(api) == list(yaml.safe_load_all(after))


@pytest.mark.kubectl
def test_a_drained_service_is_scaled_to_nothing_and_back(
    api: KubernetesApi, capsys: pytest.CaptureFixture[str]
) -> None:
    text = printed(capsys)
    apply(api, text)
    api.kubectl("scale", "deployment/isaac-collect", "--replicas=0")
    assert sent(api)[-1] == ("PATCH", f"{DEPLOYMENTS}/isaac-collect/scale")
    assert api.requests[-1].body == {"spec": {"replicas": 0}}
    assert kept(api)[1]["spec"]["replicas"] == 0
    assert "deployment.apps/isaac-collect configured" in apply(api, text)
    assert kept(api) == list(yaml.safe_load_all(text))


@pytest.mark.kubectl
def test_a_patch_of_ones_own_survives_the_next_apply(api: KubernetesApi, capsys: pytest.CaptureFixture[str]) -> None:
    text = printed(capsys, "--gpu=1")
    apply(api, text)
    patch = {"spec": {"template": {"spec": {"runtimeClassName": "nvidia"}}}}
    api.kubectl("patch", "deployment", "isaac-collect", "--type=merge", "-p", json.dumps(patch))
    assert (sent(api)[-1], api.requests[-1].body) == (("PATCH", f"{DEPLOYMENTS}/isaac-collect"), patch)
    apply(api, text)
    assert kept(api)[1]["spec"]["template"]["spec"]["runtimeClassName"] == "nvidia"


@pytest.mark.kubectl
def test_instances_are_listed_and_deleted_by_label(api: KubernetesApi, capsys: pytest.CaptureFixture[str]) -> None:
    api.kubectl("apply", "--validate=false", "-k", str(ROOT / "k8s/base/interactive/claim"))
    for name in ("cell-1", "cell-2"):
        apply(api, printed(capsys, "--name", name))
    ours = "app.kubernetes.io/name=isaac-collect"
    found = api.kubectl("get", "deployments", "-l", f"{ours},app.kubernetes.io/component=interactive", "-o", "name")
    assert found.stdout.split() == ["deployment.apps/cell-1", "deployment.apps/cell-2"]
    api.kubectl("delete", "deployment,service", "-l", f"{ours},app.kubernetes.io/instance=cell-2")
    assert {path.rpartition("/")[2] for path in api.objects} == {"cell-1", "isaac-collect-data"}
    assert len(api.objects) == 3


@pytest.mark.kubectl
@pytest.mark.parametrize("folder", BATCH)
def test_a_batch_is_created_suspended_resumed_and_deleted(api: KubernetesApi, folder: str) -> None:
    built = list(yaml.safe_load_all(api.kubectl("kustomize", str(ROOT / folder)).stdout))
    jobs = [each["metadata"]["name"] for each in built if each["kind"] == "Job"]
    assert jobs
    api.kubectl("create", "--validate=false", "-k", str(ROOT / folder))
    assert {method for method, _ in sent(api)} == {"POST"}
    assert sorted(kept(api), key=json.dumps) == sorted(built, key=json.dumps)
    assert api.kubectl("create", "--validate=false", "-k", str(ROOT / folder), check=False).returncode != 0
    for job in jobs:
        for suspended in (True, False):
            patch = {"spec": {"suspend": suspended}}
            api.kubectl("patch", "job", job, "--type=strategic", "-p", json.dumps(patch))
            assert (sent(api)[-1], api.requests[-1].body) == (("PATCH", f"{JOBS}/{job}"), patch)
            assert api.objects[f"{JOBS}/{job}".strip("/")]["spec"]["suspend"] is suspended
    api.kubectl("delete", "-k", str(ROOT / folder))
    assert api.objects == {}


def test_the_stub_refuses_what_does_not_fit_its_path(api: KubernetesApi) -> None:
    service, deployment = instance_manifests(Instance())

    def post(path: str, body: Any) -> tuple[int, str]:
        code, answer = api.answer(Request("POST", path, {}, "application/json", body))
        return code, answer.get("message", "")

    assert post(SERVICES, deployment) == (400, f"apps/v1 Deployment was sent to {SERVICES}")
    elsewhere = {**service, "metadata": {**service["metadata"], "namespace": "other"}}
    assert post(SERVICES, elsewhere) == (400, f"namespace other was sent to {SERVICES}")
    assert post(f"{SERVICES}es", service)[0] == 404
    assert post(f"{SERVICES}/isaac-collect", service)[0] == 404
    assert api.objects == {}
    assert post(SERVICES, service)[0] == 201
    assert post(SERVICES, service)[0] == 409
    assert post(f"{SERVICES}/isaac-collect", service)[0] == 405


def test_the_stub_merges_as_kubernetes_does() -> None:
    one = {"name": "a", "env": [{"name": "x", "value": "1"}, {"name": "y", "value": "2"}], "args": ["serve"]}
    patch = {"env": [{"name": "y", "value": "3"}, {"name": "x", "$patch": "delete"}], "args": ["collect"], "name": None}
    assert merged(one, patch, strategic=True) == {"env": [{"name": "y", "value": "3"}], "args": ["collect"]}
    assert merged(one, {"env": [{"name": "z"}]}, strategic=False)["env"] == [{"name": "z"}]
    assert one["name"] == "a"
    ordered = merged(one, {"$setElementOrder/env": [{"name": "y"}, {"name": "x"}]}, strategic=True)
    assert [each["name"] for each in ordered["env"]] == ["y", "x"]
    assert merged(one, {"$retainKeys": ["args"], "args": ["x"]}, strategic=True) == {"args": ["x"]}
