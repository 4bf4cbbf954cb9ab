"""The batch manifests as `kubectl kustomize` renders them: overlays, components, the documentation's examples."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
from kubernetes_batch_manifests import (
    ALONE,
    K8S,
    ROOT,
    VARIANTS,
    container,
    job,
    kustomize,
    kustomize_variant,
    problems,
)

pytestmark = pytest.mark.kubectl

Manifest = dict[str, Any]

VERSIONS = [f"1.{minor}" for minor in range(29, 38)]
DOCUMENTATION = ROOT / "docs" / "kubernetes.md"


@pytest.fixture(scope="session")
def rendered(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[Manifest]]:
    """Everything, by name."""
    variants = {name: kustomize_variant(parts, tmp_path_factory.mktemp(name)) for name, parts in VARIANTS.items()}
    documented = {
        f"example {name}": each for name, each in documented_overlays(tmp_path_factory.mktemp("docs")).items()
    }
    return {**variants, **documented, **{path: kustomize(K8S / path) for path in ALONE}}


def documented_overlays(folder: Path) -> dict[str, list[Manifest]]:
    (folder / "k8s").symlink_to(K8S)
    for name, text in examples().items():
        (folder / name).mkdir()
        (folder / name / "kustomization.yaml").write_text(text, encoding="utf-8")
    return {name: kustomize(folder / name) for name in examples()}


def examples() -> dict[str, str]:
    """The documentation's kustomizations, by the folder that their first line names."""
    text = DOCUMENTATION.read_text(encoding="utf-8")
    return dict(re.findall(r"```yaml\n# ([\w-]+)/kustomization\.yaml\n(.*?)```", text, re.DOTALL))


def test_the_schemas_of_every_version_are_there() -> None:
    shipped = {".".join(version.split(".")[:2]) for version in kubernetes_validate.utils.all_versions()}
    assert set(VERSIONS) <= shipped


@pytest.mark.parametrize("version", VERSIONS)
def test_every_manifest_fits_the_strict_schema(rendered: dict[str, list[Manifest]], version: str) -> None:
    seen: list[Manifest] = []
    for manifest in (each for manifests in rendered.values() for each in manifests):
        if manifest not in seen:
            assert kubernetes_validate.validate(manifest, version, strict=True) == version
            seen.append(manifest)
    assert {each["kind"] for each in seen} == {"ConfigMap", "Job", "NetworkPolicy", "PersistentVolumeClaim", "Pod"}


def test_the_schema_refuses_a_field_that_there_is_not(rendered: dict[str, list[Manifest]]) -> None:
    manifest = job(rendered["mujoco"], "collect")
    wrong = {**manifest, "spec": {**manifest["spec"], "maxFailedIndices": 1}}
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(wrong, VERSIONS[0], strict=True)


def test_no_manifest_breaks_a_rule_beyond_the_schema(rendered: dict[str, list[Manifest]]) -> None:
    assert {name: problems(manifests) for name, manifests in rendered.items() if problems(manifests)} == {}


@pytest.mark.parametrize("name", [*VARIANTS, "example night"])
def test_settings_and_fields_agree(rendered: dict[str, list[Manifest]], name: str) -> None:
    (settings,) = [each for each in rendered[name] if each["kind"] == "ConfigMap"]
    data = settings["data"]
    for each in (one for one in rendered[name] if one["kind"] == "Job"):
        for metadata in (each["metadata"], each["spec"]["template"]["metadata"]):
            assert metadata["labels"]["app.kubernetes.io/instance"] == data["RUN"]
        for one in [*each["spec"]["template"]["spec"]["containers"]]:
            assert one["envFrom"] == [{"configMapRef": {"name": settings["metadata"]["name"]}}]
    if "merge-missing" in name:
        return
    spec = job(rendered[name], "collect")["spec"]
    found = [spec["completions"], spec["parallelism"], spec["maxFailedIndexes"]]
    assert found == [int(data[key]) for key in ("SHARDS", "PARALLELISM", "MAX_FAILED_SHARDS")]
    assert "--shards=$(SHARDS)" in container(job(rendered[name], "merge"), "wait")["args"]
    assert "--shard=$(SHARDS)" in container(job(rendered[name], "collect"), "collect")["args"]


