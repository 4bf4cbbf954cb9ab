"""Make a judge's environment: `python tests/judges/make_env.py lerobot-0.6.1` prints the path of its Python.

A judge never shares the product's environment: LeRobot is no dependency. Environments lie in `.cache/judges/` and are
made once; a change of what one holds makes it anew.
"""

from __future__ import annotations

import argparse
import fcntl
import importlib.util
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
"""The repository."""
JUDGES = ROOT / ".cache" / "judges"


class MakeEnvError(Exception):
    """An environment cannot be made, and why."""


@dataclass(frozen=True)
class Environment:
    """What one environment holds.

    Attributes:
        pythons: Python versions that serve, best first.
        packages: What pip is asked for.
        video: It decodes with torchcodec, which needs FFmpeg's libraries.
    """

    pythons: tuple[str, ...]
    packages: tuple[str, ...]
    video: bool


ENVIRONMENTS = {
    "lerobot-0.6.1": Environment(("3.12",), ("lerobot[dataset]==0.6.1",), video=True),
    "lerobot-0.4.4": Environment(("3.11", "3.10"), ("lerobot==0.4.4",), video=True),
    "validators": Environment(
        ("3.12", "3.11"), ("lerobot-doctor==0.2.0", "robovet==0.2.2", "physlint[video]==0.4.0"), video=False
    ),
    "checkov": Environment(("3.12", "3.11"), ("checkov==3.3.30",), video=False),
}


def candidates(version: str) -> Iterator[Path]:
    """Paths that may be a Python of this version: this one, those on PATH, those of pyenv."""
    yield Path(sys.executable)
    for folder in os.environ.get("PATH", "").split(os.pathsep):
        yield Path(folder) / f"python{version}"
    pyenv = os.environ.get("PYENV_ROOT") or str(Path.home() / ".pyenv")
    yield from sorted(Path(pyenv).glob(f"versions/{version}.*/bin/python{version}"), reverse=True)


def find_python(versions: tuple[str, ...]) -> Path:
    """An interpreter of one of the versions that runs and can make environments."""
    for version in versions:
        for path in candidates(version):
            if not path.is_file():
                continue
            # A pyenv shim of a version that is not active exists and fails: only running it tells.
            told = subprocess.run(
                [path, "-c", "import sys, venv, ensurepip; print('%d.%d' % sys.version_info[:2])"],
                capture_output=True,
                text=True,
                check=False,
            )
            if told.returncode == 0 and told.stdout.strip() == version:
                return path
    wanted = " or ".join(versions)
    raise MakeEnvError(f"needs Python {wanted} with its venv module: none on PATH, none under pyenv. Install one.")


def find_uv() -> list[str] | None:
    """The command that runs uv, if there is one that works."""
    commands = [[sys.executable, "-m", "uv"]] if importlib.util.find_spec("uv") else []
    if (found := shutil.which("uv")) is not None:
        commands.append([found])
    for command in commands:
        if subprocess.run([*command, "--version"], capture_output=True, check=False).returncode == 0:
            return command
    return None


def ensure_ffmpeg() -> None:
    """Install Debian's FFmpeg where it is missing and we may; else say what its absence means."""
    if shutil.which("ffmpeg") is not None:
        return
    apt = shutil.which("apt-get")
    if apt is not None and os.geteuid() == 0:
        environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
        for arguments in (["update", "-q"], ["install", "-y", "-q", "--no-install-recommends", "ffmpeg"]):
            subprocess.run([apt, *arguments], env=environment, check=False, stdout=sys.stderr)
    if shutil.which("ffmpeg") is None:
        print("FFmpeg is missing (apt-get install ffmpeg): the judge cannot try torchcodec", file=sys.stderr)


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold the file's lock, so that two programs do not make the same environment at once."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _run(command: list[str | Path]) -> None:
    print("+", *command, file=sys.stderr)
    if subprocess.run(command, check=False, stdout=sys.stderr).returncode != 0:
        raise MakeEnvError(f"this failed, see above: {' '.join(str(word) for word in command)}")


def ensure(name: str) -> Path:
    """Make the environment `name` unless it is there.

    Returns:
        The path of its Python.

    Raises:
        MakeEnvError: No such environment, no Python for it, or an installation failed.
    """
    if name not in ENVIRONMENTS:
        raise MakeEnvError(f"there is no environment {name!r}, there are {', '.join(ENVIRONMENTS)}")
    wanted = ENVIRONMENTS[name]
    if wanted.video:
        ensure_ffmpeg()
    folder = JUDGES / name
    python, stamp = folder / "bin" / "python", folder / "made_of.txt"
    with locked(JUDGES / f"{name}.lock"):
        made_of = "\n".join(wanted.packages) + "\n"
        if stamp.is_file() and stamp.read_text(encoding="utf-8") == made_of and python.exists():
            return python
        base = find_python(wanted.pythons)
        shutil.rmtree(folder, ignore_errors=True)
        uv = find_uv()
        if uv is not None:
            _run([*uv, "venv", "-q", "-p", base, folder])
            _run([*uv, "pip", "install", "-q", "--python", python, *wanted.packages])
        else:
            _run([base, "-m", "venv", folder])
            _run([python, "-m", "pip", "install", "-q", "--disable-pip-version-check", *wanted.packages])
        stamp.write_text(made_of, encoding="utf-8")
    return python


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("name", choices=list(ENVIRONMENTS))
    arguments = parser.parse_args()
    try:
        print(ensure(arguments.name))
    except MakeEnvError as error:
        print(f"make_env: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
