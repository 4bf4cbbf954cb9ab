"""`isaac-collect doctor` on the stand-in for Isaac Sim."""

from __future__ import annotations

import dataclasses
import json
from typing import Any

import pytest
from isaac_standin import Faults, installed

from collectors import cameras
from collectors.objects import YCB
from sim_service.__main__ import main

NO_ASSETS = "--/persistent/isaac/asset_root/default="
ISAAC = ["doctor", "--simulator", "isaac", "--json"]
FIRST_AND_LAST = pytest.mark.parametrize("version", ["4.5.0", "6.0.1"])

SEAM = ("layout", "clock", "cam_high view", "cube weld", "cube episode", "picture delay", "close")


@pytest.fixture(autouse=True)
def small_pictures(monkeypatch: pytest.MonkeyPatch) -> None:
    """Quickly drawn. The adapter is imported anew by every process of the stand-in."""
    small = tuple(dataclasses.replace(camera, width_px=192, height_px=192) for camera in cameras.CAMERAS)
    monkeypatch.setattr(cameras, "CAMERAS", small)


def examined(
    capsys: pytest.CaptureFixture[str], version: str, faults: Faults | None = None, flags: tuple[str, ...] = ()
) -> dict[str, dict[str, Any]]:
    """Finding by name of the check."""
    with installed(version, faults=faults):
        code = main([*ISAAC, *flags])
    said = capsys.readouterr()
    assert "Traceback" not in said.err
    told = json.loads(said.out.splitlines()[-1])
    assert code == told["exit_code"] == (1 if told["failed"] else 0)
    return {check["name"]: check for check in told["checks"]}


def named(found: dict[str, dict[str, Any]], verdict: str) -> list[str]:
    return [name for name, check in found.items() if check["verdict"] == verdict]


@FIRST_AND_LAST
def test_everything_holds(version: str, capsys: pytest.CaptureFixture[str]) -> None:
    found = examined(capsys, version)
    assert {name: check["found"] for name, check in found.items() if check["verdict"] != "pass"} == {}
    assert set(SEAM) <= set(found)
    assert found["version"]["found"] == version
    assert found["picture delay"]["found"].startswith("0 ")
    assert {name: check["remark"] for name, check in found.items() if check["remark"]} == {}
    assert found["franka"]["found"].endswith(
        "/Isaac/Robots/Franka/franka.usd"
        if version == "4.5.0"
        else "/Isaac/Robots/FrankaRobotics/FrankaPanda/franka.usd"
    )


@pytest.mark.long
def test_every_ycb_object_is_examined(capsys: pytest.CaptureFixture[str]) -> None:
    found = examined(capsys, "6.0.1", flags=("--use-ycb",))
    assert named(found, "pass") == list(found)
    for kind in YCB.values():
        assert {f"{kind.label} {part}" for part in ("in cam_high", "grip", "weld", "release", "episode")} <= set(found)


@FIRST_AND_LAST
def test_no_asset_root_is_told_and_no_cell_is_built(version: str, capsys: pytest.CaptureFixture[str]) -> None:
    found = examined(capsys, version, flags=(NO_ASSETS,))
    assert named(found, "fail") == ["asset root"]
    assert "/persistent/isaac/asset_root/default" in found["asset root"]["found"]
    assert set(named(found, "not run")) >= {"franka", "ycb looks", "cell", *SEAM}
    assert found["live stream"]["verdict"] == found["zero delay"]["verdict"] == "pass"


@FIRST_AND_LAST
def test_a_missing_franka_is_told_and_no_cell_is_built(version: str, capsys: pytest.CaptureFixture[str]) -> None:
    found = examined(capsys, version, Faults(missing_franka=True))
    assert named(found, "fail") == ["franka"]
    assert "/Isaac/Robots/Franka/franka.usd" in found["franka"]["found"]
    assert set(named(found, "not run")) >= {"ycb looks", "cell", *SEAM}


def test_missing_looks_fail_where_they_are_wanted(capsys: pytest.CaptureFixture[str]) -> None:
    found = examined(capsys, "5.1.0", Faults(missing_looks=frozenset({"006_mustard_bottle"})), ("--use-ycb",))
    assert named(found, "fail") == ["ycb looks"]
    assert "006_mustard_bottle.usd" in found["ycb looks"]["found"]
    assert "cell" in named(found, "not run")


@FIRST_AND_LAST
def test_black_pictures_are_told_by_the_cell(version: str, capsys: pytest.CaptureFixture[str]) -> None:
    found = examined(capsys, version, Faults(black_frames=1_000_000))
    assert named(found, "fail") == ["cell"]
    assert "camera cam_high is black" in found["cell"]["found"]
    assert set(named(found, "not run")) >= set(SEAM)
    assert found["franka"]["verdict"] == "pass"


def test_what_nothing_needs_stops_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    """No live stream, no look of an object that nobody asked for, and pictures that lag, which are waited for."""
    faults = Faults(
        missing_extensions=frozenset({"omni.services.livestream.nvcf"}),
        missing_looks=frozenset({"006_mustard_bottle"}),
        picture_delay=2,
    )
    found = examined(capsys, "5.1.0", faults)
    assert named(found, "fail") == ["live stream"]
    assert named(found, "not run") == []
    assert "006_mustard_bottle.usd" in found["ycb looks"]["remark"]
    assert found["picture delay"]["found"].startswith("2 ")
    assert "2 more renders" in found["picture delay"]["remark"]


def test_a_live_stream_that_runs_is_said_to(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("LIVESTREAM", "2")
    found = examined(capsys, "6.0.1", flags=(NO_ASSETS,))
    assert found["live stream"]["found"] == "omni.kit.livestream.app is installed and runs"


def test_a_slipping_weld_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    found = examined(capsys, "5.1.0", Faults(weld_slip_m=0.005))
    assert {"cube weld", "cube episode"} <= set(named(found, "fail"))


def test_settings_of_kit_reach_it(capsys: pytest.CaptureFixture[str]) -> None:
    found = examined(capsys, "5.1.0", flags=(NO_ASSETS, "--/app/asyncRendering=true"))
    assert "/app/asyncRendering is True, not false" in found["zero delay"]["remark"]
