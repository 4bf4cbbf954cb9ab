"""What a scene changes of the compiled model besides its objects: table, lights, cameras, servos."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final

import mujoco
import numpy as np

from collectors.cameras import Camera
from collectors.geometry import Array, quat_from_matrix
from collectors.scene import Light, Plant, Scene, Table
from collectors.table_texture import table_texture
from sim_service.mujoco_sim import lighting
from sim_service.mujoco_sim.bounding_boxes import refit_boxes
from sim_service.mujoco_sim.panda_mjcf import ARM_JOINTS, FINGER_JOINTS
from sim_service.mujoco_sim.scene_mjcf import TABLE_GEOM, TABLE_LEG_GEOMS, TABLE_TEXTURE, key_light_position

_STIFFNESS: Final = 1  # in a position servo's biasprm: 0, -stiffness, -damping (MuJoCo's XML reference, "position")
_WORLD: Final = 0  # the body that the table's shapes are part of


class Surroundings:
    """`set_up` makes the model what the scene says, whatever it was before."""

    def __init__(self, model: mujoco.MjModel, cameras: Sequence[Camera]) -> None:
        """model: as it was compiled. cameras: of the run."""
        self._model, self._cameras = model, tuple(cameras)
        self._table = [int(model.geom(name).id) for name in (TABLE_GEOM, *TABLE_LEG_GEOMS)]
        self._table_m = model.geom_pos[self._table].copy()
        self._wood = int(model.material("wood").id)
        textures = [number for number in range(model.ntex) if model.texture(number).name == TABLE_TEXTURE]
        self._texture = textures[0] if textures else None
        self._servos = [int(model.actuator(name).id) for name in (*ARM_JOINTS, *FINGER_JOINTS)]
        self._gains = model.actuator_gainprm[self._servos].copy()
        self._biases = model.actuator_biasprm[self._servos].copy()
        self._key = int(model.light("key").id)
        # As they were compiled: the quaternion that MuJoCo makes of axes is another one in its last bits.
        self._quats = {camera: model.cam_quat[int(model.camera(camera.name).id)].copy() for camera in cameras}
        self._shown: tuple[Table, Light, tuple[Camera, ...]] | None = None

    @property
    def texture(self) -> int | None:
        """Number of the texture that `set_up` may change; None where the run has none."""
        return self._texture

    def adapt(self, table: Table) -> bool:
        """Raise the table to its height; returns whether it is another one than before, which enters into what MuJoCo
        derives (`mj_setConst`)."""
        heights_m = self._table_m + (0.0, 0.0, table.height_m)
        if np.array_equal(self._model.geom_pos[self._table], heights_m):
            return False
        self._model.geom_pos[self._table] = heights_m
        refit_boxes(self._model, _WORLD)
        return True

    def set_up(self, scene: Scene) -> bool:
        """All but the table's height. Returns whether the texture is another one now."""
        cameras = scene.cameras or self._cameras
        self._set_plant(scene.plant)
        before, wanted = self._shown, (scene.table, scene.light, cameras)
        if before == wanted:
            return False
        self._shown = None  # until all of it is set up
        self._set_light(scene.light)
        for camera in cameras:
            self._set_camera(camera)
        is_new_texture = self._set_table(scene.table, None if before is None else before[0])
        self._shown = wanted
        return is_new_texture

    def _set_table(self, table: Table, before: Table | None) -> bool:
        model = self._model
        if self._texture is None:
            if table.texture != "plain":
                raise ValueError(f"the table's texture {table.texture!r} needs a run with textures")
            model.mat_rgba[self._wood, :3] = table.rgb
            return False
        if table == before:
            return False
        pixels = table_texture(table)
        address, size = int(model.tex_adr[self._texture]), pixels.size
        model.tex_data[address : address + size] = pixels.reshape(-1)
        return True

    def _set_light(self, light: Light) -> None:
        model = self._model
        direction = lighting.key_direction(light)
        tint = light.intensity * np.asarray(light.rgb)
        model.light_dir[self._key] = direction
        model.light_pos[self._key] = key_light_position(direction)
        model.light_diffuse[self._key] = lighting.KEY_DIFFUSE * tint
        model.light_specular[self._key] = lighting.KEY_SPECULAR * tint
        model.vis.headlight.ambient[:] = lighting.AMBIENT * tint
        model.vis.headlight.diffuse[:] = lighting.HEADLIGHT_DIFFUSE * tint

    def _set_camera(self, camera: Camera) -> None:
        model, number = self._model, int(self._model.camera(camera.name).id)
        model.cam_pos[number] = camera.position_m
        model.cam_quat[number] = self._quats[camera] if camera in self._quats else camera_quat(camera)
        model.cam_fovy[number] = math.degrees(camera.vertical_fov_rad)

    def _set_plant(self, plant: Plant) -> None:
        self._model.actuator_gainprm[self._servos] = plant.gain * self._gains
        self._model.actuator_biasprm[self._servos, _STIFFNESS] = plant.gain * self._biases[:, _STIFFNESS]


def camera_quat(camera: Camera) -> Array:
    """Orientation in the parent's frame of a camera in MuJoCo's axes: x right, y up, looking along -z."""
    forward = np.asarray(camera.forward) / np.linalg.norm(camera.forward)
    up = np.asarray(camera.up) - forward * float(np.asarray(camera.up) @ forward)
    up = up / np.linalg.norm(up)
    return quat_from_matrix(np.stack([np.cross(forward, up), up, -forward], axis=1))
