"""The emulated kubelet: pods as local processes, their environment, their volumes, their ends."""

from __future__ import annotations

import fcntl
import os
import random
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from job_emulator import (
    Cluster,
    ContainerStatus,
    Delete,
    Evict,
    Exit,
    Fault,
    Freeze,
    Image,
    Kill,
    LoseNode,
    ManifestError,
    Partition,
    Pod,
    file_exists,
    json_reaches,
    logged,
    run_job,
)
from job_emulator.example_jobs import IMAGE, disruption_rule, exit_rule, policy, shell_job
from job_emulator.expansion import expand
from job_emulator.mounts import localized, mounts
from job_emulator.pod_environment import pod_environment


def cluster(tmp_path: Path, image: Image | None = None, **more: Any) -> Cluster:
    (tmp_path / "claim").mkdir(exist_ok=True)
    environment = {"PATH": "/usr/bin:/bin"}
    return Cluster(
        folder=tmp_path / "cluster",
        images={IMAGE: image or Image(local_environment=environment)},
        claims={"data": tmp_path / "claim"},
        **more,
    )


def claim_mount(**more: str) -> dict[str, Any]:
    """Of a container, and of its pod."""
    return {"volumeMounts": [{"name": "data", "mountPath": "/data", **more}]}


CLAIM = [{"name": "data", "persistentVolumeClaim": {"claimName": "data"}}]


def some_pod(index: int | None = 4) -> Pod:
    return Pod("example-4-00000", "default", index, 0, 0.0, [ContainerStatus("main")])


@pytest.mark.parametrize(
    ("text", "expanded"),
    [
        ("$(A)", "1"),
        ("$(A)-$(A)", "1-1"),
        ("$$(A)_$(A)", "$(A)_1"),
        ("$$$$$$(A)", "$$$(A)"),
        ("$$$$$$$(A)", "$$$1"),
        ("f000-$$A", "f000-$A"),
        ("$(MISSING)", "$(MISSING)"),
        ("$(A$(A))", "$(A$(A))"),
        ("$(REFERENCE)", "$(A)"),
        ("foo$(EMPTY)bar", "foobar"),
        ("foo$(A", "foo$(A"),
        ("${A} $A $? $", "${A} $A $? $"),
        ("--$($($($($--", "--$($($($($--"),
        ("$(foo$$bar)", "$(foo$$bar)"),
        ("\\$(A)", "\\1"),
    ],
)
def test_variables_in_text(text: str, expanded: str) -> None:
    """Cases as in third_party/forked/golang/expansion/expand_test.go of Kubernetes."""
    assert expand(text, {"A": "1", "EMPTY": "", "REFERENCE": "$(A)"}) == expanded


def test_text_without_variables_stays() -> None:
    random_numbers = random.Random(3)
    for _ in range(200):
        text = "".join(random_numbers.choice("ab/ ={}()") for _ in range(20))
        assert expand(text, {"a": "X"}) == text
        assert expand(text.replace("a", "$$"), {}) == text.replace("a", "$")


@pytest.mark.parametrize(
    ("text", "local"),
    [
        ("/data", "/L/d"),
        ("/data/", "/L/d/"),
        ("/data/sets/x.mp4", "/L/s/x.mp4"),
        ("--output=/data/x,/data/sets", "--output=/L/d/x,/L/s"),
        ("a /data; cd '/data/sets'", "a /L/d; cd '/L/s'"),
        ("/database", "/database"),
        ("/data.old", "/data.old"),
        ("/data/sets-2", "/L/d/sets-2"),
        ("x/data", "x/data"),
        ("https://host/data", "https://host/data"),
        ("${ROOT}/data $(pwd)/data", "${ROOT}/data $(pwd)/data"),
        ("relative/path", "relative/path"),
    ],
)
def test_paths_become_local_by_whole_names(text: str, local: str) -> None:
    assert localized(text, {"/data": Path("/L/d"), "/data/sets": Path("/L/s")}) == local


def test_a_replaced_path_is_not_replaced_again() -> None:
    assert localized("/a /b", {"/a": Path("/b/x"), "/b": Path("/a/y")}) == "/b/x /a/y"


