"""`python -m sim_service.worker_child PARENT WORDS...`: becomes `python -m sim_service WORDS...`, and dies with PARENT.

The kernel kills the process when its parent is gone, however that ended: a worker that nobody looks after would go on
for hours. What it had finished is safe.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys
from typing import Final

_PR_SET_PDEATHSIG: Final = 1  # linux/prctl.h; outlives execve, see prctl(2)


def main() -> None:
    parent, *words = sys.argv[1:]
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0) != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"prctl: {os.strerror(number)}")
    if os.getppid() != int(parent):  # gone before we asked
        sys.exit(128 + signal.SIGKILL)
    os.execv(sys.executable, [sys.executable, "-m", "sim_service", *words])


if __name__ == "__main__":
    main()
