"""What PhysX would make of a stage, as a MuJoCo model: the Panda, free bodies, static colliders."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from typing import Any, Final
from xml.etree.ElementTree import Element, tostring

import numpy as np
from pxr import Usd, UsdGeom, UsdPhysics, UsdShade

from collectors.geometry import Pose
from isaac_standin.stage_poses import pose_and_scale
from sim_service.mujoco_sim.mjcf import element
from sim_service.mujoco_sim.panda_look import PandaLook
from sim_service.mujoco_sim.panda_mjcf import (
    ARM_JOINTS,
    FINGER_JOINTS,
    panda_actuators,
    panda_body,
    panda_contact_exclusions,
)

DOF_NAMES: Final = (*ARM_JOINTS, *FINGER_JOINTS)
FINGERS: Final = ("panda_leftfinger", "panda_rightfinger")
SIMULATED_LINKS: Final = (*(f"panda_link{index}" for index in range(8)), "panda_hand", *FINGERS)
INNER_STEPS: Final = 8  # of MuJoCo in one of PhysX

_DEFAULT_FRICTION: Final = 0.5  # PhysX's material without a material
_DEFAULT_DENSITY: Final = 1000.0
_SPARE_HALF_EDGE_M: Final = 0.05
_CONTACT_SOLREF: Final = (0.005, 1.0)  # five inner steps, as in the embedded simulator
_WELD_SOLREF: Final = (0.004, 1.0)
_WELD_SOLIMP: Final = (0.995, 0.9999, 0.0001, 0.5, 2.0)


@dataclass
class StageModel:
    """xml: the MJCF. robot: path of the articulation root, None without one. links: path of a link to its body.
    bodies: path of a free body to its body and joint. colliders: paths of those of free bodies, statics: of all others;
    each is the name of its geom. welds: pairs of paths (link, free body) to the equality.
    gains: stiffness and damping of each dof as the stage has them, SI units, shape (9,) each."""

    xml: str = ""
    robot: str | None = None
    links: dict[str, str] = field(default_factory=dict)
    bodies: dict[str, str] = field(default_factory=dict)
    colliders: list[str] = field(default_factory=list)
    statics: list[str] = field(default_factory=list)
    welds: dict[tuple[str, str], str] = field(default_factory=dict)
    start: dict[str, Pose] = field(default_factory=dict)
    gains: tuple[np.ndarray, np.ndarray] = (np.zeros(0), np.zeros(0))


def stage_model(stage: Any, steps_per_second: int, gravity_m_s2: np.ndarray) -> StageModel:
    return _Builder(stage).build(steps_per_second, gravity_m_s2)


class _Builder:
    def __init__(self, stage: Any) -> None:
        self._stage = stage
        self._cache = UsdGeom.XformCache(Usd.TimeCode.Default())
        self._model = StageModel()

    def build(self, steps_per_second: int, gravity_m_s2: np.ndarray) -> StageModel:
        model = self._model
        world: list[Element] = []
        prims = list(Usd.PrimRange(self._stage.GetPseudoRoot(), Usd.TraverseInstanceProxies()))
        roots = [prim for prim in prims if prim.HasAPI(UsdPhysics.ArticulationRootAPI)]
        if len(roots) > 1:
            raise NotImplementedError(
                f"the stand-in simulates one robot, not {[str(root.GetPath()) for root in roots]}"
            )
        world.extend(self._robot(root) for root in roots)
        for prim in prims:
            if prim.HasAPI(UsdPhysics.RigidBodyAPI) and not self._is_link(prim):
                world.append(self._free_body(prim))
            elif prim.HasAPI(UsdPhysics.CollisionAPI) and self._body_above(prim) is None and is_solid(prim):
                model.statics.append(str(prim.GetPath()))
                world.append(self._geom(prim, Pose((0, 0, 0)), mass_kg=None))
        actuators, exclusions, equalities = self._robot_parts()
        root = element(
            "mujoco",
            element("compiler", angle="radian", autolimits=True),
            element(
                "option",
                timestep=1 / steps_per_second / INNER_STEPS,
                gravity=gravity_m_s2,
                integrator="implicitfast",
                cone="elliptic",
                impratio=10,
            ),
            element("default", element("geom", solref=_CONTACT_SOLREF)),
            element("worldbody", *world),
            element("contact", *exclusions),
            element("equality", *equalities),
            element("actuator", *actuators),
            model="stage",
        )
        model.xml = tostring(root, encoding="unicode")
        return model

    def _robot_parts(self) -> tuple[list[Element], list[Element], list[Element]]:
        if self._model.robot is None:
            return [], [], []
        actuators = list(panda_actuators())
        for actuator in actuators:
            actuator.attrib.pop("ctrlrange")  # a drive of PhysX takes any target
        equalities = []
        for link, link_body in self._model.links.items():
            for path, body in self._model.bodies.items():
                name = f"{link} {path}"
                self._model.welds[link, path] = name
                equalities.append(
                    element(
                        "weld",
                        name=name,
                        body1=link_body,
                        body2=body,
                        active=False,
                        solref=_WELD_SOLREF,
                        solimp=_WELD_SOLIMP,
                    )
                )
        return actuators, list(panda_contact_exclusions()), equalities

    def _robot(self, root: Any) -> Element:
        path = str(root.GetPath())
        found = {child.GetName() for child in root.GetAllChildren() if child.HasAPI(UsdPhysics.RigidBodyAPI)}
        missing = sorted(set(SIMULATED_LINKS) - found)
        if missing:
            raise NotImplementedError(f"the stand-in simulates the Panda; the articulation {path} lacks {missing}")
        self._model.robot = path
        self._model.links = {f"{path}/{name}": name for name in SIMULATED_LINKS}
        self._model.start = {
            str(child.GetPath()): self._pose(child)[0] for child in root.GetAllChildren() if child.GetName() in found
        }
        self._model.gains = self._gains(root)
        body = panda_body(PandaLook((), defaultdict(tuple)), ())
        base = self._model.start[f"{path}/panda_link0"]
        body.set("pos", " ".join(map(repr, base.position.tolist())))
        body.set("quat", " ".join(map(repr, base.quat_wxyz.tolist())))
        return body

    def _gains(self, root: Any) -> tuple[np.ndarray, np.ndarray]:
        joints = {prim.GetName(): prim for prim in Usd.PrimRange(root) if prim.IsA(UsdPhysics.Joint)}
        stiffness, damping = np.zeros(len(DOF_NAMES)), np.zeros(len(DOF_NAMES))
        for index, name in enumerate(DOF_NAMES):
            kind, per_radian = ("angular", 180 / np.pi) if name in ARM_JOINTS else ("linear", 1.0)
            drive = UsdPhysics.DriveAPI.Get(joints[name], kind)
            if drive:
                stiffness[index] = (drive.GetStiffnessAttr().Get() or 0.0) * per_radian
                damping[index] = (drive.GetDampingAttr().Get() or 0.0) * per_radian
        return stiffness, damping

    def _free_body(self, prim: Any) -> Element:
        body = UsdPhysics.RigidBodyAPI(prim)
        path = str(prim.GetPath())
        if body.GetKinematicEnabledAttr().Get() or body.GetRigidBodyEnabledAttr().Get() is False:
            raise NotImplementedError(f"the stand-in simulates free bodies; {path} is kinematic or disabled")
        pose, _ = self._pose(prim)
        colliders = [
            child
            for child in Usd.PrimRange(prim, Usd.TraverseInstanceProxies())
            if child.HasAPI(UsdPhysics.CollisionAPI) and is_solid(child)
        ]
        if not colliders:
            raise NotImplementedError(f"the stand-in simulates bodies with a collider; {path} has none")
        mass_api = UsdPhysics.MassAPI(prim)
        mass_kg = (mass_api.GetMassAttr().Get() or 0.0) if mass_api else 0.0
        geoms = [self._geom(child, pose, mass_kg / len(colliders) if mass_kg else None) for child in colliders]
        self._model.bodies[path] = path
        self._model.colliders += [str(child.GetPath()) for child in colliders]
        geoms.append(_spare(path))
        return element(
            "body", element("freejoint", name=path), *geoms, name=path, pos=pose.position, quat=pose.quat_wxyz
        )

    def _geom(self, prim: Any, body_to_world: Pose, mass_kg: float | None) -> Element:
        """A collider in its body's frame. mass_kg: None by density."""
        shape_to_world, scale = self._pose(prim)
        pose = body_to_world.inverse() @ shape_to_world
        kind, size, turn = shape_of(prim, scale)
        pose = pose @ turn
        weight: dict[str, float] = {"density": _DEFAULT_DENSITY} if mass_kg is None else {"mass": mass_kg}
        friction = (friction_of(prim), 0.01, 0.001)
        return element(
            "geom",
            name=str(prim.GetPath()),
            type=kind,
            size=size,
            pos=pose.position,
            quat=pose.quat_wxyz,
            friction=friction,
            priority=int(mass_kg is not None),  # its friction is that of the contact
            condim=4,
            **weight,
        )

    def _is_link(self, prim: Any) -> bool:
        return self._model.robot is not None and str(prim.GetPath()).startswith(f"{self._model.robot}/")

    def _body_above(self, prim: Any) -> Any:
        while prim and not prim.IsPseudoRoot():
            if prim.HasAPI(UsdPhysics.RigidBodyAPI):
                return prim
            prim = prim.GetParent()
        return None

    def _pose(self, prim: Any) -> tuple[Pose, np.ndarray]:
        return pose_and_scale(self._cache.GetLocalToWorldTransform(prim))