def test_environment_of_a_container(tmp_path: Path) -> None:
    """Documentation, Define dependent environment variables; Completion mode: the index is an annotation, a label and
    JOB_COMPLETION_INDEX."""
    annotation = "metadata.annotations['batch.kubernetes.io/job-completion-index']"
    container = {
        "name": "main",
        "envFrom": [{"configMapRef": {"name": "settings"}}, {"configMapRef": {"name": "absent", "optional": True}}],
        "env": [
            {"name": "FROM_ANNOTATION", "valueFrom": {"fieldRef": {"fieldPath": annotation}}},
            {"name": "LATER", "value": "$(LAST)"},
            {"name": "SEED", "value": "7"},
            {"name": "PLACE", "value": "$(SEED)/$(FROM_ANNOTATION)/$$(SEED)"},
            {"name": "LAST", "value": "end"},
            {"name": "KEY", "valueFrom": {"configMapKeyRef": {"name": "settings", "key": "FPS"}}},
            {"name": "NO", "valueFrom": {"configMapKeyRef": {"name": "settings", "key": "no", "optional": True}}},
            {"name": "POD", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}},
            {"name": "TEAM", "valueFrom": {"fieldRef": {"fieldPath": "metadata.labels['team']"}}},
            {"name": "TOKEN", "valueFrom": {"secretKeyRef": {"name": "token", "key": "token"}}},
        ],
    }
    offered = cluster(
        tmp_path, config_maps={"settings": {"SEED": "1", "FPS": "30"}}, secrets={"token": {"token": "secret"}}
    )
    assert pod_environment(container, {"labels": {"team": "blue"}}, some_pod(), offered) == {
        "HOSTNAME": "example-4",
        "SEED": "7",
        "FPS": "30",
        "FROM_ANNOTATION": "4",
        "LATER": "$(LAST)",
        "PLACE": "7/4/$(SEED)",
        "LAST": "end",
        "KEY": "30",
        "POD": "example-4-00000",
        "TEAM": "blue",
        "TOKEN": "secret",
        "JOB_COMPLETION_INDEX": "4",
    }


@pytest.mark.parametrize(
    "entry",
    [
        {"valueFrom": {"configMapKeyRef": {"name": "settings", "key": "absent"}}},
        {"valueFrom": {"configMapKeyRef": {"name": "absent", "key": "SEED"}}},
        {"valueFrom": {"fieldRef": {"fieldPath": "status.podIP"}}},
        {"valueFrom": {"resourceFieldRef": {"resource": "limits.cpu"}}},
    ],
)
def test_what_no_environment_can_come_from(tmp_path: Path, entry: Mapping[str, Any]) -> None:
    container = {"name": "main", "env": [{"name": "X", **entry}]}
    with pytest.raises(ManifestError):
        pod_environment(container, {}, some_pod(), cluster(tmp_path, config_maps={"settings": {"SEED": "1"}}))


def test_sub_paths(tmp_path: Path) -> None:
    container = {
        "name": "main",
        "volumeMounts": [
            {"name": "data", "mountPath": "/whole/"},
            {"name": "data", "mountPath": "/part", "subPath": "a/b"},
            {"name": "data", "mountPath": "/own", "subPathExpr": "shard-$(JOB_COMPLETION_INDEX)"},
        ],
    }
    found = mounts(container, {"data": tmp_path}, {"JOB_COMPLETION_INDEX": "4"})
    assert found == {"/whole": tmp_path, "/part": tmp_path / "a/b", "/own": tmp_path / "shard-4"}
    assert (tmp_path / "shard-4").is_dir()
    container["volumeMounts"] = [{"name": "data", "mountPath": "/x", "subPath": "../up"}]
    with pytest.raises(ManifestError, match="leaves the volume"):
        mounts(container, {"data": tmp_path}, {})
    container["volumeMounts"] = [{"name": "data", "mountPath": "/x", "subPathExpr": "$(SHARD)"}]
    with pytest.raises(ManifestError, match="SHARD has no value"):
        mounts(container, {"data": tmp_path}, {"SHARD": ""})


def test_each_index_writes_its_own_file(tmp_path: Path) -> None:
    script = "echo $JOB_COMPLETION_INDEX $(JOB_COMPLETION_INDEX) >/data/$HOSTNAME; pwd"
    container = {**claim_mount(), "workingDir": "/data"}
    run = run_job(shell_job(script, 3, container=container, volumes=CLAIM), cluster(tmp_path))
    assert run.status.completed_indexes == "0-2"
    written = {file.name: file.read_text(encoding="utf-8") for file in (tmp_path / "claim").iterdir()}
    assert written == {f"example-{index}": f"{index} {index}\n" for index in range(3)}
    assert run.log(run.pods[0]) == f"{tmp_path}/claim\n"


