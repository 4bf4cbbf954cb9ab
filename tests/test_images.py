"""What the Dockerfile and .dockerignore promise, read off the files; nothing is built."""

import argparse
import fnmatch
import os
import re
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.version import Version

import sim_service
from sim_service.config import STREAMING_PORT, add_collect_flags
from sim_service.page_config import DEFAULT_PORT
from sim_service.serve_config import add_serve_flags

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib  # pytest needs it there, too

ROOT = Path(__file__).parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
PACKAGES = set(PROJECT["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"])
ISAAC_LOCKS = sorted((ROOT / "docker").glob("constraints-3.*.txt"))
IMAGES = ("mujoco", "isaac")


@dataclass(frozen=True)
class Instruction:
    stage: str
    name: str
    arguments: str


def instructions() -> list[Instruction]:
    """Of the Dockerfile, without comments, each on one line."""
    lines = [line for line in (ROOT / "Dockerfile").read_text(encoding="utf-8").splitlines() if line[:1] != "#"]
    found: list[Instruction] = []
    stage = ""
    for line in re.sub(r"\\\n\s*", "", "\n".join(lines)).splitlines():
        if line.strip():
            name, _, arguments = line.partition(" ")
            stage = arguments.rpartition(" ")[2] if name == "FROM" else stage
            found.append(Instruction(stage, name, arguments.strip()))
    return found


def of(stage: str, name: str) -> list[str]:
    return [each.arguments for each in instructions() if (each.stage, each.name) == (stage, name)]


def chain(image: str) -> list[Instruction]:
    """Of the image and of the stage that it copies from."""
    return [each for each in instructions() if each.stage.startswith(image)]


def copied_from_the_tree(stages: list[Instruction]) -> list[str]:
    return [
        source
        for each in stages
        if each.name == "COPY" and "--from=" not in each.arguments
        for source in each.arguments.split()[:-1]
    ]


