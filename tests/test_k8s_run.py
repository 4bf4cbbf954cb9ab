"""The Jobs of the mujoco overlay, run by an emulator of Kubernetes' Job semantics with real collecting processes.

What these tests show is that the manifests and the program fit together: arguments, exit codes, folders, retries. No
Kubernetes took part; `job_emulator` says what it leaves out.
"""

from __future__ import annotations

import copy
import dataclasses
import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from job_emulator import (
    ContainerStatus,
    Evict,
    Exit,
    Fault,
    Freeze,
    JobRun,
    Kill,
    LoseResult,
    Partition,
    Pod,
    file_exists,
    parse_job,
)
from job_emulator.failure_policy import judge
from job_emulator.isaac_collect import ROOT, CollectRun, collect_run
from job_emulator.manifests import one, render

JOBS = COLLECT, MERGE = "isaac-collect", "isaac-collect-merge"

pytestmark = pytest.mark.kubectl


def ended(run: JobRun) -> tuple[str, str]:
    """The type and the reason of the condition that ended the Job."""
    last = run.status.conditions[-1]
    return last.type, last.reason


def exit_codes(run: JobRun, index: int | None) -> list[int | None]:
    return [pod.exit_code for pod in run.pods_of(index)]


def table(dataset: Path, pattern: str) -> pa.Table:
    return pa.concat_tables([pq.read_table(file) for file in sorted(dataset.glob(pattern))])


def videos(dataset: Path) -> dict[Path, bytes]:
    return {file.relative_to(dataset): file.read_bytes() for file in dataset.glob("videos/**/*.mp4")}


def assert_equal_to_one_run(run: CollectRun) -> None:
    """The merged dataset is sound and has the same rows and pictures as a collection by one process."""
    checked = run.command("check", str(run.dataset), settings=False)
    assert checked.returncode == 0, checked.stdout + checked.stderr
    single = run.folder / "single"
    collected = run.command("collect", f"--output={single}")
    assert collected.returncode == 0, collected.stderr
    for pattern in ("data/**/*.parquet", "meta/episodes/**/*.parquet"):
        assert table(run.dataset, pattern).equals(table(single, pattern)), pattern
    assert videos(run.dataset) == videos(single)


@pytest.mark.parametrize("simulator", ["isaac", "mujoco"])
def test_both_jobs_of_an_overlay_are_what_the_api_server_takes(simulator: str) -> None:
    """As far as the emulator knows its rules."""
    jobs = [each for each in render(ROOT / "k8s/overlays" / simulator / "batch") if each["kind"] == "Job"]
    collect, merge = (next(parse_job(job) for job in jobs if job["metadata"]["name"] == name) for name in JOBS)
    assert (collect.indexed, merge.indexed, merge.completions) == (True, False, 1)
    assert collect.replaces_only_failed  # two pods would write one shard
    assert merge.replaces_only_failed


@pytest.mark.parametrize(
    ("code", "action"), [(1, None), (2, "FailIndex"), (3, "FailIndex"), (137, None), (143, None), (255, None)]
)
def test_what_an_exit_code_does_to_a_shard(tmp_path: Path, code: int, action: str | None) -> None:
    """Transient ones are tried again as often as backoffLimitPerIndex says, and an eviction always."""
    run = collect_run(tmp_path, SHARDS=1, PARALLELISM=1, ISAAC_COLLECT_NUM_EPISODES=1)
    spec = parse_job(one(run.manifests, "Job", COLLECT))
    pod = Pod("some-0-00000", "default", 0, 0, 0.0, [ContainerStatus("collect", exit_code=code)])
    assert judge(spec.rules or (), pod).action == action
    pod.conditions["DisruptionTarget"] = "EvictionByEvictionAPI"
    assert judge(spec.rules or (), pod).action == "Ignore"
    assert spec.backoff_limit_per_index


@pytest.mark.long
def test_failures_of_every_kind_end_in_the_dataset_of_one_run(tmp_path: Path) -> None:
    """Out of memory in the second episode of one shard, an eviction of another, a start that fails for the third."""
    run = collect_run(tmp_path)
    faults = [
        Fault(0, Kill(), when=run.recorded(0, 1)),
        Fault(1, Evict(), when=run.recorded(1, 1)),
        Fault(2, Exit(1)),
    ]
    collected = run.run(COLLECT, faults)
    assert ended(collected) == ("Complete", "")
    assert (collected.status.completed_indexes, collected.status.failed_indexes) == ("0-2", "")
    assert collected.status.failed == 2  # the eviction does not count
    assert [exit_codes(collected, index) for index in range(3)] == [[137, 0], [143, 0], [1, 0]]
    assert {pod.conditions.get("DisruptionTarget") for pod in collected.pods_of(1)} == {"EvictionByEvictionAPI", None}
    for index in range(2):
        episodes = [line for line in collected.log(collected.pods_of(index)[-1]).splitlines() if "is settled" in line]
        assert [json.loads(line)["message"] for line in episodes] == ["episode 2 of 2 is settled"]

    begun = file_exists(run.dataset.with_name(f".{run.dataset.name}.merging"))
    merged = run.run(MERGE, [Fault(None, Kill(), when=begun), Fault(None, Evict(), attempt=1)])
    assert ended(merged) == ("Complete", "")
    assert exit_codes(merged, None) == [137, 143, 0]
    assert_equal_to_one_run(run)


