"""The emulated Job controller against facts of the Kubernetes documentation and source, in virtual time."""

from __future__ import annotations

import itertools
import random
from collections.abc import Callable, Sequence
from typing import Any

import pytest
from job_emulator import (
    Agenda,
    Delete,
    Evict,
    Fault,
    Freeze,
    JobRun,
    JobTimeout,
    Kill,
    Life,
    LoseNode,
    LoseResult,
    ManifestError,
    Pod,
    ScriptedRunner,
    UnusedFaults,
    VirtualClock,
    format_indexes,
    parse_indexes,
    parse_job,
)
from job_emulator.backoff import backoff_s
from job_emulator.example_jobs import disruption_rule, exit_rule, indexed_job, policy

DAY_S = 86400.0


def exit_code(code_of: Callable[[Pod], int]) -> Callable[[Pod], Life]:
    return lambda pod: Life(code_of(pod))


def started(
    manifest: dict[str, Any], script: Callable[[Pod], Life], faults: Sequence[Fault] = (), grace_s: float = 30
) -> JobRun:
    """Not yet run."""
    agenda = Agenda(VirtualClock())
    return JobRun(parse_job(manifest), ScriptedRunner(agenda, script, grace_s), agenda, faults)


def finished(
    manifest: dict[str, Any], script: Callable[[Pod], Life], faults: Sequence[Fault] = (), grace_s: float = 30
) -> JobRun:
    run = started(manifest, script, faults, grace_s)
    run.run(DAY_S)
    return run


def outcome(run: JobRun) -> tuple[str, str]:
    """The type and the reason of the condition that ended the Job."""
    last = run.status.conditions[-1]
    return last.type, last.reason


def waits_s(pods: Sequence[Pod]) -> list[float]:
    """Between the end of each pod and the next one."""
    return [after.created_at_s - (before.finished_at_s or 0) for before, after in itertools.pairwise(pods)]


@pytest.mark.parametrize(
    ("text", "indexes"),
    [
        ("", set()),
        ("0", {0}),
        ("0,1", {0, 1}),
        ("1,3-5,7", {1, 3, 4, 5, 7}),  # API reference, JobStatus, completedIndexes
        ("0-2,4", {0, 1, 2, 4}),
    ],
)
def test_indexes_read_as_in_kubernetes(text: str, indexes: set[int]) -> None:
    assert format_indexes(indexes) == text
    assert parse_indexes(text) == indexes


def test_indexes_survive_their_text() -> None:
    random_numbers = random.Random(7)
    for _ in range(200):
        indexes = {random_numbers.randrange(60) for _ in range(random_numbers.randrange(50))}
        assert parse_indexes(format_indexes(indexes)) == indexes


def test_example_of_backoff_limit_per_index() -> None:
    """Documentation, Jobs, Backoff limit per index: job-backoff-limit-per-index-example and the status below it."""
    job = indexed_job(10, parallelism=3, backoffLimitPerIndex=1, maxFailedIndexes=5)
    run = finished(job, exit_code(lambda pod: 1 - (pod.index or 0) % 2))
    status = run.status
    assert (status.completed_indexes, status.failed_indexes) == ("1,3,5,7,9", "0,2,4,6,8")
    assert (status.succeeded, status.failed) == (5, 10)
    assert [(each.type, each.reason, each.message) for each in status.conditions] == [
        ("FailureTarget", "FailedIndexes", "Job has failed indexes"),
        ("Failed", "FailedIndexes", "Job has failed indexes"),
    ]


def test_example_of_a_failed_index() -> None:
    """Documentation, Pod failure policy: job-backoff-limit-per-index-failindex. Index 1 is not tried again."""
    job = indexed_job(
        4,
        parallelism=2,
        backoffLimitPerIndex=1,
        backoffLimit=6,
        podFailurePolicy=policy(exit_rule("FailIndex", 42, container="main")),
    )
    run = finished(job, exit_code(lambda pod: {0: 1, 1: 42}.get(pod.index or 0, 0)))
    assert [len(run.pods_of(index)) for index in range(4)] == [2, 1, 1, 1]
    assert (run.status.completed_indexes, run.status.failed_indexes, run.status.failed) == ("2,3", "0,1", 3)
    assert outcome(run) == ("Failed", "FailedIndexes")