def let_through() -> list[str]:
    """The names that .dockerignore excepts from its first line, which keeps everything out."""
    first, *lines = [
        line for line in (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines() if line[:1] not in ("#", "")
    ]
    assert first == "*"
    assert [line for line in lines if line[0] != "!"] == ["**/__pycache__", "**/*.pyc"]
    return [line[1:] for line in lines if line[0] == "!"]


def environment(stage: str) -> dict[str, str]:
    words = [word for line in of(stage, "ENV") for word in line.split()]
    return dict(word.split("=", 1) for word in words)


def pins(lock: Path) -> dict[str, Version]:
    lines = [line.partition("#")[0].strip() for line in lock.read_text(encoding="utf-8").splitlines()]
    matches = [re.fullmatch(r"([a-z0-9-]+)==([0-9.]+)", line) for line in lines if line]
    assert None not in matches, f"{lock} has lines that are no exact versions"
    return {match[1]: Version(match[2]) for match in matches if match}


@pytest.mark.parametrize("image", IMAGES)
def test_an_image_says_how_it_starts_and_whether_it_is_well(image: str) -> None:
    for name in ("ENTRYPOINT", "CMD", "HEALTHCHECK", "LABEL", "VOLUME"):
        assert len(of(image, name)) == 1, name
    assert of(image, "CMD") == ['["serve"]']
    assert of(image, "VOLUME") == ["/data/datasets"]
    assert set(of(image, "EXPOSE")[0].split()) == {str(DEFAULT_PORT), str(STREAMING_PORT)}


@pytest.mark.parametrize("image", IMAGES)
def test_the_label_has_the_version(image: str) -> None:
    assert f'org.opencontainers.image.version="{sim_service.__version__}"' in of(image, "LABEL")[0]


@pytest.mark.parametrize("image", IMAGES)
def test_an_image_has_the_whole_product(image: str) -> None:
    copied = {*copied_from_the_tree(chain(image))}
    assert copied >= PACKAGES
    assert "docker/healthcheck.py" in copied


@pytest.mark.parametrize("image", IMAGES)
def test_packages_are_installed_before_our_code_is_there(image: str) -> None:
    """Else each change of ours would download them all again."""
    stages = chain(image)
    install = next(n for n, each in enumerate(stages) if each.name == "RUN" and "install " in each.arguments)
    assert not PACKAGES & {*copied_from_the_tree(stages[:install])}
    assert any("constraints" in source for source in copied_from_the_tree(stages[:install]))


def test_the_build_sees_what_it_copies_and_nothing_else() -> None:
    copied = copied_from_the_tree(instructions())
    for source in copied:
        assert list(ROOT.glob(source)), f"{source} is not there"
    tops = {Path(source).parts[0] for source in copied}
    assert sorted(let_through()) == sorted(tops)


@pytest.mark.parametrize("name", [".git", "tests", "bench", "datasets", ".venv", ".env", "README.md.orig"])
def test_what_has_no_business_in_an_image_stays_out(name: str) -> None:
    assert not any(fnmatch.fnmatch(name, pattern) for pattern in let_through())


def test_nobody_accepts_the_licence_for_others() -> None:
    assert not [each for each in instructions() if "EULA" in each.arguments or "PRIVACY_CONSENT" in each.arguments]


def test_an_image_has_no_secret() -> None:
    set_names = [each.arguments for each in instructions() if each.name in ("ENV", "ARG")]
    assert not [names for names in set_names if re.search("TOKEN|SECRET|PASSWORD|API_KEY", names)]


def test_the_mujoco_image_runs_as_an_ordinary_user() -> None:
    assert of("mujoco", "USER") == ["1000:1000"]


def test_the_isaac_image_runs_as_the_user_of_its_base() -> None:
    """Which one that is differs between versions, and a user that is not there ends the container."""
    assert of("isaac", "USER") == []


@pytest.mark.parametrize("image", IMAGES)
def test_the_variables_of_an_image_are_flags(image: str) -> None:
    collect, serve = argparse.ArgumentParser(), argparse.ArgumentParser()
    add_collect_flags(collect)
    add_serve_flags(serve)
    known = {option for parser in (collect, serve) for each in parser._actions for option in each.option_strings}
    ours = [name for name in environment(image) if name.startswith("ISAAC_COLLECT_")]
    assert len(ours) >= 3
    for name in ours:
        assert "--" + name.removeprefix("ISAAC_COLLECT_").lower().replace("_", "-") in known


@pytest.mark.parametrize("image", IMAGES)
def test_whatever_serves_a_page_can_be_reached(image: str) -> None:
    assert environment(image)["ISAAC_COLLECT_HOST"] == "0.0.0.0"
    assert environment(image)["ISAAC_COLLECT_STREAMING_HOST"] == "0.0.0.0"
    assert environment(image)["ISAAC_COLLECT_DATA_ROOT"] == "/data/datasets"


def test_the_extension_lies_in_a_folder_of_its_name() -> None:
    targets = [line.split()[-1] for line in of("isaac", "COPY") if "extsUser" in line]
    assert len(targets) >= 6
    for target in targets:
        assert target.startswith("/isaac-sim/extsUser/isaac_collect/")


@pytest.mark.parametrize("script", sorted((ROOT / "docker").glob("*.sh")), ids=lambda path: path.name)
def test_a_script_can_be_run(script: Path) -> None:
    assert os.access(script, os.X_OK)


def test_each_python_of_isaac_sim_has_its_versions() -> None:
    assert [lock.stem for lock in ISAAC_LOCKS] == ["constraints-3.10", "constraints-3.11", "constraints-3.12"]


@pytest.mark.parametrize("lock", ISAAC_LOCKS, ids=lambda path: path.stem)
def test_isaac_sim_keeps_its_numpy(lock: Path) -> None:
    assert not {"numpy", "mujoco"} & pins(lock).keys()


@pytest.mark.parametrize("lock", [*ISAAC_LOCKS, ROOT / "docker" / "constraints-mujoco.txt"], ids=lambda path: path.stem)
def test_the_versions_are_those_that_the_product_allows(lock: Path) -> None:
    found = pins(lock)
    for requirement in map(Requirement, PROJECT["project"]["dependencies"]):
        if lock.stem != "constraints-mujoco" and requirement.name in ("numpy", "mujoco"):
            continue
        assert requirement.specifier.contains(found[requirement.name]), f"{requirement}, {found[requirement.name]}"
