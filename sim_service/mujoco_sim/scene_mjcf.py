"""The whole work cell as MJCF: table, floor, lights, cameras, goal disc, robot and objects."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import product
from typing import Final
from xml.etree.ElementTree import Element, tostring

import numpy as np

from collectors.cameras import Camera
from collectors.geometry import Array
from collectors.objects import ObjectKind
from collectors.scene import (
    GOAL_HEIGHT_M,
    GOAL_RADIUS_M,
    GOAL_RGB,
    PHYSICS_PERIOD_S,
    TABLE_CENTRE_M,
    TABLE_RGB,
    TABLE_SIZE_M,
)
from collectors.table_texture import SIZE_PX
from sim_service.mujoco_sim import lighting
from sim_service.mujoco_sim.distractors_mjcf import distractor_body
from sim_service.mujoco_sim.mjcf import element
from sim_service.mujoco_sim.objects_mjcf import OBJECT_MATERIALS, grasp_weld, object_body
from sim_service.mujoco_sim.panda_look import panda_look
from sim_service.mujoco_sim.panda_mjcf import (
    HAND_BODY,
    panda_actuators,
    panda_body,
    panda_contact_exclusions,
)
from sim_service.mujoco_sim.presets import RenderQuality

INNER_STEPS_PER_PHYSICS_PERIOD: Final = 8
INNER_STEP_S: Final = PHYSICS_PERIOD_S / INNER_STEPS_PER_PHYSICS_PERIOD

GOAL_BODY: Final = "goal"
TABLE_GEOM: Final = "table"
TABLE_LEG_GEOMS: Final = ("table_leg_0", "table_leg_1", "table_leg_2", "table_leg_3")
TABLE_TEXTURE: Final = "table"

# Time constant [s] and damping ratio of contacts: five inner steps. At MuJoCo's 0.02 s fingers sink a millimetre in.
_CONTACT_SOLREF: Final = (0.005, 1.0)

_FLOOR_RGB: Final = (0.34, 0.36, 0.39)
_FLOOR_HALF_EDGE_M: Final = 6.0
_TABLE_LEG_HALF_EDGE_M: Final = 0.02
_TABLE_LEG_INSET_M: Final = 0.02

# MuJoCo multiplies the clipping distances and the shadow box by the extent.
_EXTENT_M: Final = 1.0
_NEAR_M: Final = 0.01
_FAR_M: Final = 12.0


def scene_xml(
    objects: Sequence[ObjectKind],
    cameras: Sequence[Camera],
    quality: RenderQuality,
    num_distractors: int = 0,
    textured_table: bool = False,
) -> str:
    """All objects, each at the origin: the simulator places or parks them before the first step."""
    on_hand = [_camera(camera) for camera in cameras if camera.parent == HAND_BODY]
    in_world = [_camera(camera) for camera in cameras if camera.parent == "world"]
    if len(on_hand) + len(in_world) != len(cameras):
        parents = sorted({camera.parent for camera in cameras})
        raise ValueError(f"cameras are carried by {parents}; allowed: 'world', {HAND_BODY!r}")
    look = panda_look(quality.robot_segments)
    root = element(
        "mujoco",
        element("compiler", angle="radian", autolimits=True),
        element("option", timestep=INNER_STEP_S, integrator="implicitfast", cone="elliptic", impratio=10),
        _visual(cameras, quality),
        element("statistic", center=lighting.KEY_TARGET_M, extent=_EXTENT_M),
        element("default", element("geom", solref=_CONTACT_SOLREF)),
        element("asset", *_materials(quality, textured_table), *look.assets, *OBJECT_MATERIALS),
        element(
            "worldbody",
            _key_light(quality),
            *in_world,
            *_furniture(),
            _goal_disc(),
            panda_body(look, on_hand),
            *(object_body(kind) for kind in objects),
            *(distractor_body(slot) for slot in range(num_distractors)),
        ),
        element("contact", *panda_contact_exclusions()),
        element("equality", *(grasp_weld(kind) for kind in objects)),
        element("actuator", *panda_actuators()),
        model="isaac-collect",
    )
    return tostring(root, encoding="unicode")


def _visual(cameras: Sequence[Camera], quality: RenderQuality) -> Element:
    ambient, diffuse = (lighting.AMBIENT,) * 3, (lighting.HEADLIGHT_DIFFUSE,) * 3
    return element(
        "visual",
        element(
            "global",
            offwidth=max((camera.width_px for camera in cameras), default=1),
            offheight=max((camera.height_px for camera in cameras), default=1),
        ),
        element(
            "quality",
            shadowsize=quality.shadow_map_px,
            offsamples=quality.msaa_samples,
            numslices=quality.slices,
            numstacks=quality.stacks,
            numquads=quality.quads,
        ),
        element("headlight", ambient=ambient, diffuse=diffuse, specular=(0, 0, 0)),
        element(
            "map",
            znear=_NEAR_M / _EXTENT_M,
            zfar=_FAR_M / _EXTENT_M,
            shadowclip=quality.shadow_box_m / _EXTENT_M,
        ),
    )


def _materials(quality: RenderQuality, textured_table: bool) -> tuple[Element, ...]:
    if textured_table:  # its pixels come with each scene
        pixels = element(
            "texture", name=TABLE_TEXTURE, type="2d", builtin="flat", rgb1=TABLE_RGB, width=SIZE_PX, height=SIZE_PX
        )
        top = element("material", name="wood", texture=TABLE_TEXTURE, specular=0.05, shininess=0.1)
        return (pixels, top, *_floor_and_goal(quality))
    wood = element("material", name="wood", rgba=(*TABLE_RGB, 1), specular=0.05, shininess=0.1)
    return (wood, *_floor_and_goal(quality))


def _floor_and_goal(quality: RenderQuality) -> tuple[Element, ...]:
    goal = element("material", name="goal", rgba=(*GOAL_RGB, 1), specular=0)
    if not quality.checker_floor:
        # MuJoCo draws what is not fully opaque in one pass and without shadows.
        plain = element("material", name="floor", rgba=(*_FLOOR_RGB, 0.99 if quality.shadows else 1), specular=0)
        return plain, goal
    light, dark = (tuple(channel + shift for channel in _FLOOR_RGB) for shift in (0.03, -0.03))
    return (
        element("texture", name="floor", type="2d", builtin="checker", rgb1=light, rgb2=dark, width=512, height=512),
        element("material", name="floor", texture="floor", texrepeat=(12, 12), specular=0),
        goal,
    )


def _key_light(quality: RenderQuality) -> Element:
    return element(
        "light",
        name="key",
        directional=True,
        castshadow=quality.shadows,
        pos=key_light_position(lighting.KEY_DIRECTION),
        dir=lighting.KEY_DIRECTION,
        ambient=(0, 0, 0),
        diffuse=(lighting.KEY_DIFFUSE,) * 3,
        specular=(lighting.KEY_SPECULAR,) * 3,
    )


def key_light_position(direction: Sequence[float] | Array) -> Array:
    """For the key light's shadows: where it stands, with the middle of the shadow map on its way."""
    return np.subtract(lighting.KEY_TARGET_M, np.multiply(lighting.KEY_DISTANCE_M, direction))


