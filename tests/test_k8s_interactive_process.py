"""The Deployment's own arguments and environment as a local process, asked by the Deployment's own probes.

That these dicts are the overlay `mujoco/interactive` is proven in test_k8s_interactive.py.
"""

import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import requests
from serving import eventually

from sim_service.manifest import Instance, instance_manifests

ROOT = Path(__file__).parent.parent
SECRETS = {("isaac-collect-token", "token"): "of-the-secret"}
FIELDS = {"metadata.namespace": "lab"}
BEARER = {"Authorization": "Bearer of-the-secret"}


def free_port() -> int:
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        port: int = listening.getsockname()[1]
        return port


class Pod:
    """The only container of an instance's Deployment, which runs as a process on this machine."""

    def __init__(self, instance: Instance, data: Path) -> None:
        self.pod = instance_manifests(instance)[1]["spec"]["template"]["spec"]
        (self.container,) = self.pod["containers"]
        (mount,) = [each["mountPath"] for each in self.container["volumeMounts"] if each["name"] == "data"]
        self.environment = {name: str(data) if value == mount else value for name, value in self._variables().items()}
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("ISAAC_COLLECT_")}
        self.process = subprocess.Popen(
            [sys.executable, "-m", "sim_service", *self.container["args"]],  # the image's entry point
            cwd=ROOT,
            env={**inherited, **self.environment},
            start_new_session=True,
        )

    def _variables(self) -> dict[str, str]:
        """As a kubelet would make them, $(NAME) included."""
        values: dict[str, str] = {}
        for each in self.container["env"]:
            source = each.get("valueFrom", {})
            if "secretKeyRef" in source:
                value = SECRETS[source["secretKeyRef"]["name"], source["secretKeyRef"]["key"]]
            elif "fieldRef" in source:
                value = FIELDS[source["fieldRef"]["fieldPath"]]
            else:
                value = re.sub(r"\$\((\w+)\)", lambda name: values.get(name[1], name[0]), each["value"])
            values[each["name"]] = value
        return values

    def probe(self, name: str) -> bool:
        """Once, as a kubelet does it."""
        probe = self.container[name]
        port = {each["name"]: each["containerPort"] for each in self.container["ports"]}[probe["httpGet"]["port"]]
        try:
            reply = requests.get(f"http://127.0.0.1:{port}{probe['httpGet']['path']}", timeout=probe["timeoutSeconds"])
        except requests.ConnectionError:
            assert self.process.poll() is None, "the process has ended"
            return False
        return reply.status_code == 200

    def until_started(self) -> None:
        startup = self.container["startupProbe"]
        eventually(
            lambda: self.probe("startupProbe"), startup["periodSeconds"] * startup["failureThreshold"], "startup"
        )

    def call(self, method: str, path: str, body: Any = None) -> Any:
        url = self.environment["ISAAC_COLLECT_URL"]
        reply = requests.request(method, url + path, json=body, headers=BEARER, timeout=30)
        assert reply.ok, reply.text
        return reply.json()

    def end(self) -> int:
        """As a deletion does it; the exit code. Raises TimeoutExpired where a kubelet would kill it."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(self.pod["terminationGracePeriodSeconds"])


@contextmanager
def running(instance: Instance, data: Path) -> Iterator[Pod]:
    pod = Pod(instance, data)
    try:
        yield pod
    finally:
        if pod.process.poll() is None:
            pod.process.kill()
            pod.process.wait()


@pytest.fixture
def instance() -> Instance:
    return Instance(port=free_port())


def test_the_process_passes_its_own_probes_and_ends_in_time(instance: Instance, tmp_path: Path) -> None:
    with running(instance, tmp_path) as pod:
        pod.until_started()
        assert pod.probe("livenessProbe")
        assert pod.probe("readinessProbe")
        began = time.monotonic()
        assert pod.end() == 0
        assert time.monotonic() - began < 10  # nothing was under way


def test_the_services_names_and_the_token_get_in_and_others_do_not(instance: Instance, tmp_path: Path) -> None:
    with running(instance, tmp_path) as pod:
        pod.until_started()
        address = f"http://127.0.0.1:{instance.port}/collect/status"
        within = ["isaac-collect", "isaac-collect.lab", "isaac-collect.lab.svc", "isaac-collect.lab.svc.cluster.local"]
        names = {name: f"{name}:{instance.port}" for name in [*within, "127.0.0.1", "isaac-collect.other"]}
        replies = {
            name: requests.get(address, headers={**BEARER, "Host": host}, timeout=30).status_code
            for name, host in names.items()
        }
        assert replies == {**dict.fromkeys([*within, "127.0.0.1"], 200), "isaac-collect.other": 403}
        assert requests.get(address, timeout=30).status_code == 401
        remote = subprocess.run(  # as by `kubectl exec`
            [sys.executable, "-m", "sim_service", "remote", "status"],
            cwd=ROOT,
            env={**os.environ, **pod.environment},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert (remote.returncode, remote.stderr) == (0, "")
        assert "idle" in remote.stdout
        assert pod.end() == 0


@pytest.mark.long
def test_a_deleted_pods_job_goes_on_in_the_next_one(instance: Instance, tmp_path: Path) -> None:
    asked = {"output_dir": "cut", "num_episodes": 1000, "steps_per_segment": 5}
    with running(instance, tmp_path) as pod:
        pod.until_started()
        job = pod.call("POST", "/collect/start", asked)
        eventually(lambda: pod.call("GET", "/collect/status")["progress"]["completed"] >= 1, what="the first episode")
        assert pod.end() == 0
    with running(instance, tmp_path) as pod:
        pod.until_started()
        (before,) = [each for each in pod.call("GET", "/collect/jobs")["jobs"] if each["id"] == job["id"]]
        assert before["state"] == "interrupted"
        assert before["progress"]["completed"] >= 1
        pod.call("POST", "/collect/start", {**asked, "resume": True})
        begun = eventually(
            lambda: pod.call("GET", "/collect/status")["progress"]["completed"] > before["progress"]["completed"],
            what="one more episode",
        )
        assert begun
        pod.call("POST", "/collect/stop", {"mode": "after_episode"})
        eventually(lambda: pod.call("GET", "/collect/status")["state"] == "idle", what="the drained service")
        assert pod.end() == 0
