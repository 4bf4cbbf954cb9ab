"""The checks that every simulator has to pass, by what collectors.simulator promises."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Final

from collectors.cameras import CAMERAS
from collectors.episode import ATTACH_MAX_FINGER_GAP_M, WELD_MAX_DRIFT_M
from collectors.simulator import Simulator
from sim_service.doctor import physics, pictures, weld
from sim_service.doctor.check import Check, Found
from sim_service.doctor.episodes import episode
from sim_service.doctor.patient import Patient
from sim_service.doctor.process import OUTPUT_FOLDER
from sim_service.doctor.scenes import label
from sim_service.doctor.speed import speed
from sim_service.simulators import SimulatorSettings

CELL: Final = "cell"


def cell_check(patient: Patient, opening: Callable[[], Simulator], needs: tuple[str, ...]) -> Check:
    """Opens the simulator."""

    def look() -> Found:
        began_s = time.monotonic()
        patient.open(opening())
        versions = ", ".join(f"{name} {version}" for name, version in patient.versions.items() if name != "simulator")
        return Found(f"{patient.versions['simulator']} in {time.monotonic() - began_s:.1f} s: {versions}")

    return Check(
        CELL,
        "the simulator opens and builds the work cell",
        "do what the message says; a first start on a machine may take minutes, and a GPU needs memory to spare",
        look,
        needs,
    )


def seam_checks(patient: Patient, settings: SimulatorSettings) -> Iterator[Check]:
    """Of the opened simulator."""
    check = partial(_check, patient)
    yield check(
        "layout", "every object can be put up", "the stage lacks a part of the cell: see the message", physics.layout
    )
    yield from _physics_checks(patient)
    for camera in CAMERAS:
        yield from _camera_checks(patient, camera.name)
    for kind in settings.objects:
        yield check(
            f"{label(kind)} in {CAMERAS[0].name}",
            f"at least {pictures.LEAST_SEEN:.0%} of the object where its pose and the projection have it",
            "the picture shows another size, place or colour: look at the picture, and at the asset's units and axes",
            partial(pictures.object_in_view, name=CAMERAS[0].name, kind=kind),
            needs=(_view_of(CAMERAS[0].name),),
        )
        yield check(
            f"{label(kind)} grip",
            f"the fingers stop at the object, within {ATTACH_MAX_FINGER_GAP_M * 1000:.0f} mm, and leave it in place",
            "look at the object's collider, its friction and the finger's stiffness",
            partial(weld.grip, kind=kind),
        )
        welded = f"{label(kind)} weld"
        yield check(
            welded,
            f"lifted by {weld.LIFT_M * 100:.0f} cm with less than {WELD_MAX_DRIFT_M * 1000:.0f} mm and "
            f"{math.degrees(weld.MAX_TURN_RAD):.0f} degrees of motion in the hand",
            "the fixed joint slips, is not parsed, or its two frames disagree",
            partial(weld.weld, kind=kind),
        )
        yield check(
            f"{label(kind)} release",
            f"the object stays within {weld.STAYS_TOLERANCE_M * 1000:.0f} mm when the hand leaves",
            "the fixed joint is still there, or the fingers drag the object along",
            partial(weld.release, kind=kind),
            needs=(welded,),
        )
    yield check(
        "weld after reset",
        "a reset removes the weld",
        "the fixed joint outlives the reset",
        weld.reset_of_weld,
        needs=(f"{label(settings.objects[0])} weld",),
    )
    yield check("speed", "reported, not judged", "no pictures come: see the checks of the cameras", speed)


def episode_checks(patient: Patient, settings: SimulatorSettings, output: Path) -> Iterator[Check]:
    """One for each object. output: an existing folder."""
    for kind in settings.objects:
        yield _check(
            patient,
            f"{label(kind)} episode",
            "collected with success, and the dataset passes `isaac-collect check`",
            "the warnings above say at what each attempt failed; --verbose says how near each motion came",
            partial(episode, kind=kind, settings=settings, output=output),
            needs=(OUTPUT_FOLDER,),
        )


def closing_check(patient: Patient) -> Check:
    def look() -> Found:
        simulator = patient.simulator
        patient.close()
        simulator.close()
        return Found("closed, twice")

    return Check("close", "the simulator closes", "nothing that was collected is lost by this", look, (CELL,))


def _physics_checks(patient: Patient) -> Iterator[Check]:
    check = partial(_check, patient)
    yield check(
        "clock",
        f"{physics.CLOCK_TICKS} ticks advance simulated time by one control period each",
        "something else steps or pauses the simulation, or its time step does not divide the control period",
        physics.clock,
    )
    yield check(
        "gravity",
        f"an object falls by {physics.GRAVITY_M_S2} m/s^2 within {physics.GRAVITY_TOLERANCE:.0%}, onto the table",
        "physics does not advance by what the clock says, is in other units, or the object sleeps or is damped",
        physics.gravity,
    )
    yield check(
        "reset",
        f"the scene as it was put, at time 0, without a step: within {physics.PUT_TOLERANCE} rad, m",
        "handles are stale, or the physics shows what was set only after a step",
        physics.reset,
    )
    yield check(
        "stays",
        f"arm within {physics.STAYS_TOLERANCE_RAD * 1000:.0f} mrad and object within "
        f"{physics.STAYS_TOLERANCE_M * 1000:.0f} mm of the reset scene",
        "the reset leaves targets or velocities behind, or gravity pulls the arm",
        physics.stays,
    )
    off = (
        f"less than {physics.HAND_TOLERANCE_M * 1000:.0f} mm and {math.degrees(physics.HAND_TOLERANCE_RAD):.1f} "
        "degrees from where the joints say it is"
    )
    yield check("hand", off, "panda_hand is another link, or the robot is not at the world's origin", physics.hand)
    yield check(
        "hand in motion",
        off,
        "joints and poses are read at different instants",
        physics.moving_hand,
        needs=("hand",),
    )
    low_s, high_s = physics.LAG_RANGE_S
    yield check(
        "servos",
        f"a lag of {low_s * 1000:.0f} to {high_s * 1000:.0f} ms, and within {physics.REACH_TOLERANCE_RAD * 1000:.0f} "
        "mrad of the target in the end",
        "the drives have other gains, or their forces are limited",
        physics.servos,
    )
    yield check(
        "fingers",
        f"closed at 0 and open at 40 mm, within {physics.FINGER_TOLERANCE_M * 1000:.0f} mm",
        "the finger joints have other limits or gains, or one is not driven",
        physics.fingers,
    )


def _camera_checks(patient: Patient, name: str) -> Iterator[Check]:
    check = partial(_check, patient)
    shown = f"{name} picture"
    yield check(
        shown,
        "uint8 RGB of the camera's size, neither black nor of one colour",
        "is there light, a GPU that can render, and a driver that this simulator supports?",
        partial(pictures.picture, name=name),
    )
    yield check(
        f"{name} instant",
        "each picture is of the tick that asked for it",
        "pictures lag behind the state: the recorded images would be late",
        partial(pictures.instant, name=name),
        needs=(shown,),
    )
    yield check(
        f"{name} after reset",
        "drawing after a reset shows the new scene, and no time passes",
        "the renderer shows what was there before the reset",
        partial(pictures.after_reset, name=name),
        needs=(shown,),
    )
    yield check(
        _view_of(name),
        f"the goal at three spots of the picture, within {pictures.VIEW_TOLERANCE:.1%} of its width",
        "the camera's pose, axes or focal length are others: look at the picture for what is turned or mirrored",
        partial(pictures.view, name=name),
        needs=(shown,),
    )


def _view_of(camera: str) -> str:
    return f"{camera} view"


def _check(
    patient: Patient,
    name: str,
    expected: str,
    advice: str,
    look: Callable[[Patient], Found],
    needs: tuple[str, ...] = (),
) -> Check:
    return Check(name, expected, advice, partial(patient.examine, name, look), (CELL, *needs))
