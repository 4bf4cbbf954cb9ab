"""How fast the simulator is."""

from __future__ import annotations

import time

from collectors.simulator import Tick
from sim_service.doctor.check import Found
from sim_service.doctor.patient import Patient
from sim_service.doctor.scenes import standing

_TICKS = 30


def speed(patient: Patient) -> Found:
    patient.reset(standing(patient.objects[0]))
    with_pictures, without = (_ticks_per_s(patient, images) for images in (True, False))
    real_time = 1 / patient.control_period_s
    return Found(f"{with_pictures:.1f} ticks/s with pictures, {without:.0f} without; {real_time:.0f} are real time")


def _ticks_per_s(patient: Patient, images: bool) -> float:
    patient.advance(Tick(images=images))
    began_s = time.monotonic()
    for _ in range(_TICKS):
        patient.advance(Tick(images=images))
        patient.observe(images=images)
    return _TICKS / max(time.monotonic() - began_s, 1e-9)
