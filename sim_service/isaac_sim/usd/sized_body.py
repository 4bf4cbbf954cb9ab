"""A rigid body whose size and mass change from episode to episode, while physics runs.

omni.physx (107.3 and 110.0, usdLoad/PrimUpdate.cpp) takes no notice of a collider's new size, radius or height, and
makes a collider anew that is scaled. Of the colliders that a body had when a physics view took hold of it none may go:
every view dies with it, the robot's too (omni.physx.tensors, BaseRigidBodyView.cpp, BaseSimulationView.cpp). So a body
keeps the collider that it was authored with, switched off and unseen where an episode wants another size, and gets one
of that episode's own. It comes while physics runs, and has to be gone before physics starts: so no view knows of it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

from pxr import Gf, Usd, UsdGeom, UsdPhysics

from collectors.distractors import SLOT_SHAPES, distractor_mass_kg
from collectors.geometry import Pose
from collectors.inertia import solid_inertia
from collectors.objects import ObjectKind
from sim_service.isaac_sim.usd import paths
from sim_service.isaac_sim.usd.materials import bind_surface, surface
from sim_service.isaac_sim.usd.shapes import author_box, author_cylinder

Size = tuple[float, float, float]

DISTRACTOR_SIZE_M: Final = (0.04, 0.04, 0.04)  # while it is parked
_CENTRE: Final = Pose((0.0, 0.0, 0.0))

# What UsdPhysics.MassAPI has where nothing is said: then the engine takes these from shape and mass.
_NO_INERTIA: Final = Gf.Vec3f(0.0)
_NO_AXES: Final = Gf.Quatf(0.0)
_NO_CENTRE: Final = Gf.Vec3f(float("-inf"))


@dataclass(frozen=True)
class SizedBody:
    """shape: of its collider. size_m, mass_kg: as it was authored."""

    path: str
    shape: Literal["box", "cylinder"]
    size_m: Size
    mass_kg: float

    def adapt(self, stage: Usd.Stage, size_m: Size, mass_kg: float) -> None:
        """Collider, look, mass and inertia, from the next step on; nothing is touched that is right already."""
        self._resize(stage, size_m)
        self._weigh(stage, size_m, mass_kg)

    def adapt_back(self, stage: Usd.Stage) -> None:
        """As it was authored."""
        self.adapt(stage, self.size_m, self.mass_kg)

    def author_shape(self, stage: Usd.Stage, name: str, size_m: Size) -> Usd.Prim:
        """A collider below the body."""
        path = f"{self.path}/{name}"
        if self.shape == "cylinder":
            shape = author_cylinder(stage, path, size_m[0] / 2, size_m[2], _CENTRE)
        else:
            shape = author_box(stage, path, size_m, _CENTRE)
        UsdPhysics.CollisionAPI.Apply(shape)
        return shape

    def _resize(self, stage: Usd.Stage, size_m: Size) -> None:
        path = f"{self.path}/{paths.EPISODE_COLLISION}"
        present = stage.GetPrimAtPath(path)
        other = size_m != self.size_m
        if not present and not other:
            return
        if present and not (other and self._size_of(present) == size_m):
            stage.RemovePrim(path)
            present = None
        if other and not present:
            shape = self.author_shape(stage, paths.EPISODE_COLLISION, size_m)
            bind_surface(shape, surface(stage, stage.GetPrimAtPath(self.path).GetName()))
        authored = stage.GetPrimAtPath(f"{self.path}/{paths.COLLISION}")
        UsdPhysics.CollisionAPI(authored).CreateCollisionEnabledAttr().Set(not other)
        look = UsdGeom.Imageable(authored)
        look.CreateVisibilityAttr().Set(UsdGeom.Tokens.invisible if other else UsdGeom.Tokens.inherited)

    def _weigh(self, stage: Usd.Stage, size_m: Size, mass_kg: float) -> None:
        """With an inertia of its own wherever it differs: the engine would count the collider that is off, too."""
        mass = UsdPhysics.MassAPI(stage.GetPrimAtPath(self.path))
        mass.GetMassAttr().Set(mass_kg)
        if (size_m, mass_kg) != (self.size_m, self.mass_kg):
            inertia = solid_inertia(size_m, mass_kg, self.shape == "cylinder")
            mass.CreateDiagonalInertiaAttr().Set(Gf.Vec3f(*inertia))
            mass.CreatePrincipalAxesAttr().Set(Gf.Quatf(1.0))
            mass.CreateCenterOfMassAttr().Set(Gf.Vec3f(0.0))
        elif mass.GetDiagonalInertiaAttr().HasAuthoredValue():
            mass.GetDiagonalInertiaAttr().Set(_NO_INERTIA)
            mass.GetPrincipalAxesAttr().Set(_NO_AXES)
            mass.GetCenterOfMassAttr().Set(_NO_CENTRE)

    def _size_of(self, shape: Usd.Prim) -> Size:
        if self.shape == "cylinder":
            cylinder = UsdGeom.Cylinder(shape)
            across, along = 2 * cylinder.GetRadiusAttr().Get(), cylinder.GetHeightAttr().Get()
            return across, across, along
        x, y, z = shape.GetAttribute("xformOp:scale").Get()
        return x, y, z


def object_body(kind: ObjectKind) -> SizedBody:
    """kind: as the run has it."""
    return SizedBody(paths.object_path(kind), kind.shape, kind.size_m, kind.mass_kg)


def distractor_body(slot: int) -> SizedBody:
    shape: Literal["box", "cylinder"] = "cylinder" if SLOT_SHAPES[slot] == "cylinder" else "box"
    return SizedBody(paths.distractor_path(slot), shape, DISTRACTOR_SIZE_M, distractor_mass_kg(slot, DISTRACTOR_SIZE_M))
