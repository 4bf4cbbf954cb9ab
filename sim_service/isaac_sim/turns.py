"""What the adapter asks of whoever owns the application's main loop.

Isaac Sim does its work in turns of the application: opening a stage, starting physics, a control period and the picture
of its end. A script may turn the application itself, a Kit extension must wait for it to turn. So the adapter never
turns it: what takes turns is an iterator of them, and its host carries each one out before it asks for the next.
"""

from __future__ import annotations

from enum import Enum


class Turn(Enum):
    """One thing to carry out before the adapter goes on."""

    NEW_STAGE = "an empty stage is opened, and whatever was open is closed"
    START_WORLD = "the world that was just constructed has set itself up"
    RESET = "physics is stopped and started on the stage as it is; every handle is stale afterwards"
    PLAY = "the timeline plays"
    LOAD = "the application turns, physics does not: assets come in"
    STEP = "simulated time passes by one control period and the application draws what is then"
    STEP_BLIND = "simulated time passes by one control period; nobody looks"
    DRAW = "the application draws the present instant; simulated time stands still"