def test_the_image_gives_what_the_container_leaves_out(tmp_path: Path) -> None:
    """Documentation, Define a command and arguments for a container."""
    image = Image(entrypoint=("echo", "entry"), command=("default",), local_environment={"PATH": "/usr/bin:/bin"})

    def said(**container: Any) -> str:
        job = shell_job("", container={"command": None, **container})
        run = run_job(job, cluster(tmp_path / str(len(container)), image))
        return run.log(run.pods[0])

    tmp_path.joinpath("0").mkdir()
    tmp_path.joinpath("1").mkdir()
    tmp_path.joinpath("2").mkdir()
    assert said() == "entry default\n"
    assert said(args=["$(JOB_COMPLETION_INDEX)"]) == "entry 0\n"
    assert said(command=["echo", "mine"], args=["too"]) == "mine too\n"


def test_paths_of_the_image_become_local_and_local_ones_stay(tmp_path: Path) -> None:
    """Even where a local path looks like one inside the container."""
    local = {"PATH": "/usr/bin:/bin", "LOCAL": "/data/x"}
    image = Image(environment={"ROOT": "/data/sets"}, local_environment=local, files={"/opt/program": tmp_path / "p"})
    script = "echo $ROOT $LOCAL /opt/program/x"
    run = run_job(shell_job(script, container=claim_mount(), volumes=CLAIM), cluster(tmp_path, image))
    assert run.log(run.pods[0]) == f"{tmp_path}/claim/sets /data/x {tmp_path}/p/x\n"