def test_the_merge_has_the_shards_and_the_dataset_in_one_mount_where_they_were_written(
    rendered: dict[str, list[Manifest]],
) -> None:
    for name in VARIANTS:
        if "merge-missing" in name:
            continue
        pods = [job(rendered[name], component)["spec"]["template"]["spec"] for component in ("collect", "merge")]
        volumes = [[each for each in pod["volumes"] if each["name"] == "data"] for pod in pods]
        assert volumes[0] == volumes[1]
        for pod in pods:
            for one in [*pod["containers"], *pod.get("initContainers", ())]:
                data = [each for each in one["volumeMounts"] if each["mountPath"].startswith("/data")]
                assert data == [{"name": "data", "mountPath": "/data/datasets"}]


def test_an_own_run_takes_fewer_than_fifteen_lines(rendered: dict[str, list[Manifest]]) -> None:
    lines = examples()["night"].splitlines()
    assert len(lines) < 15
    default = {(each["kind"], each["metadata"]["name"]) for each in rendered["mujoco"]}
    own = {(each["kind"], each["metadata"]["name"]) for each in rendered["example night"]}
    assert not default & own  # both can be in one namespace
    spec = job(rendered["example night"], "collect")["spec"]
    assert (spec["completions"], spec["parallelism"]) == (100, 20)
    for each in (one for one in rendered["example night"] if one["kind"] == "Job"):
        for one in each["spec"]["template"]["spec"]["containers"]:
            assert one["image"] == "registry.example.com/isaac-collect:mujoco"


def test_other_settings_are_another_pod_template(rendered: dict[str, list[Manifest]], tmp_path: Path) -> None:
    """So the API server refuses them for a run that exists."""
    night = examples()["night"]
    (tmp_path / "k8s").symlink_to(K8S)
    (tmp_path / "night").mkdir()
    (tmp_path / "night" / "kustomization.yaml").write_text(
        night.replace("RUN=", "ISAAC_COLLECT_SEED=8\n      - RUN="), encoding="utf-8"
    )
    other = kustomize(tmp_path / "night")
    for component in ("collect", "merge"):
        one, another = job(rendered["example night"], component), job(other, component)
        assert one["metadata"]["name"] == another["metadata"]["name"]
        assert one["spec"]["template"] != another["spec"]["template"]


def test_merging_what_there_is_neither_collects_nor_waits(rendered: dict[str, list[Manifest]]) -> None:
    for name in ("mujoco-merge-missing", "example night-missing"):
        (merge,) = [each for each in rendered[name] if each["kind"] == "Job"]
        assert "initContainers" not in merge["spec"]["template"]["spec"]
        assert "--allow-missing" in container(merge, "merge")["command"][2]


@pytest.mark.parametrize("name", [name for name in VARIANTS if "mujoco" in name])
def test_mujoco_pods_are_restricted(rendered: dict[str, list[Manifest]], name: str) -> None:
    """As Pod Security's level `restricted` has it, and with a read-only root; hostPath is what that level refuses."""
    for each in (one for one in rendered[name] if one["kind"] == "Job"):
        pod = each["spec"]["template"]["spec"]
        assert pod["securityContext"]["runAsNonRoot"]
        assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
        assert pod["automountServiceAccountToken"] is False
        assert not {"hostNetwork", "hostPID", "hostIPC"} & set(pod)
        for one in [*pod["containers"], *pod.get("initContainers", ())]:
            context = one["securityContext"]
            assert context["allowPrivilegeEscalation"] is False
            assert context["capabilities"] == {"drop": ["ALL"]}
            assert context["readOnlyRootFilesystem"]
            assert set(one["resources"]) == {"requests", "limits"}
        kinds = {key for volume in pod["volumes"] for key in volume if key != "name"}
        assert kinds == {"emptyDir", "hostPath" if "hostpath" in name else "persistentVolumeClaim"}