def test_all_indexes_succeed() -> None:
    run = finished(indexed_job(5, parallelism=2), exit_code(lambda pod: 0))
    assert outcome(run) == ("Complete", "")
    assert (run.status.completed_indexes, run.status.failed_indexes, run.status.succeeded) == ("0-4", None, 5)


@pytest.mark.parametrize("parallelism", [1, 2, 3, 7])
def test_lowest_index_first_and_never_more_than_asked(parallelism: int) -> None:
    run = finished(indexed_job(7, parallelism=parallelism), lambda pod: Life(0, 1 + (pod.index or 0) % 3))
    assert [pod.index for pod in run.pods] == list(range(7))
    for pod in run.pods:
        together = [
            other
            for other in run.pods
            if other.created_at_s <= pod.created_at_s and (other.finished_at_s or 0) > pod.created_at_s
        ]
        assert len(together) <= parallelism
    assert (
        max(pod.finished_at_s or 0 for pod in run.pods) < sum(1 + index % 3 for index in range(7)) or parallelism == 1
    )


def test_no_pods_without_parallelism() -> None:
    """Documentation, Controlling parallelism: 0 is a pause."""
    run = started(indexed_job(2, parallelism=0), exit_code(lambda pod: 0))
    with pytest.raises(JobTimeout):
        run.run(DAY_S)
    assert run.pods == []


def test_backoff_doubles_up_to_ten_minutes() -> None:
    assert [backoff_s(failures) for failures in range(1, 9)] == [10, 20, 40, 80, 160, 320, 600, 600]
    assert backoff_s(10_000) == 600


def test_each_replacement_waits_for_its_own_index() -> None:
    job = indexed_job(2, backoffLimitPerIndex=4)
    run = finished(job, lambda pod: Life(1 if pod.attempt < 4 else 0, 1.0 + (pod.index or 0)))
    for index in range(2):
        pods = run.pods_of(index)
        assert waits_s(pods) == pytest.approx([10, 20, 40, 80])
        assert [pod.failure_count for pod in pods] == [0, 1, 2, 3, 4]
    assert outcome(run) == ("Complete", "")


def test_an_index_that_waits_keeps_its_place() -> None:
    """job_controller.go: the indexes to add are chosen before the back-off is looked at."""
    job = indexed_job(2, parallelism=1, backoffLimitPerIndex=1)
    run = finished(job, exit_code(lambda pod: 1 if (pod.index, pod.attempt) == (0, 0) else 0))
    assert [(pod.index, pod.attempt) for pod in run.pods] == [(0, 0), (0, 1), (1, 0)]


def test_limit_per_index_ends_only_that_index() -> None:
    """Documentation: a failing index does not interrupt the others. backoffLimit is then unlimited."""
    run = finished(indexed_job(4, backoffLimitPerIndex=9), exit_code(lambda pod: int(pod.index == 2)))
    assert [len(run.pods_of(index)) for index in range(4)] == [1, 1, 10, 1]
    assert (run.status.completed_indexes, run.status.failed_indexes) == ("0,1,3", "2")


def test_default_limit_of_the_whole_job() -> None:
    """Documentation, Pod backoff failure policy: 6 retries, then the Job has failed."""
    run = finished(indexed_job(1), exit_code(lambda pod: 1))
    assert len(run.pods) == 7
    assert outcome(run) == ("Failed", "BackoffLimitExceeded")
    assert run.status.failed_indexes is None