def _camera(camera: Camera) -> Element:
    forward = np.asarray(camera.forward)
    right = np.cross(forward, camera.up)
    return element(
        "camera",
        name=camera.name,
        pos=camera.position_m,
        xyaxes=(*right, *camera.up),
        fovy=math.degrees(camera.vertical_fov_rad),  # in degrees whatever compiler/angle says
    )


def _furniture() -> tuple[Element, ...]:
    half_size = tuple(edge / 2 for edge in TABLE_SIZE_M)
    leg_height = TABLE_CENTRE_M[2] - half_size[2]
    reach_x, reach_y = (half - _TABLE_LEG_INSET_M for half in half_size[:2])
    legs = (
        element(
            "geom",
            name=name,
            type="box",
            size=(_TABLE_LEG_HALF_EDGE_M, _TABLE_LEG_HALF_EDGE_M, leg_height / 2),
            pos=(TABLE_CENTRE_M[0] + side_x * reach_x, TABLE_CENTRE_M[1] + side_y * reach_y, leg_height / 2),
            material="panda_grey",
            contype=0,
            conaffinity=0,
        )
        for name, (side_x, side_y) in zip(TABLE_LEG_GEOMS, product((-1, 1), (-1, 1)), strict=True)
    )
    return (
        element("geom", name="floor", type="plane", size=(_FLOOR_HALF_EDGE_M, _FLOOR_HALF_EDGE_M, 1), material="floor"),
        element("geom", name=TABLE_GEOM, type="box", size=half_size, pos=TABLE_CENTRE_M, material="wood"),
        *legs,
    )


def _goal_disc() -> Element:
    """A body without degrees of freedom that can be put elsewhere at run time. Its origin is the disc's underside."""
    return element(
        "body",
        element(
            "geom",
            name="goal",
            type="cylinder",
            size=(GOAL_RADIUS_M, GOAL_HEIGHT_M / 2),
            pos=(0, 0, GOAL_HEIGHT_M / 2),
            material="goal",
            contype=0,
            conaffinity=0,
        ),
        name=GOAL_BODY,
        mocap=True,
    )
