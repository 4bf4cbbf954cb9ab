"""Opening the Isaac Sim adapter: it waits for what comes late, and says what does not come."""

from pathlib import Path

import pytest
from isaac_cell import CUBE_30_FPS, NEWEST, OLDEST, VERSIONS, build, isaac_cell, started
from isaac_standin import Faults, installed
from simulator_contract import SEEING, scene

from sim_service.simulators import SimulatorSettings, SimulatorUnavailable, open_simulator

ASSET_ROOT_SETTING = "/persistent/isaac/asset_root/default"
LATE = 100  # turns: more than the adapter waits for in any case
both = pytest.mark.parametrize("version", VERSIONS)


def unavailable(version: str, faults: Faults, settings: SimulatorSettings = CUBE_30_FPS) -> tuple[str, int]:
    """What the adapter says, and after how many updates of the application."""
    with installed(version, faults=faults) as isaac:
        with pytest.raises(SimulatorUnavailable) as raised:
            open_simulator("isaac", settings)
        assert isaac.physics_callbacks == isaac.subscriptions == []
        return str(raised.value), isaac.updates


@pytest.mark.parametrize(("version", "nothing"), [(OLDEST, (0,)), (NEWEST, None)])
def test_first_frames_that_are_empty_or_none_are_waited_for(version: str, nothing: tuple[int] | None) -> None:
    with installed(version, faults=Faults(never_a_frame=True)) as isaac:
        frames = []

        def look(turn: int) -> None:
            if turn < LATE and isaac.kit.pictures.cameras:
                frame = isaac.kit.pictures.cameras[0].get_rgba()
                frames.append(None if frame is None else frame.shape)
            isaac.faults.never_a_frame = turn < LATE

        simulator = build(look)
        assert set(frames) == {nothing}
        assert isaac.updates > LATE
        simulator.reset(scene(simulator.objects[0]))
        simulator.advance(SEEING)
        assert all(picture.mean() > 20 for picture in simulator.observe(images=True).images.values())
        simulator.close()


def test_black_frames_are_waited_for() -> None:
    with isaac_cell(OLDEST, faults=Faults(black_frames=LATE)) as cell:
        assert cell.isaac.updates > LATE
        cell.simulator.reset(scene(cell.simulator.objects[0]))
        cell.simulator.advance(SEEING)
        assert all(picture.mean() > 20 for picture in cell.simulator.observe(images=True).images.values())


@both
def test_cameras_that_never_give_a_picture_are_named_within_the_bound(version: str) -> None:
    message, updates = unavailable(version, Faults(never_a_frame=True))
    assert "after 600 turns of the application" in message
    assert "camera cam_high has no picture; camera cam_wrist has no picture" in message
    assert "GPU" in message
    assert 600 < updates < 630


def test_cameras_that_stay_black_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    with installed(NEWEST, faults=Faults(black_frames=10**9)) as isaac:
        application = started()
        from sim_service.isaac_sim import camera_rig, standalone

        monkeypatch.setattr(camera_rig, "MAX_WARM_UP_TURNS", 70)
        with pytest.raises(SimulatorUnavailable, match="after 70 turns") as raised:
            standalone.build_simulator(CUBE_30_FPS, application)
        assert "camera cam_high is black (mean 0.0 of 255); camera cam_wrist is black" in str(raised.value)
        assert isaac.physics_callbacks == []


@pytest.mark.parametrize(
    ("delay", "message"), [(8, "lag behind the arm by 8 turns or more"), (9, "does not show it move")]
)
def test_pictures_that_do_not_follow_the_arm_are_refused(delay: int, message: str) -> None:
    assert message in unavailable(OLDEST, Faults(picture_delay=delay))[0]


@both
def test_no_assets_are_told_and_asked_for_again_next_time(version: str) -> None:
    """4.5 says so by None, later versions by an error."""
    with installed(version) as isaac:
        isaac.kit.settings.set(ASSET_ROOT_SETTING, None)
        with pytest.raises(SimulatorUnavailable, match=f"assets cannot be reached.* {ASSET_ROOT_SETTING} is None"):
            open_simulator("isaac", CUBE_30_FPS)
        isaac.kit.settings.set(ASSET_ROOT_SETTING, str(isaac.asset_root))
        open_simulator("isaac", CUBE_30_FPS).close()


