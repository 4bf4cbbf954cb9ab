"""Off-screen pictures by OpenGL: one context, one scene, every camera of the cell."""

from __future__ import annotations

import importlib
from collections.abc import Sequence

import mujoco
import numpy as np

from collectors.cameras import Camera
from collectors.scene import Scene
from collectors.simulator import Image


class GlRenderer:
    """Renders all cameras at one instant. Belongs to the thread that made it.

    backend: the module of `mujoco` that makes contexts, from `check_gl`.
    """

    def __init__(self, model: mujoco.MjModel, cameras: Sequence[Camera], backend: str, shadows: bool) -> None:
        self._model = model
        self._cameras = tuple(cameras)
        width = max(camera.width_px for camera in cameras)
        height = max(camera.height_px for camera in cameras)
        self._gl = importlib.import_module(f"mujoco.{backend}").GLContext(width, height)
        self._gl.make_current()
        self._context = mujoco.MjrContext(model, mujoco.mjtFontScale.mjFONTSCALE_100)
        mujoco.mjr_setBuffer(mujoco.mjtFramebuffer.mjFB_OFFSCREEN, self._context)
        self._scene = mujoco.MjvScene(model, maxgeom=model.ngeom + 16)
        self._scene.flags[mujoco.mjtRndFlag.mjRND_SHADOW] = shadows
        self._scene.flags[mujoco.mjtRndFlag.mjRND_REFLECTION] = False
        self._scene.flags[mujoco.mjtRndFlag.mjRND_HAZE] = False
        self._option = mujoco.MjvOption()
        self._perturbation = mujoco.MjvPerturb()
        self._views = [_fixed_view(model, camera.name) for camera in cameras]
        self._viewports = [mujoco.MjrRect(0, 0, camera.width_px, camera.height_px) for camera in cameras]
        self._from_below = [np.empty((camera.height_px, camera.width_px, 3), dtype=np.uint8) for camera in cameras]

    def render(self, data: mujoco.MjData) -> dict[str, Image]:
        """One picture per camera of the poses in `data`, whose kinematics must be up to date. Fresh arrays."""
        self._gl.make_current()
        images: dict[str, Image] = {}
        for index, camera in enumerate(self._cameras):
            if index == 0:
                mujoco.mjv_updateScene(
                    self._model,
                    data,
                    self._option,
                    self._perturbation,
                    self._views[0],
                    mujoco.mjtCatBit.mjCAT_ALL,
                    self._scene,
                )
            else:
                mujoco.mjv_updateCamera(self._model, data, self._views[index], self._scene)
            mujoco.mjr_render(self._viewports[index], self._scene, self._context)
            mujoco.mjr_readPixels(self._from_below[index], None, self._viewports[index], self._context)
            images[camera.name] = self._from_below[index][::-1].copy()
        return images

    def update_texture(self, number: int) -> None:
        """The model has other pixels in a texture now."""
        self._gl.make_current()
        mujoco.mjr_uploadTexture(self._model, self._context, number)

    def set_up(self, scene: Scene) -> None:
        """What the model says is what is drawn."""

    def close(self) -> None:
        self._gl.make_current()
        self._context.free()
        self._gl.free()


def _fixed_view(model: mujoco.MjModel, name: str) -> mujoco.MjvCamera:
    view = mujoco.MjvCamera()
    view.type = mujoco.mjtCamera.mjCAMERA_FIXED
    view.fixedcamid = model.camera(name).id
    return view
