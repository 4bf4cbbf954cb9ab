"""The gates on pictures."""

from __future__ import annotations

from sim_service.quality.gate import PictureGate
from sim_service.quality.pictures_blurred import BlurGate
from sim_service.quality.pictures_exposure import ExposureGate
from sim_service.quality.pictures_frozen import FrozenGate
from sim_service.stored import StoredDataset


def picture_gates(dataset: StoredDataset) -> list[PictureGate]:
    """They take planes in full range, 0 to 255, as `luma` makes them. A plane may be overwritten once `see` has
    returned."""
    return [ExposureGate(), FrozenGate(dataset), BlurGate()]
