"""Table and floor: static bodies, in plain colours."""

from __future__ import annotations

from typing import Final

from pxr import Usd, UsdPhysics

from collectors.geometry import Pose
from collectors.scene import TABLE_CENTRE_M, TABLE_RGB, TABLE_SIZE_M
from sim_service.isaac_sim.usd import paths
from sim_service.isaac_sim.usd.materials import author_surface, bind_surface
from sim_service.isaac_sim.usd.shapes import author_box

FLOOR_RGB: Final = (0.34, 0.36, 0.39)
FLOOR_SIZE_M: Final = (20.0, 20.0, 0.1)  # a slab, not a plane: unused objects are parked underneath
FLOOR_CENTRE_M: Final = (0.0, 0.0, -FLOOR_SIZE_M[2] / 2)  # its surface is z = 0


def author_furniture(stage: Usd.Stage) -> None:
    for path, size_m, centre_m, rgb in (
        (paths.TABLE, TABLE_SIZE_M, TABLE_CENTRE_M, TABLE_RGB),
        (paths.FLOOR, FLOOR_SIZE_M, FLOOR_CENTRE_M, FLOOR_RGB),
    ):
        prim = author_box(stage, path, size_m, Pose(centre_m))
        UsdPhysics.CollisionAPI.Apply(prim)
        bind_surface(prim, author_surface(stage, prim.GetName(), rgb))
