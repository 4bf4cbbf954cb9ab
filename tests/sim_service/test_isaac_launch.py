"""The design's two scripts with the design's command line, and its function for a process that runs Isaac Sim."""

import ast
import json
import runpy
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import requests
from isaac_process import ROOT, isaac_command, isaac_environment, read_report, run_isaac
from isaac_standin import Faults, Isaac, installed
from serving import eventually

from lerobot_writer import WriterError
from lerobot_writer.check import check_dataset
from sim_service.config import CollectConfig
from sim_service.isaac_sim.launch import split_streaming
from sim_service.recorded import open_dataset
from sim_service.simulators import SimulatorSettings, SimulatorUnavailable

QUICK = ["--steps-per-segment", "5", "--fps", "10"]
STREAMING = ["--headless", "--streaming", "--streaming-port", "49102"]
JPEG = b"\xff\xd8"
SCRIPTS = ("run_interactive.py", "isaac_pick_place_collector.py")

ASSET_ROOT = "/persistent/isaac/asset_root/default"


# The command line


@pytest.mark.parametrize(
    ("words", "environment", "ours", "stream"),
    [
        ([], {}, [], {}),
        (["--num-episodes", "2"], {"PUBLIC_IP": "203.0.113.7"}, ["--num-episodes", "2"], {}),
        (["--streaming"], {}, [], {"LIVESTREAM": "2", "LIVESTREAM_PORT": "49102"}),
        (["--streaming"], {"PUBLIC_IP": ""}, [], {"LIVESTREAM": "2", "LIVESTREAM_PORT": "49102"}),
        (["--streaming"], {"PUBLIC_IP": "203.0.113.7"}, [], {"LIVESTREAM": "1", "LIVESTREAM_PORT": "49102"}),
        (["--streaming-port=5001", "-x", "--streaming"], {}, ["-x"], {"LIVESTREAM": "2", "LIVESTREAM_PORT": "5001"}),
        (["--streaming", "--/a/b=c", "--no-streaming"], {}, ["--/a/b=c"], {}),
        (["--stream", "--streaming-host", "x"], {}, ["--stream", "--streaming-host", "x"], {}),
    ],
)
def test_only_the_words_of_the_stream_are_taken_out(
    words: list[str], environment: dict[str, str], ours: list[str], stream: dict[str, str]
) -> None:
    assert split_streaming(words, environment) == (ours, stream)


@pytest.mark.parametrize("name", SCRIPTS)
def test_the_scripts_hold_no_logic(name: str) -> None:
    tree = ast.parse((ROOT / name).read_text())
    statements = [node for node in tree.body if not isinstance(node, ast.Expr)]
    imports = [node for node in statements if isinstance(node, ast.ImportFrom)]
    assert [node.module for node in imports] == ["sim_service.isaac_sim.launch"]
    assert isinstance(statements[-1], ast.If)
    assert [type(node) for node in statements[-1].body] == [ast.Expr]
    assert len(statements) <= 3


def test_the_collector_collects_and_streams_on_the_port_that_the_design_gives(tmp_path: Path) -> None:
    words = [*STREAMING, "--num-episodes", "1", "--output", str(tmp_path / "ds"), *QUICK, "--json"]
    ended = run_isaac("4.5.0", tmp_path, ROOT / "isaac_pick_place_collector.py", *words)
    assert ended.code == 0, ended.err
    assert json.loads(ended.out)["episodes"] == 1
    assert check_dataset(tmp_path / "ds").ok
    report = ended.report
    assert report["argv"] == [str(ROOT / "isaac_pick_place_collector.py")]
    assert report["settings"]["/app/livestream/port"] == 49102
    assert report["settings"]["/app/livestream/nvcf/quitOnSessionEnded"] is False
    assert "omni.services.livestream.nvcf" in report["extensions"]
    assert report["launch_config"]["hide_ui"] is False
    assert "Dashboard and API" not in ended.err  # that is what our own --streaming has
    assert report["swallowed"] == []


