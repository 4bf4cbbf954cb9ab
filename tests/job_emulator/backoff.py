"""How long a failed pod's replacement waits (job_controller.go, DefaultJobPodFailureBackOff and
MaxJobPodFailureBackOff; backoff_utils.go). The documentation says that the delay is capped at six minutes; the source
of 1.33 caps it at ten."""

from __future__ import annotations

from typing import Final

FIRST_S: Final = 10.0
LONGEST_S: Final = 600.0


def backoff_s(failures: int) -> float:
    """failures: in a row, at least 1."""
    return min(FIRST_S * 2.0 ** min(failures - 1, 16), LONGEST_S)
