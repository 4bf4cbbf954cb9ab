"""The calls of the Isaac Sim adapter, held against the signatures of every version that it supports.

A walk over its syntax trees resolves every name of isaacsim, omni and carb, and binds every call: whether the name is
there, how many arguments it takes, by which keywords, and whether a positional one means the same everywhere.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Final

from isaac_contract_checks import Checks, Exemption, Finding, Tables
from isaac_contract_facts import VERSIONS, Entry, Facts, load_facts
from isaac_contract_modules import Project
from isaac_contract_statements import walk

__all__ = ["TABLES", "VERSIONS", "Entry", "Exemption", "Facts", "Finding", "Tables", "adapter_files", "examine"]
__all__ += ["findings", "load_facts"]

ROOT: Final = Path(__file__).parent.parent
TABLES: Final = Tables(
    only_in={
        ("sim_service/isaac_sim/compat.py", "_SensorPictures.start"): Exemption(
            ("6.0.1",), "It is there for versions after 6.0, which lack the older camera class."
        ),
    },
    ignored={
        ("sim_service/isaac_sim/application.py", "disable_viewport_updates"): Exemption(
            ("4.5.0",), "Only 6.0 is slow without it; 4.5 knows no such key and draws as ever."
        ),
    },
)


def adapter_files() -> dict[str, str]:
    """Sources of the modules that may import Isaac Sim, by path below the repository's root."""
    paths = [*sorted((ROOT / "sim_service/isaac_sim").rglob("*.py")), ROOT / "sim_service/extension.py"]
    return {str(path.relative_to(ROOT)): path.read_text() for path in paths}


def examine(files: Mapping[str, str], tables: Tables = TABLES, facts: Facts | None = None) -> Checks:
    """Its `findings` are what is wrong, its `uses` every name of Isaac Sim that the files use; `()` behind a call."""
    checks = Checks(facts or load_facts(), tables)
    walk(Project(files), checks)
    return checks


def findings(files: Mapping[str, str], tables: Tables = TABLES) -> list[Finding]:
    """In order of file and line."""
    return sorted(examine(files, tables).findings)
