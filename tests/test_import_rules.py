"""Data flows one way: which package may import what of ours, and which third parties."""

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
OURS = ("lerobot_writer", "collectors", "sim_service", "bridge")
ALLOWED = {
    "lerobot_writer": {"lerobot_writer"},
    "collectors": {"collectors"},
    "sim_service": {"sim_service", "collectors", "lerobot_writer"},
    "bridge": {"bridge", "sim_service.commands", "sim_service.ports"},
}
THIRD_PARTIES = {
    "lerobot_writer": {"numpy", "pyarrow", "av"},
    "collectors": {"numpy"},
    "sim_service": {"numpy", "pyarrow", "av", "mujoco", "imageio", "tqdm"},
    "bridge": set(),
}
ENTRY_POINTS = {"sim_service.__main__", "sim_service.extension", "lerobot_writer.__main__"}


def modules() -> list[Path]:
    return [path for package in OURS for path in sorted((ROOT / package).rglob("*.py"))]


def imports(path: Path) -> Iterator[str]:
    """Every imported name, `from a import b` as a.b."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path} has a relative import"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def is_within(name: str, allowed: set[str]) -> bool:
    return any(name == entry or name.startswith(f"{entry}.") for entry in allowed)


def violations(package: str, source_imports: Iterator[str]) -> list[str]:
    found = []
    for name in source_imports:
        top = name.split(".")[0]
        if top in OURS:
            if not is_within(name, ALLOWED[package]) or is_within(name, ENTRY_POINTS):
                found.append(name)
        elif top not in sys.stdlib_module_names and top not in THIRD_PARTIES[package]:
            found.append(name)
    return found


@pytest.mark.parametrize("path", modules(), ids=lambda path: str(path.relative_to(ROOT)))
def test_module_imports_only_what_its_package_may(path: Path) -> None:
    package = path.relative_to(ROOT).parts[0]
    module = ".".join(path.relative_to(ROOT).with_suffix("").parts)
    if module in ENTRY_POINTS:
        return  # wires everything
    assert violations(package, imports(path)) == []


def test_only_the_mujoco_adapter_imports_mujoco() -> None:
    users = {p.relative_to(ROOT).parts[:2] for p in modules() if any(n.split(".")[0] == "mujoco" for n in imports(p))}
    assert users == {("sim_service", "mujoco_sim")}


def test_the_checker_shares_no_code_with_the_writer() -> None:
    for path in (ROOT / "lerobot_writer" / "check").rglob("*.py"):
        shared = [
            n for n in imports(path) if n.startswith("lerobot_writer.") and not n.startswith("lerobot_writer.check")
        ]
        assert shared == [], path


@pytest.mark.parametrize(
    ("package", "name"),
    [
        ("lerobot_writer", "collectors.scene"),
        ("collectors", "sim_service.config"),
        ("collectors", "mujoco"),
        ("bridge", "sim_service.collection"),
        ("sim_service", "bridge.app"),
        ("sim_service", "sim_service.__main__"),
        ("lerobot_writer", "torch"),
    ],
)
def test_the_rules_catch_a_violation(package: str, name: str) -> None:
    assert violations(package, iter([name])) == [name]
