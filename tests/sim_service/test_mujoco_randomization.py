"""What a varied scene changes of the compiled model: all of it, and nothing of it stays for the next scene."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import mujoco
import numpy as np
import pytest
from simulator_contract import BLIND, scene

from collectors.cameras import CAMERAS
from collectors.distractors import SLOT_SHAPES
from collectors.franka import FINGER_CLOSED_M, FINGER_OPEN_M, HOME_RAD
from collectors.geometry import Pose, quat_about_axis
from collectors.objects import CUBE, YCB, ObjectError
from collectors.randomization import MAX_DISTRACTORS, PRESETS, TEXTURES
from collectors.scene import TABLE_SURFACE_Z_M, Distractor, Light, Plant, Scene, Table
from collectors.simulator import Action, Tick
from collectors.tasks.pick_place import PickPlace
from collectors.variation import draw_variation
from sim_service.mujoco_sim.distractor_slot import DistractorSlot
from sim_service.mujoco_sim.distractors_mjcf import distractor_name
from sim_service.mujoco_sim.object_slot import ObjectSlot
from sim_service.mujoco_sim.presets import QUALITY
from sim_service.mujoco_sim.scene_mjcf import TABLE_GEOM, scene_xml
from sim_service.mujoco_sim.simulator import MujocoSimulator
from sim_service.simulators import SimulatorSettings

FULL = PRESETS["full"]
CROWDED = replace(FULL, distractors=(MAX_DISTRACTORS, MAX_DISTRACTORS))
SETTINGS = SimulatorSettings.of(30, False, "fast", FULL)
# Dropped on an edge, so that the object slides and turns over.
NOMINAL = scene(CUBE, object_pose=Pose((0.5, 0.1, TABLE_SURFACE_Z_M + 0.035), quat_about_axis((1, 2, 0), 0.4)))


@pytest.fixture(scope="module")
def simulator() -> Iterator[MujocoSimulator]:
    opened = MujocoSimulator(SETTINGS)
    yield opened
    opened.close()


def drawn(index: int, crowded: bool = False) -> Scene:
    seed = (4, index, 0)
    variation = draw_variation(CROWDED if crowded else FULL, seed)
    return PickPlace((CUBE,)).draw(np.random.default_rng(seed), variation).scene


def constants(simulator: MujocoSimulator) -> dict[str, Any]:
    """Every number of the model that an episode may depend on; the colour of what is not drawn is none."""
    model = simulator._model
    arrays = {name: getattr(model, name) for name in dir(model) if isinstance(getattr(model, name), np.ndarray)}
    drawn_geoms = model.geom_group < 4
    arrays["geom_rgba"] = model.geom_rgba[drawn_geoms]
    arrays |= {f"stat.{name}": getattr(model.stat, name) for name in ("meaninertia", "meanmass", "extent", "center")}
    arrays |= {f"light.{name}": getattr(model.vis.headlight, name) for name in ("ambient", "diffuse", "specular")}
    return {name: np.array(value) for name, value in arrays.items()}


def different(one: dict[str, Any], other: dict[str, Any]) -> list[str]:
    """Boxes may differ by rounding, as compiled and as fitted anew: they only say what is looked at. No camera and no
    light follows a centre of mass."""
    assert one.keys() == other.keys()
    np.testing.assert_allclose(one["bvh_aabb"], other["bvh_aabb"], atol=1e-12)
    names = one.keys() - {"bvh_aabb", "cam_poscom0", "light_poscom0"}
    return [name for name in names if not np.array_equal(one[name], other[name])]


def trajectory(simulator: MujocoSimulator, what: Scene) -> list[bytes]:
    """Everything that the simulator has in a short episode with contacts, and both pictures at its end."""
    simulator.reset(what)
    target = np.array(what.arm_rad) + (0.3, 0.25, 0.1, -0.2, 0.1, 0.1, 0.2)
    seen = []
    for tick in range(24):
        simulator.command(Action(target, FINGER_CLOSED_M if tick > 4 else FINGER_OPEN_M))
        simulator.advance(Tick(images=tick == 23))
        data = simulator._data
        seen.append(data.qpos.tobytes() + data.qvel.tobytes() + data.xpos.tobytes())
    return [*seen, *(picture.tobytes() for picture in simulator.observe(images=True).images.values())]


def test_a_scene_is_set_up_whatever_the_one_before_was(simulator: MujocoSimulator) -> None:
    """To the last bit, in the whole motion and in the pictures: as in a simulator that has seen nothing else."""
    for before, after in ((drawn(0), drawn(1, crowded=True)), (drawn(1, crowded=True), drawn(2)), (drawn(3), NOMINAL)):
        trajectory(simulator, before)
        found = trajectory(simulator, after)
        fresh = MujocoSimulator(SETTINGS)
        expected = trajectory(fresh, after)
        fresh.close()
        assert found == expected
        assert trajectory(simulator, before) != expected


def test_nothing_of_a_scene_is_left_in_the_model(simulator: MujocoSimulator) -> None:
    fresh = MujocoSimulator(SETTINGS)
    for index in range(6):
        simulator.reset(drawn(index, crowded=index % 2 == 0))
        simulator.reset(NOMINAL if index % 3 == 0 else drawn(index + 20))
        fresh.reset(NOMINAL)
        fresh.reset(NOMINAL if index % 3 == 0 else drawn(index + 20))
        assert not different(constants(simulator), constants(fresh))
    fresh.close()


@pytest.mark.parametrize(
    "changes",
    [
        {"friction": 0.4},
        {"plant": Plant(gain=0.8)},
        {"table": Table(height_m=0.02)},
        {"table": Table(rgb=(0.3, 0.3, 0.5))},
        {"table": Table(texture="checker", texture_seed=3)},
        {"light": Light(turn_rad=(0.3, -0.2))},
        {"light": Light(intensity=0.7)},
        {"light": Light(kelvin=4000.0, rgb=(1.2, 0.95, 0.6))},
        {"cameras": tuple(replace(camera, horizontal_fov_rad=1.2) for camera in CAMERAS)},
        {"cameras": tuple(replace(camera, position_m=(0.06, 0.01, 0.03)) for camera in CAMERAS)},
        {"kind": replace(CUBE, size_m=(0.05,) * 3, grasp_below_top_m=0.025)},
        {"kind": replace(CUBE, mass_kg=0.4)},
        {"distractors": (Distractor(1, (0.03, 0.03, 0.05), Pose((0.4, 0.2, 0.435)), (0.1, 0.2, 0.8)),)},
        {"arm_rad": tuple(np.add(HOME_RAD, 0.04).tolist())},
    ],
    ids=lambda changes: "-".join(changes),
)
def test_each_thing_matters_and_is_gone_again(simulator: MujocoSimulator, changes: dict[str, Any]) -> None:
    nominal = trajectory(simulator, NOMINAL)
    changed = trajectory(simulator, replace(NOMINAL, **changes))
    assert changed != nominal
    assert trajectory(simulator, NOMINAL) == nominal


def test_shapes_have_the_bounds_and_masses_that_mujoco_compiles_for_them(simulator: MujocoSimulator) -> None:
    """A model that is compiled with this scene's sizes, masses and table height has the same numbers throughout."""
    for index in range(4):
        what = drawn(index, crowded=True)
        simulator.reset(what)
        spec = mujoco.MjSpec.from_string(scene_xml((CUBE,), CAMERAS, QUALITY["fast"], MAX_DISTRACTORS, True))
        for name, size_m in {
            CUBE.name: what.kind.size_m,
            **{distractor_name(d.slot): d.size_m for d in what.distractors},
        }.items():
            body = spec.body(name)
            for geom in body.geoms:
                x, y, z = (edge / 2 for edge in size_m)
                geom.size = (x, z, 0) if geom.type == mujoco.mjtGeom.mjGEOM_CYLINDER else (x, y, z)
        spec.body(CUBE.name).mass = what.kind.mass_kg
        spec.body(CUBE.name).inertia = [what.kind.mass_kg * what.kind.size_m[0] ** 2 / 6] * 3
        for geom in spec.worldbody.geoms:
            if geom.name.startswith(TABLE_GEOM):
                geom.pos = geom.pos + (0, 0, what.table.height_m)
        compiled = spec.compile()
        mine = simulator._model
        for name in (
            *("geom_size", "geom_rbound", "geom_aabb", "geom_pos", "bvh_aabb", "body_mass", "body_inertia"),
            *("body_subtreemass", "body_invweight0", "dof_invweight0", "dof_M0", "actuator_acc0", "body_contype"),
        ):
            wanted, found = getattr(compiled, name), getattr(mine, name)
            np.testing.assert_allclose(found, wanted, rtol=1e-5, atol=1e-9, err_msg=name)


