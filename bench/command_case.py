"""One measured command in a process of its own: `python -m bench.command_case RESULT -- merge OUT SHARD...`.

Only the command is measured, from its words to its exit code; starting Python and importing the program are not. The
result has the seconds of these, too, and the exit code; there is none where the command failed.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

from bench.measure import Meter, write_result


def main() -> None:
    began = time.perf_counter()
    result, dashes, words = Path(sys.argv[1]), sys.argv[2], sys.argv[3:]
    if dashes != "--":
        raise SystemExit("usage: python -m bench.command_case RESULT -- WORD...")
    from sim_service.__main__ import main as isaac_collect
    from sim_service.exit_codes import DONE, TOO_FEW_EPISODES

    import_s = time.perf_counter() - began
    with Meter() as meter:
        code = isaac_collect(words)
    if code not in (DONE, TOO_FEW_EPISODES):
        raise SystemExit(code)
    write_result(result, meter.usage, exit_code=code, import_s=import_s)


if __name__ == "__main__":
    main()
