"""Where things are on the stage."""

from __future__ import annotations

from typing import Final

from collectors.objects import CUBE, ObjectKind

WORLD: Final = "/World"
PHYSICS_SCENE: Final = "/physicsScene"
ROBOT: Final = "/World/Franka"
HAND: Final = "/World/Franka/panda_hand"
TABLE: Final = "/World/Table"
FLOOR: Final = "/World/Floor"
PARKING: Final = "/World/Parking"
GOAL: Final = "/World/PlaceTarget"
GRIP_MATERIAL: Final = "/World/GripMaterial"
MATERIALS: Final = "/World/Materials"
LIGHTS: Final = "/World/Lights"
WELD: Final = "/World/GraspWeld"
CAMERAS: Final = {"cam_high": "/World/OverheadCam", "cam_wrist": f"{HAND}/wrist_cam"}


def object_path(kind: ObjectKind) -> str:
    """The rigid body of an object: origin at the centre of its bounding box, unscaled."""
    return "/World/PickObject" if kind == CUBE else f"/World/PickObject_{kind.name}"


def collision_path(kind: ObjectKind) -> str:
    return f"{object_path(kind)}/collision"


def look_path(kind: ObjectKind) -> str:
    """What an object with a referenced look shows: the fit into the published box. The reference is `asset` below."""
    return f"{object_path(kind)}/look"
