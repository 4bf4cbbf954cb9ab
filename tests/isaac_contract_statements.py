"""The walk through the statements of a module, in the versions that each of them runs in."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import replace
from typing import Final

from isaac_contract_checks import Checks
from isaac_contract_expressions import Expressions
from isaac_contract_imports import check_class, run_import
from isaac_contract_modules import Class, Frame, FunctionNode, Project
from isaac_contract_narrowing import question
from isaac_contract_values import (
    ALL,
    NONE,
    UNKNOWN,
    Value,
    Values,
    elements,
    instance,
    join,
    versions_of,
    within,
)

ROUNDS: Final = 5  # until what one module learns of another has come around
IMPORT_ERRORS: Final = {"ImportError", "ModuleNotFoundError"}


def walk(project: Project, checks: Checks) -> None:
    for round_left in reversed(range(ROUNDS)):
        for module in project.modules.values():
            statements = Statements(project, checks, Frame(module))
            with checks.muted() if round_left else nullcontext():
                statements.run(module.tree.body)
        for owner in project.classes.values():
            owner.end_round()


class Statements:
    """frame: changes as the statements go on."""

    def __init__(self, project: Project, checks: Checks, frame: Frame) -> None:
        self.project, self.checks, self.frame = project, checks, frame
        self._in_ladder = False

    @property
    def here(self) -> Expressions:
        return Expressions(self.project, self.checks, self.frame)

    def run(self, body: Sequence[ast.stmt]) -> bool:
        """Whether the end of it can be reached."""
        ends = [self._run(statement) for statement in body]
        return all(ends)

    def _run(self, node: ast.stmt) -> bool:
        method = getattr(self, f"_{type(node).__name__.lower()}", None)
        if method is not None:
            return method(node) is not False
        for child in ast.iter_child_nodes(node):
            if isinstance(child, ast.expr):
                self.here.value(child)
        return not isinstance(node, (ast.Raise, ast.Continue, ast.Break))

    def _expr(self, node: ast.Expr) -> None:
        if isinstance(node.value, ast.Call):
            self.here.calls.value(node.value, awaited=False)
        else:
            self.here.value(node.value)

    def _return(self, node: ast.Return) -> bool:
        values = self.here.value(node.value)
        function = self.project.functions.get(f"{self.frame.module.name}.{self.frame.qualname}")
        if function is not None:
            function.returned = join(function.returned, values)
        return False

    def _import(self, node: ast.Import | ast.ImportFrom) -> None:
        run_import(self.project, self.checks, self.frame, node, self._in_ladder)

    _importfrom = _import

    def _try(self, node: ast.Try) -> bool:
        caught = [h for h in node.handlers if h.type is not None and IMPORT_ERRORS & set(_names(h.type))]
        if caught and any(isinstance(statement, (ast.Import, ast.ImportFrom)) for statement in node.body):
            return self._ladder(node, caught[0])
        ends = self.run(node.body)
        ends = self.run(node.orelse) and ends
        for handler in node.handlers:
            before = dict(self.frame.names)
            if handler.name:
                self.frame.set(handler.name, instance("builtins.BaseException"))
            ends = self.run(handler.body) or ends
            self._join_names(before)
        return self.run(node.finalbody) and ends

    def _ladder(self, node: ast.Try, handler: ast.ExceptHandler) -> bool:
        """What an import gives in the versions that have it, and what stands in for it in the others."""
        versions = self.frame.versions
        before = dict(self.frame.names)
        with self._catching_imports():
            self.run(node.body)
        aliases = [a for s in node.body if isinstance(s, (ast.Import, ast.ImportFrom)) for a in s.names]
        names = {alias.asname or alias.name.partition(".")[0] for alias in aliases}
        imported = {name: self.frame.names.get(name, UNKNOWN) for name in names}
        having = frozenset(versions).intersection(*(versions_of(values) for values in imported.values()))
        lacking = versions - having
        self.frame.names.clear()
        self.frame.names.update(before)
        self.frame.versions = lacking
        with self._catching_imports(not lacking):
            if handler.name:
                self.frame.set(handler.name, instance("builtins.BaseException"))
            ends = self.run(handler.body)
        instead = {name: self.frame.names.get(name, UNKNOWN) for name in imported}
        raises = isinstance(handler.body[-1], ast.Raise)
        for name, values in imported.items():
            other = within(instead[name] or (Value(NONE),), lacking) if ends else UNKNOWN
            if lacking and raises and values:  # a name that no version has was told of where it is imported
                dotted, where = values[0].name, ", ".join(sorted(lacking))
                self.checks.report(self.frame, node, f"{dotted} in {where}: there is none, and nothing else is tried")
            self.frame.set(name, join(within(values, having), other))
        self.frame.versions = versions if ends else having
        return True

    @contextmanager
    def _catching_imports(self, is_caught: bool = True) -> Iterator[None]:
        before, self._in_ladder = self._in_ladder, is_caught
        try:
            yield
        finally:
            self._in_ladder = before

    # Names

    def _assign(self, node: ast.Assign) -> None:
        values = self.here.value(node.value)
        for target in node.targets:
            self._put(target, values)

    def _annassign(self, node: ast.AnnAssign) -> None:
        given = self.here.value(node.value)
        declared = self.here.annotation(node.annotation)
        values = given if any(value.keys is not None for value in given) else declared or given
        self._put(node.target, values)
        owner = self._class()
        if declared and owner is not None and isinstance(node.target, ast.Name):
            owner.declare(node.target.id, values)
        elif declared and isinstance(node.target, ast.Attribute):
            for value in self.here.value(node.target.value):
                if value.name in self.project.classes:
                    self.project.classes[value.name].declare(node.target.attr, values)

    def _augassign(self, node: ast.AugAssign) -> None:
        before, added = self.here.value(node.target), self.here.value(node.value)
        known = [value.keys for value in (*before, *added)]
        if isinstance(node.op, ast.BitOr) and before and added and None not in known:
            keys = frozenset().union(*(keys for keys in known if keys is not None))
            self._put(node.target, (replace(before[0], keys=keys),))
        else:
            self._put(node.target, tuple(replace(value, keys=None) for value in before))

    def _put(self, target: ast.expr, values: Values) -> None:
        owner = self._class()
        if owner is not None and isinstance(target, ast.Name):
            owner.assign(target.id, values)
        if isinstance(target, ast.Subscript) and isinstance(target.value, ast.Name):
            known = self.frame.get(target.value.id) or UNKNOWN  # its keys are no longer all written out
            self.frame.set(target.value.id, tuple(replace(value, keys=None) for value in known))
        self.here.bind(target, values)

    def _class(self) -> Class | None:
        """Whose body these statements are."""
        return self.project.classes.get(f"{self.frame.module.name}.{self.frame.qualname}")

    # Control flow

    def _if(self, node: ast.If) -> bool:
        self.here.condition(node.test)
        frames = []
        for truth, body in ((True, node.body), (False, node.orelse)):
            branch = Statements(self.project, self.checks, question(self.here, node.test, truth))
            if branch.run(body):
                frames.append(branch.frame)
        return self._go_on(frames)

    def _go_on(self, frames: list[Frame]) -> bool:
        """Where all branches meet that have not ended."""
        if not frames:
            return False
        known = {name: None for frame in frames for name in frame.names}
        everywhere = [name for name in known if "." not in name or all(name in frame.names for frame in frames)]
        names = {name: join(*(frame.names.get(name, UNKNOWN) for frame in frames)) for name in everywhere}
        self.frame.names.clear()
        self.frame.names.update(names)
        self.frame.versions = frozenset().union(*(frame.versions for frame in frames))
        return True

    def _join_names(self, before: dict[str, Values]) -> None:
        """What was, and what may have become of it."""
        for name, values in before.items():
            self.frame.names[name] = join(values, self.frame.names.get(name, UNKNOWN))

    def _for(self, node: ast.For | ast.AsyncFor) -> None:
        self._loop(node.body, node.target, elements(self.here.value(node.iter)))
        self.run(node.orelse)

    _asyncfor = _for

    def _while(self, node: ast.While) -> bool:
        self.here.condition(node.test)
        self._loop(node.body)
        self.run(node.orelse)
        endless = isinstance(node.test, ast.Constant) and bool(node.test.value)
        return not endless or any(isinstance(inner, ast.Break) for inner in ast.walk(node))

    def _loop(self, body: Sequence[ast.stmt], target: ast.expr | None = None, values: Values = UNKNOWN) -> None:
        """Twice: the second time with what the first left behind."""
        versions, before = self.frame.versions, dict(self.frame.names)
        with self.checks.muted():
            if target is not None:
                self.here.bind(target, values)
            self.run(body)
        self._join_names(before)
        self.frame.versions = versions
        if target is not None:
            self.here.bind(target, values)
        self.run(body)
        self._join_names(before)
        self.frame.versions = versions

    def _with(self, node: ast.With | ast.AsyncWith) -> bool:
        for item in node.items:
            values = self.here.value(item.context_expr)
            if item.optional_vars is not None:
                self.here.bind(item.optional_vars, self.here.entered(item.context_expr, values))
        return self.run(node.body)

    _asyncwith = _with

    def _match(self, node: ast.Match) -> bool:
        self.here.value(node.subject)
        ends = []
        for case in node.cases:
            if case.guard is not None:
                self.here.condition(case.guard)
            ends.append(self.run(case.body))
        return any(ends)

    def _assert(self, node: ast.Assert) -> None:
        self.here.condition(node.test)
        self.frame = question(self.here, node.test, True)

    # Definitions

    def _functiondef(self, node: FunctionNode) -> None:
        function = self.project.functions[f"{self.frame.module.name}.{self._inner(node.name)}"]
        for expression in (*node.decorator_list, *node.args.defaults, *node.args.kw_defaults):
            self.here.value(expression)
        around = {} if self.frame.is_global else self.frame.names
        frame = self.here.function_frame(function, around)
        frame.versions = self._versions(function.qualname)
        function.returned = UNKNOWN
        Statements(self.project, self.checks, frame).run(node.body)
        if not self.frame.is_global and self._class() is None:
            self.frame.set(node.name, (Value(f"{self.frame.module.name}.{function.qualname}", is_instance=False),))

    _asyncfunctiondef = _functiondef

    def _versions(self, qualname: str) -> frozenset[str]:
        exemption = self.checks.tables.only_in.get((self.frame.module.path, qualname))
        return self.frame.versions & (ALL if exemption is None else frozenset(exemption.versions))

    def _inner(self, name: str) -> str:
        return f"{self.frame.qualname}.{name}" if self.frame.qualname else name

    def _classdef(self, node: ast.ClassDef) -> None:
        qualname = self._inner(node.name)
        owner = self.project.classes[f"{self.frame.module.name}.{qualname}"]
        owner.bases = join(*map(self.here.value, node.bases))
        for decorator in node.decorator_list:
            self.here.value(decorator)
        names = {} if self.frame.is_global else dict(self.frame.names)
        body = Statements(
            self.project,
            self.checks,
            Frame(self.frame.module, qualname, names, self._versions(qualname)),
        )
        body.run(node.body)
        check_class(self.project, self.checks, self.frame, owner)


def _names(node: ast.expr) -> list[str]:
    return [inner.id for inner in ast.walk(node) if isinstance(inner, ast.Name)]
