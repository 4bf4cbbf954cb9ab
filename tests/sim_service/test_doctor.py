"""`isaac-collect doctor` as a user runs it, on the embedded simulator."""

from __future__ import annotations

import dataclasses
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import imageio.v3 as iio
import pytest

from collectors.cameras import CAMERAS
from collectors.simulator import Observation, Simulator, SimulatorError, Tick
from sim_service import doctor_command
from sim_service.__main__ import main
from sim_service.doctor import episodes
from sim_service.mujoco_sim import simulator as mujoco_simulator
from sim_service.mujoco_sim.simulator import MujocoSimulator
from sim_service.simulators import SimulatorSettings, SimulatorUnavailable

MUJOCO = ["doctor", "--simulator", "mujoco", "--render-preset", "fast"]


@pytest.fixture
def small_pictures(monkeypatch: pytest.MonkeyPatch) -> None:
    """Quickly drawn."""
    small = tuple(dataclasses.replace(camera, width_px=160, height_px=160) for camera in CAMERAS)
    monkeypatch.setattr(mujoco_simulator, "CAMERAS", small)


class Failing(MujocoSimulator):
    """`advance` raises from the `at`-th one on, `times` times."""

    at, times = 800, 1_000_000  # in the midst of the grasps
    error: type[Exception] = SimulatorError
    advances = 0

    def advance(self, tick: Tick) -> None:
        self.advances += 1
        if self.at <= self.advances < self.at + self.times:
            raise self.error("lost the device")
        super().advance(tick)


class FailingOnce(Failing):
    times = 1


class Misused(MujocoSimulator):
    def attach(self) -> None:
        raise TypeError("attach() got a surplus argument")


class Blind(MujocoSimulator):
    """Draws nothing, and says so."""

    def observe(self, images: bool = False) -> Observation:
        if images:
            raise SimulatorError("no picture came")
        return super().observe()


class WillNotClose(MujocoSimulator):
    def close(self) -> None:
        super().close()
        raise RuntimeError("no device to close")


def opening(monkeypatch: pytest.MonkeyPatch, make: Callable[[SimulatorSettings], Simulator]) -> None:
    monkeypatch.setattr(doctor_command, "open_simulator", lambda name, settings, application: make(settings))


def result(capsys: pytest.CaptureFixture[str], arguments: list[str]) -> tuple[int, dict[str, Any], str]:
    """Exit code, the line of JSON, and what was said to people."""
    code = main([*arguments, "--json"])
    said = capsys.readouterr()
    assert said.out.count("\n") == 1
    told = json.loads(said.out)
    assert told["exit_code"] == code
    assert (told["passed"], told["failed"], told["not_run"]) == tuple(
        sum(check["verdict"] == verdict for check in told["checks"]) for verdict in ("pass", "fail", "not run")
    )
    assert "Traceback" not in said.err
    return code, told, said.err


def by_verdict(told: dict[str, Any], verdict: str) -> list[str]:
    return [check["name"] for check in told["checks"] if check["verdict"] == verdict]


