"""One episode from end to end: collected, written, read again."""

from __future__ import annotations

import tempfile
import time
from contextlib import closing
from pathlib import Path

from collectors.objects import ObjectKind
from lerobot_writer.check import check_dataset
from sim_service.collection import Collection, drive
from sim_service.config import CollectConfig
from sim_service.doctor.check import CheckFailed, Found
from sim_service.doctor.patient import Patient
from sim_service.simulators import SimulatorSettings


def episode(patient: Patient, kind: ObjectKind, settings: SimulatorSettings, output: Path) -> Found:
    """Of the default seed, with that object. output: the dataset is in a folder of its own there, for as long as it is
    looked at."""
    began_s = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="doctor-", dir=output) as folder:
        config = CollectConfig(output=Path(folder) / "dataset", num_episodes=1, settings=settings)
        collection = Collection(config, patient.restricted_to(kind))
        with closing(collection.run()) as run:
            drive(patient, run)
        ledger, seconds = collection.ledger, time.monotonic() - began_s
        failures = ", ".join(f"{count} x {reason}" for reason, count in ledger.failures.most_common())
        if not ledger.successes:
            raise CheckFailed(f"{ledger.attempts} attempts failed: {failures}")
        report = check_dataset(config.output)
        if not report.ok:
            raise CheckFailed(f"the dataset breaks rules of the format: {report.text()}")
        error_mm = ledger.placement_errors_m[-1] * 1000
    return Found(
        f"{collection.num_frames} frames in {seconds:.1f} s, placed within {error_mm:.1f} mm",
        f"not at the first attempt; before it {failures}" if failures else "",
    )
