"""Whole collections on Isaac Sim, by the command line: watched, interrupted, resumed, replayed."""

import json
import shlex
import socket
import threading
from pathlib import Path
from typing import Any

import pytest
import requests
from isaac_contract import VERSIONS
from isaac_standin import Isaac, installed
from serving import eventually

from lerobot_writer.check import check_dataset
from sim_service.__main__ import main
from sim_service.recorded import open_dataset

NUM_EPISODES = 3
FEW_FRAMES = ("--fps", "10")
JPEG = b"\xff\xd8"


@pytest.fixture(autouse=True)
def plain_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("LIVESTREAM", raising=False)


def collect(root: Path, *flags: str, num_episodes: int = NUM_EPISODES) -> int:
    words = ["collect", "--simulator", "isaac", "--output", str(root), "--num-episodes", str(num_episodes)]
    return main([*words, "--seed", "5", "--steps-per-segment", "5", *flags])


def assert_whole(root: Path, version: str, num_episodes: int = NUM_EPISODES) -> None:
    report = check_dataset(root)
    assert report.ok, report.text()
    assert not (root / ".unfinished").exists()
    dataset = open_dataset(root)
    assert [row["collection/index"] for row in dataset.rows] == list(range(num_episodes))
    assert all(row["collection/success"] for row in dataset.rows)
    recorded = json.loads((root / "meta/collection.json").read_text())["configuration"]
    assert (recorded["simulator"], recorded["renderer"]) == ("isaac", "rtx")
    assert recorded["versions"]["isaacsim"] == version
    assert recorded["versions"]["robot"].endswith("/franka.usd")


class LookerOn:
    """Somebody at the page that `--streaming` serves: what they saw of it while episodes were collected."""

    def __init__(self) -> None:
        with socket.create_server(("127.0.0.1", 0)) as probe:
            self.port: int = probe.getsockname()[1]
        self.status: dict[str, Any] = {}
        self.pictures: set[bytes] = set()
        self.error: Exception | AssertionError | None = None
        self._thread = threading.Thread(target=self._look_on)

    def __enter__(self) -> "LookerOn":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._thread.join()
        if self.error is not None:
            raise self.error

    def _look_on(self) -> None:
        try:
            with requests.Session() as session:
                eventually(lambda: self._see(session), what="a picture of each of two moments")
        except Exception as error:
            self.error = error

    def _see(self, session: requests.Session) -> bool:
        url = f"http://127.0.0.1:{self.port}"
        try:
            self.status = session.get(f"{url}/collect/status", timeout=30).json()
            if self.status["state"] == "collecting":
                self.pictures.add(session.get(f"{url}/cameras/cam_high.jpg", timeout=30).content)
        except requests.ConnectionError:  # not there yet
            return False
        return len(self.pictures) > 1


def test_a_collection_that_is_watched_on_our_own_page_can_be_replayed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    root = tmp_path / "ds"
    with installed("4.5.0") as isaac:
        with LookerOn() as looker_on:
            assert collect(root, "--streaming", "--streaming-port", str(looker_on.port), "--json") == 0
        result = json.loads(capsys.readouterr().out)
        assert (result["exit_code"], result["episodes"]) == (0, NUM_EPISODES)
        assert looker_on.status["read_only"]
        assert all(picture.startswith(JPEG) for picture in looker_on.pictures)
        assert not any("livestream" in name for name in isaac.enabled_extensions)  # NVIDIA's stream is another thing
        assert isaac.launch_config is not None
        assert isaac.launch_config["disable_viewport_updates"] is True
        assert main(["replay", str(root), "1"]) == 0
        assert "it reproduces the recorded states" in capsys.readouterr().out
    assert_whole(root, "4.5.0")
    assert main(["check", str(root)]) == 0


def test_a_collection_whose_application_is_closed_is_resumed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    root, kit = tmp_path / "ds", "--/renderer/multiGpu/enabled=false"
    with installed("6.0.1") as isaac:
        close_amid_episode(isaac, root, monkeypatch)
        assert collect(root, "--json", kit, *FEW_FRAMES) == 1
    said = capsys.readouterr()
    assert "isaac-collect: Isaac Sim was closed" in said.err
    [how] = [line for line in said.err.splitlines() if "Continue with: isaac-collect collect " in line]
    assert kit in how
    assert "--resume" in how
    result = json.loads(said.out)
    assert (result["exit_code"], result["episodes"], result["exhausted"]) == (1, 1, [])
    assert_whole(root, "6.0.1", num_episodes=1)
    with installed("6.0.1") as isaac:
        assert main(shlex.split(how.partition("isaac-collect ")[2])) == 0
        assert isaac.errors == []
    assert_whole(root, "6.0.1")


@pytest.mark.long
@pytest.mark.parametrize("version", VERSIONS)
def test_a_resumed_dataset_is_that_of_an_undisturbed_run(
    version: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    resumed, whole = tmp_path / "resumed", tmp_path / "whole"
    with installed(version) as isaac:
        close_amid_episode(isaac, resumed, monkeypatch)
        assert collect(resumed) == 1
    for root, flags in ((resumed, ["--resume"]), (whole, [])):
        with installed(version):
            assert collect(root, *flags) == 0
        assert_whole(root, version)
    for path in sorted(whole.rglob("*.parquet")):
        assert (resumed / path.relative_to(whole)).read_bytes() == path.read_bytes(), path


def close_amid_episode(isaac: Isaac, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Somebody closes the application, 30 updates after the first episode was finished."""
    update, left = isaac.kit.update, [30]

    def counted(caller: str = "the application") -> None:
        if (root / "data/chunk-000/file-000.parquet").exists():
            left[0] -= 1
            if left[0] == 0:
                isaac.kit.post_quit(0)
        update(caller)

    monkeypatch.setattr(isaac.kit, "update", counted)