def test_too_many_failed_indexes_end_the_job() -> None:
    """Documentation: when maxFailedIndexes is exceeded, the remaining pods are terminated."""
    job = indexed_job(4, backoffLimitPerIndex=0, maxFailedIndexes=1)
    run = finished(job, lambda pod: Life(1 if pod.index in (0, 2) else 0, 1 if pod.index in (0, 2) else 500))
    assert outcome(run) == ("Failed", "MaxFailedIndexesExceeded")
    assert (run.status.completed_indexes, run.status.failed_indexes) == ("", "0,2")
    stopped = [pod for index in (1, 3) for pod in run.pods_of(index)]
    assert [(pod.exit_code, pod.deleted_at_s, pod.conditions) for pod in stopped] == [(143, 1.0, {})] * 2
    assert run.status.failed == 4  # a Job that fails counts its active pods, too


def test_max_failed_indexes_may_be_reached() -> None:
    job = indexed_job(4, backoffLimitPerIndex=0, maxFailedIndexes=2)
    run = finished(job, exit_code(lambda pod: int(pod.index in (0, 2))))
    assert outcome(run) == ("Failed", "FailedIndexes")
    assert run.status.completed_indexes == "1,3"


@pytest.mark.parametrize("fault", [Evict(), Evict("PreemptionByScheduler"), LoseNode(300)])
def test_disruptions_can_be_ignored(fault: Evict | LoseNode) -> None:
    """Documentation, Pod failure policy: Ignore does not count towards any limit, and the pod is replaced. It still
    backs off (backoff_utils.go: the ignored failures of an index count for the delay)."""
    job = indexed_job(1, backoffLimitPerIndex=0, podFailurePolicy=policy(disruption_rule()))
    faults = [Fault(0, fault, attempt) for attempt in range(3)]
    run = finished(job, lambda pod: Life(0, 50), faults)
    assert outcome(run) == ("Complete", "")
    assert (run.status.failed, len(run.pods)) == (0, 4)
    assert [(pod.failure_count, pod.ignored_failure_count) for pod in run.pods] == [(0, 0), (0, 1), (0, 2), (0, 3)]
    assert waits_s(run.pods) == pytest.approx([10, 20, 40])


def test_without_a_rule_disruptions_count() -> None:
    run = finished(indexed_job(1, backoffLimitPerIndex=0), lambda pod: Life(0, 50), [Fault(0, Evict())])
    assert (run.status.failed_indexes, run.status.failed) == ("0", 1)


@pytest.mark.parametrize("disruption_first", [True, False])
def test_first_rule_that_matches_decides(disruption_first: bool) -> None:
    rules = [disruption_rule("Ignore"), exit_rule("FailIndex", 143)]
    job = indexed_job(
        1, backoffLimitPerIndex=3, podFailurePolicy=policy(*(rules if disruption_first else reversed(rules)))
    )
    run = finished(job, lambda pod: Life(0, 50), [Fault(0, Evict())])
    assert outcome(run)[0] == ("Complete" if disruption_first else "Failed")


@pytest.mark.parametrize(
    ("rule", "code", "action_taken"),
    [
        (exit_rule("FailIndex", 2, 3), 2, True),
        (exit_rule("FailIndex", 2, 3), 1, False),
        (exit_rule("FailIndex", 1, operator="NotIn"), 2, True),
        (exit_rule("FailIndex", 1, operator="NotIn"), 1, False),
        (exit_rule("FailIndex", 2, container="main"), 2, True),
        (exit_rule("FailIndex", 2, container="init"), 2, False),
        (disruption_rule("FailIndex"), 2, False),
    ],
)
def test_what_a_rule_matches(rule: dict[str, Any], code: int, action_taken: bool) -> None:
    init = [{"name": "init", "image": "example:1"}]
    job = indexed_job(1, backoffLimitPerIndex=2, initContainers=init, podFailurePolicy=policy(rule))
    run = finished(job, exit_code(lambda pod: code))
    assert len(run.pods) == (1 if action_taken else 3)