@pytest.mark.parametrize("name", SCRIPTS)
def test_a_script_without_isaac_sim_is_a_bad_argument(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    flags = ["--data-root", str(tmp_path), "--port", "0"] if name == SCRIPTS[0] else ["--output", str(tmp_path / "ds")]
    monkeypatch.setattr(sys, "argv", [name, *STREAMING, *flags])
    for variable in ("LIVESTREAM", "LIVESTREAM_PORT"):  # which it sets for this process
        monkeypatch.setenv(variable, "")
    monkeypatch.delitem(sys.modules, "sim_service.__main__", raising=False)  # as in a process of its own
    with pytest.raises(SystemExit) as ended:
        runpy.run_path(str(ROOT / name), run_name="__main__")
    assert ended.value.code == 2
    assert "Isaac Sim is not in this Python" in capsys.readouterr().err
    assert not (tmp_path / "ds").exists()


@contextmanager
def interactive(
    tmp_path: Path, version: str, *flags: str, **variables: str
) -> Iterator[tuple[str, subprocess.Popen[bytes]]]:
    """`run_interactive.py` once it is ready, by its address. tmp_path: gets log, report.json and root, the data."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    url, log = f"http://127.0.0.1:{port}", tmp_path / "log"
    words = [*flags, "--data-root", str(tmp_path / "root"), "--port", str(port), "--grace-period", "0"]
    with log.open("wb") as stream:
        process = subprocess.Popen(
            isaac_command(version, tmp_path / "report.json", ROOT / "run_interactive.py", *words),
            cwd=ROOT,
            env=isaac_environment(tmp_path, **variables),
            stderr=stream,
        )

    def ready() -> bool:
        assert process.poll() is None, log.read_text()
        try:
            return requests.get(f"{url}/readyz", timeout=10).status_code == 200
        except requests.ConnectionError:
            return False

    try:
        eventually(ready, what="readiness")
        yield url, process
    finally:
        process.kill()
        process.wait()


def test_the_interactive_one_serves_jobs_and_pictures_and_streams(tmp_path: Path) -> None:
    with (
        interactive(tmp_path, "6.0.1", *STREAMING, "--fps", "10", PUBLIC_IP="203.0.113.7") as (url, process),
        requests.Session() as http,
    ):
        assert http.get(f"{url}/cameras/cam_wrist.jpg", timeout=30).content[:2] == JPEG
        body = {"output_dir": "ds", "num_episodes": 1, "steps_per_segment": 5}
        assert http.post(f"{url}/collect/start", json=body, timeout=30).status_code == 202

        def status() -> dict[str, Any]:
            found: dict[str, Any] = http.get(f"{url}/collect/status", timeout=30).json()
            return found

        eventually(lambda: status()["progress"]["frame"] > 3, what="an episode")
        live: set[bytes] = set()

        def moved() -> bool:
            live.add(http.get(f"{url}/cameras/cam_high.jpg", timeout=30).content)
            return len(live) > 2

        eventually(moved, what="pictures of three moments")
        assert all(picture[:2] == JPEG for picture in live)
        eventually(lambda: status()["state"] == "idle", what="the end of the job")
        assert (status()["job_state"], status()["progress"]["completed"]) == ("completed", 1)
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) == 0, (tmp_path / "log").read_text()
    assert check_dataset(tmp_path / "root/ds").ok
    assert "Traceback" not in (tmp_path / "log").read_text()
    report = read_report(tmp_path / "report.json")
    primary = "/exts/omni.kit.livestream.app/primaryStream"
    assert report["settings"][f"{primary}/signalPort"] == 49102
    assert report["settings"][f"{primary}/publicIp"] == "203.0.113.7"
    assert report["settings"]["/exts/omni.services.livestream.session/quitOnSessionEnded"] is False
    assert report["swallowed"] == []


# In a process that runs Isaac Sim already


class Process:
    """Of somebody else: an application, a world that plays, something on the stage. `collect` is what is tested, with
    short episodes of few frames."""

    def __init__(self, isaac: Isaac) -> None:
        from isaacsim import SimulationApp

        self.isaac = isaac
        self.app = SimulationApp({"headless": True})
        from isaacsim.core.api import World
        from pxr import UsdGeom

        self.world = World(physics_dt=1 / 60, rendering_dt=1 / 60, stage_units_in_meters=1.0)
        UsdGeom.Cube.Define(isaac.stage, "/World/Theirs").CreateSizeAttr(0.25)
        self.world.reset()
        from sim_service.isaac_sim import camera_rig, launch

        camera_rig.MIN_WARM_UP_TURNS = 3  # type: ignore[misc]  # nothing warms up here
        launch.CollectConfig = partial(CollectConfig, steps_per_segment=5, settings=SimulatorSettings(fps=10))  # type: ignore[assignment,misc]  # see above
        self._run = launch.run_collection_in_process

    def collect(self, output: Path, num_episodes: int, **others: Any) -> int:
        count: int = self._run(self.world, self.app, num_episodes, output, **others)
        return count

    def assert_still_theirs(self) -> None:
        """Their world steps, their prim is there, and nothing of ours listens or draws."""
        assert self.isaac.physics_callbacks == []
        if not self.isaac.kit.version.startswith("4"):  # whose cameras cannot be taken away
            assert self.isaac.cameras == []
        assert self.isaac.stage.GetPrimAtPath("/World/Theirs").GetAttribute("size").Get() == 0.25
        assert self.world.is_playing()
        before = self.world.current_time_step_index
        self.world.step(render=True)
        assert self.world.current_time_step_index > before
        assert self.isaac.closed_with is None


@contextmanager
def process(version: str, faults: Faults | None = None) -> Iterator[Process]:
    with installed(version, faults=faults) as isaac:
        yield Process(isaac)


def test_a_process_that_runs_isaac_sim_collects_goes_on_and_continues(tmp_path: Path) -> None:
    told: list[tuple[int, int]] = []

    def tell(collected: int, asked: int) -> None:
        told.append((collected, asked))
        if collected < 2:
            raise ZeroDivisionError("in their callback")

    with process("6.0.1") as theirs:
        stages = theirs.isaac.stages_opened
        with pytest.raises(ZeroDivisionError):
            theirs.collect(tmp_path / "ds", 2, progress_callback=tell)
        theirs.assert_still_theirs()
        assert theirs.collect(tmp_path / "ds", 2, progress_callback=tell) == 2
        theirs.assert_still_theirs()
        assert theirs.collect(tmp_path / "ds", 2, progress_callback=tell) == 2  # nothing is left to collect
        theirs.assert_still_theirs()
        assert told == [(1, 2), (2, 2)]
        assert theirs.isaac.stages_opened == stages
    dataset = open_dataset(tmp_path / "ds")
    assert [row["collection/index"] for row in dataset.rows] == [0, 1]
    assert dataset.configuration["simulator"] == "isaac"
    assert check_dataset(tmp_path / "ds").ok


def test_an_event_of_another_thread_ends_it_and_failed_attempts_are_told(tmp_path: Path) -> None:
    """The first attempt fails, as its weld slips; the event comes once the first episode is there."""
    told: list[tuple[int, int]] = []
    done, stop = threading.Event(), threading.Event()
    with process("5.1.0", Faults(weld_slip_m=0.01)) as theirs:

        def tell(collected: int, asked: int) -> None:
            told.append((collected, asked))
            theirs.isaac.faults.weld_slip_m = 0.0
            if collected:
                done.set()

        def ask_to_stop() -> None:
            done.wait(60)
            stop.set()

        other = threading.Thread(target=ask_to_stop)
        other.start()
        assert theirs.collect(tmp_path / "ds", 50, stop_event=stop, progress_callback=tell) in (1, 2)
        other.join()
        theirs.assert_still_theirs()
        assert told[:2] == [(0, 50), (1, 50)]
        assert theirs.collect(tmp_path / "ds", 50, stop_event=stop) == told[-1][0]  # set from the beginning
    assert check_dataset(tmp_path / "ds").ok
    assert not (tmp_path / "ds/.unfinished").exists()


def test_what_cannot_be_is_raised_and_their_world_goes_on(tmp_path: Path) -> None:
    (tmp_path / "foreign").mkdir()
    (tmp_path / "foreign/thesis.tex").write_text("precious")
    with process("6.0.1") as theirs:
        theirs.isaac.kit.settings.set(ASSET_ROOT, None)
        with pytest.raises(SimulatorUnavailable, match="NVIDIA's assets cannot be reached"):
            theirs.collect(tmp_path / "ds", 1)
        theirs.assert_still_theirs()
        theirs.isaac.kit.settings.set(ASSET_ROOT, str(theirs.isaac.asset_root))
        with pytest.raises(WriterError, match=r"thesis\.tex"):
            theirs.collect(tmp_path / "foreign", 1)
        theirs.assert_still_theirs()
    assert not (tmp_path / "ds").exists()


def test_an_application_that_is_closed_amid_an_episode_leaves_the_folder_in_order(tmp_path: Path) -> None:
    with process("4.5.0") as theirs:
        update, left = theirs.isaac.kit.update, [60]

        def counted(caller: str = "the application") -> None:
            left[0] -= 1
            if left[0] == 0:
                theirs.isaac.kit.post_quit(0)
            update(caller)

        theirs.isaac.kit.update = counted  # type: ignore[method-assign]  # somebody closes it then
        with pytest.raises(SimulatorUnavailable, match="Isaac Sim was closed") as closed:
            theirs.collect(tmp_path / "ds", 3)
        assert theirs.isaac.physics_callbacks == []
        assert (tmp_path / "ds/meta").is_dir()
        assert not (tmp_path / "ds/.unfinished").exists(), closed  # whoever holds that error holds what it came from
