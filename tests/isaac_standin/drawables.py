"""What is to be seen on a stage at one instant, and from where."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from PIL import Image
from pxr import Usd, UsdGeom, UsdLux, UsdPhysics, UsdShade

from collectors.geometry import Pose, quat_rotate
from isaac_standin.physics_model import SIMULATED_LINKS, shape_of
from isaac_standin.stage_poses import pose_and_scale

RGB = tuple[float, float, float]

NOMINAL_KEY: Final = 5000.0  # intensities that look as the painter has its lights
NOMINAL_DOME: Final = 3000.0

_GREY: Final = (0.5, 0.5, 0.5)
_SHAPES: Final = ("Cube", "Sphere", "Cylinder", "Capsule", "Plane")


@dataclass(frozen=True, eq=False)
class Shape:
    """kind, size: as MuJoCo has them. pose: to world. rgb: linear light."""

    kind: str
    size: tuple[float, ...]
    pose: Pose
    rgb: RGB


@dataclass(frozen=True, eq=False)
class View:
    """camera_to_world: USD's axes, looking along -z. half_width, half_height: of what is seen at distance 1."""

    camera_to_world: Pose
    half_width: float
    half_height: float
    near_m: float
    far_m: float


@dataclass(frozen=True, eq=False)
class StageSnapshot:
    """links: name of a part of the Panda to its pose in the world. lit: whether any light shines. key_direction: that
    of the distant light's rays, None without one. key_rgb, dome_rgb: intensity times colour of the distant light and of
    the dome light, as parts of NOMINAL_KEY and NOMINAL_DOME; 1 where there is none."""

    shapes: tuple[Shape, ...]
    links: dict[str, Pose]
    lit: bool
    key_direction: tuple[float, ...] | None = None
    key_rgb: RGB = (1.0, 1.0, 1.0)
    dome_rgb: RGB = (1.0, 1.0, 1.0)


class StageView:
    """Reads a stage; what is on it is found anew after `forget`, where it is at each `snapshot`."""

    def __init__(self) -> None:
        self.forget()

    def forget(self) -> None:
        self._gprims: list[Any] | None = None
        self._colours: dict[Any, RGB] = {}

    def snapshot(self, stage: Any) -> StageSnapshot:
        if self._gprims is None:
            self._find(stage)
        assert self._gprims is not None
        cache = UsdGeom.XformCache(Usd.TimeCode.Default())
        seen = [prim for prim in self._gprims if _is_visible(prim)]
        shapes = tuple(self._shape(prim, cache) for prim in seen)
        links = {prim.GetName(): _pose(cache, prim)[0] for prim in self._links if _is_visible(prim)}
        lit = any(_shines(light) for light in self._lights)
        key = next((light for light in self._lights if light.GetTypeName() == "DistantLight"), None)
        dome = next((light for light in self._lights if light.GetTypeName() == "DomeLight"), None)
        if key is None or dome is None:
            return StageSnapshot(shapes, links, lit)
        direction = quat_rotate(_pose(cache, key)[0].quat_wxyz, (0.0, 0.0, -1.0))
        strengths = _strength(key, NOMINAL_KEY), _strength(dome, NOMINAL_DOME)
        return StageSnapshot(shapes, links, lit, tuple(direction.tolist()), *strengths)

    def _find(self, stage: Any) -> None:
        prims = list(Usd.PrimRange(stage.GetPseudoRoot(), Usd.TraverseInstanceProxies()))
        robots = [str(prim.GetPath()) for prim in prims if prim.HasAPI(UsdPhysics.ArticulationRootAPI)]
        self._links = [
            prim for prim in prims if prim.GetName() in SIMULATED_LINKS and str(prim.GetParent().GetPath()) in robots
        ]
        inside = [f"{robot}/" for robot in robots] if self._links else []  # drawn as what a Panda looks like
        self._gprims = [
            prim
            for prim in prims
            if prim.IsA(UsdGeom.Gprim)
            and _is_drawn(prim)
            and not any(str(prim.GetPath()).startswith(robot) for robot in inside)
        ]
        self._lights = [prim for prim in prims if prim.HasAPI(UsdLux.LightAPI)]
        self._colours = {prim: _colour(prim) for prim in self._gprims}

    def _shape(self, prim: Any, cache: Any) -> Shape:
        pose, scale = _pose(cache, prim)
        if prim.GetTypeName() in _SHAPES:
            kind, size, turn = shape_of(prim, scale)
            return Shape(kind, size, pose @ turn, self._colours[prim])
        lower, upper = (np.array(corner) for corner in UsdGeom.Boundable(prim).GetExtentAttr().Get())
        centre, half = (lower + upper) / 2 * scale, (upper - lower) / 2 * scale
        return Shape("box", tuple(half), pose @ Pose(centre), self._colours[prim])


def camera_view(prim: Any, aspect: float) -> View:
    """aspect: width over height of the picture; its pixels are square, whatever the vertical aperture."""
    camera = UsdGeom.Camera(prim)
    pose, _ = _pose(UsdGeom.XformCache(Usd.TimeCode.Default()), prim)
    half_width = camera.GetHorizontalApertureAttr().Get() / camera.GetFocalLengthAttr().Get() / 2
    near_m, far_m = camera.GetClippingRangeAttr().Get()
    return View(pose, half_width, half_width / aspect, float(near_m), float(far_m))


def _pose(cache: Any, prim: Any) -> tuple[Pose, np.ndarray]:
    return pose_and_scale(cache.GetLocalToWorldTransform(prim))


def _is_drawn(prim: Any) -> bool:
    return UsdGeom.Imageable(prim).ComputePurpose() in (UsdGeom.Tokens.default_, UsdGeom.Tokens.render)


def _is_visible(prim: Any) -> bool:
    return UsdGeom.Imageable(prim).ComputeVisibility() != UsdGeom.Tokens.invisible


def _shines(light: Any) -> bool:
    return _is_visible(light) and (UsdLux.LightAPI(light).GetIntensityAttr().Get() or 0.0) > 0


def _strength(light: Any, nominal: float) -> RGB:
    api = UsdLux.LightAPI(light)
    factor = float(api.GetIntensityAttr().Get()) / nominal
    red, green, blue = (factor * float(channel) for channel in api.GetColorAttr().Get())
    return red, green, blue


def _colour(prim: Any) -> RGB:
    material, _ = UsdShade.MaterialBindingAPI(prim).ComputeBoundMaterial()
    if material:
        for child in Usd.PrimRange(material.GetPrim()):
            shader = UsdShade.Shader(child)
            for name in ("diffuseColor", "diffuse_color_constant"):
                value = shader.GetInput(name).Get() if shader and shader.GetInput(name) else None
                if value is not None:
                    return _texture_colour(shader.GetInput(name)) or _rgb(value)
    colours = UsdGeom.Gprim(prim).GetDisplayColorAttr().Get()
    return _rgb(colours[0]) if colours else _GREY


def _texture_colour(shader_input: Any) -> RGB | None:
    """Of a connected picture without a colour space of its own: its mean."""
    if not shader_input.HasConnectedSource():
        return None
    source, _, _ = shader_input.GetConnectedSource()
    shader = UsdShade.Shader(source.GetPrim())
    file = shader.GetInput("file").Get().path
    if not file:
        return None
    assert shader.GetInput("sourceColorSpace").Get() == "raw"
    with Image.open(file) as picture:
        red, green, blue = (np.asarray(picture.convert("RGB")).reshape(-1, 3).mean(axis=0) / 255).tolist()
    return red, green, blue


def _rgb(value: Any) -> RGB:
    red, green, blue = (float(channel) for channel in value)
    return red, green, blue
