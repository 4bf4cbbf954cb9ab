"""The phases of an episode, by the frames that its row counts."""

from __future__ import annotations

from itertools import accumulate
from typing import Final

from sim_service.report.facts import Phase
from sim_service.report.row_values import Row, segment_frames

# As `PickPlace` names its waypoints; rows tell their lengths alone.
PHASE_NAMES: Final = (
    *("APPROACH_PICK", "DOWN_PICK", "CLOSE_GRIPPER", "LIFT", "MOVE_TO_PLACE", "DOWN_PLACE", "OPEN_GRIPPER"),
    *("RETRACT", "HOME"),
)
_PARTS: Final = 9  # into which an episode without phases is divided
_MAX_PHASES: Final = 12


def phases(row: Row, fps: int) -> tuple[Phase, ...]:
    """Empty where the row tells none."""
    ends = list(accumulate(_lengths(row)))
    names = PHASE_NAMES if len(ends) == len(PHASE_NAMES) else [f"phase {number}" for number in range(1, len(ends) + 1)]
    return tuple(Phase(name, begin / fps, end / fps) for name, begin, end in zip(names, [0, *ends], ends, strict=False))


def sheet_frames(row: Row) -> list[tuple[int, str]]:
    """The frames that a contact sheet shows, with a label for each: the first one and the last one of each phase, or
    evenly spaced ones where the row tells no phases."""
    lengths, length = _lengths(row), int(row["length"])
    if not lengths:
        frames = sorted({round(part * (length - 1) / _PARTS) for part in range(_PARTS + 1)})
        return [(frame, f"frame {frame}") for frame in frames]
    names = PHASE_NAMES if len(lengths) == len(PHASE_NAMES) else [f"phase {n}" for n in range(1, len(lengths) + 1)]
    labels = ["start", *(f"end of {name}" for name in names)]
    return list(zip([0, *(end - 1 for end in accumulate(lengths))], labels, strict=True))


def _lengths(row: Row) -> list[int]:
    lengths = segment_frames(row)
    return lengths if len(lengths) <= _MAX_PHASES else []
