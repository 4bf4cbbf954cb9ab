"""The gates on what was collected: success, placement, coverage, variety."""

from __future__ import annotations

from sim_service.quality.coverage import CoverageGate
from sim_service.quality.gate import NumberGate
from sim_service.quality.success import FailuresKeptGate, SuccessGate
from sim_service.quality.success_placement import PlacementGate
from sim_service.quality.success_variety import VarietyGate
from sim_service.stored import StoredDataset


def collection_gates(dataset: StoredDataset) -> list[NumberGate]:
    """They read the `collection/...` columns of the episodes' rows, and are skipped where there are none."""
    return [SuccessGate(dataset.root), FailuresKeptGate(), PlacementGate(), CoverageGate(), VarietyGate()]
