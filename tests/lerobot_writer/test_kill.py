"""A writing process is killed at random instants, and its disk fills up: what was acknowledged survives.

The long sweep, with the real LeRobot as the judge, is `python tests/judges/kill_sweep.py --kills 200`.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

SWEEP = Path(__file__).parents[1] / "judges" / "kill_sweep.py"


def test_nothing_is_lost_and_nothing_appears_when_writers_are_killed_and_disks_fill_up(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, SWEEP, "--kills", "12", "--seed", "7", "--judge", "none"],
        env={**os.environ, "TMPDIR": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
        timeout=240,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    figures = {name.strip(): int(value) for name, value in re.findall(r"^(.*?) +(\d+)$", done.stdout, re.MULTILINE)}
    assert figures["kills"] == 12
    assert figures["in finish_episode"] > 0, "no kill landed where it matters most"
    assert figures["episodes acknowledged"] > 0
    assert figures["episodes lost"] == figures["episodes from nowhere"] == 0
    assert "ok full disk" in done.stdout
