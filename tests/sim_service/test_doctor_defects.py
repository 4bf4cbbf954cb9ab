"""The embedded simulator with one thing broken at a time: the doctor finds that thing, and blames nothing else."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator

import numpy as np
import pytest
from defective_simulators import (
    DrawingTakesTime,
    LastingWeld,
    LateHand,
    LatePictures,
    LateServos,
    LongTick,
    LostTick,
    NoWeld,
    ObjectElsewhere,
    OldSceneDrawn,
    OtherHand,
    Pictures,
    ResetKeepsTargets,
    Servos,
    SlippingWeld,
    StaleReset,
    WeldOutlivesReset,
    Wrapped,
    black,
    floats,
    grey,
    half_open,
    mirrored,
    off_by_2_mm,
    red_for_blue,
    shifted,
    short,
    small,
    stiff_fingers,
    turned,
    upside_down,
    zoomed,
)

from collectors.cameras import CAMERAS
from collectors.simulator import Simulator
from sim_service.doctor.examination import Examination
from sim_service.doctor.finding import Finding
from sim_service.doctor.patient import Patient
from sim_service.doctor.seam import cell_check, seam_checks
from sim_service.mujoco_sim import simulator as mujoco_simulator
from sim_service.simulators import SimulatorSettings

SETTINGS = SimulatorSettings(render_preset="fast")
SIDE_PX = 192  # of a picture: enough to tell where things are, and quickly drawn


@pytest.fixture(scope="module")
def healthy() -> Iterator[Simulator]:
    """One for all tests: each check starts with a scene of its own."""
    small = tuple(dataclasses.replace(camera, width_px=SIDE_PX, height_px=SIDE_PX) for camera in CAMERAS)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(mujoco_simulator, "CAMERAS", small)
        simulator = mujoco_simulator.MujocoSimulator(SETTINGS)
        yield simulator
        simulator.close()


Make = Callable[[Simulator], Simulator]
DEFECTS: dict[str, tuple[Make, set[str]]] = {
    "nothing": (Wrapped, set()),
    "black": (lambda s: Pictures(s, "cam_high", black), {"cam_high picture"}),
    "one colour": (lambda s: Pictures(s, "cam_wrist", grey), {"cam_wrist picture"}),
    "half the size": (lambda s: Pictures(s, "cam_high", small), {"cam_high picture"}),
    "floats": (lambda s: Pictures(s, "cam_wrist", floats), {"cam_wrist picture"}),
    "another pose": (lambda s: Pictures(s, "cam_high", shifted), {"cam_high view"}),
    "mirrored": (lambda s: Pictures(s, "cam_wrist", mirrored), {"cam_wrist view"}),
    "upside down": (lambda s: Pictures(s, "cam_high", upside_down), {"cam_high view"}),
    "another focal length": (lambda s: Pictures(s, "cam_wrist", zoomed), {"cam_wrist view"}),
    "late pictures": (LatePictures, {"cam_high instant", "cam_wrist instant"}),
    "old scene drawn": (OldSceneDrawn, {"cam_high after reset", "cam_wrist after reset"}),
    "drawing takes time": (DrawingTakesTime, {"cam_high after reset", "cam_wrist after reset"}),
    "object elsewhere": (ObjectElsewhere, {"cube in cam_high"}),
    "BGR": (lambda s: Pictures(s, "cam_high", red_for_blue), {"cube in cam_high"}),
    "time stands still": (LostTick, {"clock"}),
    "another gravity": (LongTick, {"gravity"}),
    "stale reset": (StaleReset, {"reset"}),
    "targets outlive a reset": (ResetKeepsTargets, {"stays"}),
    "hand off by 2 mm": (lambda s: OtherHand(s, off_by_2_mm), {"hand"}),
    "hand turned": (lambda s: OtherHand(s, turned), {"hand"}),
    "late hand": (LateHand, {"hand in motion", "cube weld"}),  # which looks at the object in the hand
    "late servos": (LateServos, {"servos"}),
    "servos fall short": (lambda s: Servos(s, short), {"servos"}),
    "fingers do not close": (lambda s: Servos(s, stiff_fingers), {"fingers"}),
    "fingers do not open": (lambda s: Servos(s, half_open), {"fingers"}),
    "slipping weld": (SlippingWeld, {"cube weld"}),
    "no weld": (NoWeld, {"cube weld"}),
    "weld outlives detach": (LastingWeld, {"cube release"}),
    "weld outlives reset": (WeldOutlivesReset, {"weld after reset"}),
}


def examined(simulator: Simulator) -> list[Finding]:
    patient, examination = Patient(lambda: False), Examination(lambda: False, lambda finding: None)
    examination.run([cell_check(patient, lambda: simulator, ()), *seam_checks(patient, SETTINGS)])
    return examination.findings


@pytest.mark.parametrize("defect", DEFECTS)
def test_each_defect_fails_its_own_check_alone(healthy: Simulator, defect: str) -> None:
    make, expected = DEFECTS[defect]
    found = {finding.name: finding for finding in examined(make(healthy))}
    failed = {name: finding.line() for name, finding in found.items() if finding.verdict == "fail"}
    assert set(failed) == expected, failed
    for name, finding in found.items():
        if finding.verdict == "not run":
            assert any(f"'{cause}'" in finding.found for cause in expected | NOT_RUN), (name, finding.found)


# Checks that others need and that are themselves not run.
NOT_RUN = {"cam_high view"}


def test_an_overexposed_picture_passes_with_a_remark(healthy: Simulator) -> None:
    def bright(picture: np.ndarray) -> np.ndarray:
        return np.minimum(picture.astype(np.uint16) * 3, 255).astype(np.uint8)

    remarks = {
        make: {finding.name: finding.remark for finding in examined(simulator)}["cam_high picture"]
        for make, simulator in (("dark", healthy), ("bright", Pictures(healthy, "cam_high", bright)))
    }
    assert remarks["dark"] == ""
    assert "the lights are too bright" in remarks["bright"]