def test_gains_scale_the_stiffness_of_every_servo(simulator: MujocoSimulator) -> None:
    simulator.reset(NOMINAL)
    gains, biases = simulator._model.actuator_gainprm.copy(), simulator._model.actuator_biasprm.copy()
    for gain in (0.8, 1.2):
        simulator.reset(replace(NOMINAL, plant=Plant(gain=gain)))
        np.testing.assert_array_equal(simulator._model.actuator_gainprm, gain * gains)
        np.testing.assert_array_equal(simulator._model.actuator_biasprm[:, 1], gain * biases[:, 1])
        np.testing.assert_array_equal(simulator._model.actuator_biasprm[:, 2], biases[:, 2])  # damping


@pytest.mark.parametrize("height_m", [-0.03, 0.0, 0.03])
def test_an_object_stands_on_a_table_of_any_height(simulator: MujocoSimulator, height_m: float) -> None:
    """Also where the one before was another one, and nothing else differs."""
    for before_m in (0.03, -0.03):
        simulator.reset(replace(NOMINAL, table=Table(height_m=before_m)))
        pose = Pose((0.5, 0.1, TABLE_SURFACE_Z_M + height_m + CUBE.size_m[2] / 2 + 0.01))
        simulator.reset(replace(NOMINAL, table=Table(height_m=height_m), object_pose=pose))
        for _ in range(45):
            simulator.advance(BLIND)
        resting_z_m = simulator.observe().object_to_world.position[2] - CUBE.size_m[2] / 2
        assert resting_z_m == pytest.approx(TABLE_SURFACE_Z_M + height_m, abs=2e-4)


