"""Isaac Sim is not here: the adapter's calls are held against what its versions are known to take."""

import ast
import textwrap
from collections.abc import Callable
from pathlib import Path

import pytest
from isaac_contract import (
    TABLES,
    VERSIONS,
    Exemption,
    Tables,
    adapter_files,
    examine,
    findings,
    load_facts,
)
from isaac_contract_checks import CALLBACKS, DICTIONARIES
from isaac_contract_facts import entry_of
from isaac_contract_mistakes import MISTAKES
from isaac_contract_right import COMPAT, RIGHT

ROOT = Path(__file__).parent.parent.parent
PATH = "sim_service/isaac_sim/snippet.py"


def examined(source: str, tables: Tables = TABLES) -> list[str]:
    """Findings in a module of the adapter, which may import from the compat module above."""
    files = {"sim_service/isaac_sim/compat.py": textwrap.dedent(COMPAT), PATH: textwrap.dedent(source)}
    return [str(finding) for finding in findings(files, tables)]


# The adapter


def test_every_call_of_the_adapter_binds_in_every_version() -> None:
    assert [str(finding) for finding in findings(adapter_files())] == []


@pytest.mark.parametrize("table", ["only_in", "ignored"])
def test_every_exemption_is_needed(table: str) -> None:
    for key, exemption in getattr(TABLES, table).items():
        left = {other: value for other, value in getattr(TABLES, table).items() if other != key}
        tables = Tables(**{"only_in": TABLES.only_in, "ignored": TABLES.ignored, table: left})
        assert findings(adapter_files(), tables), f"{key} needs no exemption: {exemption.reason}"


def test_the_walk_sees_what_the_adapter_is_made_of() -> None:
    seen = {use.name for use in examine(adapter_files()).uses}
    assert seen >= {
        "isaacsim.SimulationApp()",
        "isaacsim.core.api.World()",
        "isaacsim.core.api.World.add_physics_callback()",
        "isaacsim.core.api.World.reset_async()",
        "isaacsim.core.api.World.step()",
        "isaacsim.core.api.controllers.ArticulationController.set_gains()",
        "isaacsim.core.prims.SingleArticulation.apply_action()",
        "isaacsim.core.prims.SingleRigidPrim()",
        "isaacsim.core.prims.SingleRigidPrim.set_world_pose()",
        "isaacsim.sensors.camera.Camera.destroy()",
        "isaacsim.sensors.camera.Camera.get_rgba()",
        "carb.events.IEventStream.create_subscription_to_pop()",
    }


class SurplusKeyword(ast.NodeTransformer):
    def visit_Call(self, node: ast.Call) -> ast.Call:
        self.generic_visit(node)
        node.keywords.append(ast.keyword("surplus", ast.Constant(1)))
        return node


def test_a_surplus_keyword_in_any_call_of_the_adapter_is_found() -> None:
    files = {path: ast.unparse(SurplusKeyword().visit(ast.parse(text))) for path, text in adapter_files().items()}
    checks = examine(files)
    calls = {(use.path, use.line, use.name) for use in checks.uses if use.name.endswith("()")}
    assert len(calls) > 50
    found = {(finding.path, finding.line, f"{finding.problem.split()[0]}()") for finding in checks.findings}
    assert calls - found == set()


@pytest.mark.parametrize("version", VERSIONS)
def test_a_name_that_a_version_loses_is_found_wherever_the_adapter_uses_it(version: str) -> None:
    facts = load_facts()
    lost = {name for name in facts.names - facts.classes if name not in facts.returns}
    checks = examine(adapter_files(), facts=facts.without(version, lost))
    uses = {(use.path, use.line, use.name) for use in checks.uses if version in use.versions and use.name in lost}
    assert len(uses) > 40
    told = [finding for finding in checks.findings if version in finding.problem]
    assert uses - {(finding.path, finding.line, finding.problem.split()[0]) for finding in told} == set()


# Mistakes, planted