@pytest.mark.parametrize("name", [name for name in VARIANTS if "isaac" in name])
def test_isaac_asks_for_a_gpu_and_for_a_licence_that_somebody_accepts(
    rendered: dict[str, list[Manifest]], name: str
) -> None:
    collect, merge = (job(rendered[name], component) for component in ("collect", "merge"))
    assert container(collect, "collect")["resources"]["limits"]["nvidia.com/gpu"] == "1"
    assert "nvidia.com/gpu" not in str(merge)
    (licence,) = [each for each in container(collect, "collect")["env"] if each["name"] == "ACCEPT_EULA"]
    assert licence["valueFrom"] == {"configMapKeyRef": {"name": "isaac-sim-licence", "key": "ACCEPT_EULA"}}
    assert not any("ACCEPT_EULA" in each.get("data", {}) for manifests in rendered.values() for each in manifests)
    assert "hostNetwork" not in str(rendered[name])


def test_isaacs_caches_are_those_that_the_dockerfile_lists(rendered: dict[str, list[Manifest]]) -> None:
    text = (ROOT / "Dockerfile").read_text(encoding="utf-8")
    listed = text[text.index("# Mount these to keep caches") : text.index("# The licence is for whoever")]
    paths: set[str] = set()
    for path in re.findall(r"(/(?:isaac-sim|root)[\w./-]*)(?:\{([\w,]+)\})?", listed):
        paths.update({path[0] + last for last in path[1].split(",")})
    mounts = container(job(rendered["isaac"], "collect"), "collect")["volumeMounts"]
    assert {each["mountPath"] for each in mounts if each["name"] == "cache"} == paths


def test_the_network_is_closed_but_for_isaacs_assets(rendered: dict[str, list[Manifest]]) -> None:
    for name, manifests in rendered.items():
        for each in (one for one in manifests if one["kind"] == "NetworkPolicy"):
            assert sorted(each["spec"]["policyTypes"]) == ["Egress", "Ingress"]
            assert "ingress" not in each["spec"]
            is_open = name.startswith(("isaac", "example gpu")) and name not in ("isaac-assets", "isaac-everything")
            ports = {port["port"] for rule in each["spec"].get("egress", ()) for port in rule["ports"]}
            assert ports == ({53, 443} if is_open else set())


def test_components_do_what_they_say(rendered: dict[str, list[Manifest]]) -> None:
    kueue = job(rendered["mujoco-kueue"], "collect")
    assert kueue["spec"]["suspend"]
    assert kueue["metadata"]["labels"]["kueue.x-k8s.io/queue-name"] == "isaac-collect"
    assert "kueue" not in str(job(rendered["mujoco-kueue"], "merge"))
    everything = job(rendered["isaac-everything"], "collect")["spec"]["template"]["spec"]
    assert everything["runtimeClassName"] == "nvidia"
    assert everything["securityContext"]["runAsNonRoot"]
    assert everything["containers"][0]["securityContext"]["capabilities"] == {"drop": ["ALL"]}
    sources = {each["name"]: next(key for key in each if key != "name") for each in everything["volumes"]}
    assert sources == {"data": "hostPath", "tmp": "emptyDir", "cache": "hostPath", "assets": "persistentVolumeClaim"}
    gpu = job(rendered["example gpu"], "collect")["spec"]["template"]["spec"]
    assert gpu["nodeSelector"] == {"nvidia.com/gpu.product": "NVIDIA-L40S"}


def test_who_deletes_a_run_keeps_the_data(rendered: dict[str, list[Manifest]]) -> None:
    for name in VARIANTS:
        assert {each["kind"] for each in rendered[name]} == {"ConfigMap", "Job", "NetworkPolicy"}
    (claim,) = rendered["base/batch/claim"]
    volume = job(rendered["mujoco"], "collect")["spec"]["template"]["spec"]["volumes"][0]
    assert volume["persistentVolumeClaim"]["claimName"] == claim["metadata"]["name"]
    assert claim["spec"]["accessModes"] == ["ReadWriteMany"]
