"""Gives Isaac Sim's Python the third-party packages that it lacks, beside its own and never instead of them.

    docker/isaac-python.sh docker/isaac_packages.py install FOLDER
    docker/isaac-python.sh docker/isaac_packages.py check FOLDER

FOLDER is `packages` in the extension's folder. `install` puts into it what constraints-<Python>.txt lists and Isaac Sim
does not have, and appends FOLDER and the extension's folder to the end of `sys.path` by a .pth file in Isaac Sim's
site-packages, so that Isaac Sim's own packages win: those lie in site-packages and in the folders that
setup_python_env.sh puts on PYTHONPATH, before everything of a .pth file. `check`, in a process of its own because .pth
files are read when Python starts, fails unless numpy is still Isaac Sim's and everything fits together and imports.
"""

from __future__ import annotations

import importlib
import re
import subprocess
import sys
import sysconfig
from collections.abc import Iterable, Mapping
from importlib.metadata import distributions
from pathlib import Path
from typing import Final

PTH_NAME: Final = "zz_isaac_collect.pth"  # .pth files count in the order of their names
IMPORTS: Final = (
    "numpy",
    "av",
    "pyarrow.parquet",
    "flask",
    "flask_smorest",
    "cheroot.wsgi",
    "aiortc",
    "prometheus_client",
    "requests",
    "imageio.v3",
    "PIL.Image",
    "tqdm",
)
# (package, what it asks for): the versions of Isaac Sim's that do, although the package's metadata deny it.
# Isaac Sim 4.5 has cryptography 42.0.7: live video works with it, handshake and pictures included; aiortc asks for 44.
ACCEPTED: Final[Mapping[tuple[str, str], str]] = {("aiortc", "cryptography"): ">=42.0.7"}


def canonical(name: str) -> str:
    """A distribution's name as PEP 503 writes it."""
    return re.sub(r"[-_.]+", "-", name).lower()


def read_pins(constraints: Path) -> dict[str, str]:
    """Name to version, of the lines name==version."""
    lines = (line.partition("#")[0].strip() for line in constraints.read_text(encoding="utf-8").splitlines())
    return {canonical(name): version for name, _, version in (line.partition("==") for line in lines if line)}


def versions_on(path: Iterable[str]) -> dict[str, str]:
    """Name to version of the distributions on a search path; the first of a name wins, as with imports."""
    found: dict[str, str] = {}
    for distribution in distributions(path=list(path)):
        if distribution.metadata["Name"]:  # None in what a broken removal left behind
            found.setdefault(canonical(distribution.metadata["Name"]), distribution.version)
    return found


def lacking(pins: Mapping[str, str], shipped: Mapping[str, str]) -> list[str]:
    """The lines name==version of what is pinned and not shipped."""
    return [f"{name}=={version}" for name, version in pins.items() if name not in shipped]


def misfits(names: Iterable[str], path: Iterable[str]) -> list[str]:
    """One line for each requirement of those distributions that the first on the path does not meet."""
    from packaging.requirements import Requirement  # Isaac Sim's own, on its search path
    from packaging.specifiers import SpecifierSet

    search = list(path)
    versions = versions_on(search)
    problems = [f"{name} is missing" for name in names if name not in versions]
    seen: set[str] = set()
    for distribution in distributions(path=search):
        name = canonical(distribution.metadata["Name"] or "")
        if name in seen or name not in set(names):
            continue
        seen.add(name)
        for requirement in map(Requirement, distribution.requires or ()):
            if requirement.marker is not None and not requirement.marker.evaluate({"extra": ""}):
                continue
            wanted = canonical(requirement.name)
            version = versions.get(wanted)
            allowed = SpecifierSet(ACCEPTED.get((name, wanted), str(requirement.specifier)))
            if version is None or not allowed.contains(version, prereleases=True):
                problems.append(f"{name} {versions[name]} needs {requirement}, found {version or 'none'}")
    return problems


def constraints_file() -> Path:
    """Raises SystemExit where there is none for this Python."""
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    file = Path(__file__).with_name(f"constraints-{version}.txt")
    if not file.exists():
        known = sorted(path.name for path in file.parent.glob("constraints-3.*.txt"))
        raise SystemExit(f"isaac-collect: no package versions for this Python {version}; there are {', '.join(known)}")
    return file


def install(folder: Path) -> None:
    """folder: absolute. What it held before is replaced."""
    own = [entry for entry in sys.path[1:] if Path(entry) not in (folder, folder.parent)]  # [0]: this script's folder
    wanted = lacking(read_pins(constraints_file()), versions_on(own))
    print(f"Python {sys.version.split()[0]} lacks: {' '.join(wanted)}", flush=True)
    folder.mkdir(parents=True, exist_ok=True)
    # --no-deps: the list is complete, so nothing else can slip in, numpy least of all.
    command = [sys.executable, "-m", "pip", "install", "--no-deps", "--only-binary=:all:", "--no-compile", "--upgrade"]
    command += ["--no-cache-dir", "--disable-pip-version-check", "--root-user-action=ignore"]
    subprocess.run([*command, "--target", str(folder), *wanted], check=True)
    pth = Path(sysconfig.get_path("purelib"), PTH_NAME)
    pth.write_text(f"{folder}\n{folder.parent}\n", encoding="utf-8")


def check(folder: Path) -> None:
    """Raises SystemExit that lists whatever is wrong."""
    problems: list[str] = []
    if [Path(entry) for entry in sys.path[-2:]] != [folder, folder.parent]:
        problems.append(f"{folder} is not at the end of sys.path: {sys.path}")
    problems += [f"{path} must not be there: numpy is Isaac Sim's" for path in sorted(folder.glob("numpy*"))]
    problems += misfits(list(read_pins(constraints_file())), sys.path[1:])
    for module in IMPORTS:
        try:
            importlib.import_module(module)
        except Exception as error:  # whatever a module that does not fit raises
            problems.append(f"import {module}: {type(error).__name__}: {error}")
    if problems:
        listed = "\n  ".join(problems)
        raise SystemExit(
            f"isaac-collect: the packages do not fit those of this Isaac Sim:\n  {listed}\nOther versions go into "
            f"{constraints_file()}; what works nevertheless, into ACCEPTED in {__file__}"
        )
    numpy = sys.modules["numpy"]
    print(f"Python {sys.version.split()[0]}, numpy {numpy.__version__} of {Path(str(numpy.__file__)).parent}: all fits")


def main() -> None:
    if len(sys.argv) != 3 or sys.argv[1] not in ("install", "check"):
        raise SystemExit(__doc__)
    folder = Path(sys.argv[2]).absolute()
    (install if sys.argv[1] == "install" else check)(folder)


if __name__ == "__main__":
    main()
