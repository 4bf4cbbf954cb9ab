"""A stand-in for Isaac Sim, to drive the adapter end to end without a GPU.

`installed` puts it in place of this process:

    with installed("5.1.0", host="script", faults=Faults(picture_delay=2)) as isaac:
        from isaacsim import SimulationApp  # and the adapter, which is imported anew
        ...
    assert not any(isaac.left_behind.values())

With host="extension" the application runs already, and turns by `isaac.app_update(n)`. A module
of the adapter that was imported outside of the `with` is another one than inside.

Its modules and classes have the public surface that the facts of one version give them: a name that the version lacks
is not there, a call that does not bind raises TypeError. Underneath are a real USD stage and MuJoCo.
"""

from __future__ import annotations

from isaac_standin.faults import Faults
from isaac_standin.installation import Isaac, installed
from isaac_standin.simulation_app import ProcessEnded

__all__ = ["Faults", "Isaac", "ProcessEnded", "installed"]
