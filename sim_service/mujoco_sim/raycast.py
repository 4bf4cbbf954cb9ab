"""Pictures without OpenGL: one ray through each pixel, in numpy. A last resort, at a few pictures a second."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

import mujoco
import numpy as np
from numpy.typing import NDArray

from collectors.cameras import Camera
from collectors.geometry import Array
from collectors.scene import Scene
from collectors.simulator import Image
from sim_service.mujoco_sim import lighting, ray_shapes
from sim_service.mujoco_sim.presets import RenderQuality
from sim_service.mujoco_sim.scene_mjcf import TABLE_GEOM

# The robot as primitives, which rays can meet. Nothing else here has a meaning for them.
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
_DRAWN_GROUPS: Final = (0, 1, 2)  # as mjvOption has it by default
_UNSET_RGBA: Final = (0.5, 0.5, 0.5, 1.0)  # a geom of this colour takes its material's


class RaycastRenderer:
    """Same cameras, colours and lights as by OpenGL, without shadows and highlights."""

    def __init__(self, model: mujoco.MjModel, cameras: Sequence[Camera]) -> None:
        self._model = model
        self._cameras = tuple(cameras)
        self._rays = [_pixel_directions(camera) for camera in cameras]
        self._key_direction: Sequence[float] | Array = lighting.KEY_DIRECTION
        self._tint = np.ones(3)
        self._seen = list(cameras)  # as they are in the scene
        self._fovs_rad = [camera.horizontal_fov_rad for camera in cameras]
        self._table = int(model.geom(TABLE_GEOM).id)
        self._table_rgb: Array | None = None

    def render(self, data: mujoco.MjData) -> dict[str, Image]:
        """One picture per camera of the poses in `data`, whose kinematics must be up to date. Fresh arrays."""
        return {
            camera.name: self._picture(data, camera, rays) for camera, rays in zip(self._seen, self._rays, strict=True)
        }

    def update_texture(self, number: int) -> None:
        """Rays see the colour that a texture's shades are of."""

    def set_up(self, scene: Scene) -> None:
        """To be called with each scene that the model is set up for."""
        for number, run in enumerate(self._cameras):
            camera = next((mine for mine in scene.cameras if mine.name == run.name), run)
            if camera.horizontal_fov_rad != self._fovs_rad[number]:
                self._fovs_rad[number] = camera.horizontal_fov_rad
                self._seen[number] = replace(run, horizontal_fov_rad=camera.horizontal_fov_rad)
                self._rays[number] = _pixel_directions(self._seen[number])
        self._key_direction = lighting.key_direction(scene.light)
        self._tint = scene.light.intensity * np.asarray(scene.light.rgb)
        self._table_rgb = np.asarray(scene.table.rgb)

    def close(self) -> None:
        self._rays = []

    def _colours(self) -> tuple[Array, Array]:
        """RGB, shape (ngeom, 3), and emission, shape (ngeom,), of all geoms by the rule of MuJoCo's visualizer."""
        model = self._model
        has_material = model.geom_matid >= 0
        of_material = has_material & np.all(model.geom_rgba == _UNSET_RGBA, axis=1)
        rgb = np.where(of_material[:, None], model.mat_rgba[model.geom_matid, :3], model.geom_rgba[:, :3])
        if self._table_rgb is not None:
            rgb[self._table] = self._table_rgb
        emission = np.where(has_material, model.mat_emission[model.geom_matid], 0.0)
        return rgb.astype(np.float64), emission.astype(np.float64)

    def _picture(self, data: mujoco.MjData, camera: Camera, rays: Array) -> Image:
        seen = _View(data.camera(camera.name).xpos.copy(), data.camera(camera.name).xmat.reshape(3, 3).copy())
        geoms, depths = self._first_hits(data, camera, rays, seen)
        rgb, emission = self._colours()
        pixels = np.zeros((rays.shape[0] * rays.shape[1], 3), dtype=np.uint8)
        flat_rays, flat_depths, flat_geoms = rays.reshape(-1, 3), depths.reshape(-1), geoms.reshape(-1)
        by_geom = np.argsort(flat_geoms, kind="stable")
        for mine in np.split(by_geom, np.flatnonzero(np.diff(flat_geoms[by_geom])) + 1):
            geom = int(flat_geoms[mine[0]])
            if geom < 0:
                continue
            origin, to_geom = seen.in_geom(data, geom)
            points = origin + (flat_rays[mine] * flat_depths[mine, None]) @ to_geom
            normals = ray_shapes.normals(self._model.geom_type[geom], self._model.geom_size[geom], points)
            backwards = to_geom[2]  # MuJoCo's cameras look along their -z
            towards_key = -np.array(self._key_direction) @ data.geom_xmat[geom].reshape(3, 3)
            light = lighting.AMBIENT + lighting.HEADLIGHT_DIFFUSE * np.maximum(normals @ backwards, 0.0)
            light += lighting.KEY_DIFFUSE * np.maximum(normals @ towards_key, 0.0)
            lit = np.multiply.outer(light, self._tint) + emission[geom]
            shaded = np.minimum(lit * rgb[geom], 1.0)
            pixels[mine] = np.rint(255 * shaded).astype(np.uint8)
        return pixels.reshape(camera.height_px, camera.width_px, 3)

    def _first_hits(
        self, data: mujoco.MjData, camera: Camera, rays: Array, seen: _View
    ) -> tuple[NDArray[np.int32], Array]:
        """For each pixel the first geom that its ray meets, -1 for none, and the depth [m] along the camera's axis."""
        model = self._model
        geoms = np.full(rays.shape[:2], -1, dtype=np.int32)
        depths = np.full(rays.shape[:2], np.inf)
        for geom in map(int, np.flatnonzero(np.isin(model.geom_group, _DRAWN_GROUPS))):
            centre = seen.to_world.T @ (data.geom_xpos[geom] - seen.position)
            window = _window(camera, centre, float(model.geom_rbound[geom]))
            origin, to_geom = seen.in_geom(data, geom)
            reach = ray_shapes.distances(model.geom_type[geom], model.geom_size[geom], origin, rays[window] @ to_geom)
            nearer = reach < depths[window]
            depths[window][nearer] = reach[nearer]
            geoms[window][nearer] = geom
        return geoms, depths