def test_distractors_stand_where_they_are_put(simulator: MujocoSimulator) -> None:
    """Whether or not they were there in the scenes before, and whether or not their sizes are the same again."""
    crowded = drawn(7, crowded=True)
    for before in (drawn(2), NOMINAL, replace(crowded, distractors=()), crowded):
        simulator.reset(before)
        simulator.reset(crowded)
        for _ in range(45):
            simulator.advance(BLIND)
        for distractor in crowded.distractors:
            body = simulator._data.body(distractor_name(distractor.slot))
            np.testing.assert_allclose(body.xpos, distractor.pose.position, atol=5e-4)
            assert body.cvel[3:] == pytest.approx(0, abs=0.01)


def test_a_parked_distractor_stays_there_and_is_not_drawn(simulator: MujocoSimulator) -> None:
    simulator.reset(drawn(7, crowded=True))
    simulator.reset(NOMINAL)
    names = [distractor_name(slot) for slot in range(MAX_DISTRACTORS)]
    before = [simulator._data.body(name).xpos.copy() for name in names]
    assert len({tuple(position) for position in before}) == MAX_DISTRACTORS
    for _ in range(30):
        simulator.advance(BLIND)
    for name, position in zip(names, before, strict=True):
        np.testing.assert_allclose(simulator._data.body(name).xpos, position, atol=1e-9)
        assert simulator._model.geom_group[simulator._model.geom(name).id] > 2


def test_at_the_start_nothing_touches_the_robot(simulator: MujocoSimulator) -> None:
    """On the highest table, with the largest cube and every start pose: fingers, object and distractors are apart."""
    highest = replace(CROWDED, table_height_m=0.03, cube_edge_m=(0.05, 0.05))
    task, least_m = PickPlace((CUBE,)), np.inf
    robot = {body for body in range(simulator._model.nbody) if simulator._model.body(body).name.startswith("panda")}
    for index in range(40):
        seed = (6, index, 0)
        variation = draw_variation(highest, seed)
        variation = replace(variation, table=replace(variation.table, height_m=abs(variation.table.height_m)))
        what = task.draw(np.random.default_rng(seed), variation).scene
        simulator.reset(what)
        for _ in range(3):
            simulator.advance(BLIND)
        bodies = simulator._model.geom_bodyid[simulator._data.contact.geom]
        assert not any(len(robot.intersection(pair)) for pair in bodies.tolist())
        cube = simulator.observe().object_to_world
        np.testing.assert_allclose(cube.position, what.object_pose.position, atol=2e-4)
        least_m = min(least_m, float(np.linalg.norm(cube.position[:2] - what.object_pose.position[:2])))


