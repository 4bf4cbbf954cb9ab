"""What the process' exit codes mean; whoever runs many of them acts on these numbers."""

from __future__ import annotations

import errno
from typing import Final

DONE: Final = 0
FAILED: Final = 1  # the machine's fault: another try may do
BAD_ARGUMENTS: Final = 2  # another try will not do
TOO_FEW_EPISODES: Final = 3  # finished, some episodes were given up; another try would give them up again

# Errors of the operating system that are the machine's fault.
OF_THE_MACHINE: Final = (errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.ESTALE, errno.ETIMEDOUT)
# 130 and 143 for signals: `stop_request.EXIT_CODES`
