"""What a program costs: wall time, CPU time and memory of a process, medians of runs, and the machine they ran on."""

from __future__ import annotations

import json
import os
import platform
import resource
import statistics
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from importlib import metadata
from pathlib import Path
from types import TracebackType
from typing import Final

MB: Final = 1e6  # bytes; everywhere in these reports
_PACKAGES: Final = ("numpy", "pyarrow", "av", "mujoco")

Numbers = dict[str, float]


class ChildError(Exception):
    """A measured program failed; the message ends with what it said last."""


@dataclass(frozen=True)
class Usage:
    """cpu_s: user and system time of all threads and of the child processes that were waited for.

    rss_before_mb: resident memory when the work began, with all modules loaded. peak_rss_mb: the most since the process
    started. child_peak_rss_mb: of the largest child process, 0 without any. All three without `inputs`.
    """

    wall_s: float
    cpu_s: float
    rss_before_mb: float
    peak_rss_mb: float
    child_peak_rss_mb: float


class Meter:
    """`with Meter(inputs) as meter: work()`, then `meter.usage`.

    inputs: a file that the process maps whole before all else, as its input. It stays resident, and memory is told
    without it.
    """

    usage: Usage

    def __init__(self, inputs: Path | None = None) -> None:
        self._inputs_mb = 0.0 if inputs is None else _mapped_mb(inputs)

    def __enter__(self) -> Meter:
        self._rss_before_mb = self.rss_mb()
        self._wall_s, self._cpu_s = time.perf_counter(), _cpu_s()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        cpu_s, wall_s = _cpu_s() - self._cpu_s, time.perf_counter() - self._wall_s
        children = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * 1024 / MB
        # Not ru_maxrss for the process itself: across exec it keeps the parent's.
        peak = _status_mb("VmHWM") - self._inputs_mb
        self.usage = Usage(wall_s, cpu_s, self._rss_before_mb, peak, children)

    def rss_mb(self) -> float:
        """Resident memory now, without the inputs."""
        return _status_mb("VmRSS") - self._inputs_mb

    def rss_parts_mb(self) -> Numbers:
        """Resident memory now by kind: anonymous (heaps, stacks) and mapped files (code, without the inputs)."""
        return {"anonymous": _status_mb("RssAnon"), "files": _status_mb("RssFile") - self._inputs_mb}


def _cpu_s() -> float:
    usages = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(usage.ru_utime + usage.ru_stime for usage in usages)


def _status_mb(field: str) -> float:
    for line in Path("/proc/self/status").read_text(encoding="ascii").splitlines():
        name, _, value = line.partition(":")
        if name == field:
            return int(value.split()[0]) * 1024 / MB
    raise ValueError(f"/proc/self/status has no {field}; a Linux kernel of 4.5 or later is needed")


def _mapped_mb(path: Path) -> float:
    """Resident memory of this process that is a mapping of the file."""
    total, inside = 0.0, False
    for line in Path("/proc/self/smaps").read_text(encoding="utf-8").splitlines():
        first = line.split(maxsplit=1)[0]
        if not first.endswith(":"):
            inside = line.endswith(str(path.resolve()))
        elif inside and first == "Rss:":
            total += int(line.split()[1]) * 1024 / MB
    return total


def write_result(path: Path, usage: Usage, **further: object) -> None:
    """What a measured program leaves for `run_child`."""
    path.write_text(json.dumps({**asdict(usage), **further}), encoding="utf-8")


def run_child(command: Sequence[str | Path], result: Path, cwd: Path, *, show: bool = False) -> Numbers:
    """Run a program in `cwd`; it leaves its figures, a flat JSON object, at `result`.

    Python modules are loaded compiled, as they are wherever the program has run before: compiled ones are kept beside
    `result`, so the first run of a program should not count. show: let its output through; else what it says is told
    only when it fails. Raises ChildError when it fails or leaves no figures.
    """
    result.unlink(missing_ok=True)
    words = [str(word) for word in command]
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    environment["PYTHONPYCACHEPREFIX"] = str(result.parent / "pycache")
    pipe = None if show else subprocess.PIPE
    try:
        done = subprocess.run(
            words, stdout=pipe, stderr=pipe, text=True, errors="replace", check=False, cwd=cwd, env=environment
        )
    except OSError as error:
        raise ChildError(f"{words[0]} does not start: {error.strerror}") from error
    if done.returncode != 0 or not result.is_file():
        said = [line for line in f"{done.stdout or ''}\n{done.stderr or ''}".splitlines() if line.strip()]
        raise ChildError(f"exit code {done.returncode}: {said[-1] if said else 'it said nothing'}")
    figures: Numbers = json.loads(result.read_text(encoding="utf-8"))
    return figures


def medians(runs: Sequence[Mapping[str, float]]) -> Numbers:
    """Of each figure over the runs."""
    return {name: statistics.median(run[name] for run in runs) for name in runs[0]}


def table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A Markdown table that also reads well as text. A row may be short; what it lacks stays empty."""
    full = [[*row, *[""] * (len(header) - len(row))] for row in rows]
    counted = [row for row, given in zip(full, rows, strict=True) if len(given) == len(header)]
    # The last cell of a short row may run over the empty ones.
    spread = [list(header), *counted, *([*row[:-1], *[""] * (len(header) - len(row) + 1)] for row in rows)]
    widths = [max(3, *(len(row[i]) for row in spread)) for i in range(len(header))]
    right = [i > 0 and all(_is_number(row[i]) for row in counted) for i in range(len(header))]

    def line(cells: Sequence[str]) -> str:
        sides = zip(cells, widths, right, strict=True)
        return "| " + " | ".join(cell.rjust(w) if to_right else cell.ljust(w) for cell, w, to_right in sides) + " |"

    rule = "|" + "|".join("-" * (w + 1) + (":" if r else "-") for w, r in zip(widths, right, strict=True)) + "|"
    return "\n".join([line(header), rule, *(line(row) for row in full)])


def _is_number(cell: str) -> bool:
    return cell.strip("<>~x%") in ("", "-") or cell.strip("<>~x%").replace(".", "", 1).replace("-", "", 1).isdigit()


def machine(folder: Path) -> dict[str, str]:
    """Where the figures come from. folder: on the disk that is written to."""
    cpu = [line.partition(":")[2].strip() for line in _lines("/proc/cpuinfo") if line.startswith("model name")]
    memory_kb = next(int(line.split()[1]) for line in _lines("/proc/meminfo") if line.startswith("MemTotal"))
    cores = f"{len(os.sched_getaffinity(0))} of {os.cpu_count()} cores usable"
    return {
        "cpu": f"{cpu[0] if cpu else platform.machine()}, {cores}",
        "memory": f"{memory_kb * 1024 / 1e9:.0f} GB",
        "system": f"Linux {platform.release()}, file system {_file_system(folder)}",
        "python": platform.python_version(),
        "packages": ", ".join(f"{name} {version}" for name in _PACKAGES if (version := _version(name))),
        "load before": f"{os.getloadavg()[0]:.2f}",
    }


def _lines(path: str) -> list[str]:
    return Path(path).read_text(encoding="utf-8").splitlines()


def _version(package: str) -> str | None:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def _file_system(folder: Path) -> str:
    """Of the mount with the longest path that leads to the folder."""
    mounts = [line.split()[1:3] for line in _lines("/proc/mounts")]
    resolved = folder.resolve()
    fitting = [
        (len(Path(point).parts), n, kind) for n, (point, kind) in enumerate(mounts) if resolved.is_relative_to(point)
    ]
    return max(fitting)[2]
