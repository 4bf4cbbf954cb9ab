"""A process with Isaac Sim installed: `python tests/isaac_process.py VERSION REPORT FAULTS -m MODULE ARGUMENT...`, or
the path of a script in place of `-m MODULE`.

It ends as the process of an Isaac Sim does: within SimulationApp.close() with the code of that version, at once by
`os._exit`; and where Python itself comes to its end while the application runs, not with Python's exit code.
"""

from __future__ import annotations

import json
import os
import runpy
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

ROOT = Path(__file__).resolve().parent.parent
CRASHED = 139  # what a version that does not close itself makes of Python's end, at worst
TIMEOUT_S = 120.0


@dataclass(frozen=True)
class Ended:
    """code: of the process. report: what the application was at its end; empty where it never started."""

    code: int
    out: str
    err: str
    report: dict[str, Any]


def isaac_command(version: str, report: Path, *words: str | Path, **faults: Any) -> list[str]:
    """words: `-m`, a module and its arguments, or a script and its. faults: fields of `isaac_standin.Faults`."""
    return [sys.executable, __file__, version, str(report), json.dumps(faults), *map(str, words)]


def isaac_environment(folder: Path, **variables: str) -> dict[str, str]:
    """folder: where the stand-in leaves its assets when the process ends at once."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("ISAAC_COLLECT_", "LIVESTREAM"))}
    return {**kept, "TMPDIR": str(folder), **variables}


def run_isaac(
    version: str, folder: Path, *words: str | Path, environment: dict[str, str] | None = None, **faults: Any
) -> Ended:
    """To its end, with output in pipes. folder: for what the process leaves."""
    report = folder / "report.json"
    ended = subprocess.run(
        isaac_command(version, report, *words, **faults),
        cwd=ROOT,
        env=isaac_environment(folder, **(environment or {})),
        capture_output=True,
        text=True,
        timeout=TIMEOUT_S,
    )
    return Ended(ended.returncode, ended.stdout, ended.stderr, read_report(report))


def read_report(path: Path) -> dict[str, Any]:
    report: dict[str, Any] = json.loads(path.read_text()) if path.is_file() else {}
    return report


def main() -> NoReturn:
    version, report, faults, *words = sys.argv[1:]
    sys.path[:1] = [str(ROOT), str(ROOT / "tests")]
    from isaac_standin import Faults, Isaac, ProcessEnded, installed

    end_at_once = os._exit

    def end(isaac: Isaac, code: int) -> NoReturn:
        if isaac.kit.started:
            values = {path: value for path, value in isaac.settings.items() if isinstance(value, bool | int | str)}
            said = {
                "launch_config": isaac.launch_config,
                "argv": isaac.argv,
                "settings": values,
                "extensions": sorted(isaac.enabled_extensions),
                "closed_with": isaac.closed_with,
                "swallowed": isaac.swallowed,
            }
            Path(report).write_text(json.dumps(said))
        end_at_once(code)

    fields = {
        name: frozenset(value) if isinstance(value, list) else value for name, value in json.loads(faults).items()
    }
    with installed(version, faults=Faults(**fields)) as isaac:
        os._exit = lambda code: end(isaac, code)  # type: ignore[assignment]  # the stand-in ends with the process
        try:
            if words[0] == "-m":
                sys.argv = [words[1], *words[2:]]
                runpy.run_module(words[1], run_name="__main__")
            else:
                sys.argv = words
                runpy.run_path(words[0], run_name="__main__")
        except ProcessEnded as ended:
            end(isaac, ended.code)
        except SystemExit:
            if not isaac.kit.started:
                raise
            end(isaac, 0 if version.startswith("6") else CRASHED)  # 6.0 closes itself then, which ends with 0
    raise AssertionError(f"{words} ended neither by an exit code nor by the application")


if __name__ == "__main__":
    main()