def test_success_matches_no_exit_code_rule() -> None:
    """API reference: containers that completed with exit code 0 are left out of the check."""
    job = indexed_job(1, backoffLimitPerIndex=0, podFailurePolicy=policy(exit_rule("FailJob", 1, operator="NotIn")))
    assert outcome(finished(job, exit_code(lambda pod: 0))) == ("Complete", "")


def test_a_lost_node_has_no_exit_code() -> None:
    rules = policy(exit_rule("FailJob", 7, operator="NotIn"), disruption_rule())
    run = finished(indexed_job(1, podFailurePolicy=rules), lambda pod: Life(0, 50), [Fault(0, LoseNode(300))])
    lost, replacement = run.pods
    assert (lost.exit_code, lost.conditions) == (None, {"DisruptionTarget": "DeletionByPodGC"})
    assert replacement.created_at_s >= 300
    assert outcome(run) == ("Complete", "")


@pytest.mark.parametrize("code", [0, 2])
def test_a_result_that_nobody_saw(code: int) -> None:
    """The pod is as one of a lost node: disrupted, without an exit code, replaced."""
    rules = policy(disruption_rule(), exit_rule("FailIndex", 2))
    job = indexed_job(2, backoffLimitPerIndex=0, podFailurePolicy=rules)
    run = finished(job, exit_code(lambda pod: code if pod.attempt == 0 and pod.index == 0 else 0), [LOST])
    assert [len(run.pods_of(index)) for index in range(2)] == [2, 1]
    assert (run.pods[0].exit_code, run.pods[0].phase, run.status.failed) == (None, "Failed", 0)
    assert run.status.completed_indexes == "0,1"


LOST = Fault(0, LoseResult(60))


def test_one_pod_can_fail_the_job() -> None:
    job = indexed_job(3, backoffLimitPerIndex=5, podFailurePolicy=policy(exit_rule("FailJob", 2)))
    run = finished(job, lambda pod: Life(2, 1) if pod.index == 1 else Life(0, 100))
    assert outcome(run) == ("Failed", "PodFailurePolicy")
    assert run.status.conditions[-1].message == (
        "Container main for pod default/example-1-00000 failed with exit code 2 matching FailJob rule at index 0"
    )
    assert len(run.pods) == 3


@pytest.mark.parametrize("replacement", ["Failed", "TerminatingOrFailed"])
def test_when_a_deleted_pod_is_replaced(replacement: str) -> None:
    """Documentation, Pod replacement policy: Failed waits until the pod is terminated."""
    job = indexed_job(1, podReplacementPolicy=replacement)
    run = finished(job, lambda pod: Life(0, 100, stop_after_s=25), [Fault(0, Delete())])
    old, new = run.pods
    assert old.deleted_at_s is not None
    if replacement == "Failed":
        assert new.created_at_s == pytest.approx(old.deleted_at_s + 25 + 10)
    else:
        assert new.created_at_s == pytest.approx(old.deleted_at_s + 10)


def test_a_failure_policy_replaces_only_failed_pods() -> None:
    """Documentation, Pod replacement policy: with a failure policy, Failed is the only one."""
    job = indexed_job(1, backoffLimitPerIndex=1, podFailurePolicy=policy(disruption_rule()))
    run = finished(job, lambda pod: Life(0, 100, stop_after_s=25), [Fault(0, Evict())])
    assert run.pods[1].created_at_s >= (run.pods[0].finished_at_s or 0)


def test_ending_with_0_on_sigterm_is_success() -> None:
    """Documentation, Pod lifecycle: the phase follows from the exit codes, whatever ended the containers."""
    job = indexed_job(1, podFailurePolicy=policy(disruption_rule()))
    run = finished(job, lambda pod: Life(0, 100, stop_code=0), [Fault(0, Evict())])
    assert (len(run.pods), run.status.completed_indexes) == (1, "0")


