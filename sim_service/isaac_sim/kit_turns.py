"""Turns carried out by a Kit application whose main loop is not ours.

It must never be turned from inside one of its own callbacks. So its own stepping of physics is held still by a setting,
the adapter steps, which turns nothing, and pictures come with the application's next updates.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Final

from collectors.simulator import SimulatorError
from sim_service.isaac_sim.compat import World, create_new_stage_async, set_setting
from sim_service.isaac_sim.simulator import IsaacSimulator
from sim_service.isaac_sim.turns import Turn

_TIME_PASSES: Final = "/app/player/playSimulations"


def hold_time() -> None:
    set_setting(_TIME_PASSES, False)


def let_time_pass() -> None:
    set_setting(_TIME_PASSES, True)


class TurnsUnderWay:
    """What an iterator of the simulator asks for, carried out over the updates of the application."""

    def __init__(self, turns: Iterator[Turn], simulator: IsaacSimulator) -> None:
        self._turns, self._simulator = turns, simulator
        self._turn: Turn | None = None
        self._task: asyncio.Future[None] | None = None
        self._steps = 0  # of physics, when the turn under way began

    def done(self) -> bool:
        """To be asked once in each update of the application. Raises what the turns raise, and SimulatorError where
        physics steps by itself."""
        if self._turn is not None and not self._carried_out(self._turn):
            return False
        self._turn = next(self._turns, None)
        if self._turn is None:
            return True
        self._begin(self._turn)
        return False

    def cancel(self) -> None:
        """Carry out no more."""
        hold_time()
        if self._task is not None:
            self._task.cancel()

    def _begin(self, turn: Turn) -> None:
        if turn is Turn.DRAW:
            hold_time()  # whatever else steps or pauses a world lets it pass afterwards
            self._steps = self._simulator.steps_made
        elif turn is Turn.NEW_STAGE:
            self._task = asyncio.ensure_future(create_new_stage_async())
        elif turn in (Turn.START_WORLD, Turn.RESET, Turn.PLAY):
            self._task = asyncio.ensure_future(_of_the_world(turn))

    def _carried_out(self, turn: Turn) -> bool:
        if self._task is not None:
            if not self._task.done():
                return False
            task, self._task = self._task, None
            hold_time()  # the world lets it pass at the end of what it does
            task.result()
        elif turn is Turn.DRAW and self._simulator.steps_made != self._steps:
            raise SimulatorError(
                f"physics made {self._simulator.steps_made - self._steps} steps while simulated time was held still: "
                f"something else steps it, or sets {_TIME_PASSES}"
            )
        return True


async def _of_the_world(turn: Turn) -> None:
    world: World = World.instance()
    if turn is Turn.START_WORLD:
        await world.initialize_simulation_context_async()
    elif turn is Turn.RESET:
        await world.reset_async()
    else:
        await world.play_async()
