"""Isaac Sim as an application of our process: how it is started, turned, interrupted and left."""

import ctypes
import io
import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NoReturn

import pytest
from isaac_contract import VERSIONS
from isaac_process import ROOT, isaac_command, isaac_environment, read_report, run_isaac
from isaac_standin import Faults, Isaac, installed

from lerobot_writer.check import check_dataset
from sim_service import __main__ as command_line
from sim_service.simulators import ApplicationSettings, SimulatorUnavailable
from sim_service.stop_request import StopRequest

OLDEST, NEWEST = VERSIONS[0], VERSIONS[-1]
BOTH = (OLDEST, NEWEST)
QUICK = ["--steps-per-segment", "5", "--fps", "10"]


@pytest.fixture(autouse=True)
def plain_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(os.environ):
        if name.startswith(("ISAAC_COLLECT_", "LIVESTREAM", "PUBLIC_IP")):
            monkeypatch.delenv(name)


def start(settings: ApplicationSettings | None = None) -> Any:
    from sim_service.isaac_sim.application import start_application

    return start_application(settings or ApplicationSettings())


@contextmanager
def disturbed_start(isaac: Isaac, disturb: Any) -> Iterator[None]:
    """While SimulationApp is constructed, after it has taken Ctrl-C for itself."""
    begin = isaac.kit.start

    def start_disturbed() -> None:
        disturb()
        begin()

    isaac.kit.start = start_disturbed  # type: ignore[method-assign]  # what this is for
    try:
        yield
    finally:
        isaac.kit.start = begin  # type: ignore[method-assign]  # likewise


def fail(error: BaseException) -> Any:
    def raise_it() -> NoReturn:
        raise error

    return raise_it


# How it is started