def test_nothing_of_this_process_environment_reaches_a_pod(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ISAAC_COLLECT_SEED", "1")
    run = run_job(shell_job("env"), cluster(tmp_path))
    names = {line.partition("=")[0] for line in run.log(run.pods[0]).splitlines()}
    assert names <= {"PATH", "HOSTNAME", "JOB_COMPLETION_INDEX", "PWD", "SHLVL", "_"}


def test_init_containers_run_first_one_after_the_other(tmp_path: Path) -> None:
    def container(name: str, needs: str) -> dict[str, Any]:
        return {
            "name": name,
            "image": IMAGE,
            "command": [
                "sh",
                "-c",
                f"test -z '{needs}' || test -e /data/{needs}; code=$?; touch /data/{name}; exit $code",
            ],
            **claim_mount(),
        }

    job = shell_job(
        "test -e /data/second",
        container=claim_mount(),
        volumes=CLAIM,
        initContainers=[container("first", ""), container("second", "first")],
    )
    run = run_job(job, cluster(tmp_path))
    assert run.status.completed_indexes == "0"


def test_a_failed_init_container_fails_the_pod(tmp_path: Path) -> None:
    """Documentation, Init containers: with restartPolicy Never the whole pod has failed. Rules without containerName
    match it, too."""
    init = [
        {"name": "check", "image": IMAGE, "command": ["sh", "-c", "exit 5"]},
        {"name": "never", "image": IMAGE, "command": ["sh", "-c", "echo never"]},
    ]
    job = shell_job(
        "echo main", initContainers=init, backoffLimitPerIndex=3, podFailurePolicy=policy(exit_rule("FailIndex", 5))
    )
    run = run_job(job, cluster(tmp_path))
    assert [status.exit_code for status in run.pods[0].containers] == [5, None, None]
    assert (len(run.pods), run.status.failed_indexes, run.log(run.pods[0])) == (1, "0", "")


def test_a_pod_that_is_stopped_while_it_prepares_has_failed(tmp_path: Path) -> None:
    """Even where its init container ends well on SIGTERM: the others have not run, and do not."""
    script = "trap 'exit 0' TERM; touch /data/up; while :; do sleep 0.01; done"
    init = {"name": "wait", "image": IMAGE, "command": ["sh", "-c", f"test -e /data/up || {{ {script}; }}"]}
    job = shell_job("echo main", volumes=CLAIM, initContainers=[{**init, **claim_mount()}])
    up = tmp_path / "claim/up"
    run = run_job(job, cluster(tmp_path), [Fault(0, Delete(), when=lambda view: up.exists())])
    assert [(pod.phase, run.log(pod)) for pod in run.pods] == [("Failed", ""), ("Succeeded", "main\n")]
    assert [status.exit_code for status in run.pods[0].containers] == [0, None]


def test_an_empty_folder_is_each_pods_own(tmp_path: Path) -> None:
    volumes = [{"name": "scratch", "emptyDir": {}}]
    mount = {"volumeMounts": [{"name": "scratch", "mountPath": "/tmp"}]}
    run = run_job(
        shell_job("test ! -e /tmp/x && touch /tmp/x && exit $((JOB_COMPLETION_INDEX))", 2, container=mount,
                  volumes=volumes, backoffLimitPerIndex=1),
        cluster(tmp_path),
    )  # fmt: skip
    assert [len(run.pods_of(index)) for index in range(2)] == [1, 2]
    assert {pod.exit_code for pod in run.pods_of(1)} == {1}
    assert list((tmp_path / "cluster").rglob("x")) == []


def test_a_config_map_is_a_folder_of_files(tmp_path: Path) -> None:
    volumes = [{"name": "scripts", "configMap": {"name": "scripts", "defaultMode": 0o755}}]
    mount = {"volumeMounts": [{"name": "scripts", "mountPath": "/scripts"}]}
    offered = cluster(tmp_path, config_maps={"scripts": {"go.sh": "#!/bin/sh\necho went\n"}})
    run = run_job(shell_job("/scripts/go.sh", container=mount, volumes=volumes), offered)
    assert run.log(run.pods[0]) == "went\n"


def test_exit_codes_are_retried_by_the_policy(tmp_path: Path) -> None:
    """Index 0 is transient and is tried again, 1 is hopeless and is not, 2 is fine."""
    script = """
    case $JOB_COMPLETION_INDEX in
      0) test -e /data/seen || { touch /data/seen; exit 1; } ;;
      1) exit 2 ;;
    esac
    """
    job = shell_job(
        script,
        3,
        container=claim_mount(),
        volumes=CLAIM,
        backoffLimitPerIndex=3,
        podFailurePolicy=policy(disruption_rule(), exit_rule("FailIndex", 2, 3, container="main")),
    )
    run = run_job(job, cluster(tmp_path))
    assert [len(run.pods_of(index)) for index in range(3)] == [2, 1, 1]
    assert (run.status.completed_indexes, run.status.failed_indexes) == ("0,2", "1")


WAIT_FOR_TERM = "trap 'echo told; exit 143' TERM; touch /data/up; while :; do sleep 0.01; done"
DEAF = "trap '' TERM; touch /data/up; while :; do sleep 0.01; done"


def waiting_job(script: str, **spec: Any) -> dict[str, Any]:
    """Waits for a signal, but for its second pod, which ends well."""
    return shell_job(f"test -e /data/up && exit 0; {script}", container=claim_mount(), volumes=CLAIM, **spec)


def test_eviction_is_sigterm_and_a_condition(tmp_path: Path) -> None:
    job = waiting_job(WAIT_FOR_TERM, backoffLimitPerIndex=0, podFailurePolicy=policy(disruption_rule()))
    run = run_job(job, cluster(tmp_path), [Fault(0, Evict(), when=file_exists(tmp_path / "claim/up"))])
    evicted, replacement = run.pods
    assert (evicted.exit_code, replacement.exit_code, run.status.failed) == (143, 0, 0)
    assert run.log(evicted) == "told\n"
    assert replacement.created_at_s >= (evicted.finished_at_s or 0)


def test_who_ignores_sigterm_is_killed_after_the_grace_period(tmp_path: Path) -> None:
    job = waiting_job(DEAF, terminationGracePeriodSeconds=1)
    run = run_job(job, cluster(tmp_path), [Fault(0, Delete(), when=file_exists(tmp_path / "claim/up"))])
    deleted = run.pods[0]
    assert (deleted.exit_code, deleted.conditions) == (137, {})
    assert (deleted.finished_at_s or 0) - (deleted.deleted_at_s or 0) >= 1


CHILD = "flock /data/lock sh -c 'touch /data/up; while :; do sleep 0.01; done' &"


def wait_for_the_child(tmp_path: Path) -> None:
    """Until the lock is free, which the child's end alone does."""
    with (tmp_path / "claim/lock").open() as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)


def test_sigkill_ends_all_processes_of_a_container(tmp_path: Path) -> None:
    job = waiting_job(f"{CHILD} echo ready; wait", backoffLimitPerIndex=1)
    run = run_job(job, cluster(tmp_path), [Fault(0, Kill(), when=file_exists(tmp_path / "claim/up"))])
    assert [(pod.exit_code, pod.containers[0].reason) for pod in run.pods] == [(137, "OOMKilled"), (0, "Completed")]
    wait_for_the_child(tmp_path)


