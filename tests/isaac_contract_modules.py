"""The adapter's own modules, classes and functions, by dotted name."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from isaac_contract_values import ALL, UNKNOWN, Value, Values, join

FunctionNode = ast.FunctionDef | ast.AsyncFunctionDef


@dataclass
class Module:
    """path: below the repository's root. names: of its global scope, so far as the walk has come. imported: the modules
    that it imports anywhere, with those above them."""

    path: str
    tree: ast.Module
    names: dict[str, Values] = field(default_factory=dict)
    imported: set[str] = field(default_factory=set)

    @property
    def name(self) -> str:
        return self.path.removesuffix(".py").removesuffix("/__init__").replace("/", ".")


@dataclass
class Function:
    """returned: what its return statements give, so far as the walk has come."""

    module: Module
    node: FunctionNode
    qualname: str
    returned: Values = UNKNOWN

    @property
    def decorators(self) -> set[str]:
        return {ast.unparse(decorator).partition("(")[0].rpartition(".")[2] for decorator in self.node.decorator_list}

    @property
    def parameters(self) -> list[ast.arg]:
        arguments = self.node.args
        return [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs]


@dataclass
class Class:
    """fields: what its instances have besides methods, as the last round of the walk found."""

    module: Module
    node: ast.ClassDef
    qualname: str
    bases: Values = UNKNOWN
    methods: dict[str, Function] = field(default_factory=dict)
    fields: dict[str, Values] = field(default_factory=dict)
    _declared: dict[str, Values] = field(default_factory=dict)  # by an annotation, in the round under way
    _assigned: dict[str, Values] = field(default_factory=dict)

    def declare(self, name: str, values: Values) -> None:
        self._declared[name] = values

    def assign(self, name: str, values: Values) -> None:
        self._assigned[name] = join(self._assigned.get(name, UNKNOWN), values)

    def end_round(self) -> None:
        self.fields = {**self._assigned, **self._declared}
        self._declared, self._assigned = {}, {}


class Project:
    """Files by their path below the repository's root."""

    def __init__(self, files: Mapping[str, str]) -> None:
        self.modules = {m.name: m for m in (Module(path, ast.parse(text, path)) for path, text in files.items())}
        self.classes: dict[str, Class] = {}
        self.functions: dict[str, Function] = {}
        for module in self.modules.values():
            for scope, node in definitions(module.tree, ""):
                self._add(module, scope, node)

    def _add(self, module: Module, scope: str, node: FunctionNode | ast.ClassDef) -> None:
        qualname = f"{scope}{node.name}"
        name = f"{module.name}.{qualname}"
        if isinstance(node, ast.ClassDef):
            self.classes[name] = Class(module, node, qualname)
        else:
            self.functions[name] = function = Function(module, node, qualname)
            owner = self.classes.get(f"{module.name}.{scope.rstrip('.')}")
            if owner is not None:
                owner.methods[node.name] = function
        if not scope:
            module.names[node.name] = (Value(name, is_instance=False),)

    def member(self, name: str, member: str) -> tuple[Class, Function | None] | None:
        """Which class of ours, of the named one and its bases, has a member, and the function where it is a method."""
        owner = self.classes.get(name)
        if owner is None:
            return None
        if member in owner.fields:
            return owner, None
        if member in owner.methods:
            return owner, owner.methods[member]
        inherited = (self.member(base.name, member) for base in owner.bases)
        return next((found for found in inherited if found is not None), None)

    def isaac_bases(self, name: str) -> Values:
        """Classes of Isaac Sim that one of ours inherits from."""
        owner = self.classes.get(name)
        if owner is None:
            return UNKNOWN
        isaac = tuple(base for base in owner.bases if base.is_isaac)
        return join(isaac, *(self.isaac_bases(base.name) for base in owner.bases))


def definitions(node: ast.AST, scope: str) -> Iterator[tuple[str, FunctionNode | ast.ClassDef]]:
    """Every function and class below a node, with what its qualified name starts with."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            yield scope, child
            yield from definitions(child, f"{scope}{child.name}.")
        else:
            yield from definitions(child, scope)


@dataclass
class Frame:
    """Where the walk is. names: of the function, and in front of them those of the functions around it; dotted ones are
    attributes that a condition says more of. versions: those in which this code runs."""

    module: Module
    qualname: str = ""
    names: dict[str, Values] = field(default_factory=dict)
    versions: frozenset[str] = ALL

    @property
    def is_global(self) -> bool:
        return not self.qualname

    def get(self, name: str) -> Values | None:
        return self.names[name] if name in self.names else self.module.names.get(name)

    def set(self, name: str, values: Values) -> None:
        for known in [known for known in self.names if known.startswith(f"{name}.")]:
            del self.names[known]
        self.names[name] = values
        if self.is_global:
            self.module.names[name] = values
