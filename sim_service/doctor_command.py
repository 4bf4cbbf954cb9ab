"""`isaac-collect doctor`: examines this machine and its simulator, and says what holds."""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Final

import imageio.v3 as iio

from sim_service.config import ConfigError, add_simulator_flags, application_settings, folder, simulator_settings
from sim_service.doctor.check import Check, CheckFailed, Found
from sim_service.doctor.examination import Examination
from sim_service.doctor.finding import Finding
from sim_service.doctor.patient import Patient
from sim_service.doctor.process import OUTPUT_FOLDER, process_checks
from sim_service.doctor.seam import CELL, cell_check, closing_check, episode_checks, seam_checks
from sim_service.simulators import ApplicationSettings, SimulatorSettings, open_simulator, resolve_simulator
from sim_service.stop_request import StopRequest

HEALTHY: Final = 0
SICK: Final = 1


@dataclass(frozen=True)
class DoctorConfig:
    """What `doctor` was asked for. output: where it writes, and where pictures stay; None is a temporary folder."""

    simulator: str = "auto"
    settings: SimulatorSettings = field(default_factory=SimulatorSettings)
    application: ApplicationSettings = field(default_factory=ApplicationSettings)
    output: Path | None = None
    json: bool = False


def add_doctor_flags(parser: argparse.ArgumentParser) -> None:
    """The flags of `doctor`; each can also come from the environment, as ISAAC_COLLECT_<FLAG>."""
    switch = argparse.BooleanOptionalAction
    add_simulator_flags(parser)
    parser.add_argument("--use-ycb", action=switch, default=False, help="examine the YCB objects instead of the cube")
    parser.add_argument(
        "--output", type=folder, metavar="DIR", help="write here, and leave the last picture of each camera to look at"
    )
    parser.add_argument("--json", action=switch, default=False, help="end with one line of JSON on standard output")


def doctor_config(arguments: argparse.Namespace) -> DoctorConfig:
    """Raises ConfigError listing everything that cannot be."""
    problems: list[str] = []
    settings = simulator_settings(arguments, problems)
    application = application_settings(arguments, problems)
    if problems or settings is None:
        raise ConfigError("; ".join(problems))
    return DoctorConfig(arguments.simulator, settings, application, arguments.output, arguments.json)


def run_doctor(config: DoctorConfig) -> int:
    """One line for each check, on standard output, or on standard error where that is for JSON. Returns the exit code:
    0 where nothing failed."""
    began_s = time.monotonic()
    lines = sys.stderr if config.json else sys.stdout

    def tell(finding: Finding) -> None:
        print(finding.line(), file=lines, flush=True)

    with StopRequest() as stop:
        patient = Patient(lambda: stop.signal is not None)
        examination = Examination(lambda: stop.signal is not None, tell)
        try:
            examination.run(checks(config, patient))
        finally:
            patient.close()
    code = stop.exit_code or (SICK if examination.failed else HEALTHY)
    passed, failed, not_run = (examination.count(verdict) for verdict in ("pass", "fail", "not run"))
    print(f"{len(examination.findings)} checks: {passed} passed, {failed} failed, {not_run} not run", file=lines)
    if config.json:
        print(json.dumps(_result(config, examination, code, time.monotonic() - began_s)))
    return code


def checks(config: DoctorConfig, patient: Patient) -> Iterator[Check]:
    """In order; each is made before the next one is asked for."""
    name = resolve_simulator(config.simulator)
    output = config.output or Path(tempfile.gettempdir())
    yield from process_checks(output)
    needs: tuple[str, ...] = ()
    if name == "isaac":
        from sim_service.isaac_sim.doctor import application_checks, needed_for_cell

        yield from application_checks(config.application, config.settings)
        needs = needed_for_cell(config.settings)
    yield cell_check(patient, partial(open_simulator, name, config.settings, config.application), needs)
    yield from seam_checks(patient, config.settings)
    if name == "isaac":
        from sim_service.isaac_sim.doctor import delay_check

        yield delay_check(patient, CELL)
    yield from episode_checks(patient, config.settings, output)
    if config.output is not None:
        yield Check(
            "pictures",
            "a person sees the work cell in them, sharp, in colour and the right way up",
            "see the checks of the cameras",
            partial(_keep_pictures, patient, config.output),
            needs=(CELL, OUTPUT_FOLDER),
        )
    yield closing_check(patient)


def _keep_pictures(patient: Patient, output: Path) -> Found:
    if not patient.pictures:
        raise CheckFailed("no camera gave a picture")
    paths = [output / f"{camera}.png" for camera in patient.pictures]
    for path, picture in zip(paths, patient.pictures.values(), strict=True):
        iio.imwrite(path, picture)
    return Found(f"look at {' and '.join(map(str, paths))}")


def _result(config: DoctorConfig, examination: Examination, code: int, seconds: float) -> dict[str, Any]:
    return {
        "exit_code": code,
        "simulator": resolve_simulator(config.simulator),
        "passed": examination.count("pass"),
        "failed": examination.count("fail"),
        "not_run": examination.count("not run"),
        "seconds": round(seconds, 3),
        "checks": [finding.to_dict() for finding in examination.findings],
    }