@pytest.mark.parametrize("name", MISTAKES)
def test_a_mistake_is_found_and_told(name: str) -> None:
    source, problem = MISTAKES[name]
    line = next(number for number, text in enumerate(textwrap.dedent(source).splitlines(), 1) if "# here" in text)
    found = examined(source)
    assert any(text.startswith(f"{PATH}:{line}: {problem}") for text in found), found
    assert all(text.startswith(f"{PATH}:{line}: ") for text in found), found


# What is right


@pytest.mark.parametrize("name", RIGHT)
def test_what_is_right_is_let_through(name: str) -> None:
    assert examined(RIGHT[name]) == []


ONLY_SOME = """
    from isaacsim.core.utils.stage import get_current_stage
    class Stages:
        def identifier(self) -> int:
            from isaacsim.core.utils.stage import get_current_stage_id
            return get_current_stage_id()
"""


@pytest.mark.parametrize("qualname", ["Stages.identifier", "Stages"])
def test_an_exemption_says_in_which_versions_a_body_runs(qualname: str) -> None:
    assert len(examined(ONLY_SOME)) == 1
    tables = Tables(only_in={(PATH, qualname): Exemption(("5.0.0", "6.0.1"), "asked for there alone")})
    assert examined(ONLY_SOME, tables) == []
    tables = Tables(only_in={(PATH, qualname): Exemption(("4.5.0", "6.0.1"), "wrongly")})
    assert len(examined(ONLY_SOME, tables)) == 1


# The facts


def test_members_are_those_of_the_version() -> None:
    facts = load_facts()
    assert "destroy" not in facts.members("4.5.0", "isaacsim.sensors.camera.Camera")
    destroy = facts.members("5.0.0", "isaacsim.sensors.camera.Camera")["destroy"]
    assert destroy == facts.entry("5.0.0", "isaacsim.sensors.camera.Camera.destroy")
    assert facts.members("4.5.0", "isaacsim.sensors.experimental.rtx.CameraSensor") == {}


def test_facts_speak_of_each_other() -> None:
    """Return types, callbacks and dictionaries are of names that there are facts about."""
    facts = load_facts()
    assert set(facts.returns) <= facts.names
    assert {name for name in facts.returns.values() if not name.startswith(("pxr.", "builtins."))} <= facts.classes
    for name, (parameter, _) in [*CALLBACKS.items(), *DICTIONARIES.items()]:
        entries = [facts.entry(version, name) for version in VERSIONS]
        assert all(entry is not None and parameter in entry.signature.parameters for entry in entries), name


@pytest.mark.parametrize(
    "fact", ["procedure ()", "method", "property (a)", "static method ()", "method (a, a)", "method (a=1, b)"]
)
def test_a_fact_that_is_none_is_refused(fact: str) -> None:
    with pytest.raises((ValueError, SyntaxError)):
        entry_of(fact)


# Who may import it


def imported(path: Path) -> set[str]:
    """The packages at the top of what a file imports."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            names.add((node.module or "").partition(".")[0])
    return names


def importers(packages: set[str], where: Callable[[str], bool]) -> list[str]:
    """Files of ours that import one of the packages where they may not."""
    tops = ("lerobot_writer", "collectors", "sim_service", "bridge")
    paths = [path for top in tops for path in (ROOT / top).rglob("*.py") if imported(path) & packages]
    return [str(path.relative_to(ROOT)) for path in paths if not where(path.relative_to(ROOT).as_posix())]


def test_only_the_adapter_imports_isaac_sim() -> None:
    allowed = ("sim_service/isaac_sim/", "sim_service/extension.py")
    assert importers({"isaacsim", "omni", "carb", "pxr"}, lambda path: path.startswith(allowed)) == []
    assert importers({"isaacsim", "omni", "carb", "pxr"}, lambda path: False) != []


def test_what_authors_the_stage_runs_without_isaac_sim() -> None:
    assert importers({"isaacsim", "omni", "carb"}, lambda path: not path.startswith("sim_service/isaac_sim/usd/")) == []
    assert importers({"pxr"}, lambda path: not path.startswith("sim_service/isaac_sim/usd/")) != []
