"""docker/isaac-entrypoint.sh and isaac-python.sh, on a stand-in of Isaac Sim's file tree."""

import json
import os
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
ENTRYPOINT = ROOT / "docker" / "isaac-entrypoint.sh"

# Like Isaac Sim's own, it appends to variables that need not be set.
SETUP = """
export PYTHONPATH=$PYTHONPATH:$SCRIPT_DIR/exts/omni.pip.cloud/pip_prebundle
export LD_LIBRARY_PATH=$LD_LIBRARY_PATH:$SCRIPT_DIR/kit
"""


@pytest.fixture
def isaac_sim(tmp_path: Path) -> Path:
    """Its Python writes down how it was started, and fails with exit code 3."""
    root = tmp_path / "isaac-sim"
    (root / "kit" / "python" / "bin").mkdir(parents=True)
    (root / "setup_python_env.sh").write_text(SETUP)
    write_python(
        root, f"json.dump([sys.argv[1:], dict(os.environ)], open({str(root / 'started')!r}, 'w')); sys.exit(3)"
    )
    return root


def write_python(root: Path, code: str) -> None:
    python = root / "kit" / "python" / "bin" / "python3"
    python.write_text(f"#!{sys.executable} -I\nimport json, os, signal, sys\n{code}\n")
    python.chmod(0o755)


def run(
    isaac_sim: Path, *words: str, script: Path = ENTRYPOINT, **variables: str
) -> "subprocess.CompletedProcess[str]":
    environment = {"PATH": os.environ["PATH"], "ISAAC_SIM_ROOT": str(isaac_sim), **variables}
    return subprocess.run([script, *words], env=environment, text=True, capture_output=True, timeout=60, check=False)


def started(isaac_sim: Path) -> tuple[list[str], dict[str, str]] | None:
    """Arguments and environment of Isaac Sim's Python; None when it was not started."""
    file = isaac_sim / "started"
    if not file.exists():
        return None
    arguments, environment = json.loads(file.read_text())
    return arguments, environment


def test_exit_codes_survive(isaac_sim: Path) -> None:
    assert run(isaac_sim, "check", "somewhere").returncode == 3
    assert run(isaac_sim, "serve", ACCEPT_EULA="Y").returncode == 3


def test_arguments_arrive_as_they_were_given(isaac_sim: Path) -> None:
    words = ["sheet", "a b", "", "*", "$HOME", "--", "it's"]
    run(isaac_sim, *words)
    found = started(isaac_sim)
    assert found is not None
    assert found[0] == ["-m", "sim_service", *words]


def test_the_environment_is_that_of_python_sh(isaac_sim: Path) -> None:
    run(isaac_sim, "check", LD_PRELOAD="", PYTHONPATH="/theirs")
    found = started(isaac_sim)
    assert found is not None
    expected = {
        "CARB_APP_PATH": f"{isaac_sim}/kit",
        "ISAAC_PATH": f"{isaac_sim}",
        "EXP_PATH": f"{isaac_sim}/apps",
        "RESOURCE_NAME": "IsaacSim",
        "LD_PRELOAD": f"{isaac_sim}/kit/libcarb.so",
        "PYTHONPATH": f"/theirs:{isaac_sim}/exts/omni.pip.cloud/pip_prebundle",
        "LD_LIBRARY_PATH": f":{isaac_sim}/kit",
    }
    assert {name: found[1].get(name) for name in expected} == expected
    assert "SCRIPT_DIR" not in found[1]


def test_what_the_caller_preloads_stays(isaac_sim: Path) -> None:
    run(isaac_sim, "check", LD_PRELOAD="libm.so.6")
    found = started(isaac_sim)
    assert found is not None
    assert found[1]["LD_PRELOAD"] == f"{isaac_sim}/kit/libcarb.so:libm.so.6"


@pytest.mark.parametrize(
    "words", [["serve"], ["collect", "--output", "x"], ["replay", "x", "0"], ["rollout"], ["--verbose", "serve"]]
)
@pytest.mark.parametrize("answer", [None, "", "N", "no", "yes please"])
def test_isaac_sim_does_not_start_before_its_licence_is_accepted(
    isaac_sim: Path, words: list[str], answer: str | None
) -> None:
    result = run(isaac_sim, *words, **({} if answer is None else {"ACCEPT_EULA": answer}))
    assert result.returncode == 2
    assert "ACCEPT_EULA=Y" in result.stderr
    assert "PRIVACY_CONSENT" in result.stderr
    assert started(isaac_sim) is None


@pytest.mark.parametrize("answer", ["Y", "y", "YES", "yes"])
def test_an_accepted_licence_lets_it_start(isaac_sim: Path, answer: str) -> None:
    assert run(isaac_sim, "collect", ACCEPT_EULA=answer).returncode == 3


@pytest.mark.parametrize(
    "words",
    [[], ["--version"], ["check", "serve"], ["sheet", "collect", "x.png"], ["remote", "start"], ["serve", "--help"]],
    ids=" ".join,
)
def test_what_needs_no_isaac_sim_needs_no_licence(isaac_sim: Path, words: list[str]) -> None:
    assert run(isaac_sim, *words).returncode == 3


def test_a_signal_reaches_the_process_itself(isaac_sim: Path) -> None:
    write_python(
        isaac_sim,
        "signal.signal(signal.SIGTERM, lambda *_: os._exit(7)); print(os.getpid(), flush=True); signal.pause()",
    )
    environment = {"PATH": os.environ["PATH"], "ISAAC_SIM_ROOT": str(isaac_sim), "ACCEPT_EULA": "Y"}
    process = subprocess.Popen(
        [ENTRYPOINT, "serve"], env=environment, text=True, stdout=subprocess.PIPE, start_new_session=True
    )
    with process:
        try:
            assert process.stdout is not None
            assert int(process.stdout.readline()) == process.pid
            process.send_signal(signal.SIGTERM)
            assert process.wait(timeout=60) == 7
        finally:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)


def test_it_works_through_a_link(isaac_sim: Path, tmp_path: Path) -> None:
    """As /usr/local/bin/isaac-collect in the image."""
    link = tmp_path / "isaac-collect"
    link.symlink_to(ENTRYPOINT)
    assert run(isaac_sim, "check", script=link).returncode == 3


def test_without_isaac_sim_it_says_so(tmp_path: Path) -> None:
    result = run(tmp_path / "nowhere", "check")
    assert result.returncode == 1
    assert "ISAAC_SIM_ROOT" in result.stderr