@pytest.mark.parametrize(("needs_s", "code"), [(29, 143), (31, 137)])
def test_grace_period(needs_s: float, code: int) -> None:
    run = finished(indexed_job(1), lambda pod: Life(0, 100, stop_after_s=needs_s), [Fault(0, Delete())], grace_s=30)
    assert run.pods[0].exit_code == code
    assert (run.pods[0].finished_at_s or 0) - (run.pods[0].deleted_at_s or 0) == min(needs_s, 30)


def test_a_frozen_pod_waits_for_the_deadline_and_is_killed() -> None:
    run = finished(indexed_job(1, activeDeadlineSeconds=100), lambda pod: Life(0, 50), [Fault(0, Freeze())])
    assert (outcome(run), run.pods[0].exit_code) == (("Failed", "DeadlineExceeded"), 137)
    assert run.pods[0].finished_at_s == 130


def test_out_of_memory_is_137_and_counts() -> None:
    job = indexed_job(1, backoffLimitPerIndex=1, podFailurePolicy=policy(disruption_rule()))
    run = finished(job, lambda pod: Life(0, 100), [Fault(0, Kill())])
    assert (run.pods[0].exit_code, run.pods[0].containers[0].reason, run.status.failed) == (137, "OOMKilled", 1)
    assert outcome(run) == ("Complete", "")


def test_deadline_ends_the_job() -> None:
    """Documentation, Job termination: activeDeadlineSeconds takes precedence over backoffLimit."""
    run = finished(indexed_job(2, activeDeadlineSeconds=100), lambda pod: Life(0, 10 if pod.index else 1000))
    assert outcome(run) == ("Failed", "DeadlineExceeded")
    assert (run.status.completed_indexes, run.pods[0].deleted_at_s) == ("1", 100)


def test_suspended_job_has_no_pods_until_it_goes_on() -> None:
    run = started(indexed_job(2, suspend=True, activeDeadlineSeconds=20), lambda pod: Life(0, 15))
    assert run.run(DAY_S).conditions[0].type == "Suspended"
    assert run.pods == []
    run.controller.suspend(False)
    run.run(DAY_S)
    assert outcome(run) == ("Complete", "")


def test_suspending_counts_no_failure() -> None:
    """Documentation, Suspending a Job: its active pods are terminated by SIGTERM."""
    run = started(indexed_job(2, backoffLimitPerIndex=0), lambda pod: Life(0, 100))
    run.controller.sync(0.0)  # makes both pods; nobody has started them
    for pod in run.pods:
        pod.phase = "Running"
    run.controller.suspend(True)
    assert [pod.index for pod in run.controller.sync(1.0).delete] == [0, 1]
    for pod in run.pods:
        pod.fail(2.0, "")
    run.controller.sync(2.0)
    assert (run.status.failed, run.status.failed_indexes, run.status.active) == (0, "", 0)


def test_a_job_that_goes_on_has_its_deadline_anew() -> None:
    """Documentation, Suspending a Job: the start time is set again when it goes on."""
    run = started(indexed_job(1, activeDeadlineSeconds=20), lambda pod: Life(0, 15))
    run.controller.sync(0.0)
    run.controller.suspend(True)
    run.controller.sync(5.0)
    run.pods[0].fail(6.0, "")
    run.controller.suspend(False)
    assert [pod.created_at_s for pod in run.controller.sync(100.0).create] == [100.0]
    assert run.controller.sync(119.0).wake_at_s == 120.0
    assert run.status.conditions == []
    run.controller.sync(120.0)
    assert run.status.conditions[0].reason == "DeadlineExceeded"


def test_a_job_whose_indexes_are_done_can_fail_no_more() -> None:
    """Documentation, Job termination: it is Complete when the last pod is terminated, even past its deadline."""
    job = indexed_job(1, activeDeadlineSeconds=20)
    run = finished(job, lambda pod: Life(0, 100 if pod.attempt == 0 else 1, stop_after_s=25), [Fault(0, Delete())])
    assert outcome(run) == ("Complete", "")
    assert run.pods[0].finished_at_s == 25.02 > (run.pods[1].finished_at_s or 0)


