"""Import statements of the adapter, and what its classes owe to those of Isaac Sim that they stand on."""

from __future__ import annotations

import ast

from isaac_contract_binding import missing, takes
from isaac_contract_calls import own_signature
from isaac_contract_checks import Checks
from isaac_contract_modules import Class, Frame, Project
from isaac_contract_values import ISAAC, Value, within


def run_import(
    project: Project, checks: Checks, frame: Frame, node: ast.Import | ast.ImportFrom, is_caught: bool
) -> None:
    """is_caught: it may fail in some versions."""
    if isinstance(node, ast.Import):
        for alias in node.names:
            _note(frame, alias.name)
            _check(checks, frame, node, alias.name, is_caught)
            bound = alias.name if alias.asname else alias.name.partition(".")[0]
            frame.set(alias.asname or bound, (Value(bound, is_instance=False, versions=frame.versions),))
        return
    module = node.module or ""
    own = project.modules.get(module)
    _note(frame, module)
    for alias in node.names:
        dotted = f"{module}.{alias.name}"
        values = (Value(dotted, is_instance=False, versions=frame.versions),)
        if own is not None and alias.name in own.names:
            values = own.names[alias.name]
        if dotted in checks.facts.modules:
            _note(frame, dotted)
        having = _check(checks, frame, node, dotted, is_caught)
        frame.set(alias.asname or alias.name, within(values, having))


def _note(frame: Frame, dotted: str) -> None:
    parts = dotted.split(".")
    frame.module.imported |= {".".join(parts[:end]) for end in range(1, len(parts) + 1)}


def _check(checks: Checks, frame: Frame, node: ast.stmt, dotted: str, is_caught: bool) -> frozenset[str]:
    """The versions in which it succeeds."""
    if dotted.partition(".")[0] not in ISAAC:
        return frame.versions
    having = frozenset(checks.facts.versions_of(dotted))
    checks.use(frame, node, dotted, frame.versions)
    if not (is_caught and having):
        checks.report_all(frame, node, dotted, missing(checks.facts, dotted, frame.versions))
    return having & frame.versions


def check_class(project: Project, checks: Checks, frame: Frame, owner: Class) -> None:
    """That its methods take what Isaac Sim calls them with, and that it hides no class of Isaac Sim."""
    name = f"{frame.module.name}.{owner.qualname}"
    is_protocol = "Protocol" in {base.name.rpartition(".")[2] for base in owner.bases}
    for method, function in owner.methods.items():
        if is_protocol and method in checks.telling:
            problem = "is of a protocol, but a name of Isaac Sim's: annotate with the class in place of the protocol"
            checks.report(frame, function.node, f"{owner.qualname}.{method} {problem}")
        for base in project.isaac_bases(name):
            entries = [checks.facts.entry(version, f"{base.name}.{method}") for version in sorted(base.versions)]
            for signature in [
                entry.signature for entry in entries if entry is not None and entry.signature is not None
            ]:
                problem = takes(own_signature(function, owner), len(signature.parameters))
                if problem is not None:
                    called = f"is called by Isaac Sim as {base.name}.{method}{signature}"
                    checks.report(frame, function.node, f"{owner.qualname}.{method} {called}: {problem}")
