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
    "sim_service": {"numpy", "pyarrow", "av", "mujoco", "imageio", "tqdm", "yaml"},
    "bridge": {
        *("flask", "flask_smorest", "werkzeug", "itsdangerous", "marshmallow", "cheroot", "prometheus_client"),
        *("aiortc", "av", "numpy", "PIL"),
        *("requests", "tqdm"),
    },
}
ENTRY_POINTS = {"sim_service.__main__", "sim_service.extension", "lerobot_writer.__main__"}
WIRING = {"sim_service.wiring"}  # what the entry points of sim_service share; for them alone
OF_EXTRAS = {
    "sim_service.export.hdf5_file": {"h5py"},
    "sim_service.export.hdf5_library": {"h5py"},
    "sim_service.push": {"huggingface_hub"},
}
ISAAC_SIM = {"isaacsim", "omni", "carb", "pxr"}


def modules() -> list[Path]:
    return [path for package in OURS for path in sorted((ROOT / package).rglob("*.py"))]


def name_of(path: Path) -> str:
    """As it is imported."""
    return ".".join(path.relative_to(ROOT).with_suffix("").parts)


def third_parties(module: str) -> set[str]:
    """What a module may import that is neither ours nor Python's own."""
    allowed = THIRD_PARTIES[module.split(".")[0]]
    if is_within(module, {"sim_service.isaac_sim.usd"}):
        return {*allowed, "pxr"}  # so that it runs where there is USD and no Isaac Sim
    if is_within(module, {"sim_service.isaac_sim"}):
        return allowed | ISAAC_SIM
    return allowed | OF_EXTRAS.get(module, set())


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


def violations(module: str, source_imports: Iterator[str]) -> list[str]:
    found = []
    for name in source_imports:
        top = name.split(".")[0]
        if top in OURS:
            if not is_within(name, ALLOWED[module.split(".")[0]]) or is_within(name, ENTRY_POINTS | WIRING):
                found.append(name)
        elif top not in sys.stdlib_module_names and top not in third_parties(module):
            found.append(name)
    return found


@pytest.mark.parametrize("path", modules(), ids=lambda path: str(path.relative_to(ROOT)))
def test_module_imports_only_what_its_package_may(path: Path) -> None:
    module = name_of(path)
    if module in ENTRY_POINTS | WIRING:
        return  # wires everything
    assert violations(module, imports(path)) == []


@pytest.mark.parametrize(("module", "extras"), OF_EXTRAS.items())
def test_what_an_extra_brings_is_imported_within_functions_alone(module: str, extras: set[str]) -> None:
    path = ROOT / f"{module.replace('.', '/')}.py"
    assert {name.split(".")[0] for name in imports(path)} >= extras
    statements = [node for node in ast.parse(path.read_text()).body if isinstance(node, ast.Import | ast.ImportFrom)]
    first = {alias.name for node in statements for alias in node.names} | {getattr(s, "module", "") for s in statements}
    assert {name.split(".")[0] for name in first} & extras == set()


def users(of: set[str]) -> set[str]:
    """Modules that import any of those."""
    return {name_of(path) for path in modules() if any(is_within(name, of) for name in imports(path))}


def test_only_entry_points_import_the_wiring() -> None:
    assert "sim_service.__main__" in users(WIRING)
    assert users(WIRING) <= ENTRY_POINTS


def test_entry_points_and_wiring_alone_know_both_the_service_and_the_bridge() -> None:
    beside_itself = {module for module in users({"bridge"}) if not is_within(module, {"bridge"})}
    assert beside_itself >= WIRING
    assert beside_itself <= ENTRY_POINTS | WIRING


def test_nobody_imports_an_entry_point() -> None:
    assert users(ENTRY_POINTS) == set()


def test_only_the_adapter_and_the_extension_import_isaac_sim() -> None:
    allowed = {"sim_service.isaac_sim", "sim_service.extension"}
    assert {module for module in users(ISAAC_SIM) if not is_within(module, allowed)} == set()


def test_only_the_mujoco_adapter_imports_mujoco() -> None:
    users = {p.relative_to(ROOT).parts[:2] for p in modules() if any(n.split(".")[0] == "mujoco" for n in imports(p))}
    assert users == {("sim_service", "mujoco_sim")}


WEB_FRAMEWORK = {"flask", "flask_smorest", "werkzeug", "cheroot"}
PURE = ("messages", "rendering", "events", "mjpeg", "status_body", "slots")  # modules of bridge that know no Flask


@pytest.mark.parametrize("name", PURE)
def test_parsing_and_rendering_know_no_flask(name: str) -> None:
    assert {n.split(".")[0] for n in imports(ROOT / "bridge" / f"{name}.py")} & WEB_FRAMEWORK == set()


@pytest.mark.parametrize("name", ["bridge.client", "bridge.remote_command"])
def test_the_client_needs_no_server(name: str) -> None:
    """Neither it nor what it imports of ours: nothing but requests and tqdm."""
    seen: set[str] = set()
    left = [name]
    while left:
        module = left.pop()
        path = ROOT / f"{module.replace('.', '/')}.py"
        if module in seen or not path.exists():
            continue
        seen.add(module)
        for imported in imports(path):
            top = imported.split(".")[0]
            assert top in OURS or top in sys.stdlib_module_names or top in {"requests", "tqdm"}, (module, imported)
            if top in OURS:
                left += [imported, imported.rpartition(".")[0]]
    assert len(seen) > 2


def test_live_video_knows_no_flask() -> None:
    for path in (ROOT / "bridge" / "video").rglob("*.py"):
        assert {n.split(".")[0] for n in imports(path)} & WEB_FRAMEWORK == set(), path


def test_the_checker_shares_no_code_with_the_writer() -> None:
    for path in (ROOT / "lerobot_writer" / "check").rglob("*.py"):
        shared = [
            n for n in imports(path) if n.startswith("lerobot_writer.") and not n.startswith("lerobot_writer.check")
        ]
        assert shared == [], path


@pytest.mark.parametrize(
    ("module", "name"),
    [
        ("lerobot_writer", "collectors.scene"),
        ("collectors", "sim_service.config"),
        ("collectors", "mujoco"),
        ("bridge", "sim_service.collection"),
        ("sim_service", "bridge.app"),
        ("sim_service", "sim_service.__main__"),
        ("sim_service.service", "sim_service.wiring"),
        ("sim_service.service", "pxr"),
        ("sim_service.isaac_sim.usd.paths", "omni.usd"),
        ("lerobot_writer", "torch"),
    ],
)
def test_the_rules_catch_a_violation(module: str, name: str) -> None:
    assert violations(module, iter([name])) == [name]
