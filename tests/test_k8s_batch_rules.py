"""The rules that `kubernetes_batch_job` and `kubernetes_batch_pod` know: each finds the defect that is made for it.

No kubectl: the manifests are the files of k8s/base/batch, as they are before kustomize.
"""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Callable
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
import yaml
from kubernetes_batch_job import job_problems, order_problems
from kubernetes_batch_manifests import CLAIMS, K8S, container
from kubernetes_batch_pod import pod_problems, quantity

from sim_service import exit_codes

Manifest = dict[str, Any]
Defect = Callable[[Manifest], object]


def load(name: str) -> list[Manifest]:
    return list(yaml.safe_load_all((K8S / "base" / "batch" / name).read_text(encoding="utf-8")))


def settings() -> dict[str, str]:
    (generator,) = load("kustomization.yaml")[0]["configMapGenerator"]
    return dict(literal.split("=", 1) for literal in generator["literals"])


def found(manifest: Manifest) -> list[str]:
    given = ("JOB_COMPLETION_INDEX",) if "completionMode" in manifest["spec"] else ()
    config_maps = {"isaac-collect-run": settings(), "other": {"KEY": "1"}}
    template = manifest["spec"]["template"]
    return job_problems(manifest) + order_problems(manifest) + pod_problems(template, config_maps, CLAIMS, given)


def spec(manifest: Manifest) -> Manifest:
    return manifest["spec"]


def rules(manifest: Manifest) -> list[Manifest]:
    return manifest["spec"]["podFailurePolicy"]["rules"]


def codes(manifest: Manifest) -> Manifest:
    return rules(manifest)[1]["onExitCodes"]


def pod(manifest: Manifest) -> Manifest:
    return manifest["spec"]["template"]["spec"]


def collect(manifest: Manifest) -> Manifest:
    return pod(manifest)["containers"][0]