@pytest.mark.parametrize("version", BOTH)
@pytest.mark.parametrize("streamed", [False, True])
@pytest.mark.parametrize("headless", [False, True])
def test_nothing_is_drawn_in_vain_and_whoever_watches_sees(
    version: str, headless: bool, streamed: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LIVESTREAM", "2" if streamed else "0")
    with installed(version) as isaac:
        application = start(ApplicationSettings(headless))
        config = isaac.launch_config
        assert config is not None
        assert application.watched == (streamed or not headless)
        assert config["headless"] is headless
        assert config["disable_viewport_updates"] is not application.watched
        if streamed:  # of the interface, which a headless application hides unless it is told not to
            shown = {"hide_ui": False, "window_width": 1920, "window_height": 1080, "display_options": 3286}
            assert {name: config[name] for name in shown} == shown
        else:
            assert "hide_ui" not in config
        assert isaac.ignored_config == (["disable_viewport_updates"] if version == "4.5.0" else [])


@pytest.mark.parametrize("version", BOTH)
def test_pictures_are_not_delayed_and_kits_own_settings_reach_it(version: str) -> None:
    assets, ours = "--/persistent/isaac/asset_root/default=/assets with spaces", "--/app/asyncRendering=true"
    with installed(version) as isaac:
        start(ApplicationSettings(kit_arguments=(assets, ours)))
        found = isaac.settings
    assert found["/app/hydraEngine/waitIdle"] is True
    assert found["/app/renderer/waitIdle"] is True
    assert found["/app/updateOrder/checkForHydraRenderComplete"] == 1000
    assert found["/omni/replicator/asyncRendering"] is False
    assert found["/persistent/isaac/asset_root/default"] == "/assets with spaces"
    assert found["/app/asyncRendering"] is True  # what the user says comes last


@pytest.mark.parametrize("disturb", [lambda: None, fail(RuntimeError("no GPU"))], ids=["started", "failed"])
def test_it_sees_none_of_our_arguments_and_we_keep_them(disturb: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    words = ["isaac-collect", "collect", "--output", "x", "-h"]
    monkeypatch.setattr(sys, "argv", list(words))
    with installed(OLDEST) as isaac, disturbed_start(isaac, disturb):
        try:
            start()
        except SimulatorUnavailable as error:
            assert "no GPU" in str(error)  # noqa: PT017 it comes in one of two cases
        assert isaac.argv == ["isaac-collect"]
        assert sys.argv == words


def test_it_is_started_once_in_a_process() -> None:
    with installed(NEWEST):
        from sim_service.isaac_sim.standalone import running_application

        application = running_application(ApplicationSettings())
        assert running_application(ApplicationSettings()) is application


# What keeps it from starting


@pytest.mark.parametrize(
    ("package", "complaint"),
    [
        ("import sys\nsys.exit(\"Unable to find 'omniverse-kit' package\")", "Unable to find 'omniverse-kit' package"),
        ("SimulationApp = None", "install isaacsim[all,extscache]"),
        ("", "cannot import name 'SimulationApp'"),
    ],
    ids=["its package exits", "no extensions", "something else of that name"],
)
def test_an_installation_that_is_not_whole_is_said_to_be(
    package: str,
    complaint: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    (tmp_path / "isaacsim").mkdir()
    (tmp_path / "isaacsim/__init__.py").write_text(package)
    monkeypatch.syspath_prepend(tmp_path)
    try:
        assert command_line.main(["collect", "--simulator", "isaac", "--output", str(tmp_path / "ds")]) == 2
    finally:
        sys.modules.pop("isaacsim", None)
    said = capsys.readouterr().err
    assert said.startswith("isaac-collect: Isaac Sim is ")
    assert complaint in said
    assert "--simulator mujoco" in said
    assert not (tmp_path / "ds").exists()


@pytest.mark.parametrize("error", [RuntimeError("no GPU was found"), SystemExit(1)], ids=["raises", "exits"])
@pytest.mark.parametrize("command", ["collect", "serve"])
def test_an_application_that_does_not_start_may_be_tried_again(
    command: str, error: BaseException, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """6.0 exits by itself where its extensions cannot be loaded."""
    flags = ["--output", str(tmp_path / "ds")] if command == "collect" else ["--data-root", str(tmp_path), "--port=0"]
    with installed(NEWEST) as isaac, disturbed_start(isaac, fail(error)):
        assert command_line.main([command, "--simulator", "isaac", *flags]) == 1
    said = capsys.readouterr().err
    assert f"isaac-collect: Isaac Sim did not start: {type(error).__name__}: {error}" in said
    assert not (tmp_path / "ds").exists()


# Signals


@pytest.mark.parametrize("version", BOTH)
def test_signals_are_still_ours_once_it_runs(version: str) -> None:
    with installed(version):
        from sim_service.isaac_sim.standalone import running_application

        for number in (signal.SIGINT, signal.SIGTERM):
            with StopRequest() as stop:
                running_application(ApplicationSettings())
                assert stop.signal is None
                signal.raise_signal(number)
                assert stop.signal == number


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("error", [None, RuntimeError("no GPU")], ids=["started", "failed"])
def test_a_signal_while_it_starts_is_kept(number: signal.Signals, error: Exception | None) -> None:
    """Ctrl-C would end the process with 0 then, and nothing collected."""
    take = signal.signal

    def disturb() -> None:
        os.kill(os.getpid(), number)
        if error is not None:
            raise error

    with installed(NEWEST) as isaac, StopRequest() as stop, disturbed_start(isaac, disturb):
        handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
        if error is None:
            start()
        else:
            with pytest.raises(SimulatorUnavailable, match="no GPU"):
                start()
        assert stop.signal == number
        assert {number: signal.getsignal(number) for number in handlers} == handlers
    assert signal.signal is take


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_that_its_libraries_take_is_given_back(number: signal.Signals) -> None:
    """They are not Python, and ask nobody."""

    def disturb() -> None:
        ctypes.CDLL(None).signal(int(number), ctypes.c_void_p(int(signal.SIG_IGN)))

    with installed(NEWEST) as isaac, StopRequest() as stop, disturbed_start(isaac, disturb):
        start()
        signal.raise_signal(number)
        assert stop.signal == number


# Turns


@pytest.mark.parametrize("version", BOTH)
def test_an_application_that_was_closed_is_not_turned_any_more(version: str) -> None:
    with installed(version) as isaac:
        application = start()
        from isaacsim.core.api import World

        from sim_service.isaac_sim.turns import Turn

        World()
        isaac.kit.post_quit(0)
        with pytest.raises(SimulatorUnavailable, match="Isaac Sim was closed"):
            application.carry_out(Turn.LOAD)  # in which it is closed
        updates = isaac.updates
        for turn in Turn:
            with pytest.raises(SimulatorUnavailable, match="Isaac Sim was closed"):
                application.carry_out(turn)
        assert isaac.updates == updates


@pytest.mark.parametrize("version", BOTH)
def test_an_application_without_a_stage_was_not_closed(version: str) -> None:
    with installed(version) as isaac:
        application = start()
        from sim_service.isaac_sim.turns import Turn

        isaac.kit.usd_context.close_stage()
        assert isaac.stage is None
        application.carry_out(Turn.LOAD)
        application.carry_out(Turn.NEW_STAGE)
        assert isaac.stage is not None


# Exit codes


class Left(BaseException):
    """In place of the end of the process at once."""


class NotWrittenYet(io.TextIOWrapper):
    """Output that stays in a buffer, as in a pipe, until it is flushed."""

    def __init__(self) -> None:
        super().__init__(io.BytesIO(), encoding="utf-8", write_through=False)

    @property
    def written(self) -> str:
        found = self.buffer.getvalue()  # type: ignore[attr-defined]  # of BytesIO
        return str(found, "utf-8")


@pytest.mark.parametrize("version", BOTH)
def test_the_process_ends_with_our_code_and_with_all_that_it_said(
    version: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever close() would have made of it: it ends with 0 up to 5.1, it may hang, it may crash."""
    with installed(version, faults=Faults(close_hangs=True)):
        start()
        for code in (0, 2, 3, 130, 143):
            assert ending(lambda code=code: code, monkeypatch) == (code, "the result\n", "the log\n")  # type: ignore[misc]
        code, out, err = ending(fail(ZeroDivisionError("nobody saw this coming")), monkeypatch)
        assert (code, out) == (1, "the result\n")
        assert "ZeroDivisionError: nobody saw this coming" in err


def ending(main: Callable[[], int], monkeypatch: pytest.MonkeyPatch) -> tuple[int, str, str]:
    """With what code the process ends, and what was written out by then."""
    written: list[str] = []

    def say_and_run() -> int:
        print("the result")
        print("the log", file=sys.stderr)
        return main()

    def leave(code: int) -> NoReturn:
        written.extend([out.written, err.written])
        raise Left(code)

    out, err = NotWrittenYet(), NotWrittenYet()
    with monkeypatch.context() as patches:
        patches.setattr(command_line, "main", say_and_run)
        patches.setattr(sys, "stdout", out)
        patches.setattr(sys, "stderr", err)
        patches.setattr(os, "_exit", leave)
        with pytest.raises(Left) as left:
            command_line.run()
    return left.value.args[0], written[0], written[1]


def test_a_start_that_fails_halfway_ends_with_our_code_too(tmp_path: Path) -> None:
    """6.0 closes itself when Python ends, with exit code 0."""
    ended = run_isaac(
        NEWEST,
        tmp_path,
        *("-m", "sim_service", "collect", "--simulator", "isaac", "--output", tmp_path / "ds"),
        environment={"LIVESTREAM": "2"},
        missing_extensions=["omni.kit.livestream.app"],
    )
    assert ended.code == 2
    assert ended.report["launch_config"]["headless"] is True
    assert ended.err.splitlines()[-1].startswith("isaac-collect: there is no live stream")


def test_too_few_episodes_are_3_and_the_line_of_json_is_whole(tmp_path: Path) -> None:
    ended = run_isaac(
        OLDEST,
        tmp_path,
        *("-m", "sim_service", "collect", "--simulator", "isaac", "--output", tmp_path / "ds", "--num-episodes", "1"),
        *("--max-attempts", "1", "--json", *QUICK),
        weld_slip_m=0.01,
    )
    result = json.loads(ended.out)
    assert (ended.code, result["exit_code"]) == (3, 3), ended.err
    assert (result["episodes"], result["exhausted"]) == (0, [0])
    assert ended.report["closed_with"] is None


@pytest.mark.parametrize(
    ("version", "number", "code", "line"),
    [
        (OLDEST, signal.SIGTERM, 143, "episode 1 of 3: "),
        (NEWEST, signal.SIGINT, 130, "INFO sim_service.isaac_sim.simulator: Isaac Sim "),
    ],
    ids=["after an episode", "before the first"],
)
def test_a_signal_ends_a_collection_cleanly(
    tmp_path: Path, version: str, number: signal.Signals, code: int, line: str
) -> None:
    root, report = tmp_path / "ds", tmp_path / "report.json"
    words = ["-m", "sim_service", "collect", "--simulator", "isaac", "--output", str(root), "--num-episodes", "3"]
    with subprocess.Popen(
        isaac_command(version, report, *words, *QUICK),
        cwd=ROOT,
        env=isaac_environment(tmp_path),
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stderr is not None
        lines = iter(process.stderr.readline, "")
        seen = [next(found for found in lines if found.startswith(line))]
        process.send_signal(number)
        seen += list(lines)
        assert process.wait(60) == code, seen
    assert any(found.startswith("Interrupted; ") and "--simulator isaac" in found for found in seen), seen
    assert not any("Traceback" in found for found in seen), seen
    episodes = int(re.search(r": (\d) of 3 episodes", "".join(seen))[1])  # type: ignore[index]  # else a failure too
    assert episodes == (1 if version == OLDEST else 0)
    if episodes:
        assert check_dataset(root).ok
    assert not (root / ".unfinished").exists()
    assert read_report(report)["swallowed"] == []
