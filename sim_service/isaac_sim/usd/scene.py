"""What one episode changes of the stage besides poses."""

from __future__ import annotations

from collections.abc import Sequence

from pxr import Usd

from collectors.cameras import Camera
from collectors.objects import CUBE, ObjectError, ObjectKind
from collectors.randomization import MAX_DISTRACTORS
from collectors.scene import Scene
from sim_service.isaac_sim.usd.cameras import set_camera
from sim_service.isaac_sim.usd.distractors import dress_distractor
from sim_service.isaac_sim.usd.furniture import set_table
from sim_service.isaac_sim.usd.lights import set_lights
from sim_service.isaac_sim.usd.materials import set_grip
from sim_service.isaac_sim.usd.objects import move_goal, set_object_rgb
from sim_service.isaac_sim.usd.sized_body import distractor_body, object_body


def refuse_scene(scene: Scene, objects: Sequence[ObjectKind], num_distractors: int, textured: bool) -> None:
    """Raises ObjectError and ValueError for a scene that is of another run."""
    kind = next((other for other in objects if other.name == scene.kind.name), None)
    if kind is None:
        names = ", ".join(other.name for other in objects)
        raise ObjectError(f"object {scene.kind.name!r} is not part of this run; its objects: {names}")
    missing = {distractor.slot for distractor in scene.distractors} - set(range(num_distractors))
    if missing:
        raise ObjectError(f"distractors {sorted(missing)} are not part of this run, which has {num_distractors}")
    if scene.table.texture != "plain" and not textured:
        raise ValueError(f"the table's texture {scene.table.texture!r} needs a run with textures")
    if scene.kind.size_m != kind.size_m and kind.name != CUBE.name:
        raise ValueError(f"the size of {kind.name} is fixed: {kind.size_m} m, got {scene.kind.size_m} m")


def dress_stage(
    stage: Usd.Stage,
    scene: Scene,
    objects: Sequence[ObjectKind],
    cameras: Sequence[Camera],
    num_distractors: int,
    texture_file: str,
) -> None:
    """Whatever was there before: sizes, masses, friction, colours, goal, table, lights, cameras. Bodies stay where they
    are. objects, cameras: as the run has them. texture_file: PNG of the table's texture, "" where it is plain."""
    for kind in objects:
        here = kind.name == scene.kind.name
        object_body(kind).adapt(stage, (scene.kind if here else kind).size_m, (scene.kind if here else kind).mass_kg)
    distractors = {distractor.slot: distractor for distractor in scene.distractors}
    for slot in range(num_distractors):
        dress_distractor(stage, slot, distractors.get(slot))
    set_grip(stage, scene.friction)
    set_object_rgb(stage, scene.kind, scene.object_rgb)
    move_goal(stage, scene.goal_position_m)
    set_table(stage, scene.table, texture_file)
    set_lights(stage, scene.light)
    for camera in scene.cameras or cameras:
        set_camera(stage, camera)


def undress_bodies(stage: Usd.Stage, objects: Sequence[ObjectKind]) -> None:
    """Before physics starts: every body as it was authored, also the distractors of a run before."""
    bodies = [*map(object_body, objects), *map(distractor_body, range(MAX_DISTRACTORS))]
    for body in bodies:
        if stage.GetPrimAtPath(body.path):
            body.adapt_back(stage)