def test_a_container_ends_with_its_first_process(tmp_path: Path) -> None:
    script = f"{CHILD} until test -e /data/up; do sleep 0.01; done"
    run = run_job(shell_job(script, container=claim_mount(), volumes=CLAIM), cluster(tmp_path))
    assert run.pods[0].exit_code == 0
    wait_for_the_child(tmp_path)


def test_a_fault_can_wait_for_what_a_pod_says(tmp_path: Path) -> None:
    script = "touch /data/up; echo ready; while :; do sleep 0.01; done"
    job = waiting_job(script, backoffLimitPerIndex=1)
    run = run_job(job, cluster(tmp_path), [Fault(0, Kill(), when=logged("ready"))])
    assert [pod.exit_code for pod in run.pods] == [137, 0]


def test_nothing_outlives_the_run(tmp_path: Path) -> None:
    job = shell_job("echo $$$$; while :; do sleep 0.01; done")
    with pytest.raises(AssertionError, match="not over after"):
        run_job(job, cluster(tmp_path), timeout_s=0.2)
    log = next((tmp_path / "cluster").rglob("main.log")).read_text(encoding="utf-8")
    with pytest.raises(ProcessLookupError):
        os.kill(int(log), 0)


def test_a_lost_node_takes_its_processes_along(tmp_path: Path) -> None:
    job = waiting_job(DEAF, podFailurePolicy=policy(disruption_rule()))
    when = file_exists(tmp_path / "claim/up")
    run = run_job(job, cluster(tmp_path), [Fault(0, LoseNode(0.1), when=when)])
    assert [pod.exit_code for pod in run.pods] == [None, 0]
    assert run.status.failed == 0


def test_a_partitioned_pod_lives_on_beside_its_replacement(tmp_path: Path) -> None:
    """Documentation, Completion mode: more than one pod can run for an index; one of them counts."""
    script = "until test -e /data/second; do sleep 0.01; done; touch /data/first"
    job = waiting_job(f"touch /data/up; {script}", podFailurePolicy=policy(disruption_rule()), backoffLimitPerIndex=0)
    replacement = "{ touch /data/second; until test -e /data/first; do sleep 0.01; done; exit 0; }"
    command = job["spec"]["template"]["spec"]["containers"][0]["command"]
    command[2] = command[2].replace("exit 0", replacement)
    run = run_job(job, cluster(tmp_path), [Fault(0, Partition(), when=file_exists(tmp_path / "claim/up"))])
    assert (run.status.completed_indexes, len(run.pods)) == ("0", 2)


def test_an_injected_exit_runs_nothing(tmp_path: Path) -> None:
    job = shell_job("echo ran", backoffLimitPerIndex=1)
    run = run_job(job, cluster(tmp_path), [Fault(0, Exit(1))])
    assert [(pod.exit_code, run.log(pod)) for pod in run.pods] == [(1, ""), (0, "ran\n")]


def test_a_fault_can_wait_for_a_number_in_a_file(tmp_path: Path) -> None:
    script = """
    for number in 0 1 2 3; do
      test $number = 2 && touch /data/up
      echo "{\\"recorded\\": $number}" >/data/part; mv /data/part /data/record
      test $number = 2 && while :; do sleep 0.01; done
    done
    """
    fault = Fault(0, Kill(), when=json_reaches(tmp_path / "claim/record", "recorded", 2))
    run = run_job(waiting_job(script, backoffLimitPerIndex=1), cluster(tmp_path), [fault])
    assert [pod.exit_code for pod in run.pods] == [137, 0]


def test_a_program_that_is_not_there(tmp_path: Path) -> None:
    job = shell_job("", container={"command": ["no-such-program"]}, backoffLimitPerIndex=0)
    run = run_job(job, cluster(tmp_path))
    assert run.pods[0].exit_code == 128
    assert run.pods[0].containers[0].reason.startswith("StartError")


BEATS = {"exec": {"command": ["test", "-e", "/data/beat"]}, "failureThreshold": 100}


def probed(script: str, **probes: Any) -> dict[str, Any]:
    return shell_job(script, container={**claim_mount(), **probes}, volumes=CLAIM, backoffLimitPerIndex=0)


def test_a_failing_liveness_probe_ends_the_container(tmp_path: Path) -> None:
    """Documentation, Pod lifecycle: the kubelet ends the container as the restart policy says. SIGTERM comes first."""
    probe = {"exec": {"command": ["test", "-e", "/data/beat"]}, "periodSeconds": 10, "failureThreshold": 3}
    script = "touch /data/beat; trap 'exit 143' TERM; rm /data/beat; while :; do sleep 0.01; done"
    run = run_job(probed(script, livenessProbe=probe), cluster(tmp_path, probe_speedup=200))
    assert (run.pods[0].exit_code, run.pods[0].containers[0].reason) == (143, "livenessProbe failed")


