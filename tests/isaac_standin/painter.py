"""Pictures of a stage by MuJoCo's renderer, without shadows."""

from __future__ import annotations

import importlib
from typing import Final
from xml.etree.ElementTree import tostring

import numpy as np

from collectors.geometry import matrix_from_quat
from isaac_standin.drawables import Shape, StageSnapshot, View
from sim_service.mujoco_sim import lighting
from sim_service.mujoco_sim.gl import check_gl, import_mujoco
from sim_service.mujoco_sim.mjcf import element
from sim_service.mujoco_sim.panda_look import panda_look

_SEGMENTS: Final = 16
_MAX_SHAPES: Final = 500
_PARTS: Final = {
    **{f"panda_link{index}": f"link{index}" for index in range(8)},
    **{"panda_hand": "hand", "panda_leftfinger": "finger", "panda_rightfinger": "finger"},
}


class Painter:
    """One OpenGL context. Raises RuntimeError where there is no OpenGL."""

    def __init__(self, width_px: int, height_px: int) -> None:
        gl = check_gl()
        if gl.backend is None:
            raise RuntimeError(f"the stand-in draws by OpenGL: {gl.problem}")
        self._mujoco = mujoco = import_mujoco(gl)
        self._model = mujoco.MjModel.from_xml_string(_look_xml(width_px, height_px))
        self._data = mujoco.MjData(self._model)
        self._gl = importlib.import_module(f"mujoco.{gl.backend}").GLContext(width_px, height_px)
        self._gl.make_current()
        self._context = mujoco.MjrContext(self._model, mujoco.mjtFontScale.mjFONTSCALE_100)
        mujoco.mjr_setBuffer(mujoco.mjtFramebuffer.mjFB_OFFSCREEN, self._context)
        self._scene = mujoco.MjvScene(self._model, maxgeom=_MAX_SHAPES)
        for flag in (mujoco.mjtRndFlag.mjRND_SHADOW, mujoco.mjtRndFlag.mjRND_REFLECTION, mujoco.mjtRndFlag.mjRND_HAZE):
            self._scene.flags[flag] = False
        self._option, self._perturbation = mujoco.MjvOption(), mujoco.MjvPerturb()
        self._camera = mujoco.MjvCamera()
        self._mocap = {name: int(self._model.body(name).mocapid[0]) for name in _PARTS}

    def paint(self, snapshot: StageSnapshot, view: View, width_px: int, height_px: int) -> np.ndarray:
        """RGB, uint8, shape (height, width, 3)."""
        if not snapshot.lit:
            return np.zeros((height_px, width_px, 3), dtype=np.uint8)
        mujoco = self._mujoco
        self._gl.make_current()
        for name, index in self._mocap.items():
            pose = snapshot.links.get(name)
            self._data.mocap_pos[index] = pose.position if pose else (0.0, 0.0, -1000.0)
            self._data.mocap_quat[index] = pose.quat_wxyz if pose else (1.0, 0.0, 0.0, 0.0)
        mujoco.mj_kinematics(self._model, self._data)
        mujoco.mj_camlight(self._model, self._data)
        mujoco.mjv_updateScene(
            self._model,
            self._data,
            self._option,
            self._perturbation,
            self._camera,
            mujoco.mjtCatBit.mjCAT_ALL,
            self._scene,
        )
        for shape in snapshot.shapes:
            self._add(shape)
        self._light(snapshot)
        self._look(view)
        viewport = mujoco.MjrRect(0, 0, width_px, height_px)
        from_below = np.empty((height_px, width_px, 3), dtype=np.uint8)
        mujoco.mjr_render(viewport, self._scene, self._context)
        mujoco.mjr_readPixels(from_below, None, viewport, self._context)
        return from_below[::-1]

    def close(self) -> None:
        self._gl.make_current()
        self._context.free()
        self._gl.free()

    def _add(self, shape: Shape) -> None:
        geom = self._scene.geoms[self._scene.ngeom]
        self._mujoco.mjv_initGeom(
            geom,
            getattr(self._mujoco.mjtGeom, f"mjGEOM_{shape.kind.upper()}"),
            np.resize(np.array(shape.size, dtype=np.float64), 3),
            shape.pose.position,
            matrix_from_quat(shape.pose.quat_wxyz).ravel(),
            np.array([*(_displayed(channel) for channel in shape.rgb), 1.0], dtype=np.float32),
        )
        self._scene.ngeom += 1

    def _light(self, snapshot: StageSnapshot) -> None:
        for index in range(self._scene.nlight):
            light = self._scene.lights[index]
            if light.headlight:
                light.ambient = lighting.AMBIENT * np.array(snapshot.dome_rgb)
                light.diffuse = lighting.HEADLIGHT_DIFFUSE * np.array(snapshot.dome_rgb)
            else:
                light.diffuse = lighting.KEY_DIFFUSE * np.array(snapshot.key_rgb)
                if snapshot.key_direction is not None:
                    light.dir = snapshot.key_direction

    def _look(self, view: View) -> None:
        rotation = matrix_from_quat(view.camera_to_world.quat_wxyz)
        near = max(view.near_m, 1e-3)
        for camera in self._scene.camera:  # left and right eye
            camera.pos = view.camera_to_world.position
            camera.forward, camera.up = -rotation[:, 2], rotation[:, 1]
            camera.frustum_center = 0.0
            camera.frustum_width = view.half_width * near
            camera.frustum_top, camera.frustum_bottom = view.half_height * near, -view.half_height * near
            camera.frustum_near, camera.frustum_far = near, min(view.far_m, 1e3)
        for index in range(self._scene.nlight):
            light = self._scene.lights[index]
            if light.headlight:
                light.pos, light.dir = view.camera_to_world.position, -rotation[:, 2]


def _displayed(linear: float) -> float:
    """sRGB, 0 to 1, of linear light: the transfer function of IEC 61966-2-1."""
    return 12.92 * linear if linear <= 0.0031308 else 1.055 * linear ** (1 / 2.4) - 0.055


def _look_xml(width_px: int, height_px: int) -> str:
    look = panda_look(_SEGMENTS)
    ambient, diffuse = (lighting.AMBIENT,) * 3, (lighting.HEADLIGHT_DIFFUSE,) * 3
    root = element(
        "mujoco",
        element("compiler", angle="radian", autolimits=True),
        element(
            "visual",
            element("global", offwidth=width_px, offheight=height_px),
            element("quality", shadowsize=0, offsamples=0, numslices=16, numstacks=8, numquads=1),
            element("headlight", ambient=ambient, diffuse=diffuse, specular=(0, 0, 0)),
        ),
        element("asset", *look.assets),
        element(
            "worldbody",
            element(
                "light",
                directional=True,
                castshadow=False,
                pos=(0, 0, 3),
                dir=lighting.KEY_DIRECTION,
                ambient=(0, 0, 0),
                diffuse=(lighting.KEY_DIFFUSE,) * 3,
                specular=(0, 0, 0),
            ),
            *(element("body", *look.geoms[part], name=name, mocap=True) for name, part in _PARTS.items()),
        ),
        model="look",
    )
    return tostring(root, encoding="unicode")