def test_friction_is_the_object_s(simulator: MujocoSimulator) -> None:
    """Pushed along the table at the same speed it comes as far as its friction lets it: v^2 / (2 mu g)."""
    for friction in (0.3, 0.5, 0.8):
        simulator.reset(scene(CUBE, friction=friction))
        joint = simulator._model.joint(CUBE.name)
        simulator._data.qvel[joint.dofadr[0]] = -0.4
        start = simulator.observe().object_to_world.position[0]
        for _ in range(45):
            simulator.advance(BLIND)
        slid_m = start - simulator.observe().object_to_world.position[0]
        assert slid_m == pytest.approx(0.4**2 / (2 * friction * 9.81), rel=0.12)


def test_what_the_run_has_not_is_refused_and_leaves_no_trace() -> None:
    plain = MujocoSimulator(SimulatorSettings(render_preset="fast"))
    nominal = trajectory(plain, NOMINAL)
    textured = replace(NOMINAL, table=Table(texture="grain"), light=Light(intensity=0.5))
    for _ in range(2):  # a refusal must not pass for a scene that is set up already
        with pytest.raises(ValueError, match="the table's texture 'grain' needs a run with textures"):
            plain.reset(textured)
    with pytest.raises(ObjectError, match=r"distractors \[2\] are not part of this run, which has 0"):
        plain.reset(replace(NOMINAL, distractors=(Distractor(2, (0.03,) * 3, Pose((0.4, 0.2, 0.425)), (0, 0, 1)),)))
    assert trajectory(plain, NOMINAL) == nominal
    plain.close()


def test_the_size_of_a_published_object_is_fixed() -> None:
    can = YCB["005_tomato_soup_can"]
    model = mujoco.MjModel.from_xml_string(scene_xml((can,), CAMERAS, QUALITY["fast"]))
    with pytest.raises(ValueError, match="the size of 005_tomato_soup_can is fixed"):
        ObjectSlot(model, can, 0).adapt(model, replace(can, size_m=(0.05, 0.05, 0.1)))


def test_every_distractor_has_a_shape_of_its_own_kind() -> None:
    model = mujoco.MjModel.from_xml_string(scene_xml((CUBE,), CAMERAS, QUALITY["fast"], MAX_DISTRACTORS))
    kinds = {"box": mujoco.mjtGeom.mjGEOM_BOX, "cylinder": mujoco.mjtGeom.mjGEOM_CYLINDER}
    for slot, shape in enumerate(SLOT_SHAPES):
        assert model.geom_type[model.geom(distractor_name(slot)).id] == kinds[shape]
        DistractorSlot(model, slot).adapt(model, (0.03, 0.03, 0.05))
        volume = 0.03 * 0.03 * 0.05 * (1 if shape == "box" else np.pi / 4)
        assert model.body(distractor_name(slot)).mass[0] == pytest.approx(800 * volume)


def test_every_texture_is_a_picture_of_its_own(simulator: MujocoSimulator) -> None:
    """And its shades are those of the table's colour."""
    pictures = {}
    for texture in TEXTURES:
        simulator.reset(replace(NOMINAL, table=Table(rgb=(0.3, 0.4, 0.5), texture=texture, texture_seed=5)))
        simulator.advance(Tick(images=True))
        pictures[texture] = simulator.observe(images=True).images["cam_high"].copy()
    assert len({picture.tobytes() for picture in pictures.values()}) == len(TEXTURES)
    for picture in pictures.values():
        top = picture[240:420, 300:420].reshape(-1, 3).mean(axis=0)
        np.testing.assert_allclose(top / top.sum(), np.array((0.3, 0.4, 0.5)) / 1.2, atol=0.03)


def test_a_scene_is_a_value() -> None:
    """So that what it holds is what was set up, whenever it is looked at."""
    with pytest.raises(dataclasses.FrozenInstanceError):
        drawn(1).friction = 0.1  # type: ignore[misc]  # that it cannot is the point
