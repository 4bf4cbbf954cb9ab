"""The one physics callback: how many steps were made, and how fast the arm was at each."""

from __future__ import annotations

import numpy as np

from collectors.franka import NUM_ARM_JOINTS
from collectors.geometry import Array
from collectors.simulator import SimulatorError
from sim_service.isaac_sim.compat import World
from sim_service.isaac_sim.robot import Robot

_CALLBACK = "isaac_collect"


class PhysicsWatch:
    """Between `begin` and `finish` it watches one control period. Isaac Sim 6.0.1 calls the last registered callback in
    place of every other one, so this must stay the only one."""

    def __init__(self, world: World, robot: Robot) -> None:
        self._world, self._robot = world, robot
        self._started = False
        self.steps = 0
        self._peak: Array = np.zeros(NUM_ARM_JOINTS)
        self._error: SimulatorError | None = None

    def start(self) -> None:
        """After every reset of the world, which may have dropped the callback."""
        if self._world.physics_callback_exists(callback_name=_CALLBACK):
            self._world.remove_physics_callback(callback_name=_CALLBACK)
        self._world.add_physics_callback(callback_name=_CALLBACK, callback_fn=self._on_step)
        self._started = True

    def stop(self) -> None:
        """A stop of the timeline drops the callback until it plays again, and a world removes only what it has: so it
        gets the callback back first. A world whose stage was closed has none, and takes none."""
        if not self._started or World.instance() is not self._world:
            return
        self._started = False
        if not self._world.physics_callback_exists(callback_name=_CALLBACK):
            self._world.add_physics_callback(callback_name=_CALLBACK, callback_fn=self._on_step)
        self._world.remove_physics_callback(callback_name=_CALLBACK)

    def begin(self) -> None:
        self.steps = 0
        self._peak = np.zeros(NUM_ARM_JOINTS)
        self._error = None

    def finish(self, expected_steps: int) -> Array:
        """The largest absolute velocity of each joint of the arm since `begin` [rad/s], shape (7,). Raises
        SimulatorError where physics did not make just so many steps."""
        if self._error is not None:
            raise self._error
        if self.steps != expected_steps:
            raise SimulatorError(
                f"physics made {self.steps} steps in a control period instead of {expected_steps}: the timeline was "
                "paused or stopped, or something else steps it"
            )
        self._see()
        return self._peak

    def _on_step(self, step_s: float) -> None:
        """At each step of physics: before it from 6.0 on, after it up to 5.1."""
        del step_s
        self.steps += 1
        try:
            self._see()
        except SimulatorError as error:  # it would be lost here: Isaac Sim logs what a callback raises and goes on
            self._error = error

    def _see(self) -> None:
        np.maximum(self._peak, np.abs(self._robot.velocities().arm), out=self._peak)
