"""What the cameras show: something, of the instant that is asked for, from where they should be."""

from __future__ import annotations

import dataclasses
import math
from typing import Final

import numpy as np

from collectors.cameras import Camera
from collectors.franka import FINGER_OPEN_M
from collectors.geometry import Pose, matrix_from_quat
from collectors.objects import CUBE, ObjectKind
from collectors.scene import GOAL_RADIUS_M, GOAL_RGB, Scene
from collectors.simulator import Action, Image, Tick
from sim_service.doctor.check import CheckFailed, Found
from sim_service.doctor.patient import Patient
from sim_service.doctor.projection import (
    LEAST_TINT,
    camera_to_world,
    inner_points_m,
    locate,
    on_table,
    project,
    tint_gained,
    values_at,
)
from sim_service.doctor.scenes import arm_hovering, standing

LEAST_MEAN: Final = 5.0  # of 255; darker is black
MAX_CLIPPED: Final = 0.05  # share of pixels at 255 above which a picture is overexposed
LEAST_SPREAD: Final = 2.0  # standard deviation, of 255; less is one colour

# Mean absolute difference, of 255, below which two pictures do not tell two instants apart.
LEAST_CHANGE: Final = 0.3
# A picture shows a new scene when it is nearer than this share of the way to it; noise takes some of the way.
FOLLOWS_AT: Final = 0.5
_JUMP_RAD: Final = 0.3  # of joint 1, at once
_GO_ON_RAD: Final = 0.03  # and more with each tick, however long it is
_START_TICKS: Final = 2  # until the arm is under way
_SEEN_TICKS: Final = 3

VIEW_TOLERANCE: Final = 3 / 512  # of the picture's width
LEAST_SEEN: Final = 0.7  # share of an object's pixels that differ from a picture without it
_LEAST_DIFFERENCE: Final = 12.0  # of 255

# Where the goal lies in the picture, as shares of its width and height: on the table, far apart, clear of the robot,
# whose arm is at HOME for cam_high and hovers for the wrist camera.
_SPOTS: Final = {
    "world": ((0.76, 0.45), (0.80, 0.82), (0.47, 0.84)),
    "panda_hand": ((0.30, 0.30), (0.72, 0.35), (0.50, 0.70)),
}


def camera_named(patient: Patient, name: str) -> Camera:
    found = [camera for camera in patient.cameras if camera.name == name]
    if not found:
        raise CheckFailed(f"the simulator has the cameras {[camera.name for camera in patient.cameras]}")
    return found[0]


def picture(patient: Patient, name: str) -> Found:
    camera = camera_named(patient, name)
    patient.reset(_hovering(patient.objects[0]))
    patient.advance(Tick(images=True))
    images = patient.observe(images=True).images
    if name not in images:
        raise CheckFailed(f"pictures of {sorted(images)} alone")
    image = images[name]
    if image.shape != (camera.height_px, camera.width_px, 3) or image.dtype != np.uint8:
        raise CheckFailed(f"{image.dtype} of shape {image.shape}")
    text = f"{image.shape[1]} x {image.shape[0]}, mean {image.mean():.0f} and spread {image.std():.0f} of 255"
    if image.mean() < LEAST_MEAN:
        raise CheckFailed(f"black: {text}")
    if image.std(axis=(0, 1)).max() < LEAST_SPREAD:
        raise CheckFailed(f"all of one colour: {text}")
    clipped = float((image == 255).any(axis=2).mean())
    too_bright = (
        f"{clipped:.0%} of its pixels are at the limit of a channel: the lights are too bright for this renderer"
    )
    return Found(text, too_bright if clipped > MAX_CLIPPED else "")


def instant(patient: Patient, name: str) -> Found:
    """The arm jumps; a picture taken on its way must be nearest to the one of the arm held at that very place."""
    start = patient.settled(_hovering(patient.objects[0])).arm_rad
    arms, shown = [], []
    for tick in range(_START_TICKS + _SEEN_TICKS):
        patient.command(Action(start + (_JUMP_RAD + tick * _GO_ON_RAD, 0, 0, 0, 0, 0, 0), FINGER_OPEN_M))
        seen = tick >= _START_TICKS
        patient.advance(Tick(images=seen))
        observation = patient.observe(images=seen)
        arms.append(tuple(observation.arm_rad.tolist()))
        if seen:
            shown.append(observation.images[name])
    arms = arms[-_SEEN_TICKS - 1 :]  # the one before the first picture, too
    held = [patient.settled(_hovering(patient.objects[0], arm)).images[name] for arm in arms]
    least_change = min(difference(one, other) for one, other in zip(held[1:], held[:-1], strict=True))
    if least_change < LEAST_CHANGE:
        raise CheckFailed(f"cannot tell: pictures of the arm in two places differ by {least_change:.2f} of 255 alone")
    behind = [
        tick - int(np.argmin([difference(image, truth) for truth in held])) for tick, image in enumerate(shown, start=1)
    ]
    if any(behind):
        raise CheckFailed(f"the pictures of {_SEEN_TICKS} ticks in a motion are {behind} ticks old")
    return Found(f"the pictures of {_SEEN_TICKS} ticks in a motion are of these ticks")


