"""docker/isaac_packages.py, which puts third-party packages beside Isaac Sim's own."""

import importlib.util
import subprocess
import sys
import sysconfig
from pathlib import Path
from types import ModuleType

import pytest

FILE = Path(__file__).parent.parent / "docker" / "isaac_packages.py"


@pytest.fixture
def packages() -> ModuleType:
    spec = importlib.util.spec_from_file_location("isaac_packages", FILE)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def distribution(folder: Path, name: str, version: str, *requires: str) -> None:
    """What pip leaves behind of an installed package, for importlib.metadata."""
    info = folder / f"{name.replace('-', '_')}-{version}.dist-info"
    info.mkdir(parents=True)
    lines = [
        "Metadata-Version: 2.1",
        f"Name: {name}",
        f"Version: {version}",
        *(f"Requires-Dist: {r}" for r in requires),
    ]
    (info / "METADATA").write_text("\n".join(lines) + "\n")


def test_the_first_on_the_path_counts(packages: ModuleType, tmp_path: Path) -> None:
    distribution(tmp_path / "theirs", "numpy", "1.26.0")
    distribution(tmp_path / "ours", "numpy", "2.3.1")
    distribution(tmp_path / "ours", "Typing_Extensions", "4.11.0")
    path = [str(tmp_path / "theirs"), str(tmp_path / "ours")]
    assert packages.versions_on(path) == {"numpy": "1.26.0", "typing-extensions": "4.11.0"}
    assert packages.versions_on(reversed(path))["numpy"] == "2.3.1"


def test_what_isaac_sim_ships_is_not_installed_whatever_its_version(packages: ModuleType, tmp_path: Path) -> None:
    lock = tmp_path / "lock.txt"
    lock.write_text("# both\n\nflask==3.1.3  # ours\ntyping-extensions==4.11.0\n")
    pins = packages.read_pins(lock)
    assert packages.lacking(pins, {"typing-extensions": "4.0.0"}) == ["flask==3.1.3"]
    assert packages.lacking(pins, {}) == ["flask==3.1.3", "typing-extensions==4.11.0"]


def test_a_requirement_that_isaac_sims_version_does_not_meet_is_found(packages: ModuleType, tmp_path: Path) -> None:
    distribution(tmp_path / "theirs", "click", "7.0")
    distribution(tmp_path / "ours", "flask", "3.1.3", "click>=8.1.3", "blinker>=1.9")
    distribution(tmp_path / "ours", "click", "8.1.7")
    path = [str(tmp_path / "theirs"), str(tmp_path / "ours")]
    assert packages.misfits(["flask"], path) == [
        "flask 3.1.3 needs click>=8.1.3, found 7.0",
        "flask 3.1.3 needs blinker>=1.9, found none",
    ]


def test_what_is_met_or_does_not_apply_is_no_misfit(packages: ModuleType, tmp_path: Path) -> None:
    distribution(
        *(tmp_path, "flask", "3.1.3", "click>=8.1.3", 'python-dotenv; extra == "dotenv"'),
        'importlib-metadata; python_version < "3.10"',
    )
    distribution(tmp_path, "click", "8.1.7")
    distribution(tmp_path, "strange", "1.0", "nothing-of-ours>=2")  # nobody asked about it
    assert packages.misfits(["flask", "click"], [str(tmp_path)]) == []


def test_what_is_listed_and_nowhere_is_missing(packages: ModuleType, tmp_path: Path) -> None:
    assert packages.misfits(["av"], [str(tmp_path)]) == ["av is missing"]


@pytest.mark.parametrize(("version", "fits"), [("42.0.7", True), ("44.0.0", True), ("41.0.0", False)])
def test_what_is_known_to_work_is_accepted(packages: ModuleType, tmp_path: Path, version: str, fits: bool) -> None:
    distribution(tmp_path, "aiortc", "1.15.0", "cryptography>=44.0.0")
    distribution(tmp_path, "cryptography", version)
    assert (packages.misfits(["aiortc"], [str(tmp_path)]) == []) is fits


def test_an_unknown_python_is_refused(packages: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    class Version(tuple[int, ...]):
        major, minor = 3, 9

    monkeypatch.setattr(sys, "version_info", Version((3, 9)))
    with pytest.raises(
        SystemExit, match=r"3\.9.*constraints-3\.10\.txt, constraints-3\.11\.txt, constraints-3\.12\.txt"
    ):
        packages.constraints_file()


def test_installing_adds_to_the_end_and_brings_no_numpy(
    packages: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    theirs, purelib, folder = tmp_path / "theirs", tmp_path / "site-packages", tmp_path / "isaac_collect" / "packages"
    distribution(theirs, "requests", "2.32.3")
    purelib.mkdir()
    commands: list[list[str]] = []
    monkeypatch.setattr(sys, "path", ["", str(theirs), str(folder), str(folder.parent)])
    monkeypatch.setattr(subprocess, "run", lambda command, check: commands.append(command))
    monkeypatch.setattr(sysconfig, "get_path", lambda name: str(purelib) if name == "purelib" else None)
    lock = tmp_path / "lock.txt"
    lock.write_text("av==17.1.0\nrequests==2.32.3\n")
    monkeypatch.setattr(packages, "constraints_file", lambda: lock)

    packages.install(folder)

    ((*options, last),) = commands
    assert last == "av==17.1.0"
    assert "--no-deps" in options
    assert options[options.index("--target") + 1] == str(folder)
    (pth,) = purelib.iterdir()
    assert pth.read_text().splitlines() == [str(folder), str(folder.parent)]
    assert pth.suffix == ".pth"
    assert pth.name > "z"  # Python reads them by name: after those of Isaac Sim


def test_installing_again_replaces_what_was_installed_before(
    packages: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What an earlier run put there is not mistaken for Isaac Sim's."""
    purelib, folder = tmp_path / "site-packages", tmp_path / "isaac_collect" / "packages"
    distribution(folder, "av", "16.0.0")
    purelib.mkdir()
    commands: list[list[str]] = []
    monkeypatch.setattr(sys, "path", ["", str(folder), str(folder.parent)])
    monkeypatch.setattr(subprocess, "run", lambda command, check: commands.append(command))
    monkeypatch.setattr(sysconfig, "get_path", lambda name: str(purelib))
    lock = tmp_path / "lock.txt"
    lock.write_text("av==17.1.0\n")
    monkeypatch.setattr(packages, "constraints_file", lambda: lock)
    packages.install(folder)
    assert commands[0][-1] == "av==17.1.0"
    assert "--upgrade" in commands[0]
