"""Closing the Isaac Sim adapter, and opening it again in the same application."""

import gc
import weakref

import numpy as np
import pytest
from isaac_cell import CUBE_30_FPS, NEWEST, OLDEST, VERSIONS, Cell, isaac_cell, refused, started
from isaac_standin import installed
from simulator_contract import BLIND, SEEING, grasped, scene

from collectors.franka import HOME_RAD
from collectors.simulator import Action
from sim_service.simulators import SimulatorSettings

YCB_60_FPS = SimulatorSettings(fps=60, use_ycb=True)


def assert_free(cell: Cell) -> None:
    """Nothing of the adapter is called any more, whatever the application does from now on."""
    assert cell.isaac.physics_callbacks == []
    assert cell.isaac.subscriptions == []
    if not cell.isaac.kit.version.startswith("4"):  # whose camera class has no destroy()
        assert cell.isaac.cameras == []
    cell.isaac.user_stops()
    cell.isaac.user_plays()
    cell.isaac.app_update(3)
    assert cell.isaac.physics_callbacks == []
    assert cell.isaac.threads == []


@pytest.mark.parametrize(
    ("version", "state"),
    [
        (OLDEST, "welded"),
        (OLDEST, "stopped"),
        (NEWEST, "welded"),
        (NEWEST, "paused"),
        (NEWEST, "stopped and welded"),
    ],
)
def test_it_leaves_no_callback_no_subscription_no_camera_and_no_weld(version: str, state: str) -> None:
    with isaac_cell(version) as cell:
        if "welded" in state:
            grasped(cell.simulator, cell.simulator.objects[0])
        else:
            cell.simulator.reset(scene(cell.simulator.objects[0]))
        if "stopped" in state:
            cell.isaac.user_stops()
        if "paused" in state:
            cell.isaac.user_pauses()
        cell.simulator.close()
        assert not cell.isaac.stage.GetPrimAtPath("/World/GraspWeld")
        assert_free(cell)
        simulator, home = cell.simulator, scene(cell.simulator.objects[0])
        for act in (
            lambda: simulator.reset(home),
            lambda: simulator.command(Action(np.array(HOME_RAD), 0.0)),
            lambda: simulator.advance(BLIND),
            lambda: simulator.refresh(images=True),
            lambda: simulator.refresh(images=False),
            simulator.observe,
            simulator.attach,
        ):
            assert refused(act) == "the simulator is closed"
        simulator.detach()
        simulator.close()


@pytest.mark.parametrize("version", VERSIONS)
def test_it_opens_again_with_other_settings_twice(version: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with isaac_cell(version) as cell:
        context, timeline = cell.isaac.kit.usd_context, cell.isaac.kit.timeline
        close, playing = context._close, []
        monkeypatch.setattr(context, "_close", lambda: (playing.append(timeline.is_playing()), close()))
        for settings in (YCB_60_FPS, CUBE_30_FPS):
            stages, before = cell.isaac.stages_opened, weakref.ref(cell.simulator)
            cell.reopen(settings)
            assert cell.isaac.stages_opened == stages + 1
            assert playing.pop() is False  # when the old stage went
            assert cell.isaac.ignored_worlds == 0  # else the old world, with its time steps, would go on
            assert cell.isaac.physics_callbacks == ["isaac_collect"]
            assert len(cell.isaac.cameras) == 2
            gc.collect()
            assert before() is None
            simulator = cell.simulator
            assert simulator.objects == settings.objects
            simulator.reset(scene(simulator.objects[-1]))
            steps = cell.isaac.physics_steps
            for _ in range(3):
                simulator.advance(SEEING)
            assert cell.isaac.physics_steps - steps == 3 * 120 // settings.fps
            assert simulator.observe(images=True).time_s == pytest.approx(3 / settings.fps)
            del simulator
        cell.simulator.close()
        assert_free(cell)


def test_a_world_of_somebody_else_gets_our_time_steps_and_keeps_the_cell() -> None:
    """As for a script that calls the collector: the cell is built on its stage once, and used again."""
    with installed("5.1.0") as isaac:
        application = started()
        from isaacsim.core.api import World

        from sim_service.isaac_sim.standalone import build_simulator

        world = World(physics_dt=1 / 60, rendering_dt=1 / 60, stage_units_in_meters=1.0)
        stages = isaac.stages_opened
        for _ in range(2):
            simulator = build_simulator(CUBE_30_FPS, application, world)
            simulator.reset(scene(simulator.objects[0]))
            steps = isaac.physics_steps
            simulator.advance(SEEING)
            assert isaac.physics_steps == steps + 4
            simulator.close()
            assert isaac.physics_callbacks == isaac.cameras == []
        assert isaac.stages_opened == stages
        assert World.instance() is world
        assert isaac.errors == []
