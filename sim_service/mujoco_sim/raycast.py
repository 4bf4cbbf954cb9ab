"""Pictures without OpenGL: one ray a pixel through MuJoCo's own ray caster, shaded in numpy. A last resort."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import mujoco
import numpy as np
from numpy.typing import NDArray

from collectors.cameras import Camera
from collectors.geometry import Array
from collectors.simulator import Image
from sim_service.mujoco_sim import lighting
from sim_service.mujoco_sim.presets import RenderQuality

# The robot as primitives: their normals follow from the point that was hit. Nothing else here has a meaning for rays.
RAYCAST_QUALITY: Final = RenderQuality(
    shadow_map_px=0,
    shadow_box_m=0.65,
    msaa_samples=0,
    robot_segments=0,
    slices=16,
    stacks=8,
    quads=1,
    checker_floor=False,
)
_DRAWN_GROUPS: Final = np.array([1, 1, 1, 0, 0, 0], dtype=np.uint8)  # as mjvOption has it by default
_FAR_M: Final = 100.0
# From MuJoCo 3.5 on the ray caster has one more argument, for normals; where there is one it must be given.
_NO_NORMALS: Final = {"normal": None} if "normal" in (mujoco.mj_multiRay.__doc__ or "") else {}
_UNSET_RGBA: Final = (0.5, 0.5, 0.5, 1.0)  # a geom of this colour takes its material's


class RaycastRenderer:
    """Same cameras, colours and lights as by OpenGL, without shadows and highlights."""

    def __init__(self, model: mujoco.MjModel, cameras: Sequence[Camera]) -> None:
        self._model = model
        self._cameras = tuple(cameras)
        self._rays = [_pixel_directions(camera) for camera in cameras]

    def render(self, data: mujoco.MjData) -> dict[str, Image]:
        """One picture per camera of the poses in `data`, whose kinematics must be up to date. Fresh arrays."""
        base, emission = self._colours()
        images: dict[str, Image] = {}
        for camera, rays in zip(self._cameras, self._rays, strict=True):
            pose = data.camera(camera.name)
            camera_to_world = pose.xmat.reshape(3, 3)
            directions = rays @ camera_to_world.T
            geoms, distances = self._cast(data, pose.xpos, directions)
            hit = geoms >= 0
            points = pose.xpos + directions[hit] * distances[hit, None]
            normals = self._normals(data, geoms[hit], points)
            backwards = camera_to_world[:, 2]  # MuJoCo's cameras look along their -z
            light = lighting.AMBIENT + lighting.HEADLIGHT_DIFFUSE * np.maximum(normals @ backwards, 0.0)
            light += lighting.KEY_DIFFUSE * np.maximum(-(normals @ np.array(lighting.KEY_DIRECTION)), 0.0)
            shaded = base[geoms[hit]] * (light + emission[geoms[hit]])[:, None]
            pixels = np.zeros((len(rays), 3), dtype=np.uint8)
            pixels[hit] = np.rint(255 * np.minimum(shaded, 1.0)).astype(np.uint8)
            images[camera.name] = pixels.reshape(camera.height_px, camera.width_px, 3)
        return images

    def close(self) -> None:
        self._rays = []

    def _colours(self) -> tuple[Array, Array]:
        """RGB, shape (ngeom, 3), and emission, shape (ngeom,), of all geoms by the rule of MuJoCo's visualizer."""
        model = self._model
        has_material = model.geom_matid >= 0
        of_material = has_material & np.all(model.geom_rgba == _UNSET_RGBA, axis=1)
        rgb = np.where(of_material[:, None], model.mat_rgba[model.geom_matid, :3], model.geom_rgba[:, :3])
        emission = np.where(has_material, model.mat_emission[model.geom_matid], 0.0)
        return rgb.astype(np.float64), emission.astype(np.float64)

    def _cast(self, data: mujoco.MjData, origin: Array, directions: Array) -> tuple[NDArray[np.int32], Array]:
        """The first geom along each ray, -1 for none, and the distance to it [m]."""
        count = len(directions)
        geoms = np.empty(count, dtype=np.int32)
        distances = np.empty(count)
        mujoco.mj_multiRay(
            m=self._model,
            d=data,
            pnt=origin,
            vec=directions.reshape(-1),
            geomgroup=_DRAWN_GROUPS,
            flg_static=True,
            bodyexclude=-1,
            geomid=geoms,
            dist=distances,
            nray=count,
            cutoff=_FAR_M,
            **_NO_NORMALS,
        )
        return geoms, distances

    def _normals(self, data: mujoco.MjData, geoms: NDArray[np.int32], points: Array) -> Array:
        """Outward unit normals, shape (n, 3), in the world."""
        normals = np.empty_like(points)
        by_geom = np.argsort(geoms, kind="stable")
        for mine in np.split(by_geom, np.flatnonzero(np.diff(geoms[by_geom])) + 1):
            if not len(mine):
                continue  # of a picture of nothing
            geom = geoms[mine[0]]
            to_world = data.geom_xmat[geom].reshape(3, 3)
            local = (points[mine] - data.geom_xpos[geom]) @ to_world
            kind, size = self._model.geom_type[geom], self._model.geom_size[geom]
            normals[mine] = _local_normals(kind, size, local) @ to_world.T
        return normals


def _pixel_directions(camera: Camera) -> Array:
    """Unit vectors through the centres of all pixels, row by row from the top, in MuJoCo's camera axes (x right, y up,
    z backwards); shape (height * width, 3)."""
    fx, fy, cx, cy = camera.intrinsics()
    columns, rows = np.meshgrid(np.arange(camera.width_px) + 0.5, np.arange(camera.height_px) + 0.5)
    directions = np.stack([(columns - cx) / fx, -(rows - cy) / fy, np.full(columns.shape, -1.0)], axis=-1)
    directions /= np.linalg.norm(directions, axis=-1, keepdims=True)
    return directions.reshape(-1, 3)


def _local_normals(kind: int, size: Array, points: Array) -> Array:
    """Normals at points on the surface of one of MuJoCo's primitives, both in the geom's frame."""
    shapes = mujoco.mjtGeom
    if kind == shapes.mjGEOM_PLANE:
        return np.tile([0.0, 0.0, 1.0], (len(points), 1))
    if kind == shapes.mjGEOM_BOX:
        nearest_face = np.argmax(np.abs(points) / size, axis=1)
        rows = np.arange(len(points))
        normals = np.zeros_like(points)
        normals[rows, nearest_face] = np.sign(points[rows, nearest_face])
        return normals
    if kind == shapes.mjGEOM_ELLIPSOID:
        return _unit(points / size**2)
    radius, half_length = size[0], size[1]
    across = points * (1.0, 1.0, 0.0)
    along = points[:, 2:]
    if kind == shapes.mjGEOM_CAPSULE:
        return _unit(across + (along - np.clip(along, -half_length, half_length)) * (0.0, 0.0, 1.0))
    if kind == shapes.mjGEOM_CYLINDER:
        on_cap = np.abs(along) / half_length > np.linalg.norm(across, axis=1, keepdims=True) / radius
        return _unit(np.where(on_cap, along * (0.0, 0.0, 1.0), across))
    raise ValueError(f"no normals for a geom of type {shapes(kind).name}")


def _unit(vectors: Array) -> Array:
    return np.asarray(vectors / np.linalg.norm(vectors, axis=1, keepdims=True))