def test_a_merge_whose_end_nobody_saw_is_done(tmp_path: Path) -> None:
    """Its node is lost when the dataset is whole; so is that of a shard's pod before."""
    run = collect_run(tmp_path, SHARDS=1, PARALLELISM=1, ISAAC_COLLECT_NUM_EPISODES=1)
    collected = run.run(COLLECT, [Fault(0, LoseResult())])
    assert ended(collected) == ("Complete", ""), str(collected)
    assert exit_codes(collected, 0) == [None, 0]
    merged = run.run(MERGE, [Fault(None, LoseResult())])
    assert ended(merged) == ("Complete", ""), str(merged)
    assert run.command("check", str(run.dataset), settings=False).returncode == 0


@pytest.mark.long
def test_a_shard_whose_episodes_are_given_up_is_not_tried_again(tmp_path: Path) -> None:
    """Exit code 3, of one shard alone; the merge then says so at once instead of waiting."""
    run = collect_run(
        tmp_path,
        MAX_FAILED_SHARDS=3,
        ISAAC_COLLECT_NUM_EPISODES=3,
        # With the default seed and so few frames the cube of episode 0 falls out of the hand.
        ISAAC_COLLECT_STEPS_PER_SEGMENT=1,
        ISAAC_COLLECT_WAYPOINT_NOISE="0.2",
        ISAAC_COLLECT_MAX_ATTEMPTS=1,
    )
    collected = run.run(COLLECT)
    assert ended(collected) == ("Failed", "FailedIndexes")
    assert (collected.status.completed_indexes, collected.status.failed_indexes) == ("1,2", "0")
    assert [exit_codes(collected, index) for index in range(3)] == [[3], [0], [0]]

    merged = run.run(MERGE)
    assert ended(merged) == ("Failed", "PodFailurePolicy")
    assert [(status.name, status.exit_code) for status in merged.pods[0].containers] == [("wait", 3), ("merge", None)]
    assert len(merged.pods) == 1
    assert not run.dataset.exists()


@pytest.mark.long
def test_a_simulator_that_hangs_is_ended_and_its_shard_goes_on(tmp_path: Path) -> None:
    """By the liveness probe on the heartbeat file, with shorter times than the manifest's."""
    run = collect_run(tmp_path, SHARDS=1, PARALLELISM=1, ISAAC_COLLECT_NUM_EPISODES=2)
    manifests = copy.deepcopy(list(run.manifests))
    container = one(manifests, "Job", COLLECT)["spec"]["template"]["spec"]["containers"][0]
    probe = container["livenessProbe"]
    script = probe["exec"]["command"][-1]
    assert "-lt 300" in script
    probe["exec"]["command"][-1] = script.replace("-lt 300", "-lt 10")
    probe["terminationGracePeriodSeconds"] = 0
    impatient = dataclasses.replace(run, manifests=manifests)
    collected = impatient.run(COLLECT, [Fault(0, Freeze(), when=run.recorded(0, 1))], probe_speedup=10.0)
    assert ended(collected) == ("Complete", "")
    assert [(pod.exit_code, pod.containers[0].reason) for pod in collected.pods] == [
        (137, "livenessProbe failed"),
        (0, "Completed"),
    ]


@pytest.mark.long
def test_two_pods_of_one_shard_do_not_hurt_each_other(tmp_path: Path) -> None:
    """A node that is cut off goes on collecting while its pod is replaced. Kubernetes promises no less than that: more
    than one pod can be started for an index. The replacement finds the shard taken and is tried again later."""
    run = collect_run(tmp_path, SHARDS=1, PARALLELISM=1, ISAAC_COLLECT_NUM_EPISODES=10)
    faults = [Fault(0, Partition(), when=run.recorded(0, 1))]
    collected = run.run(COLLECT, faults, backoff_speedup=4.0)
    assert ended(collected) == ("Complete", ""), str(collected)
    assert exit_codes(collected, 0)[:2] == [None, 1]
    assert exit_codes(collected, 0)[-1] == 0
    merged = run.run(MERGE)
    assert ended(merged) == ("Complete", ""), str(merged)
    assert_equal_to_one_run(run)


def test_a_shard_that_another_dataset_is_in_the_way_of_fails_alone(tmp_path: Path) -> None:
    """The others are complete: they are empty. The merge waits for the missing one no longer than it may."""
    run = collect_run(tmp_path, MAX_FAILED_SHARDS=3, ISAAC_COLLECT_NUM_EPISODES=1, MERGE_TIMEOUT_S=1)
    run.shard(2).mkdir(parents=True)
    (run.shard(2) / "notes.txt").write_text("mine", encoding="utf-8")
    collected = run.run(COLLECT)
    assert ended(collected) == ("Failed", "FailedIndexes")
    assert (collected.status.completed_indexes, collected.status.failed_indexes) == ("0,1", "2")
    assert exit_codes(collected, 2) == [2]
    assert (run.shard(2) / "notes.txt").read_text(encoding="utf-8") == "mine"

    merged = run.run(MERGE)
    assert ended(merged) == ("Failed", "PodFailurePolicy")
    assert merged.pods[0].containers[0].exit_code == 1


def test_bad_settings_end_the_run_at_once(tmp_path: Path) -> None:
    """Exit code 2: no other try, and with no failed shard allowed, no other shard."""
    run = collect_run(tmp_path, PARALLELISM=1, ISAAC_COLLECT_STEPS_PER_SEGMENT=0)
    collected = run.run(COLLECT)
    assert ended(collected) == ("Failed", "MaxFailedIndexesExceeded")
    assert (collected.status.completed_indexes, collected.status.failed_indexes) == ("", "0")
    assert [(pod.index, pod.exit_code) for pod in collected.pods] == [(0, 2)]
    assert "--steps-per-segment must be at least 1, got 0" in collected.log(collected.pods[0])
