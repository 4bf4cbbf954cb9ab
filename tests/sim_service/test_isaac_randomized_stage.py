"""Runs with and without randomization one after the other on the same stage, as scripts of Isaac Sim may have them."""

from __future__ import annotations

import numpy as np
import pytest
from isaac_cell import VERSIONS, started
from isaac_standin import installed
from simulator_contract import BLIND, scene

from collectors.objects import CUBE
from collectors.randomization import PRESETS
from collectors.task import TASKS
from collectors.variation import draw_variation
from sim_service.simulators import SimulatorSettings

FULL = SimulatorSettings.of(30, False, "fast", PRESETS["full"])


@pytest.mark.parametrize("version", VERSIONS)
def test_a_world_that_has_a_plain_cell_gets_what_a_randomized_run_needs(version: str) -> None:
    """And a plain run on a stage that a randomized one has left finds every body as it was authored."""
    with installed(version) as isaac:
        application = started()
        from isaacsim.core.api import World

        from sim_service.isaac_sim.standalone import build_simulator

        plain = build_simulator(SimulatorSettings(), application)
        plain.close()
        full = build_simulator(FULL, application, World.instance())
        task = TASKS["pick_place"]((CUBE,), 0.05)
        full.reset(task.draw(np.random.default_rng(1), draw_variation(PRESETS["full"], (3, 1, 0))).scene)
        full.advance(BLIND)
        full.close()
        again = build_simulator(SimulatorSettings(), application, World.instance())
        again.reset(scene(CUBE))
        for _ in range(10):
            again.advance(BLIND)
        np.testing.assert_allclose(again.observe().object_to_world.position, (0.5, 0.1, 0.43), atol=2e-4)
        assert not any(prim.GetName() == "episode_collision" for prim in isaac.stage.Traverse())
        again.close()
        assert isaac.errors == []
