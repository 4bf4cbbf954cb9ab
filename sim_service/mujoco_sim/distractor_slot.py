"""One distractor of the run inside the model: put into the scene, or parked."""

from __future__ import annotations

from typing import Final

import mujoco

from collectors.distractors import SLOT_SHAPES, distractor_mass_kg
from collectors.geometry import Pose
from collectors.inertia import solid_inertia
from collectors.scene import Distractor
from sim_service.mujoco_sim.distractors_mjcf import NOMINAL_SIZE_M, distractor_name
from sim_service.mujoco_sim.geom_size import resize_geom
from sim_service.mujoco_sim.objects_mjcf import PARKED_GROUP

_PARKING_M: Final = (-3.0, 5.0, -1.0)
_SPACING_M: Final = 0.5


class DistractorSlot:
    """Like an object's: a parked one is not drawn, has no contacts and no weight."""

    def __init__(self, model: mujoco.MjModel, slot: int) -> None:
        self.slot = slot
        self._body = int(model.body(distractor_name(slot)).id)
        self._geom = int(model.geom(distractor_name(slot)).id)
        self._address = int(model.joint(distractor_name(slot)).qposadr[0])
        self._size_m: tuple[float, float, float] | None = None
        x, y, z = _PARKING_M
        self._parking = Pose((x, y + slot * _SPACING_M, z))

    def appear(self, model: mujoco.MjModel) -> None:
        """Drawn, solid and heavy from now on, wherever it is."""
        self._set_present(model, present=True)

    def adapt(self, model: mujoco.MjModel, size_m: tuple[float, float, float] | None) -> bool:
        """Give it that size, and the mass of its density; returns whether they are others than before. None: the
        nominal size, since what MuJoCo derives from all masses must not depend on an episode before."""
        size_m = size_m or NOMINAL_SIZE_M
        if size_m == self._size_m:
            return False
        shape = SLOT_SHAPES[self.slot]
        resize_geom(model, self._geom, size_m)
        mass_kg = distractor_mass_kg(self.slot, size_m)
        model.body_mass[self._body] = mass_kg
        model.body_inertia[self._body] = solid_inertia(size_m, mass_kg, shape == "cylinder")
        self._size_m = size_m
        return True

    def place(self, model: mujoco.MjModel, data: mujoco.MjData, distractor: Distractor) -> None:
        self.appear(model)
        model.geom_rgba[self._geom] = (*distractor.rgb, 1.0)
        self._move(data, distractor.pose)

    def park(self, model: mujoco.MjModel, data: mujoco.MjData) -> None:
        self._set_present(model, present=False)
        self._move(data, self._parking)

    def _set_present(self, model: mujoco.MjModel, present: bool) -> None:
        model.geom_group[self._geom] = 0 if present else PARKED_GROUP
        model.geom_contype[self._geom] = int(present)
        model.geom_conaffinity[self._geom] = int(present)
        model.body_gravcomp[self._body] = 0.0 if present else 1.0

    def _move(self, data: mujoco.MjData, pose: Pose) -> None:
        data.qpos[self._address : self._address + 3] = pose.position
        data.qpos[self._address + 3 : self._address + 7] = pose.quat_wxyz