DEFECTS: dict[str, Defect] = {
    # of the Job
    "restartPolicy must be Never beside": lambda m: pod(m).update(restartPolicy="OnFailure"),
    "restartPolicy must be Never or OnFailure": lambda m: pod(m).pop("restartPolicy"),
    "podReplacementPolicy cannot be": lambda m: spec(m).update(podReplacementPolicy="TerminatingOrFailed"),
    "parallelism is negative": lambda m: spec(m).update(parallelism=-1),
    "maxFailedIndexes 2 is more than": lambda m: spec(m).update(maxFailedIndexes=2),
    "maxFailedIndexes needs backoffLimitPerIndex": lambda m: spec(m).pop("backoffLimitPerIndex"),
    "rule 1: FailIndex needs backoffLimitPerIndex": lambda m: spec(m).pop("backoffLimitPerIndex"),
    "backoffLimitPerIndex needs completionMode": lambda m: spec(m).pop("completionMode"),
    "maxFailedIndexes needs completionMode": lambda m: spec(m).update(completionMode="NonIndexed"),
    "completionMode cannot be": lambda m: spec(m).update(completionMode="Sharded"),
    "needs completions": lambda m: spec(m).pop("completions"),
    "100000 at most": lambda m: spec(m).update(parallelism=100_001),
    "they are 10000 at most": lambda m: spec(m).update(completions=100_001, parallelism=10_001),
    "completions need maxFailedIndexes": lambda m: (
        spec(m).update(completions=100_001),
        spec(m).pop("maxFailedIndexes"),
    ),
    "no DNS label of 63": lambda m: m["metadata"].update(name="isaac-collect-" + "x" * 48),
    "21 rules are more": lambda m: rules(m).extend(deepcopy(rules(m)[1]) for _ in range(19)),
    "there is no action": lambda m: rules(m)[1].update(action="FailPod"),
    "either onExitCodes or": lambda m: rules(m)[1].update(onPodConditions=[{"type": "PodScheduled"}]),
    "rule 1: either onExitCodes or": lambda m: rules(m)[1].pop("onExitCodes"),
    "there is no operator": lambda m: codes(m).update(operator="Is"),
    "there is no container": lambda m: codes(m).update(containerName="isaac-collect"),
    "1 to 255 exit codes, not 0": lambda m: codes(m).update(values=[]),
    "1 to 255 exit codes, not 256": lambda m: codes(m).update(values=list(range(1, 257))),
    "0 cannot be In": lambda m: codes(m).update(values=[0, 2, 3]),
    "there twice": lambda m: codes(m).update(values=[2, 2, 3]),
    "not sorted": lambda m: codes(m).update(values=[3, 2]),
    "conditions are more": lambda m: rules(m)[0].update(onPodConditions=[{"type": "DisruptionTarget"}] * 21),
    "status cannot be": lambda m: rules(m)[0]["onPodConditions"][0].update(status="true"),
    # ours
    "comes after a rule on exit codes": lambda m: rules(m).reverse(),
    "no rule ignores": lambda m: rules(m).pop(0),
    # of the pod
    "no label value": lambda m: m["spec"]["template"]["metadata"]["labels"].update(run="a/b"),
    "volume data is there twice": lambda m: pod(m)["volumes"].append(deepcopy(pod(m)["volumes"][0])),
    "has 2 sources": lambda m: pod(m)["volumes"][0].update(emptyDir={}),
    "there is no claim": lambda m: pod(m)["volumes"][0].update(persistentVolumeClaim={"claimName": "data"}),
    "container collect is there twice": lambda m: pod(m)["containers"].append(deepcopy(collect(m))),
    "its name is no DNS label": lambda m: collect(m).update(name="Collect"),
    "there is no volume": lambda m: collect(m)["volumeMounts"].append({"name": "cache", "mountPath": "/cache"}),
    "mount path /tmp is there twice": lambda m: collect(m)["volumeMounts"].append(
        {"name": "data", "mountPath": "/tmp"}
    ),
    "leaves the volume": lambda m: collect(m)["volumeMounts"][0].update(subPath="a/../../b"),
    "has 2 handlers": lambda m: collect(m)["livenessProbe"].update(tcpSocket={"port": 1}),
    "has 0 handlers": lambda m: collect(m)["startupProbe"].pop("exec"),
    "must have successThreshold 1": lambda m: collect(m)["startupProbe"].update(successThreshold=2),
    "cannot have terminationGracePeriodSeconds": lambda m: collect(m)["livenessProbe"].update(
        terminationGracePeriodSeconds=0
    ),
    "an init container has no": lambda m: pod(m).update(initContainers=[{**deepcopy(collect(m)), "name": "first"}]),
    "there is no ConfigMap": lambda m: collect(m)["envFrom"][0]["configMapRef"].update(name="run"),
    "variable ISAAC_COLLECT_RESUME is there twice": lambda m: collect(m)["env"].append(
        {"name": "ISAAC_COLLECT_RESUME", "value": "0"}
    ),
    "has value and valueFrom": lambda m: collect(m)["env"][0].update(
        valueFrom={"configMapKeyRef": {"name": "other", "key": "KEY"}}
    ),
    "there is no key": lambda m: collect(m)["env"].append(
        {"name": "A", "valueFrom": {"configMapKeyRef": {"name": "other", "key": "A"}}}
    ),
    "has 2 origins": lambda m: collect(m)["env"].append(
        {"name": "A", "valueFrom": {"fieldRef": {}, "configMapKeyRef": {"name": "other", "key": "KEY"}}}
    ),
    "is no name of a variable": lambda m: collect(m)["env"].append({"name": "1A", "value": ""}),
    "$(SHARD) is no variable": lambda m: collect(m)["args"].append("--shard=$(SHARD)"),
    "more memory than its limit": lambda m: collect(m).update(
        resources={"requests": {"memory": "2Gi"}, "limits": {"memory": "2000M"}}
    ),
    "must be equal": lambda m: collect(m).update(resources={"requests": {"nvidia.com/gpu": "1"}}),
}


@pytest.mark.parametrize("name", ["collect.yaml", "merge.yaml"])
def test_the_base_breaks_no_rule(name: str) -> None:
    (manifest,) = load(name)
    assert found(manifest) == []


@pytest.mark.parametrize("problem", DEFECTS)
def test_each_rule_finds_its_defect(problem: str) -> None:
    (manifest,) = load("collect.yaml")
    DEFECTS[problem](manifest)
    assert [line for line in found(manifest) if problem in line], found(manifest)