@both
def test_a_copy_of_the_assets_that_isaac_sim_finds_incomplete_is_taken(version: str) -> None:
    with isaac_cell(version, faults=Faults(no_asset_root=True)) as cell:
        assert cell.simulator.versions["robot"].endswith("/franka.usd")


@both
def test_a_missing_franka_is_told_with_every_path_that_was_tried(version: str) -> None:
    message, _ = unavailable(version, Faults(missing_franka=True))
    for path in ("/Isaac/Robots/FrankaRobotics/FrankaPanda/franka.usd", "/Isaac/Robots/Franka/franka.usd"):
        assert path in message


@pytest.mark.parametrize(
    ("version", "here", "there"),
    [(OLDEST, "Franka", "FrankaRobotics/FrankaPanda"), (NEWEST, "FrankaRobotics/FrankaPanda", "Franka")],
)
def test_a_franka_at_the_path_of_another_version_is_found(version: str, here: str, there: str) -> None:
    with installed(version) as isaac:
        robots = isaac.asset_root / "Isaac/Robots"
        (robots / there).mkdir(parents=True)
        (robots / here / "franka.usd").rename(robots / there / "franka.usd")
        simulator = open_simulator("isaac", CUBE_30_FPS)
        assert simulator.versions["robot"] == f"/Isaac/Robots/{there}/franka.usd"
        simulator.close()


def test_missing_looks_are_named_and_the_cube_needs_none() -> None:
    missing = {"006_mustard_bottle", "008_pudding_box"}
    faults = Faults(missing_looks=frozenset(missing))
    message, _ = unavailable(NEWEST, faults, SimulatorSettings(use_ycb=True))
    named = {Path(word.rstrip(",")).stem for word in message.split() if word.rstrip(",").endswith(".usd")}
    assert named == missing
    with isaac_cell(NEWEST, faults=faults) as cell:
        assert [kind.name for kind in cell.simulator.objects] == ["cube"]


def test_slow_assets_are_waited_for_before_anything_is_wrapped() -> None:
    with installed(OLDEST) as isaac:
        isaac.faults.loading_updates = LATE  # of the stage that the adapter opens
        loading = []
        simulator = build(lambda turn: loading.append(isaac.kit.usd_context.get_stage_loading_status()[2] > 0))
        assert sum(loading) > LATE - 10
        assert isaac.physics_steps > 0
        simulator.close()


def test_assets_that_never_load_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    with installed(OLDEST) as isaac:
        application = started()
        from sim_service.isaac_sim import cell, standalone

        monkeypatch.setattr(cell, "MAX_LOAD_TURNS", 30)
        isaac.faults.loading_updates = 10**9
        with pytest.raises(SimulatorUnavailable, match=rf"below {isaac.asset_root} did not load in 30 turns"):
            standalone.build_simulator(CUBE_30_FPS, application)


def test_a_play_that_does_not_land_is_tried_again() -> None:
    with isaac_cell(NEWEST, faults=Faults(plays_lost=3)) as cell:
        assert cell.isaac.faults.plays_lost == 0
        assert cell.simulator.playing
        cell.simulator.reset(scene(cell.simulator.objects[0]))
        cell.simulator.advance(SEEING)


def test_a_play_that_never_lands_is_told() -> None:
    message, _ = unavailable(NEWEST, Faults(plays_lost=10**9))
    assert "physics does not advance after 3 tries to play; the timeline does not play" in message


def test_physics_that_is_frozen_while_the_timeline_plays_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    with installed(NEWEST) as isaac:
        monkeypatch.setattr(isaac.kit.physics, "step", lambda *, callbacks: None)
        with pytest.raises(SimulatorUnavailable, match="does not advance after 3 tries to play; the timeline plays"):
            open_simulator("isaac", CUBE_30_FPS)


def test_the_application_is_told_to_draw_without_delay() -> None:
    with isaac_cell(NEWEST) as cell:
        settings = cell.isaac.settings
        assert settings["/app/hydraEngine/waitIdle"] is settings["/app/renderer/waitIdle"] is True
        assert settings["/app/updateOrder/checkForHydraRenderComplete"] == 1000
        assert settings["/omni/replicator/asyncRendering"] is settings["/app/asyncRendering"] is False
        assert cell.simulator.picture_delay == 0
        assert cell.isaac.ignored_worlds == 0
        assert cell.simulator.versions["isaacsim"] == NEWEST
