"""extension.toml: what Kit reads, and what the rest of the tree must agree with."""

import argparse
import ast
import re
import sys
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

import sim_service
from sim_service.page_config import ISAAC_PORTS
from sim_service.serve_config import add_serve_flags

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib  # pytest needs it there, too

ROOT = Path(__file__).parent.parent
FILE = ROOT / "extension.toml"
NAME = "isaac_collect"


def config() -> dict[str, Any]:
    return tomllib.loads(FILE.read_text(encoding="utf-8"))


def settings() -> dict[str, Any]:
    (name,) = config()["settings"]["exts"]
    assert name == NAME
    return config()["settings"]["exts"][NAME]


def extension_constant(name: str) -> Any:
    """Of sim_service/extension.py, which only Kit can import."""
    for node in ast.parse((ROOT / "sim_service" / "extension.py").read_text(encoding="utf-8")).body:
        if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name) and node.target.id == name:
            assert node.value is not None
            return ast.literal_eval(node.value)
    raise LookupError(name)


def needed_modules(body: list[ast.stmt]) -> Iterator[str]:
    """What importing a module imports, with what it tries first, without what it falls back on."""
    for statement in body:
        if isinstance(statement, ast.ImportFrom):
            yield str(statement.module)
        elif isinstance(statement, ast.Import):
            yield from (alias.name for alias in statement.names)
        elif isinstance(statement, ast.Try):
            yield from needed_modules(statement.body)


def test_kit_reads_the_file_of_the_root() -> None:
    link = ROOT / "config" / "extension.toml"
    assert link.is_symlink()
    assert link.readlink() == Path("../extension.toml")
    assert link.resolve() == FILE.resolve()


def test_it_says_what_nvidias_own_say() -> None:
    assert config()["package"].keys() == {
        *("version", "category", "title", "description", "keywords", "changelog", "readme")
    }
    assert config().keys() == {"package", "core", "dependencies", "python", "settings", "test"}


@pytest.mark.parametrize("key", ["changelog", "readme"])
def test_its_documents_are_there(key: str) -> None:
    assert (ROOT / config()["package"][key]).is_file()


def test_it_has_the_products_version() -> None:
    assert config()["package"]["version"] == sim_service.__version__


def test_its_module_is_there_and_has_an_extension() -> None:
    (module,) = config()["python"]["module"]
    source = (ROOT / (module["name"].replace(".", "/") + ".py")).read_text(encoding="utf-8")
    classes = [node for node in ast.parse(source).body if isinstance(node, ast.ClassDef)]
    assert [ast.unparse(base).rpartition(".")[2] for each in classes for base in each.bases] == ["IExt"]


def test_it_installs_nothing_at_run_time() -> None:
    assert config()["python"].keys() == {"module"}


def test_the_settings_are_those_that_the_extension_reads() -> None:
    assert set(settings()) == set(extension_constant("SETTINGS"))
    assert extension_constant("NAME") == NAME


def test_a_setting_is_a_flag_of_serve_with_its_default() -> None:
    """But for data_root, which is no place below the folder that somebody starts an application in, and use_ycb, which
    a job asks for elsewhere."""
    parser = argparse.ArgumentParser()
    add_serve_flags(parser)
    defaults = vars(parser.parse_args([]))
    same = {name: value for name, value in settings().items() if name not in ("data_root", "use_ycb")}
    assert len(same) == len(settings()) - 2
    assert same == {name: defaults[name] for name in same}
    assert {name: type(value) for name, value in same.items()} == {name: type(defaults[name]) for name in same}
    assert settings()["data_root"].startswith("~/")
    assert settings()["use_ycb"] is False


def test_the_page_is_for_this_machine_alone_and_off_isaac_sims_ports() -> None:
    assert settings()["host"] == "127.0.0.1"
    assert settings()["port"] not in ISAAC_PORTS
    listed = re.search(r"([\d, ]+) and (\d+) are Isaac Sim's own", FILE.read_text(encoding="utf-8"))
    assert listed is not None
    assert {int(port) for port in re.findall(r"\d+", listed[0])} == ISAAC_PORTS


def test_no_setting_is_a_secret() -> None:
    assert not [name for name in settings() if "token" in name or "password" in name]


def test_every_setting_has_its_comment() -> None:
    lines = FILE.read_text(encoding="utf-8").splitlines()
    commented = [line for above, line in pairwise(lines) if line.startswith("exts.") and above.startswith("# ")]
    assert len(commented) == len(settings())


def test_every_dependency_has_its_comment() -> None:
    """A comment speaks of all the lines up to the next one."""
    lines = FILE.read_text(encoding="utf-8").splitlines()
    first = lines.index("[dependencies]") + 1
    block = lines[first : lines.index("", first)]
    assert block[0].startswith("# ")
    assert len([line for line in block if line.startswith('"')]) == len(config()["dependencies"])


def test_the_tests_of_kit_choose_any_port() -> None:
    (test,) = config()["test"]
    assert f"--/exts/{NAME}/port=0" in test["args"]


def test_what_the_adapter_imports_is_a_dependency() -> None:
    """omni.ext and omni.kit.app are Kit's own."""
    adapter = [ROOT / "sim_service" / "extension.py", *(ROOT / "sim_service" / "isaac_sim").rglob("*.py")]
    sources = [path.read_text(encoding="utf-8") for path in adapter]
    modules = {module for source in sources for module in needed_modules(ast.parse(source).body)}
    needed = {name for name in modules if name.startswith(("isaacsim.", "omni."))} - {"omni.ext", "omni.kit.app"}
    assert "isaacsim.core.api" in needed
    for name in needed:
        assert any(name == each or name.startswith(f"{each}.") for each in config()["dependencies"]), name
