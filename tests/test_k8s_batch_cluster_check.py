"""k8s/cluster_check.sh with a stand-in of the cluster: what it sends, what it makes of the answers, what it leaves."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from kubernetes_batch_manifests import K8S, container, job, problems

pytestmark = pytest.mark.kubectl

KUBECTL = """#!{python}
import json, os, pathlib, subprocess, sys
words = sys.argv[1:]
if words[:1] == ["--namespace"]:
    words = words[2:]
log = pathlib.Path(os.environ["CALLS"])
manifests = ""
if "-k" in words:
    folder = words[words.index("-k") + 1]
    done = subprocess.run([os.environ["KUBECTL"], "kustomize", folder], capture_output=True, text=True)
    assert done.returncode == 0 and not done.stderr, done.stderr
    manifests = done.stdout
with log.open("a") as file:
    file.write(json.dumps([sys.argv[1:], manifests]) + "\\n")
failed = os.environ.get("FAILED", "")
if words[:2] == ["get", "job"]:
    if "Failed" in words[-1]:
        print(failed if "merge" not in words[2] else "")
    else:
        print("" if failed else "True")
elif words[0] == "exec" and "python" in words:
    print(os.environ.get("EPISODES", "4"))
elif words[0] == "cp":
    (pathlib.Path(words[-1]) / "meta").mkdir(parents=True)
    (pathlib.Path(words[-1]) / "meta" / "info.json").touch()
"""


def check(folder: Path, **environment: str) -> tuple[subprocess.CompletedProcess[str], list[Any]]:
    """What it ended with, and its calls of kubectl with the manifests that went with them."""
    real = shutil.which("kubectl")
    assert real is not None
    (folder / "kubectl").write_text(KUBECTL.format(python=sys.executable), encoding="utf-8")
    (folder / "kubectl").chmod(0o755)
    calls = folder / "calls"
    done = subprocess.run(
        [str(K8S / "cluster_check.sh"), "registry.example.com:5000/isaac-collect:mujoco-1"],
        env={
            **os.environ,
            "PATH": f"{folder}{os.pathsep}{os.environ['PATH']}",
            "KUBECTL": real,
            "CALLS": str(calls),
            **environment,
        },
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    sent = [json.loads(line) for line in calls.read_text(encoding="utf-8").splitlines()]
    assert not list(K8S.glob(".cluster-check-*"))
    assert [words for words, _ in sent if "delete" in words and "-k" in words][-3:] == [
        words for words, _ in sent[-3:]
    ]  # whatever happened, the last it does is to delete all three
    return done, sent


def test_it_runs_merges_checks_copies_and_cleans_up(tmp_path: Path) -> None:
    done, sent = check(tmp_path, NAMESPACE="robots", ACCESS_MODE="ReadWriteOnce", STORAGE_CLASS="fast")
    assert done.returncode == 0, done.stderr
    assert "well: 4 episodes" in done.stdout
    assert all(words[:2] == ["--namespace", "robots"] for words, _ in sent)
    applied = [list(yaml.safe_load_all(text)) for words, text in sent if "apply" in words]
    assert applied[:3] == applied[3:]  # the dry run is of the same manifests
    (claim,), run, (reader,) = applied[3:]
    assert claim["spec"]["accessModes"] == ["ReadWriteOnce"]
    assert claim["spec"]["storageClassName"] == "fast"
    name = claim["metadata"]["name"]
    assert [line.replace(name, "") for line in problems([*run, reader]) if "no claim" not in line] == []
    pods = [job(run, component)["spec"]["template"]["spec"] for component in ("collect", "merge")]
    for pod in [*pods, reader["spec"]]:
        assert pod["volumes"][0]["persistentVolumeClaim"]["claimName"] == name
        assert pod["containers"][0]["image"] == "registry.example.com:5000/isaac-collect:mujoco-1"
    assert job(run, "collect")["spec"]["completions"] == 2
    assert container(job(run, "merge"), "wait")
    asked = [words[words.index("--") + 1 :][:2] for words, _ in sent if "exec" in words]
    assert asked[:2] == [["isaac-collect", "status"], ["isaac-collect", "check"]]


@pytest.mark.parametrize("environment", [{"FAILED": "too many failed indexes"}, {"EPISODES": "3"}])
def test_a_run_that_is_not_well_is_told_and_cleaned_up(tmp_path: Path, environment: dict[str, str]) -> None:
    done, sent = check(tmp_path, **environment)
    assert done.returncode == 1
    assert environment.get("FAILED", "3 episodes instead of 4") in done.stderr
    assert [words for words, _ in sent if "logs" in words]


def test_without_an_image_it_says_how_to_use_it() -> None:
    done = subprocess.run([str(K8S / "cluster_check.sh")], capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "k8s/cluster_check.sh IMAGE" in done.stderr