def test_a_probe_knows_only_the_variables_of_the_manifest(tmp_path: Path) -> None:
    """And whatever a shell reads from the environment."""
    words = "'$(PLAIN)' '$(JOB_COMPLETION_INDEX)' '$(FIELD)' $JOB_COMPLETION_INDEX"
    probe = {"exec": {"command": ["sh", "-c", f"echo {words} >/data/part; mv /data/part /data/said"]}}
    field = {"fieldRef": {"fieldPath": "metadata.name"}}
    container = {"env": [{"name": "PLAIN", "value": "plain"}, {"name": "FIELD", "valueFrom": field}]}
    job = probed("until test -e /data/said; do sleep 0.01; done", livenessProbe=probe, **container)
    run_job(job, cluster(tmp_path, probe_speedup=200))
    assert (tmp_path / "claim/said").read_text(encoding="utf-8") == "plain $(JOB_COMPLETION_INDEX)  0\n"


def test_a_frozen_container_is_noticed_by_its_liveness_probe(tmp_path: Path) -> None:
    """A stopped process does nothing on SIGTERM: SIGKILL ends it, after the grace period of the probe."""
    probe = {
        "exec": {"command": ["sh", "-c", "test $(( $(date +%s) - $(stat -c %Y /data/beat) )) -lt 2"]},
        "terminationGracePeriodSeconds": 0,
    }
    job = probed(
        "test -e /data/beat && exit 0; while :; do touch /data/beat; sleep 0.01; done", startupProbe=BEATS,
        livenessProbe=probe, terminationGracePeriodSeconds=100,
    )  # fmt: skip
    job["spec"]["backoffLimitPerIndex"] = 1
    fault = Fault(0, Freeze(), when=file_exists(tmp_path / "claim/beat"))
    run = run_job(job, cluster(tmp_path, probe_speedup=200), [fault])
    assert [pod.exit_code for pod in run.pods] == [137, 0]
    assert run.pods[0].containers[0].reason == "livenessProbe failed"


def test_liveness_waits_for_the_startup_probe(tmp_path: Path) -> None:
    """Without a startup probe the same container is ended before its file is there."""
    alive = {"exec": {"command": ["test", "-e", "/data/beat"]}, "periodSeconds": 10, "failureThreshold": 1}
    wait = "until test -e /data/{}; do sleep 0.01; done"
    script = f"{wait.format('asked')}; touch /data/beat; {wait.format('lived')}"
    begin = {"exec": {"command": ["sh", "-c", "touch /data/asked; test -e /data/beat"]}, "failureThreshold": 100}
    lives = {"exec": {"command": ["sh", "-c", "touch /data/lived; test -e /data/beat"]}, "failureThreshold": 1}
    offered = cluster(tmp_path, probe_speedup=200)
    run = run_job(probed(script, startupProbe=begin, livenessProbe=lives), offered)
    assert run.status.completed_indexes == "0"
    (tmp_path / "claim/beat").unlink()
    (tmp_path / "claim/asked").unlink()
    (tmp_path / "second").mkdir()
    offered = cluster(tmp_path / "second", probe_speedup=200)
    assert run_job(probed(script, livenessProbe=alive), offered).status.failed_indexes == "0"


@pytest.mark.parametrize(
    ("container", "volumes", "complaint"),
    [
        ({"image": "other:1"}, [], "nothing stands for the image"),
        ({"lifecycle": {"preStop": {}}}, [], "lifecycle"),
        ({"volumeMounts": [{"name": "absent", "mountPath": "/x"}]}, [], "no volume of the pod"),
        ({}, [{"name": "v", "persistentVolumeClaim": {"claimName": "absent"}}], "no claim"),
        ({}, [{"name": "v", "nfs": {}}], "not emulated"),
        ({}, [{"name": "v", "hostPath": {"path": "/var/cache"}}], "not mapped"),
    ],
)
def test_what_pods_cannot_have(
    tmp_path: Path, container: dict[str, Any], volumes: list[dict[str, Any]], complaint: str
) -> None:
    with pytest.raises(ManifestError, match=complaint):
        run_job(shell_job("exit 0", container=container, volumes=volumes), cluster(tmp_path))
