"""One object of the run inside the model: put into the scene, parked, welded to the hand."""

from __future__ import annotations

from typing import Final

import mujoco
import numpy as np

from collectors.geometry import Pose
from collectors.inertia import solid_inertia
from collectors.objects import CUBE, ObjectKind
from collectors.scene import Scene
from sim_service.mujoco_sim.geom_size import resize_geom
from sim_service.mujoco_sim.objects_mjcf import PARKED_GROUP, TINTED_MATERIAL, VISIBLE_GROUP, weld_name

# Behind the robot and below the floor: nothing is there.
_PARKING_M: Final = (-3.0, 0.0, -1.0)
_PARKING_SPACING_M: Final = 0.5


class ObjectSlot:
    """An object is either in the scene, or parked: not drawn, without contacts and weightless, so that it neither
    falls nor costs anything. `place` and `park` set up all of it; both want data fresh from a reset."""

    def __init__(self, model: mujoco.MjModel, kind: ObjectKind, number: int) -> None:
        """number: position among the objects of the run, for a parking space of its own."""
        self.kind = kind
        self.body_id = int(model.body(kind.name).id)
        self._position_address = int(model.joint(kind.name).qposadr[0])
        self._weld_id = int(model.equality(weld_name(kind)).id)
        self._weld_data = model.eq_data[self._weld_id].copy()
        geoms = np.flatnonzero(model.geom_bodyid == self.body_id)
        self._solid_geoms = geoms[model.geom_contype[geoms] != 0]
        self._drawn_geoms = geoms[model.geom_contype[geoms] == 0]
        self._tinted_geoms = geoms[model.geom_matid[geoms] == model.material(TINTED_MATERIAL).id]
        x, y, z = _PARKING_M
        self._now = kind.size_m, kind.mass_kg
        self._parking = Pose((x, y + number * _PARKING_SPACING_M, z))

    def place(self, model: mujoco.MjModel, data: mujoco.MjData, scene: Scene) -> None:
        self.appear(model)
        model.geom_rgba[self._tinted_geoms, :3] = scene.object_rgb
        model.geom_friction[self._solid_geoms, 0] = scene.friction
        self._move(model, data, scene.object_pose)

    def appear(self, model: mujoco.MjModel) -> None:
        """Drawn, solid and heavy from now on, wherever it is."""
        self._set_present(model, present=True)

    def adapt(self, model: mujoco.MjModel, kind: ObjectKind) -> bool:
        """Give the object the size and mass of `kind`; returns whether they are others than before. A mass enters into
        what MuJoCo derives from it (`mj_setConst`). Raises ValueError for an object whose size is part of its look."""
        if (kind.size_m, kind.mass_kg) == self._now:
            return False
        if kind.size_m != self.kind.size_m and kind.name != CUBE.name:
            raise ValueError(f"the size of {kind.name} is fixed: {self.kind.size_m} m, got {kind.size_m} m")
        if kind.name == CUBE.name:
            for geom in (*self._solid_geoms, *self._drawn_geoms):
                resize_geom(model, int(geom), kind.size_m)
        model.body_mass[self.body_id] = kind.mass_kg
        model.body_inertia[self.body_id] = solid_inertia(kind.size_m, kind.mass_kg, kind.shape == "cylinder")
        self._now = kind.size_m, kind.mass_kg
        return True

    def park(self, model: mujoco.MjModel, data: mujoco.MjData) -> None:
        self._set_present(model, present=False)
        self._move(model, data, self._parking)

    def weld(self, model: mujoco.MjModel, data: mujoco.MjData, object_to_hand: Pose) -> None:
        """The layout of a weld's data is that of `mjModel.eq_data`: the anchor in the object [0:3], the pose of the
        object in the hand [3:10], the ratio of torque to force [10]."""
        weld = model.eq_data[self._weld_id]
        weld[0:3] = 0.0
        weld[3:6] = object_to_hand.position
        weld[6:10] = object_to_hand.quat_wxyz
        weld[10] = 1.0
        data.eq_active[self._weld_id] = 1

    def unweld(self, data: mujoco.MjData) -> None:
        data.eq_active[self._weld_id] = 0

    def _set_present(self, model: mujoco.MjModel, present: bool) -> None:
        model.geom_group[self._drawn_geoms] = VISIBLE_GROUP if present else PARKED_GROUP
        model.geom_contype[self._solid_geoms] = int(present)
        model.geom_conaffinity[self._solid_geoms] = int(present)
        model.body_gravcomp[self.body_id] = 0.0 if present else 1.0

    def _move(self, model: mujoco.MjModel, data: mujoco.MjData, pose: Pose) -> None:
        address = self._position_address
        data.qpos[address : address + 3] = pose.position
        data.qpos[address + 3 : address + 7] = pose.quat_wxyz
        model.eq_data[self._weld_id] = self._weld_data