def test_quantities() -> None:
    assert [quantity(text) for text in ("2", "500m", "1Ki", "2Gi", 3)] == [2, 0.5, 1024, 2**31, 3]


def test_exit_codes_that_a_retry_does_not_change_fail_the_index_at_once() -> None:
    (manifest,) = load("collect.yaml")
    assert codes(manifest)["values"] == sorted({exit_codes.BAD_ARGUMENTS, exit_codes.TOO_FEW_EPISODES})
    assert exit_codes.FAILED not in codes(manifest)["values"]


def liveness(heartbeat: Path) -> int:
    (manifest,) = load("collect.yaml")
    command = container(manifest, "collect")["livenessProbe"]["exec"]["command"]
    environment = {**os.environ, "ISAAC_COLLECT_HEARTBEAT_FILE": str(heartbeat)}
    return subprocess.run(command, env=environment, capture_output=True, check=False).returncode


def test_the_liveness_probe_wants_a_heartbeat_of_the_last_five_minutes(tmp_path: Path) -> None:
    heartbeat = tmp_path / "heart beat"
    assert liveness(heartbeat) != 0
    heartbeat.touch()
    assert liveness(heartbeat) == 0
    for age_s, alive in ((270, True), (330, False)):
        os.utime(heartbeat, (time.time() - age_s,) * 2)
        assert (liveness(heartbeat) == 0) == alive


def test_the_startup_probe_wants_a_heartbeat(tmp_path: Path) -> None:
    (manifest,) = load("collect.yaml")
    command = container(manifest, "collect")["startupProbe"]["exec"]["command"]
    heartbeat = tmp_path / "heartbeat"
    environment = {**os.environ, "ISAAC_COLLECT_HEARTBEAT_FILE": str(heartbeat)}
    assert subprocess.run(command, env=environment, check=False).returncode != 0
    heartbeat.touch()
    assert subprocess.run(command, env=environment, check=False).returncode == 0


def test_the_network_policy_lets_nothing_through_and_is_for_the_runs_pods() -> None:
    (policy,) = load("network-policy.yaml")
    assert sorted(policy["spec"]["policyTypes"]) == ["Egress", "Ingress"]
    assert "ingress" not in policy["spec"]
    assert "egress" not in policy["spec"]
    selector = policy["spec"]["podSelector"]
    (expression,) = selector["matchExpressions"]
    for name in ("collect.yaml", "merge.yaml", "reader/pod.yaml"):
        (manifest,) = load(name)
        of_pod = manifest if manifest["kind"] == "Pod" else manifest["spec"]["template"]
        labels = of_pod["metadata"]["labels"]
        assert labels.items() >= selector["matchLabels"].items()
        assert labels[expression["key"]] in expression["values"]


@pytest.mark.parametrize(("age_s", "code"), [(None, 7), (-60, 0), (60, 7)])
def test_the_merge_is_done_where_the_dataset_is_newer_than_the_shards(
    tmp_path: Path, age_s: int | None, code: int
) -> None:
    """age_s: of the dataset, beyond that of the newest shard; None where there is no dataset."""
    (manifest,) = load("merge.yaml")
    command = container(manifest, "merge")["command"]
    script = command[2].replace("/data/datasets", str(tmp_path))
    (tmp_path / "isaac-collect").write_text('#!/bin/sh\necho "$@" >&2\nexit 7\n', encoding="utf-8")
    (tmp_path / "isaac-collect").chmod(0o755)
    for shard in ("0", "1"):
        record = tmp_path / "a run.shards" / shard / "meta" / "shard.json"
        record.parent.mkdir(parents=True)
        record.touch()
    os.utime(tmp_path / "a run.shards" / "0" / "meta" / "shard.json", (0, 0))
    if age_s is not None:
        info = tmp_path / "a run" / "meta" / "info.json"
        info.parent.mkdir(parents=True)
        info.touch()
        os.utime(info, (time.time() - age_s,) * 2)
    environment = {**os.environ, "RUN": "a run", "PATH": f"{tmp_path}{os.pathsep}{os.environ['PATH']}"}
    done = subprocess.run([*command[:2], script], env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == code
    if code:
        assert done.stderr == f"merge {tmp_path}/a run {tmp_path}/a run.shards/0 {tmp_path}/a run.shards/1\n"
