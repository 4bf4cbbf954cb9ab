"""Pods as processes of this machine: what the kubelet does with them."""

from __future__ import annotations

import os
import shutil
import signal
import threading
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from subprocess import DEVNULL, STDOUT, Popen
from typing import Any, Final

from job_emulator.agenda import Agenda
from job_emulator.cluster import Cluster
from job_emulator.launch import Launch, launch
from job_emulator.mounts import pod_volumes
from job_emulator.pods import ContainerStatus, Pod
from job_emulator.probe import Probe

DEFAULT_GRACE_S: Final = 30  # API reference, PodSpec, terminationGracePeriodSeconds
CANNOT_START: Final = 128  # what container runtimes report for a program that is not there


class _Container:
    def __init__(self, status: ContainerStatus, process: Popen[bytes]) -> None:
        self.status, self.process = status, process
        self.waiter: threading.Thread | None = None
        self.reason = ""  # of its end, where it is known before
        self.probes: list[Probe] = []

    def signal(self, number: signal.Signals) -> None:
        """SIGTERM goes to the container's first process, as in Kubernetes; all others to all of them. Only the agenda's
        thread reaps processes, so the number is no other process' yet."""
        with suppress(ProcessLookupError):
            if number == signal.SIGTERM:
                os.kill(self.process.pid, number)
            else:
                os.killpg(self.process.pid, number)


