"""Which of NVIDIA's USD files the work cell is made of."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from pxr import Sdf

from collectors.objects import CUBE, ObjectKind
from sim_service.simulators import SimulatorUnavailable

# Looks alone: the physics is ours, of the published sizes, as in the embedded simulator.
YCB_FOLDER = "/Isaac/Props/YCB/Axis_Aligned"


@dataclass(frozen=True)
class Assets:
    """root: folder or URL. robot_usd: of the Franka."""

    root: str
    robot_usd: str

    def look_usd(self, kind: ObjectKind) -> str | None:
        """The look of an object; None where our own shape is its look."""
        return None if kind.name == CUBE.name else f"{self.root}{YCB_FOLDER}/{kind.name}.usd"


def find_assets(root: str, franka_usds: Sequence[str], objects: Sequence[ObjectKind]) -> Assets:
    """franka_usds: where the robot may be below the root; the first that exists is taken. Raises SimulatorUnavailable
    naming what is missing."""
    robot = next((f"{root}{path}" for path in franka_usds if _exists(f"{root}{path}")), None)
    if robot is None:
        raise SimulatorUnavailable(f"there is no Franka below {root}; looked for {', '.join(franka_usds)}")
    assets = Assets(root, robot)
    looks = [look for kind in objects if (look := assets.look_usd(kind)) is not None]
    missing = [look for look in looks if not _exists(look)]
    if missing:
        raise SimulatorUnavailable(f"these assets do not exist: {', '.join(missing)}")
    return assets


def _exists(url: str) -> bool:
    """Opened as composition opens it: a resolver may know a URL only once it is asked for the layer."""
    return Sdf.Layer.FindOrOpen(url) is not None
