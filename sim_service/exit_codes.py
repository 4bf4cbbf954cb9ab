"""What the process' exit codes mean; whoever runs many of them acts on these numbers."""

from __future__ import annotations

import errno
from typing import Final

from lerobot_writer import InUseError, StorageError
from sim_service.simulators import SimulatorStartError

DONE: Final = 0
FAILED: Final = 1  # the machine's fault: another try may do
BAD_ARGUMENTS: Final = 2  # another try will not do
TOO_FEW_EPISODES: Final = 3  # finished, some episodes were given up; another try would give them up again

# Errors of the operating system that are the machine's fault.
_OF_THE_MACHINE: Final = (errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.ESTALE, errno.ETIMEDOUT)
# 130 and 143 for signals: `stop_request.EXIT_CODES`


def code_of_error(error: Exception) -> int:
    """FAILED where another try, perhaps on another machine, may do; else BAD_ARGUMENTS."""
    if isinstance(error, SimulatorStartError | InUseError):
        return FAILED
    number = getattr(error, "errno", None) or getattr(error.__cause__, "errno", None)
    unknown = isinstance(error, StorageError) and number is None
    return FAILED if unknown or number in _OF_THE_MACHINE else BAD_ARGUMENTS