class ProcessRunner:
    """A `Runner`. template: the pod's, of the Job."""

    def __init__(self, template: Mapping[str, Any], cluster: Cluster, agenda: Agenda) -> None:
        self._spec: Mapping[str, Any] = template["spec"]
        self._metadata: Mapping[str, Any] = template.get("metadata", {})
        self._cluster, self._agenda = cluster, agenda
        self._grace_s = float(self._spec.get("terminationGracePeriodSeconds", DEFAULT_GRACE_S))
        self._volumes: dict[Pod, dict[str, Path]] = {}
        self._running: dict[Pod, list[_Container]] = {}
        self._stopping: set[Pod] = set()
        self._abandoned: set[Pod] = set()

    def start(self, pod: Pod) -> None:
        scratch = self._scratch(pod)
        scratch.mkdir(parents=True)
        self._volumes[pod] = pod_volumes(self._spec, scratch / "volumes", self._cluster)
        self._running[pod] = []
        self._go_on(pod)

    def stop(self, pod: Pod) -> None:
        """SIGTERM, and SIGKILL when the grace period is over."""
        if pod not in self._running:
            return
        self._stopping.add(pod)
        for container in self._running[pod]:
            self._terminate(pod, container, self._grace_s)

    def kill(self, pod: Pod, reason: str) -> None:
        for container in self._running.get(pod, ()):
            container.reason = reason
            container.signal(signal.SIGKILL)

    def freeze(self, pod: Pod) -> None:
        for container in self._running.get(pod, ()):
            container.signal(signal.SIGSTOP)

    def abandon(self, pod: Pod, kill: bool) -> None:
        """Its node is out of reach: nothing is heard of it any more. kill: it is dead, too."""
        self._abandoned.add(pod)
        if kill:
            for container in self._running.get(pod, ()):
                container.signal(signal.SIGKILL)

    def close(self) -> None:
        """Nothing that was started outlives this."""
        for containers in self._running.values():
            for container in containers:
                for probe in container.probes:
                    probe.close()
                container.signal(signal.SIGKILL)
                if container.waiter is not None:
                    container.waiter.join()
                container.process.wait()
        self._running.clear()

    def log(self, pod: Pod) -> str:
        """What its containers said, one after the other."""
        files = [self._log_file(pod, status) for status in pod.containers]
        return "".join(file.read_text(encoding="utf-8", errors="replace") for file in files if file.exists())

    def _go_on(self, pod: Pod) -> None:
        """Start what is next: the first init container that has not ended, then all the others at once."""
        waiting = [status for status in pod.containers if status.init and status.exit_code is None][:1]
        if not waiting:
            pod.phase = "Running"
            waiting = [status for status in pod.containers if not status.init]
        for status in waiting:
            self._start_container(pod, status)
        self._look(pod)

    def _start_container(self, pod: Pod, status: ContainerStatus) -> None:
        every = [*self._spec.get("initContainers", ()), *self._spec["containers"]]
        manifest = next(each for each in every if each["name"] == status.name)
        scratch = self._scratch(pod)
        told = launch(manifest, self._metadata, pod, self._volumes[pod], scratch, self._cluster)
        try:
            with self._log_file(pod, status).open("wb") as log:
                process = Popen(
                    told.arguments,
                    env=dict(told.environment),
                    cwd=told.working_dir,
                    stdin=DEVNULL,
                    stdout=log,
                    stderr=STDOUT,
                    start_new_session=True,  # so that whatever it starts ends with it
                )
        except OSError as error:
            status.exit_code, status.reason = CANNOT_START, f"StartError ({error})"
            return
        container = _Container(status, process)
        self._running[pod].append(container)
        if self._cluster.probe_speedup and not status.init:
            self._probe(pod, container, manifest, told)
        container.waiter = threading.Thread(target=self._await, args=(pod, container))
        container.waiter.start()

    def _await(self, pod: Pod, container: _Container) -> None:
        # WNOWAIT leaves the process a zombie, whose group can still be ended: its number cannot be another's yet.
        os.waitid(os.P_PID, container.process.pid, os.WEXITED | os.WNOWAIT)
        container.signal(signal.SIGKILL)  # a container ends with its first process
        self._agenda.post(lambda: self._ended(pod, container))

    def _ended(self, pod: Pod, container: _Container) -> None:
        for probe in container.probes:
            probe.close()
        container.process.wait()
        self._running[pod].remove(container)
        if pod in self._abandoned:
            return
        code = container.process.returncode
        container.status.exit_code = code if code >= 0 else 128 - code
        container.status.reason = container.reason or ("Error" if code else "Completed")
        self._look(pod)

    def _look(self, pod: Pod) -> None:
        """Go on or end, after a container has ended."""
        if self._running[pod]:
            return
        init_failed = any(status.init and status.exit_code for status in pod.containers)
        unstarted = any(status.exit_code is None for status in pod.containers)
        if unstarted and not init_failed and pod not in self._stopping:
            self._go_on(pod)
            return
        pod.finish(self._agenda.now_s())
        shutil.rmtree(self._scratch(pod) / "volumes", ignore_errors=True)

    def _terminate(self, pod: Pod, container: _Container, grace_s: float) -> None:
        container.signal(signal.SIGTERM)

        def give_up() -> None:
            if container in self._running.get(pod, ()):
                container.signal(signal.SIGKILL)

        self._agenda.at(self._agenda.now_s() + grace_s, give_up)

    def _probe(self, pod: Pod, container: _Container, manifest: Mapping[str, Any], told: Launch) -> None:
        """Liveness is asked for once the startup probe, if there is one, has succeeded."""
        speedup = self._cluster.probe_speedup

        def start(name: str, on_healthy: Any) -> None:
            grace_s = float(manifest[name].get("terminationGracePeriodSeconds", self._grace_s))

            def failed() -> None:
                container.reason = f"{name} failed"
                self._terminate(pod, container, grace_s)

            container.probes.append(Probe(manifest[name], told, self._agenda, speedup, on_healthy, failed))

        def started() -> None:
            for probe in container.probes:
                probe.stop()
            if "livenessProbe" in manifest:
                start("livenessProbe", lambda: None)

        if "startupProbe" in manifest:
            start("startupProbe", started)
        else:
            started()

    def _scratch(self, pod: Pod) -> Path:
        return self._cluster.folder / "pods" / pod.name

    def _log_file(self, pod: Pod, status: ContainerStatus) -> Path:
        return self._scratch(pod) / f"{status.name}.log"
