"""Where things are on the stage."""

from __future__ import annotations

from typing import Final

from collectors.objects import CUBE, ObjectKind

WORLD: Final = "/World"
PHYSICS_SCENE: Final = "/physicsScene"
ROBOT: Final = "/World/Franka"
HAND: Final = "/World/Franka/panda_hand"
TABLE: Final = "/World/Table"
TABLE_TOP: Final = "/World/TableTop"
FLOOR: Final = "/World/Floor"
PARKING: Final = "/World/Parking"
GOAL: Final = "/World/PlaceTarget"
GRIP_MATERIAL: Final = "/World/GripMaterial"
DISTRACTOR_MATERIAL: Final = "/World/DistractorMaterial"
MATERIALS: Final = "/World/Materials"
LIGHTS: Final = "/World/Lights"
WELD: Final = "/World/GraspWeld"
COLLISION: Final = "collision"
"""Below a rigid body: the collider that it was authored with."""

EPISODE_COLLISION: Final = "episode_collision"
"""Below a rigid body: the collider of an episode in which it has another size."""

CAMERAS: Final = {"cam_high": "/World/OverheadCam", "cam_wrist": f"{HAND}/wrist_cam"}


def object_path(kind: ObjectKind) -> str:
    """The rigid body of an object: origin at the centre of its bounding box, unscaled."""
    return "/World/PickObject" if kind.name == CUBE.name else f"/World/PickObject_{kind.name}"


def distractor_path(slot: int) -> str:
    """The rigid body of a distractor, likewise."""
    return f"/World/Distractor_{slot}"


def collision_path(kind: ObjectKind) -> str:
    return f"{object_path(kind)}/{COLLISION}"


def look_path(kind: ObjectKind) -> str:
    """What an object with a referenced look shows: the fit into the published box. The reference is `asset` below."""
    return f"{object_path(kind)}/look"
