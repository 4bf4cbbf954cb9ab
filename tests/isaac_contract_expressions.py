"""What an expression of the adapter is; every use of Isaac Sim in it is checked on the way."""

from __future__ import annotations

import ast
import builtins
from dataclasses import replace

from isaac_contract_annotations import annotated, is_generic
from isaac_contract_calls import Calls
from isaac_contract_checks import Checks
from isaac_contract_modules import Frame, Function, Project
from isaac_contract_narrowing import question
from isaac_contract_values import NONE, UNKNOWN, Value, Values, elements, instance, join, looked_up, unpacked, within

COMPREHENSIONS = (ast.ListComp, ast.SetComp, ast.GeneratorExp, ast.DictComp)


class Expressions:
    """In one frame."""

    def __init__(self, project: Project, checks: Checks, frame: Frame, depth: int = 0) -> None:
        self.project, self.checks, self.frame, self.depth = project, checks, frame, depth
        self.calls = Calls(self)

    def within(self, frame: Frame, depth: int | None = None) -> Expressions:
        return Expressions(self.project, self.checks, frame, self.depth if depth is None else depth)

    def annotation(self, node: ast.expr | None) -> Values:
        return annotated(node, self.value)

    def value(self, node: ast.expr | None) -> Values:
        """The alternatives that run in the versions of the frame."""
        if node is None:
            return UNKNOWN
        name = dotted_name(node)
        known = None if name is None else self.frame.get(name)
        if known is not None and isinstance(node, ast.Attribute):
            self.value(node.value)
        return within(self._value(node) if known is None else known, self.frame.versions)

    def _value(self, node: ast.expr) -> Values:
        if isinstance(node, ast.Name):
            return (Value(f"builtins.{node.id}", is_instance=False),) if hasattr(builtins, node.id) else UNKNOWN
        if isinstance(node, ast.Attribute):
            return self.attribute(node, self.value(node.value), node.attr)
        if isinstance(node, ast.Call):
            return self.calls.value(node, awaited=None)
        if isinstance(node, ast.Await):
            return self.calls.value(node.value, True) if isinstance(node.value, ast.Call) else self.value(node.value)
        if isinstance(node, ast.Constant):
            return UNKNOWN if node.value is None else instance(f"builtins.{type(node.value).__name__}")
        if isinstance(node, ast.Subscript):
            return self._subscript(node)
        if isinstance(node, ast.IfExp):
            return self._choice(node)
        if isinstance(node, ast.BoolOp):
            return self._bool_op(node)
        if isinstance(node, ast.Compare):
            return self._compare(node)
        if isinstance(node, ast.NamedExpr):
            values = self.value(node.value)
            self.frame.set(node.target.id, values)
            return values
        if isinstance(node, ast.Lambda):
            self.within(self._inner([*node.args.args, *node.args.kwonlyargs])).value(node.body)
            return (Value(f"lambda {ast.unparse(node.args)}", is_instance=False),)
        if isinstance(node, COMPREHENSIONS):
            return self._comprehension(node)
        return self._composed(node)

    def _composed(self, node: ast.expr) -> Values:
        if isinstance(node, (ast.List, ast.Set)):
            return instance(f"builtins.{type(node).__name__.lower()}", join(*map(self.value, node.elts)))
        if isinstance(node, ast.Tuple):
            return instance("builtins.tuple", *map(self.value, node.elts))
        if isinstance(node, ast.Dict):
            keys = [key.value for key in node.keys if isinstance(key, ast.Constant) and isinstance(key.value, str)]
            items = (join(*map(self.value, node.keys)), join(*map(self.value, node.values)))
            return (Value("builtins.dict", items=items, keys=frozenset(keys) if len(keys) == len(node.keys) else None),)
        if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not):
            self.condition(node.operand)
            return instance("builtins.bool")
        if isinstance(node, ast.YieldFrom):
            generators = [v for v in self.value(node.value) if v.name.endswith("Generator") and len(v.items) == 3]
            return join(*(generator.items[2] for generator in generators))
        inside = [self.value(child) for child in ast.iter_child_nodes(node) if isinstance(child, ast.expr)]
        if isinstance(node, ast.BinOp) and is_generic(join(*inside[:1])):
            return self.annotation(node)
        if isinstance(node, ast.Starred):
            return inside[0]
        return UNKNOWN if isinstance(node, ast.Yield) else instance(f"{type(node).__name__}")

    def condition(self, node: ast.expr) -> Values:
        """As `value`, of what is asked whether it is true."""
        values = self.value(node)
        self.checks.condition(self.frame, node, values)
        return values

    def attribute(self, node: ast.expr, owners: Values, member: str) -> Values:
        if not owners:
            self.checks.unresolved(self.frame, node, member)
        return join(*(self._attribute_of(node, owner, member) for owner in owners))

    def _attribute_of(self, node: ast.expr, owner: Value, member: str) -> Values:
        if owner.name == NONE:
            absent = ", ".join(sorted(owner.versions))
            self.checks.report(self.frame, node, f"{ast.unparse(node)} in {absent}: what it belongs to is None")
            return UNKNOWN
        if owner.is_isaac:
            return self.checks.attribute(self.frame, node, owner, member)
        if owner.name in self.project.modules and not owner.is_instance:
            names = self.project.modules[owner.name].names
            inner = f"{owner.name}.{member}"
            return names.get(member, (Value(inner, is_instance=False),) if inner in self.project.modules else UNKNOWN)
        if owner.name in self.project.classes:
            return self._own_attribute(node, owner, member)
        return (Value(f"{owner.name}.{member}", is_instance=False, items=owner.items),)

    def _own_attribute(self, node: ast.expr, owner: Value, member: str) -> Values:
        found = self.project.member(owner.name, member)
        if found is None:
            bases = self.project.isaac_bases(owner.name)
            if not bases:
                self.checks.unresolved(self.frame, node, member)
            return join(*(self.checks.attribute(self.frame, node, replace(b, is_instance=True), member) for b in bases))
        holder, method = found
        if method is None:
            return within(holder.fields[member], owner.versions)
        if "property" in method.decorators or "cached_property" in method.decorators:
            return self.calls.result(method)
        return (Value(f"{method.module.name}.{method.qualname}", is_instance=False, versions=owner.versions),)

    def _subscript(self, node: ast.Subscript) -> Values:
        owners = self.value(node.value)
        if is_generic(owners):
            return self.annotation(node)
        self.value(node.slice)
        index = node.slice.value if isinstance(node.slice, ast.Constant) else None
        return join(*(looked_up(owner, index) for owner in owners))

    def _choice(self, node: ast.IfExp) -> Values:
        self.condition(node.test)
        return join(*(self.within(question(self, node.test, truth)).value(branch) for truth, branch in _branches(node)))

    def _bool_op(self, node: ast.BoolOp) -> Values:
        """Each operand knows what those before it came to."""
        here, found = self, []
        for operand in node.values:
            found.append(here.condition(operand) if operand is not node.values[-1] else here.value(operand))
            here = here.within(question(here, operand, isinstance(node.op, ast.And)))
        return join(*found)

    def _compare(self, node: ast.Compare) -> Values:
        operands = [node.left, *node.comparators]
        identity = all(isinstance(op, (ast.Is, ast.IsNot)) for op in node.ops)
        for operand in operands:
            _ = self.value(operand) if identity else self.condition(operand)
        return (Value("builtins.bool", true_in=self.calls.versions_with_parameter(node)),)

    def _comprehension(self, node: ast.ListComp | ast.SetComp | ast.GeneratorExp | ast.DictComp) -> Values:
        here = self.within(self._inner([]))
        for generator in node.generators:
            here.bind(generator.target, elements(here.value(generator.iter)))
            for test in generator.ifs:
                here.condition(test)
                here = here.within(question(here, test, True))
        if isinstance(node, ast.DictComp):
            return instance("builtins.dict", here.value(node.key), here.value(node.value))
        return instance("builtins.list", here.value(node.elt))

    def bind(self, target: ast.expr, values: Values) -> None:
        """A name, or the names of a tuple, to what iterating or unpacking gives."""
        if isinstance(target, ast.Name):
            self.frame.set(target.id, values)
        elif isinstance(target, (ast.Tuple, ast.List)):
            for part, value in zip(target.elts, unpacked(values, len(target.elts)), strict=True):
                self.bind(part, value)
        elif isinstance(target, ast.Starred):
            self.bind(target.value, instance("builtins.list", values))
        else:
            self.store(target, values)

    def store(self, target: ast.expr, values: Values) -> None:
        """Into an attribute or behind a subscript."""
        if isinstance(target, ast.Subscript):
            self.value(target.value)
            self.value(target.slice)
        elif isinstance(target, ast.Attribute):
            for owner in self.value(target.value):
                if owner.is_isaac:
                    self.checks.attribute(self.frame, target, owner, target.attr)
                    self.checks.storing(self.frame, target, owner, target.attr)
                elif owner.name in self.project.classes:
                    self.project.classes[owner.name].assign(target.attr, values)

    def entered(self, node: ast.expr, values: Values) -> Values:
        """What `with` gives a name for."""
        found: list[Values] = []
        for value in values:
            entering = self.project.member(value.name, "__enter__") or self.project.member(value.name, "__aenter__")
            if entering is not None and entering[1] is not None:
                found.append(self.calls.result(entering[1]))
            elif value.items:
                found.append(value.items[0])
            elif not value.is_isaac:
                found.append(instance(f"{value.name} entered"))
        return join(*found)

    def _inner(self, parameters: list[ast.arg]) -> Frame:
        """A scope of its own inside this one."""
        names = {**self.frame.names, **{a.arg: self.annotation(a.annotation) for a in parameters}}
        return replace(self.frame, qualname=self.frame.qualname or "<module>", names=names)

    def function_frame(self, function: Function, around: dict[str, Values]) -> Frame:
        """Of its body; around: names of the functions around it."""
        here = Frame(function.module, function.qualname, dict(around))
        types = self.within(Frame(function.module, versions=self.frame.versions))
        for argument in function.parameters:
            here.names[argument.arg] = types.annotation(argument.annotation)
        arguments = function.node.args
        if arguments.vararg:
            here.names[arguments.vararg.arg] = instance("builtins.tuple", types.annotation(arguments.vararg.annotation))
        if arguments.kwarg:
            here.names[arguments.kwarg.arg] = instance(
                "builtins.dict", instance("builtins.str"), types.annotation(arguments.kwarg.annotation)
            )
        owner = f"{function.module.name}.{function.qualname.rpartition('.')[0]}"
        if owner in self.project.classes and function.parameters and "staticmethod" not in function.decorators:
            first = Value(owner, is_instance="classmethod" not in function.decorators)
            here.names[function.parameters[0].arg] = (first,)
        return here


def dotted_name(node: ast.expr) -> str | None:
    """`self._world`, as it is written; None of anything else."""
    if isinstance(node, ast.Attribute):
        owner = dotted_name(node.value)
        return None if owner is None else f"{owner}.{node.attr}"
    return node.id if isinstance(node, ast.Name) else None


def _branches(node: ast.IfExp) -> tuple[tuple[bool, ast.expr], tuple[bool, ast.expr]]:
    return (True, node.body), (False, node.orelse)
