"""An emulator of Kubernetes' Indexed Jobs. A test instrument, not a product and not Kubernetes.

It takes a rendered Job manifest, decides as Kubernetes' Job controller does which pods there are, runs the manifest's
own containers as local processes, injects failures, and shows the Job's status as Kubernetes would. The decisions
follow the Kubernetes documentation (Jobs; Handling retriable and non-retriable pod failures with Pod failure policy)
and the source of Kubernetes 1.33, pkg/controller/job: job_controller.go, indexed_job_utils.go, pod_failure_policy.go,
backoff_utils.go; what a manifest may say follows pkg/apis/batch/validation/validation.go.

Left out: scheduling, nodes, images (a mapping says which local program stands for an image), resources and their
limits, networking, security contexts, read-only mounts, users and ownership of files, preStop hooks, sidecars,
restartPolicy OnFailure, successPolicy, deletion of finished Jobs. A container is a process of this machine: it sees the
machine's file system, and its mounts are paths replaced in its arguments and environment. The controller's API
calls succeed at once, and its condition SuccessCriteriaMet is not shown. What is left out and would change the outcome
raises ManifestError.
"""

from __future__ import annotations

from job_emulator.agenda import Agenda
from job_emulator.clock import RealClock, VirtualClock
from job_emulator.cluster import Cluster, Image
from job_emulator.controller import Condition, Controller, JobStatus
from job_emulator.faults import (
    Delete,
    Evict,
    Exit,
    Fault,
    Freeze,
    Kill,
    LoseNode,
    LoseResult,
    Partition,
    file_exists,
    json_reaches,
    logged,
    running,
)
from job_emulator.indexes import format_indexes, parse_indexes
from job_emulator.job_run import JobRun, JobTimeout, UnusedFaults, run_job
from job_emulator.job_spec import JobSpec, ManifestError, parse_job
from job_emulator.pods import ContainerStatus, Pod
from job_emulator.scripted import Life, ScriptedRunner

__all__ = [
    "Agenda",
    "Cluster",
    "Condition",
    "ContainerStatus",
    "Controller",
    "Delete",
    "Evict",
    "Exit",
    "Fault",
    "Freeze",
    "Image",
    "JobRun",
    "JobSpec",
    "JobStatus",
    "JobTimeout",
    "Kill",
    "Life",
    "LoseNode",
    "LoseResult",
    "ManifestError",
    "Partition",
    "Pod",
    "RealClock",
    "ScriptedRunner",
    "UnusedFaults",
    "VirtualClock",
    "file_exists",
    "format_indexes",
    "json_reaches",
    "logged",
    "parse_indexes",
    "parse_job",
    "run_job",
    "running",
]
