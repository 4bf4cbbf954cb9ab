"""The Kit extension's way to a work cell: whatever the application or its user does meanwhile, it gets there."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from isaac_standin import Faults
from kit_session import SECTION, VERSIONS, KitSession, kit_session

from sim_service.data_root import FolderDataRoot

EXTENSION_TOML = Path(__file__).parents[2] / "extension.toml"
STAGE_AFTER = 40  # updates; 6.0.1 takes some seconds to its first stage

ASSET_ROOT = "/persistent/isaac/asset_root/default"


def seen_until(kit: KitSession, state: str) -> list[str]:
    """The states on the way there, each once, while liveness and readiness are as they must be."""
    seen: list[str] = []

    def look() -> bool:
        now = kit.status()["state"]
        if now not in seen:
            seen.append(now)
            assert kit.get("/healthz").status == 200
            if now == "starting":
                assert kit.get("/readyz").status == 503
        return state in seen

    kit.until(look, state, every=3)
    return seen


@pytest.mark.parametrize("version", VERSIONS)
def test_a_service_is_ready_once_the_cell_shows_pictures_on_a_stage_of_its_own(
    version: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    faults = Faults(stage_after_updates=STAGE_AFTER, never_a_frame=True)
    with kit_session(version, tmp_path, faults) as kit:
        kit.enable()
        from sim_service.isaac_sim import camera_rig

        monkeypatch.setattr(camera_rig, "MAX_WARM_UP_TURNS", 10**6)  # it may turn often while a request is answered
        assert kit.isaac.stage is None
        kit.update(STAGE_AFTER - 1)
        assert kit.isaac.stages_opened == 0, "it must wait for the application's own stage"
        kit.update(150)
        assert kit.isaac.stages_opened == 2
        assert kit.isaac.stage.GetPrimAtPath("/World/Franka")
        assert kit.status()["state"] == "starting"
        assert kit.get("/sim/state").status == 503
        kit.isaac.faults.never_a_frame = False
        assert seen_until(kit, "idle") == ["starting", "idle"]
        assert kit.get("/readyz").status == 200
        assert kit.get("/sim/state").json()["versions"]["isaacsim"] == version
        assert kit.isaac.stages_opened == 2
        assert kit.isaac.ignored_worlds == 0


@pytest.mark.parametrize("version", VERSIONS)
def test_assets_out_of_reach_are_told_and_found_when_they_are_there(version: str, tmp_path: Path) -> None:
    with kit_session(version, tmp_path) as kit:
        kit.isaac.kit.settings.set(ASSET_ROOT, None)
        kit.enable()
        assert seen_until(kit, "failed") == ["starting", "failed"]
        error = kit.status()["error"]
        assert "assets cannot be reached" in error
        assert ASSET_ROOT in error
        refused = kit.ask_start("a")
        assert refused.status == 503
        assert "assets cannot be reached" in refused.json()["detail"]
        kit.isaac.kit.settings.set(ASSET_ROOT, str(kit.isaac.asset_root))
        kit.until_state("idle")
        assert kit.get("/readyz").status == 200


def another_stage(kit: KitSession) -> None:
    kit.isaac.kit.usd_context.new_stage()


def no_stage(kit: KitSession) -> None:
    kit.isaac.kit.usd_context.close_stage()


def stop(kit: KitSession) -> None:
    kit.isaac.user_stops()


def delete_everything(kit: KitSession) -> None:
    kit.isaac.stage.RemovePrim("/World")


@pytest.mark.parametrize(
    ("version", "moment", "act"),
    [
        ("6.0.1", 23, another_stage),  # while ours is opened
        ("6.0.1", 33, another_stage),  # while physics is reset
        ("4.5.0", 60, another_stage),  # while the cameras warm up
        ("6.0.1", 28, no_stage),
        ("4.5.0", 34, stop),
        ("6.0.1", 60, delete_everything),
    ],
)
def test_an_opening_that_a_user_spoils_is_begun_anew(
    version: str, moment: int, act: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with kit_session(version, tmp_path) as kit:
        kit.enable()
        from sim_service.isaac_sim import camera_rig, kit_cell

        monkeypatch.setattr(kit_cell, "MAX_START_S", 0.1)
        monkeypatch.setattr(camera_rig, "MAX_WARM_UP_TURNS", 80)
        kit.update(moment)
        act(kit)
        kit.until_state("idle")
        assert kit.isaac.stage.GetPrimAtPath("/World/Franka")


def test_requests_to_play_that_go_nowhere_are_repeated(tmp_path: Path) -> None:
    faults = Faults(plays_lost=2)
    with kit_session("6.0.1", tmp_path, faults) as kit:
        kit.enable()
        assert seen_until(kit, "idle") == ["starting", "idle"]
        assert faults.plays_lost == 0


def test_settings_and_the_environment_configure_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settings: dict[str, Any] = {"host": "127.0.0.2", "fps": 15, "use_ycb": True, "live_fps": 7, "live_size": 99}
    with kit_session("6.0.1", tmp_path / "root", settings=settings) as kit:
        from sim_service.extension import SETTINGS, extension_config

        def configured() -> dict[str, Any]:
            config = extension_config()
            page, simulator = config.page, config.settings
            assert config.simulator == "isaac"
            return {
                "host": page.host,
                "port": page.port,
                "data_root": config.data_root,
                "fps": simulator.fps,
                "use_ycb": simulator.use_ycb,
                "live_fps": page.live_fps,
                "live_size": page.live_size_px,
            }

        assert configured() == {**settings, "port": kit.port, "data_root": tmp_path / "root"}
        wanted = {"host": "::1", "port": 1234, "data_root": tmp_path / "x", "fps": 20, "use_ycb": False}
        wanted |= {"live_fps": 3, "live_size": 65}
        assert set(wanted) == set(SETTINGS)
        for name, value in wanted.items():
            monkeypatch.setenv(f"ISAAC_COLLECT_{name.upper()}", str(value))
        assert configured() == wanted


def test_the_shipped_settings_are_those_that_it_reads(tmp_path: Path) -> None:
    """As Kit would have them from extension.toml."""
    shipped = dict(re.findall(r'^exts\."isaac_collect"\.(\w+) = (.+)$', EXTENSION_TOML.read_text(), re.MULTILINE))
    with kit_session("6.0.1", tmp_path) as kit:
        from sim_service.extension import SETTINGS, extension_config

        assert set(shipped) == set(SETTINGS)
        for name, text in shipped.items():
            value: Any = {"true": True, "false": False}.get(text, text.strip('"'))
            kit.isaac.kit.settings.set(SECTION + name, int(value) if str(value).isdecimal() else value)
        config = extension_config()
        assert config.page.port == 8600
        assert config.settings.fps == 30
        assert config.data_root == Path("~/isaac-collect/datasets").expanduser()
        assert FolderDataRoot(config.data_root).path.is_absolute()