def friction_of(prim: Any) -> float:
    """Of a collider, the dynamic one."""
    material, _ = UsdShade.MaterialBindingAPI(prim).ComputeBoundMaterial("physics")
    physics = UsdPhysics.MaterialAPI(material.GetPrim()) if material else None
    value = physics.GetDynamicFrictionAttr().Get() if physics else None
    return _DEFAULT_FRICTION if value is None else float(value)


def spare_name(body: str) -> str:
    """Of the geom that a collider gets which comes to a body while physics runs."""
    return f"{body} spare"


def _spare(body: str) -> Element:
    """Solid and as large as any may become: MuJoCo compiles by that. `LiveEdits` switches it off."""
    return element(
        "geom",
        name=spare_name(body),
        type="box",
        size=(_SPARE_HALF_EDGE_M,) * 3,
        mass=0,
        priority=1,
        friction=(_DEFAULT_FRICTION, 0.01, 0.001),
        condim=4,
    )


def shape_of(prim: Any, scale: np.ndarray) -> tuple[str, tuple[float, ...], Pose]:
    """MuJoCo's type and size of a USD shape, and the turn from MuJoCo's axes to the shape's."""
    half = np.sqrt(0.5)
    turns = {"X": (half, 0.0, half, 0.0), "Y": (half, -half, 0.0, 0.0), "Z": (1.0, 0.0, 0.0, 0.0)}
    kind = prim.GetTypeName()
    if kind == "Cube":
        edge = UsdGeom.Cube(prim).GetSizeAttr().Get()
        return "box", tuple(float(edge * factor / 2) for factor in scale), Pose((0, 0, 0))
    if kind == "Sphere":
        return "sphere", (float(UsdGeom.Sphere(prim).GetRadiusAttr().Get() * scale.max()),), Pose((0, 0, 0))
    if kind in ("Cylinder", "Capsule"):
        shape = UsdGeom.Cylinder(prim) if kind == "Cylinder" else UsdGeom.Capsule(prim)
        axis = shape.GetAxisAttr().Get()
        along = float(scale["XYZ".index(axis)])
        across = float(max(factor for index, factor in enumerate(scale) if "XYZ"[index] != axis))
        size = (shape.GetRadiusAttr().Get() * across, shape.GetHeightAttr().Get() * along / 2)
        return kind.lower(), size, Pose((0, 0, 0), turns[axis])
    if kind == "Plane":
        return "plane", (0.0, 0.0, 1.0), Pose((0, 0, 0), turns[UsdGeom.Plane(prim).GetAxisAttr().Get()])
    raise NotImplementedError(
        f"the stand-in knows cubes, spheres, cylinders, capsules and planes; {prim.GetPath()} is a {kind}"
    )


def is_solid(prim: Any) -> bool:
    return UsdPhysics.CollisionAPI(prim).GetCollisionEnabledAttr().Get() is not False
