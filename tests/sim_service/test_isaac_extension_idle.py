"""The Kit extension between two jobs: time passes when somebody plays, and pictures come when somebody looks."""

from __future__ import annotations

import time
from collections.abc import Iterator
from io import BytesIO
from typing import Any

import imageio.v3 as iio
import numpy as np
import pytest
from kit_session import TIME_PASSES, VERSIONS, KitSession, enabled_session

PLAY_S = 0.6


@pytest.fixture(scope="module", params=VERSIONS)
def kit(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[KitSession]:
    with enabled_session(request.param, tmp_path_factory.mktemp("idle")) as session:
        yield session


def picture(kit: KitSession, camera: str = "cam_high") -> np.ndarray:
    reply = kit.get(f"/cameras/{camera}.jpg")
    assert reply.status == 200, reply.body
    assert reply.headers["Content-Type"] == "image/jpeg"
    return np.asarray(iio.imread(BytesIO(reply.body), extension=".jpg"), dtype=np.float64)


def simulated(reply: Any) -> dict[str, Any]:
    assert reply.status == 200, reply.body
    state: dict[str, Any] = reply.json()
    return state


def difference(one: np.ndarray, other: np.ndarray) -> float:
    return float(np.abs(one - other).mean())


@pytest.mark.parametrize("camera", ["cam_high", "cam_wrist"])
def test_whoever_looks_sees_the_scene_as_it_is_laid_out(kit: KitSession, camera: str) -> None:
    simulated(kit.post("/sim/reset", {"seed": 1}))
    one = picture(kit, camera)
    assert one.mean() > 20
    simulated(kit.post("/sim/reset", {"seed": 2}))
    two = picture(kit, camera)
    simulated(kit.post("/sim/reset", {"seed": 1}))
    again = picture(kit, camera)
    assert difference(one, again) < 0.05 < 0.3 < difference(one, two)


def test_time_stands_still_though_the_application_turns(kit: KitSession) -> None:
    simulated(kit.post("/sim/reset", {"seed": 3}))
    picture(kit)
    assert kit.isaac.kit.timeline.is_playing()
    steps, joints = kit.isaac.physics_steps, kit.isaac.kit.physics.joint_positions()
    first = picture(kit)
    kit.update(200)
    assert difference(picture(kit), first) == 0.0
    assert kit.isaac.physics_steps == steps
    np.testing.assert_array_equal(kit.isaac.kit.physics.joint_positions(), joints)
    state = simulated(kit.get("/sim/state"))
    assert (state["time_s"], state["playing"]) == (0.0, False)


def test_playing_advances_no_faster_than_real_time_until_paused(kit: KitSession) -> None:
    simulated(kit.post("/sim/reset", {"seed": 3}))
    steps, began = kit.isaac.physics_steps, time.monotonic()
    assert simulated(kit.post("/sim/play"))["playing"]
    while time.monotonic() < began + PLAY_S or simulated(kit.get("/sim/state"))["time_s"] < PLAY_S / 2:
        kit.update(10)  # a busy machine is slower than real time
    paused = simulated(kit.post("/sim/pause"))
    took_s = time.monotonic() - began
    assert not paused["playing"]
    assert PLAY_S / 2 <= paused["time_s"] <= took_s + paused["control_period_s"]
    assert kit.isaac.physics_steps - steps == round(paused["time_s"] * 120)
    kit.update(100)
    assert simulated(kit.get("/sim/state"))["time_s"] == paused["time_s"]
    assert simulated(kit.post("/sim/reset", {"seed": 3}))["time_s"] == 0.0


def test_whoever_looks_while_it_plays_sees_pictures_of_then(kit: KitSession) -> None:
    simulated(kit.post("/sim/reset", {"seed": 3}))
    simulated(kit.post("/sim/play"))
    assert picture(kit).mean() > 20
    assert simulated(kit.post("/sim/pause"))["time_s"] > 0


def test_whatever_else_lets_time_pass_it_stands_still_again_once_somebody_looks(kit: KitSession) -> None:
    """As any extension does that pauses, renders or resets a world: it leaves that setting true."""
    simulated(kit.post("/sim/reset", {"seed": 3}))
    stages = kit.isaac.stages_opened
    kit.isaac.kit.settings.set(TIME_PASSES, True)
    picture(kit)
    steps = kit.isaac.physics_steps
    kit.update(20)
    assert kit.isaac.physics_steps == steps
    assert kit.status()["state"] == "idle"
    assert kit.isaac.stages_opened == stages, "the cell must not be given up for it"


def test_a_user_who_pauses_while_it_plays_gets_a_cell_again(kit: KitSession) -> None:
    simulated(kit.post("/sim/play"))
    kit.isaac.user_pauses()
    failed = kit.until_state("failed")
    assert "paused or stopped the timeline" in failed["error"]
    assert kit.get("/readyz").status == 503
    kit.until_state("idle")
    assert picture(kit).mean() > 20