@dataclass(frozen=True, eq=False)
class _View:
    """Where a camera is in the world: position [m], shape (3,), and the axes of its frame as columns, shape (3, 3)."""

    position: Array
    to_world: Array

    def in_geom(self, data: mujoco.MjData, geom: int) -> tuple[Array, Array]:
        """The camera's position in a geom's frame, and what turns rows of camera vectors into that frame."""
        geom_to_world = data.geom_xmat[geom].reshape(3, 3)
        return (self.position - data.geom_xpos[geom]) @ geom_to_world, self.to_world.T @ geom_to_world


def _pixel_directions(camera: Camera) -> Array:
    """Directions through the centres of all pixels in MuJoCo's camera axes (x right, y up, z backwards), of depth 1;
    shape (height, width, 3), from the upper left corner."""
    fx, fy, cx, cy = camera.intrinsics()
    columns, rows = np.meshgrid(np.arange(camera.width_px) + 0.5, np.arange(camera.height_px) + 0.5)
    return np.stack([(columns - cx) / fx, -(rows - cy) / fy, np.full(columns.shape, -1.0)], axis=-1)


def _window(camera: Camera, centre: Array, radius: float) -> tuple[slice, slice]:
    """Rows and columns that hold the picture of a ball: none when it is behind the camera, all when the camera is
    beside it, or when it has no bounds, which MuJoCo writes as a radius of 0. centre: in MuJoCo's camera axes [m]."""
    fx, fy, cx, cy = camera.intrinsics()
    near, far = -centre[2] - radius, -centre[2] + radius
    if radius == 0 or near <= 0 < far:
        return slice(None), slice(None)
    if far <= 0:
        return slice(0), slice(0)
    columns = [cx + fx * x / depth for x in (centre[0] - radius, centre[0] + radius) for depth in (near, far)]
    rows = [cy - fy * y / depth for y in (centre[1] - radius, centre[1] + radius) for depth in (near, far)]
    return _span(rows, camera.height_px), _span(columns, camera.width_px)


def _span(edges: list[float], count: int) -> slice:
    first = min(max(int(np.floor(min(edges))), 0), count)
    return slice(first, max(first, min(int(np.ceil(max(edges))), count)))
