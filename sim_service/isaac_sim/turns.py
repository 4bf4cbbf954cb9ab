"""What the adapter asks of whoever owns the application's main loop.

Isaac Sim opens stages, starts physics and draws in turns of its application. A script may turn the application itself,
a Kit extension must wait for it to turn. So the adapter never turns it: what takes turns is an iterator of them, and
its host carries each one out before it asks for the next. Steps of physics take none: the adapter makes them itself.
"""

from __future__ import annotations

from enum import Enum


class Turn(Enum):
    """One thing to carry out before the adapter goes on. Simulated time stands still in all of them."""

    NEW_STAGE = "an empty stage is opened, and whatever was open is closed"
    START_WORLD = "the world that was just constructed has set itself up"
    RESET = "physics is stopped and started on the stage as it is; every handle is stale afterwards"
    PLAY = "the timeline plays"
    LOAD = "the application turns: assets come in"
    DRAW = "the application turns, and draws the present instant"
