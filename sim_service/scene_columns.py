"""A scene as columns of an episode's row, and back: what was drawn is written down, and can be set up again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

from collectors.cameras import Camera
from collectors.geometry import Pose
from collectors.objects import object_kind
from collectors.randomization import MAX_DISTRACTORS
from collectors.scene import Distractor, Light, Plant, Scene, Table

_PREFIX: Final = "collection/"
_ABSENT: Final = Distractor(0, (0.0, 0.0, 0.0), Pose((0.0, 0.0, 0.0)), (0.0, 0.0, 0.0))


def scene_columns(scene: Scene, cameras: Sequence[Camera]) -> dict[str, object]:
    """By name without the prefix. cameras: of the run, where the scene has none of its own."""
    kind = scene.kind
    by_slot = {distractor.slot: distractor for distractor in scene.distractors}
    things = [by_slot.get(slot, _ABSENT) for slot in range(MAX_DISTRACTORS)]
    columns: dict[str, object] = {
        "object": kind.name,
        "object_rgb": list(scene.object_rgb),
        "object_pose": _pose_row(scene.object_pose),
        "object_size_m": list(kind.size_m),
        "object_mass_kg": kind.mass_kg,
        "object_friction": scene.friction,
        "place_xy_m": list(scene.goal_xy_m),
        "start_arm_rad": list(scene.arm_rad),
        "num_distractors": len(scene.distractors),
        "distractor_present": [slot in by_slot for slot in range(MAX_DISTRACTORS)],
        "distractor_size_m": [edge for thing in things for edge in thing.size_m],
        "distractor_pose": [number for thing in things for number in _pose_row(thing.pose)],
        "distractor_rgb": [channel for thing in things for channel in thing.rgb],
        "table_height_m": scene.table.height_m,
        "table_rgb": list(scene.table.rgb),
        "table_texture": scene.table.texture,
        "table_texture_seed": scene.table.texture_seed,
        "light_turn_rad": list(scene.light.turn_rad),
        "light_intensity": scene.light.intensity,
        "light_kelvin": scene.light.kelvin,
        "light_rgb": list(scene.light.rgb),
        "gain": scene.plant.gain,
        "delay_ticks": scene.plant.delay_ticks,
    }
    for camera in scene.cameras or cameras:
        columns[f"{camera.name}/position_m"] = list(camera.position_m)
        columns[f"{camera.name}/forward"] = list(camera.forward)
        columns[f"{camera.name}/up"] = list(camera.up)
        columns[f"{camera.name}/horizontal_fov_rad"] = camera.horizontal_fov_rad
    return columns


def scene_of_row(row: Mapping[str, Any], cameras: Sequence[Camera]) -> Scene:
    """The scene whose columns a row has. cameras: of the run; their names and sizes are taken from there."""

    def get(name: str) -> Any:
        return row[_PREFIX + name]

    size_m, goal_xy_m = get("object_size_m"), get("place_xy_m")
    kind = object_kind(get("object"))
    kind = replace(kind, size_m=tuple(size_m), mass_kg=get("object_mass_kg"))
    if size_m != list(object_kind(kind.name).size_m):
        kind = replace(kind, grasp_below_top_m=size_m[2] / 2)  # as `Variation.kind` has it
    distractors = []
    for slot, present in enumerate(get("distractor_present")):
        if present:
            x, y, z = get("distractor_size_m")[3 * slot : 3 * slot + 3]
            r, g, b = get("distractor_rgb")[3 * slot : 3 * slot + 3]
            pose = _pose(get("distractor_pose")[7 * slot : 7 * slot + 7])
            distractors.append(Distractor(slot, (x, y, z), pose, (r, g, b)))
    return Scene(
        kind=kind,
        object_pose=_pose(get("object_pose")),
        object_rgb=_three(get("object_rgb")),
        goal_xy_m=(goal_xy_m[0], goal_xy_m[1]),
        arm_rad=tuple(get("start_arm_rad")),
        friction=get("object_friction"),
        distractors=tuple(distractors),
        table=Table(get("table_height_m"), _three(get("table_rgb")), get("table_texture"), get("table_texture_seed")),
        light=Light(
            (get("light_turn_rad")[0], get("light_turn_rad")[1]),
            get("light_intensity"),
            get("light_kelvin"),
            _three(get("light_rgb")),
        ),
        cameras=tuple(
            replace(
                camera,
                position_m=_three(get(f"{camera.name}/position_m")),
                forward=_three(get(f"{camera.name}/forward")),
                up=_three(get(f"{camera.name}/up")),
                horizontal_fov_rad=get(f"{camera.name}/horizontal_fov_rad"),
            )
            for camera in cameras
        ),
        plant=Plant(get("gain"), get("delay_ticks")),
    )


def _pose_row(pose: Pose) -> list[float]:
    return [*pose.position.tolist(), *pose.quat_wxyz.tolist()]


def _pose(row: Sequence[float]) -> Pose:
    return Pose(row[:3], row[3:])


def _three(values: Sequence[float]) -> tuple[float, float, float]:
    x, y, z = values
    return x, y, z