def after_reset(patient: Patient, name: str) -> Found:
    before = patient.settled(standing(patient.objects[0], (0.6, 0.2), goal_xy_m=(0.6, -0.2))).images[name]
    scene = _hovering(patient.objects[0])
    patient.reset(scene)
    patient.refresh(images=True)
    observation = patient.observe(images=True)
    if observation.time_s != 0:
        raise CheckFailed(f"drawing advanced simulated time by {observation.time_s:.6f} s")
    settled = patient.settled(scene).images[name]
    change, missing = difference(before, settled), difference(observation.images[name], settled)
    text = f"{missing:.2f} of 255 from the settled picture, the old scene's is {change:.2f} from it"
    if change < LEAST_CHANGE:
        raise CheckFailed(f"cannot tell: {text}")
    if missing > FOLLOWS_AT * change:
        raise CheckFailed(text)
    return Found(text)


def view(patient: Patient, name: str) -> Found:
    """The goal disc, laid where the projection has it at three spots of the picture, is at these spots: camera pose,
    axes and focal length."""
    camera = camera_named(patient, name)
    scene = _scene_for_view(camera, patient.objects[0])
    to_world = camera_to_world(camera, scene.arm_rad)
    spots = [(x * camera.width_px, y * camera.height_px) for x, y in _SPOTS[camera.parent]]
    scenes = [dataclasses.replace(scene, goal_xy_m=on_table(camera, to_world, spot)) for spot in spots]
    images = [patient.settled(each).images[name] for each in scenes]
    found = [
        locate(tint_gained(image, other, GOAL_RGB), _disc_px(camera, to_world, each))
        for each, image, other in zip(scenes, images, [images[-1], *images[:-1]], strict=True)
    ]
    off_px = [math.inf if place is None else math.dist(place, spot) for place, spot in zip(found, spots, strict=True)]
    if max(off_px) > VIEW_TOLERANCE * camera.width_px:
        told = (
            f"{'nowhere' if place is None else _px(place)} instead of {_px(spot)}"
            for place, spot in zip(found, spots, strict=True)
        )
        raise CheckFailed(f"the goal appears at {', '.join(told)} px")
    return Found(f"the goal is within {max(off_px):.2f} px at {len(spots)} spots of the picture")


def object_in_view(patient: Patient, name: str, kind: ObjectKind) -> Found:
    camera = camera_named(patient, name)
    to_world = camera_to_world(camera, standing(kind).arm_rad)
    here, there = (
        on_table(camera, to_world, (x * camera.width_px, y * camera.height_px)) for x, y in _SPOTS[camera.parent][:2]
    )
    seen = patient.settled(standing(kind, here))
    other = patient.settled(standing(kind, there)).images[name]
    pose = seen.object_to_world
    points = pose.position + inner_points_m(kind) @ matrix_from_quat(pose.quat_wxyz).T
    pixels = project(camera, to_world, points)
    if kind == CUBE:
        marks = tint_gained(seen.images[name], other, standing(kind).object_rgb) > LEAST_TINT
    else:
        marks = np.abs(seen.images[name].astype(int) - other).max(axis=2) > _LEAST_DIFFERENCE
    there_too = values_at(marks.astype(np.float32), pixels)
    share = float(there_too.mean()) if len(there_too) else 0.0
    text = f"{share:.0%} of it is where the projection says"
    if share < LEAST_SEEN:
        raise CheckFailed(text)
    return Found(text)


def difference(one: Image, other: Image) -> float:
    """Mean absolute, of 255."""
    return float(np.abs(one.astype(np.int16) - other).mean())


def _hovering(kind: ObjectKind, arm_rad: tuple[float, ...] | None = None) -> Scene:
    """Object and goal where both cameras see them, the hand above them."""
    return standing(kind, goal_xy_m=(0.42, 0.2), arm_rad=arm_rad or tuple(arm_hovering().tolist()))


def _scene_for_view(camera: Camera, kind: ObjectKind) -> Scene:
    """Robot and object clear of the spots."""
    if camera.parent == "world":
        return standing(kind)
    return standing(kind, (0.6, -0.25), arm_rad=tuple(arm_hovering().tolist()))


def _disc_px(camera: Camera, to_world: Pose, scene: Scene) -> float:
    """Area of the goal in the picture."""
    rim = np.array([(0.0, 0.0, 0.0), (GOAL_RADIUS_M, 0.0, 0.0), (0.0, GOAL_RADIUS_M, 0.0)])
    centre, *ends = project(camera, to_world, rim + scene.goal_position_m)
    (ax, ay), (bx, by) = (end - centre for end in ends)
    return float(math.pi * abs(ax * by - ay * bx))


def _px(place: tuple[float, float]) -> str:
    return f"({place[0]:.0f}, {place[1]:.0f})"
