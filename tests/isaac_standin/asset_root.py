"""A folder with the assets of NVIDIA's that the adapter references, at the paths of one version."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from usd_franka import write_franka, write_ycb_look

from collectors.objects import YCB
from isaac_standin.faults import Faults

_FRANKA: Final = {
    "4": "Isaac/Robots/Franka/franka.usd",
    "5": "Isaac/Robots/FrankaRobotics/FrankaPanda/franka.usd",
    "6": "Isaac/Robots/FrankaRobotics/FrankaPanda/franka.usd",
}
_YCB: Final = "Isaac/Props/YCB/Axis_Aligned"


def write_assets(folder: Path, version: str, faults: Faults) -> Path:
    (folder / "NVIDIA").mkdir()
    looks = folder / _YCB
    looks.mkdir(parents=True)
    for name, kind in YCB.items():
        if name not in faults.missing_looks:
            write_ycb_look(looks / f"{name}.usd", kind)
    if not faults.missing_franka:
        robot = folder / _FRANKA[version[0]]
        robot.parent.mkdir(parents=True)
        write_franka(robot, variants=version.startswith("6"))
    return folder
