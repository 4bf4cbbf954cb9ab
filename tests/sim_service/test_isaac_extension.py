"""The Kit extension from its start to its end, and anew in the same process: nothing of it stays, nothing is lost."""

from __future__ import annotations

import socket
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from kit_session import EXTENSION_ID, TIME_PASSES, VERSIONS, enabled_session, kit_session

from lerobot_writer.check import check_dataset
from sim_service.config import ConfigError
from sim_service.data_root import DataRootError
from sim_service.service import Service

# Updates into the opening of a work cell: the application's stage settles, ours is opened from 23 on, the world is set
# up from 26 on, assets load at 31, physics is reset from 32 on, the cameras warm up from 35 on.
MOMENTS = {"4.5.0": (1, 24, 29, 33), "6.0.1": (23, 26, 31, 60)}


@pytest.mark.parametrize("version", VERSIONS)
def test_a_disabled_extension_leaves_nothing_whenever_it_is_disabled(version: str, tmp_path: Path) -> None:
    with kit_session(version, tmp_path) as kit:
        kit.enable()
        assert kit.listens
        kit.disable()
        assert kit.left_behind() == {}, "before the first update"
        for moment in MOMENTS[version]:
            kit.enable()
            assert kit.isaac.threads
            kit.update(moment)
            kit.disable()
            assert kit.left_behind() == {}, f"after {moment} updates"
        kit.enable()
        kit.update(max(MOMENTS[version]))
        assert kit.status()["state"] == "starting", "every moment was before the end of the opening"
        kit.until_state("idle")


def test_disabled_in_an_episode_and_enabled_again_it_goes_on(tmp_path: Path) -> None:
    with enabled_session("4.5.0", tmp_path, settings={"fps": 10}) as kit:
        job = kit.start("a", 2, seed=4)
        kit.until_status(lambda status: status["progress"]["completed"] == 1, "the first episode")
        kit.until_frame(10)
        kit.disable()
        assert kit.left_behind() == {}
        assert check_dataset(tmp_path / "a").ok

        kit.enable()
        before = kit.get(f"/collect/jobs/{job}").json()
        assert (before["state"], before["progress"]["completed"]) == ("interrupted", 1)
        kit.until_state("idle")
        assert kit.start("a", 2, seed=4, resume=True) != job
        after = kit.until_over()
        assert (after["job_state"], after["progress"]["completed"]) == ("completed", 2)
        assert check_dataset(tmp_path / "a").ok


def test_a_start_that_fails_says_why_and_leaves_nothing(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with kit_session("6.0.1", tmp_path / "root") as kit, socket.socket() as other:
        set_value = kit.isaac.kit.settings.set
        right = {name: kit.isaac.settings[f"/exts/isaac_collect/{name}"] for name in ("port", "data_root")}
        other.bind(("127.0.0.1", 0))
        other.listen()
        taken = other.getsockname()[1]
        cases: list[tuple[str, Any, type[Exception], str]] = [
            ("port", taken, ConfigError, f"cannot serve the page.*{taken}"),
            ("port", "many", ConfigError, "/exts/isaac_collect/port.*'many' is not a valid value"),
            ("port", 8211, ConfigError, "8211 is one of Isaac Sim's own"),
            ("data_root", str(tmp_path / "file/below"), DataRootError, "file"),
            ("fps", 7, ConfigError, "fps 7 does not divide.*allowed"),
            ("use_ycb", "perhaps", ConfigError, "/exts/isaac_collect/use_ycb.*'perhaps' is not one of"),
        ]
        for name, value, kind, message in cases:
            set_value(f"/exts/isaac_collect/{name}", value)
            with pytest.raises(kind, match=message):
                kit.enable()
            assert kit.left_behind() == {}, f"{name} = {value}"
            set_value(f"/exts/isaac_collect/{name}", right.get(name))
        kit.enable()
        assert kit.get("/healthz").status == 200


def test_a_start_that_failed_can_be_shut_down(tmp_path: Path) -> None:
    with kit_session("6.0.1", tmp_path, settings={"fps": 7}):
        from sim_service.extension import IsaacCollectExtension

        extension = IsaacCollectExtension()
        with pytest.raises(ConfigError):
            extension.on_startup(EXTENSION_ID)
        extension.on_shutdown()


def test_a_service_that_cannot_go_on_is_told_once_and_lets_go(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(service: Service) -> None:
        raise RuntimeError("planted")

    with enabled_session("4.5.0", tmp_path) as kit:
        assert kit.isaac.subscriptions == ["isaac_collect"]
        assert kit.isaac.settings[TIME_PASSES] is False
        monkeypatch.setattr(Service, "tick", broken)
        kit.until(lambda: kit.errors.texts, "the end of the service")
        kit.update(100)
        assert kit.isaac.subscriptions == []
        assert len(kit.errors.texts) == 1
        assert kit.errors.texts[0].endswith("RuntimeError: planted")
        assert kit.isaac.settings[TIME_PASSES] is True, "the application's user cannot play"
        monkeypatch.setattr("bridge.backend.time", SimpleNamespace(monotonic=lambda: time.monotonic() + 6.0))
        assert kit.get("/healthz").status == 200
        ready = kit.get("/readyz")
        assert ready.status == 503
        assert "main loop turned last" in ready.json()["detail"]
        kit.disable()
        assert kit.left_behind() == {}


def test_an_application_that_ends_in_an_episode_loses_nothing(tmp_path: Path) -> None:
    with enabled_session("6.0.1", tmp_path, settings={"fps": 10}) as kit:
        kit.start("a", 2, seed=4)
        kit.until_status(lambda status: status["progress"]["completed"] == 1, "the first episode")
        kit.isaac.kit.post_quit(0)
        kit.update()
        kit.isaac.kit.usd_context.close_stage()
        kit.disable()
        assert not kit.isaac.threads
        assert not kit.listens
    assert check_dataset(tmp_path / "a").ok
    assert not kit.errors.texts
