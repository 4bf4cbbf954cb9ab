"""What the service asks of whoever owns the main loop: a `Tick`, a `Draw` or a `Rest`, one per turn.

The simulator is driven between two turns alone, never within one: a host whose application must not be turned from
inside its own callback, as in Kit, carries the work out over as many turns of the application as it takes.
"""

from __future__ import annotations

from dataclasses import dataclass

from collectors.simulator import Tick


@dataclass(frozen=True)
class Draw:
    """The simulator draws the present instant, so that its pictures can be read. Simulated time stands still."""


@dataclass(frozen=True)
class Rest:
    """Nothing to do for so long [s], unless a command comes. Harmless to cut short."""

    seconds: float


Work = Tick | Draw | Rest