def test_job_without_indexes() -> None:
    job = indexed_job(1, backoffLimit=2)
    del job["spec"]["completionMode"], job["spec"]["completions"], job["spec"]["parallelism"]
    run = finished(job, exit_code(lambda pod: int(pod.attempt < 2)))
    assert (run.status.succeeded, run.status.failed, run.status.completed_indexes) == (1, 2, "")
    assert [pod.created_at_s for pod in run.pods] == pytest.approx([0, 11, 32])
    assert outcome(run) == ("Complete", "")
    failing = finished(job, exit_code(lambda pod: 1))
    assert (len(failing.pods), outcome(failing)) == (3, ("Failed", "BackoffLimitExceeded"))


def test_every_index_ends_somewhere() -> None:
    """Whatever happens: completed and failed indexes are apart, and a Job is Complete exactly if all completed."""
    random_numbers = random.Random(11)
    for _ in range(60):
        completions = random_numbers.randrange(1, 9)
        codes = {(index, n): random_numbers.choice([0, 0, 1, 2, 137]) for index in range(9) for n in range(5)}
        job = indexed_job(
            completions,
            parallelism=random_numbers.randrange(1, 5),
            backoffLimitPerIndex=random_numbers.randrange(4),
            podFailurePolicy=policy(disruption_rule(), exit_rule("FailIndex", 2)),
        )
        run = finished(job, lambda pod, codes=codes: Life(codes[pod.index or 0, min(pod.attempt, 4)]))
        completed = parse_indexes(run.status.completed_indexes)
        failed = parse_indexes(run.status.failed_indexes or "")
        assert completed | failed == set(range(completions))
        assert not completed & failed
        assert outcome(run) == (("Failed", "FailedIndexes") if failed else ("Complete", ""))
        assert run.status.succeeded == len(completed)
        assert run.status.failed == len(run.pods) - len(completed)


def test_planned_faults_must_happen() -> None:
    with pytest.raises(UnusedFaults):
        finished(indexed_job(1), exit_code(lambda pod: 0), [Fault(0, Kill(), attempt=3)])


@pytest.mark.parametrize(
    ("spec", "complaint"),
    [
        ({"maxFailedIndexes": 1}, "needs backoffLimitPerIndex"),
        ({"maxFailedIndexes": 4, "backoffLimitPerIndex": 1}, "more than the 3 completions"),
        ({"completionMode": "NonIndexed", "backoffLimitPerIndex": 1}, "needs completionMode Indexed"),
        ({"podFailurePolicy": policy(exit_rule("FailIndex", 2))}, "FailIndex needs backoffLimitPerIndex"),
        ({"podFailurePolicy": policy(exit_rule("FailJob", 3, 2))}, "in order and different"),
        ({"podFailurePolicy": policy(exit_rule("FailJob", 2, 2))}, "in order and different"),
        ({"podFailurePolicy": policy(exit_rule("FailJob", 0))}, "0 is no value"),
        ({"podFailurePolicy": policy(exit_rule("FailJob", 1, container="mian"))}, "none of main"),
        ({"podFailurePolicy": policy(exit_rule("Restart", 1))}, "cannot be 'Restart'"),
        ({"podFailurePolicy": policy({"action": "Ignore"})}, "needs one of"),
        ({"podFailurePolicy": policy(), "podReplacementPolicy": "TerminatingOrFailed"}, "podReplacementPolicy"),
        ({"restartPolicy": "OnFailure"}, "Never"),
        ({"backoffLimit": -1}, "0 or more"),
        ({"successPolicy": {}}, "not emulated"),
    ],
)
def test_manifests_that_cannot_be(spec: dict[str, Any], complaint: str) -> None:
    with pytest.raises(ManifestError, match=complaint):
        parse_job(indexed_job(3, **spec))


def test_a_long_name_leaves_no_room_for_the_index() -> None:
    job = indexed_job(11)
    job["metadata"]["name"] = "n" * 61
    with pytest.raises(ManifestError, match="longer than 63"):
        parse_job(job)