def test_everything_holds_on_the_embedded_simulator(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    output = tmp_path / "out"
    code, told, said = result(capsys, [*MUJOCO, "--output", str(output)])
    assert (code, told["simulator"]) == (0, "mujoco")
    assert by_verdict(told, "pass") == [check["name"] for check in told["checks"]]
    assert len({check["name"] for check in told["checks"]}) == len(told["checks"]) > 30
    lines = said.splitlines()
    assert [line.split()[0] for line in lines[:-1]] == ["pass"] * len(told["checks"])
    assert f"{len(told['checks'])} passed, 0 failed, 0 not run" in lines[-1]
    assert sorted(output.iterdir()) == [output / "cam_high.png", output / "cam_wrist.png"]
    for camera in CAMERAS:
        picture = iio.imread(output / f"{camera.name}.png")
        assert picture.shape == (camera.height_px, camera.width_px, 3)
        assert picture.std() > 2
        assert str(output / f"{camera.name}.png") in said


def test_without_json_the_lines_are_standard_output(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def unavailable(settings: SimulatorSettings) -> Simulator:
        raise SimulatorUnavailable("no GPU")

    opening(monkeypatch, unavailable)
    assert main(MUJOCO) == 1
    said = capsys.readouterr()
    lines = {line[8:36].strip(): line for line in said.out.splitlines()}
    assert lines["cell"].startswith("FAIL")
    assert "no GPU; expected: the simulator opens" in lines["cell"]
    assert "what to do: " in lines["cell"]
    assert lines["clock"].startswith("not run clock")
    assert lines["clock"].endswith("needs 'cell'")
    assert "pictures" not in lines  # without --output
    assert said.err == ""


@pytest.mark.usefixtures("small_pictures")
@pytest.mark.parametrize("error", [SimulatorError, SimulatorUnavailable])
def test_a_dead_simulator_ends_what_needs_it(
    error: type[Exception], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """The application behind it may have been closed, too."""
    monkeypatch.setattr(Failing, "error", error)
    opening(monkeypatch, Failing)
    code, told, _ = result(capsys, [*MUJOCO, "--output", str(tmp_path)])
    assert (code, told["failed"]) == (1, 1)
    names = [check["name"] for check in told["checks"]]
    failed = by_verdict(told, "fail")[0]
    assert names.index("cam_wrist view") < names.index(failed) < names.index("speed")
    after = told["checks"][names.index(failed) + 1 : names.index("pictures")]
    assert {check["verdict"] for check in after} == {"not run"}
    alone = [check["found"] for check in after if not check["found"].startswith("needs")]
    assert alone
    assert set(alone) == {f"the simulator failed in '{failed}': lost the device"}
    assert by_verdict(told, "pass")[-2:] == ["pictures", "close"]  # what it showed before is worth a look


@pytest.mark.usefixtures("small_pictures")
def test_one_failure_of_the_simulator_is_not_its_end(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    opening(monkeypatch, FailingOnce)
    code, told, _ = result(capsys, MUJOCO)
    assert (code, told["failed"]) == (1, 1)
    assert told["passed"] > 30


@pytest.mark.usefixtures("small_pictures")
def test_errors_of_a_strange_simulator_are_findings(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    opening(monkeypatch, Misused)
    code, told, _ = result(capsys, MUJOCO)
    failed = {check["name"]: check["found"] for check in told["checks"] if check["verdict"] == "fail"}
    assert code == 1
    assert set(failed) == {"cube weld", "cube episode"}
    assert failed["cube weld"] == "TypeError: attach() got a surplus argument"
    assert by_verdict(told, "not run") == ["cube release", "weld after reset"]


@pytest.mark.usefixtures("small_pictures")
def test_a_simulator_without_pictures_is_told_by_camera(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    opening(monkeypatch, Blind)
    code, told, _ = result(capsys, [*MUJOCO, "--output", str(tmp_path)])
    assert code == 1
    assert by_verdict(told, "fail") == [
        "cam_high picture",
        "cam_wrist picture",
        "speed",
        "cube episode",
        "pictures",
    ]
    episode = next(check for check in told["checks"] if check["name"] == "cube episode")
    assert episode["found"] == "5 attempts failed: 5 x simulator_error"
    assert {"cube weld", "weld after reset", "close"} <= set(by_verdict(told, "pass"))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.usefixtures("small_pictures")
def test_a_simulator_that_does_not_close_is_told(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    opening(monkeypatch, WillNotClose)
    code, told, _ = result(capsys, MUJOCO)
    assert (code, by_verdict(told, "fail")) == (1, ["close"])


@pytest.mark.usefixtures("small_pictures")
def test_a_dataset_that_breaks_a_rule_is_told(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    check_dataset = episodes.check_dataset

    def check_damaged(root: Path) -> object:
        (root / "meta/stats.json").write_text("{}")
        return check_dataset(root)

    monkeypatch.setattr(episodes, "check_dataset", check_damaged)
    code, told, _ = result(capsys, MUJOCO)
    assert (code, by_verdict(told, "fail")) == (1, ["cube episode"])
    found = next(check["found"] for check in told["checks"] if check["verdict"] == "fail")
    assert "stats.json" in found


@pytest.mark.usefixtures("small_pictures")
def test_an_output_folder_that_cannot_be_is_told(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    code, told, _ = result(capsys, [*MUJOCO, "--output", str(tmp_path / "file" / "folder")])
    assert (code, by_verdict(told, "fail")) == (1, ["output folder"])
    assert by_verdict(told, "not run") == ["cube episode", "pictures"]


def test_without_isaac_sim_it_says_so(capsys: pytest.CaptureFixture[str]) -> None:
    code, told, _ = result(capsys, ["doctor", "--simulator", "isaac"])
    assert (code, by_verdict(told, "fail")) == (1, ["isaacsim"])
    assert {"application", "cell", "cube episode", "close"} <= set(by_verdict(told, "not run"))


@pytest.mark.parametrize(
    ("flags", "problem"),
    [
        (["--fps", "7"], "--fps"),
        (["--no-headless"], "--no-headless needs Isaac Sim"),
        (["--/app/window/width=10"], "settings of Omniverse Kit need --simulator isaac"),
    ],
)
def test_what_cannot_be_is_2(flags: list[str], problem: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*MUJOCO, *flags]) == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert problem in said.err


def test_flags_come_from_the_environment_too(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("ISAAC_COLLECT_SIMULATOR", "isaac")
    monkeypatch.setenv("ISAAC_COLLECT_USE_YCB", "1")
    code, told, _ = result(capsys, ["doctor"])
    assert (code, told["simulator"]) == (1, "isaac")
    assert "sugar box episode" in by_verdict(told, "not run")


@pytest.mark.parametrize(
    ("line", "number", "code"), [("clock", signal.SIGINT, 130), ("speed", signal.SIGTERM, 143)], ids=["seam", "episode"]
)
def test_a_signal_ends_it_cleanly(line: str, number: signal.Signals, code: int, tmp_path: Path) -> None:
    """In the midst of the seam's checks, or of the episode, which follows the speed."""
    process = subprocess.Popen(
        [sys.executable, "-m", "sim_service", *MUJOCO, "--output", str(tmp_path)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
    )
    assert process.stdout is not None
    lines = []
    for text in process.stdout:
        lines.append(text)
        if text[8:].startswith(f"{line} "):
            process.send_signal(number)
    _, said = process.communicate(timeout=60)
    assert process.returncode == code, said
    assert "Traceback" not in said
    at = next(index for index, text in enumerate(lines) if text[8:].startswith(f"{line} "))
    assert lines[at + 2].startswith("not run")
    assert lines[at + 2].rstrip().endswith("interrupted")
    assert " 0 failed" in lines[-1]
    assert list(tmp_path.iterdir()) == []
