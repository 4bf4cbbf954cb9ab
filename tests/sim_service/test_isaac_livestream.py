"""NVIDIA's live stream of the application: what asks for it, and what each version of Isaac Sim is told."""

import random
from collections.abc import Mapping
from typing import Any

import pytest
from isaac_contract import VERSIONS
from isaac_standin import Faults, installed

from sim_service import __main__ as command_line
from sim_service.isaac_sim.livestream import Livestream, livestream_from_environment
from sim_service.simulators import ApplicationSettings, SimulatorUnavailable

NVCF, WEBRTC, APP = "omni.services.livestream.nvcf", "omni.kit.livestream.webrtc", "omni.kit.livestream.app"
STREAMS = {NVCF, WEBRTC, APP}
OLD = {
    "port": "/app/livestream/port",
    "media": "/app/livestream/fixedHostPort",
    "address": "/app/livestream/publicEndpointAddress",
    "quit": "/app/livestream/nvcf/quitOnSessionEnded",
}
NEW = {
    "port": f"/exts/{APP}/primaryStream/signalPort",
    "media": f"/exts/{APP}/primaryStream/streamPort",
    "address": f"/exts/{APP}/primaryStream/publicIp",
    "quit": "/exts/omni.services.livestream.session/quitOnSessionEnded",
}
EXTENSION = {"4.5.0": NVCF, "5.0.0": NVCF, "5.1.0": NVCF, "6.0.1": APP}
PATHS = {version: NEW if version.startswith("6") else OLD for version in VERSIONS}


def started(
    version: str, environment: Mapping[str, str], monkeypatch: pytest.MonkeyPatch, faults: Faults | None = None
) -> tuple[dict[str, Any], set[str]]:
    """Settings and enabled extensions for streams of an application that was started in that environment."""
    for name in ("LIVESTREAM", "LIVESTREAM_PORT", "LIVESTREAM_MEDIA_PORT", "PUBLIC_IP"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    with installed(version, faults=faults) as isaac:
        from sim_service.isaac_sim.application import start_application

        start_application(ApplicationSettings())
        return isaac.settings, isaac.enabled_extensions & STREAMS


# What asks for it


@pytest.mark.parametrize("mode", [None, "", "0"])
def test_without_being_asked_there_is_none(mode: str | None) -> None:
    others = {"LIVESTREAM_PORT": "1", "PUBLIC_IP": "203.0.113.7"}
    assert livestream_from_environment(others if mode is None else {**others, "LIVESTREAM": mode}) is None


def test_a_private_stream_tells_no_address_and_a_public_one_does() -> None:
    address = {"PUBLIC_IP": "203.0.113.7"}
    assert livestream_from_environment({"LIVESTREAM": "2", **address}) == Livestream(49100, 47998, None)
    assert livestream_from_environment({"LIVESTREAM": "1", **address}) == Livestream(49100, 47998, "203.0.113.7")
    for unset in ({}, {"PUBLIC_IP": ""}):  # empty, as a compose file passes on what is not set
        assert livestream_from_environment({"LIVESTREAM": "1", **unset}) == Livestream(49100, 47998, "127.0.0.1")


@pytest.mark.parametrize("seed", range(3))
def test_ports_are_taken_as_they_are_given(seed: int) -> None:
    signal, media = random.Random(seed).sample(range(1, 65536), 2)
    environment = {"LIVESTREAM": "2", "LIVESTREAM_PORT": str(signal), "LIVESTREAM_MEDIA_PORT": str(media)}
    assert livestream_from_environment(environment) == Livestream(signal, media, None)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *(("LIVESTREAM", value) for value in ("3", "-1", "true", "public", "1 ")),
        *(("LIVESTREAM_PORT", value) for value in ("0", "65536", "-1", "49100/tcp", "4e4", "port")),
        ("LIVESTREAM_MEDIA_PORT", "0"),
    ],
)
def test_a_value_that_cannot_be_is_a_bad_argument(
    name: str, value: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Also where there is no Isaac Sim: it is said before anything starts."""
    environment = {"LIVESTREAM": "2", name: value}
    with pytest.raises(SimulatorUnavailable) as refused:
        livestream_from_environment(environment)
    assert str(refused.value).startswith(f"{name} must be ")
    assert repr(value) in str(refused.value)
    for each, given in environment.items():
        monkeypatch.setenv(each, given)
    assert command_line.main(["collect", "--simulator", "isaac", "--output", "nowhere"]) == 2
    assert f"isaac-collect: {name} must be " in capsys.readouterr().err


# What Isaac Sim is told


@pytest.mark.parametrize("version", VERSIONS)
def test_its_own_extension_streams_on_the_ports_that_were_asked_for(
    version: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    environment = {"LIVESTREAM": "1", "PUBLIC_IP": "203.0.113.7", "LIVESTREAM_PORT": "5001"}
    settings, extensions = started(version, {**environment, "LIVESTREAM_MEDIA_PORT": "5002"}, monkeypatch)
    paths = PATHS[version]
    assert extensions == {EXTENSION[version]}
    assert settings[paths["port"]] == 5001
    assert settings[paths["media"]] == 5002
    assert settings[paths["address"]] == "203.0.113.7"
    assert settings["/app/window/drawMouse"] is True


@pytest.mark.parametrize("version", VERSIONS)
def test_a_viewer_who_leaves_does_not_end_the_collection(version: str, monkeypatch: pytest.MonkeyPatch) -> None:
    settings, _ = started(version, {"LIVESTREAM": "2"}, monkeypatch)
    assert settings[PATHS[version]["quit"]] is False
    assert PATHS[version]["address"] not in settings


def test_where_the_newer_extension_is_missing_the_older_one_streams(monkeypatch: pytest.MonkeyPatch) -> None:
    faults = Faults(missing_extensions=frozenset({NVCF}))
    settings, extensions = started("4.5.0", {"LIVESTREAM": "2", "LIVESTREAM_PORT": "5001"}, monkeypatch, faults)
    assert extensions == {WEBRTC}
    assert (settings[OLD["port"]], settings[OLD["quit"]]) == (5001, False)


@pytest.mark.parametrize("version", VERSIONS)
def test_an_installation_that_cannot_stream_says_so(version: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(SimulatorUnavailable, match="there is no live stream: none of ") as refused:
        started(version, {"LIVESTREAM": "2"}, monkeypatch, Faults(missing_extensions=frozenset(STREAMS)))
    assert EXTENSION[version] in str(refused.value)


@pytest.mark.parametrize("version", ["4.5.0", "6.0.1"])
@pytest.mark.parametrize("environment", [{}, {"LIVESTREAM": "0", "PUBLIC_IP": "203.0.113.7"}], ids=["unset", "zero"])
def test_without_being_asked_nothing_of_it_is_touched(
    version: str, environment: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    settings, extensions = started(version, environment, monkeypatch)
    assert extensions == set()
    assert [path for path in settings if "livestream" in path or path == "/app/window/drawMouse"] == []
