"""What a call of the adapter gives; a call of Isaac Sim is checked on the way."""

from __future__ import annotations

import ast
import inspect
from typing import TYPE_CHECKING, Final

from isaac_contract_binding import grouped, takes
from isaac_contract_checks import CALLBACKS, Arguments
from isaac_contract_facts import signature_of
from isaac_contract_modules import Class, Frame, Function
from isaac_contract_values import (
    NONE,
    UNKNOWN,
    Value,
    Values,
    container_call,
    elements,
    instance,
    instances,
    join,
    within,
)

if TYPE_CHECKING:
    from isaac_contract_expressions import Expressions

MAX_DEPTH: Final = 5  # of functions that are one expression and read through
SAME_ELEMENTS: Final = ("list", "tuple", "set", "frozenset", "sorted", "reversed", "iter", "deque")
NEW: Final = ("len", "str", "repr", "id", "float", "int", "bool", "hash", "type", "print", "round", "isinstance", "any")


class Calls:
    """In the frame of the expressions."""

    def __init__(self, expressions: Expressions) -> None:
        self._here = expressions

    def value(self, node: ast.Call, awaited: bool | None) -> Values:
        """awaited: None where the result is kept for later."""
        here = self._here
        callees = here.value(node.func)
        stars = [here.value(argument.value) for argument in node.args if isinstance(argument, ast.Starred)]
        arguments = Arguments(
            tuple(here.value(a) for a in node.args if not isinstance(a, ast.Starred)),
            {keyword.arg: here.value(keyword.value) for keyword in node.keywords if keyword.arg is not None},
            tuple(here.value(keyword.value) for keyword in node.keywords if keyword.arg is None),
            star=bool(stars),
        )
        return join(*(self._call(node, callee, arguments, awaited) for callee in callees))

    def _call(self, node: ast.Call, callee: Value, arguments: Arguments, awaited: bool | None) -> Values:
        here, project = self._here, self._here.project
        if callee.name == NONE:
            where = ", ".join(sorted(callee.versions))
            here.checks.report(here.frame, node, f"{ast.unparse(node.func)} in {where}: it is None")
            return UNKNOWN
        if callee.is_isaac:
            self._check_callback(node, callee.name, arguments)
            return here.checks.call(here.frame, node, callee, arguments, awaited)
        if callee.name in project.functions and not callee.is_instance:
            function = project.functions[callee.name]
            self._check_handed_over(node, function, arguments)
            return self.result(function, arguments)
        if callee.name in project.classes:
            if callee.is_instance:
                return UNKNOWN
            found = project.member(callee.name, "__init__")
            if found is not None and found[1] is not None:
                self._check_handed_over(node, found[1], arguments)
            return (Value(callee.name),)
        if callee.name.endswith("Callable") and callee.items:
            return callee.items[-1]
        contained = container_call(callee)
        return contained if contained is not None else self._foreign(node, callee, arguments)

    def _foreign(self, node: ast.Call, callee: Value, arguments: Arguments) -> Values:
        name, given = callee.name.rpartition(".")[2], arguments.positional
        if name in ("getattr", "hasattr") and node.args:
            return self._getattr(node, name, given)
        if name == "import_module" or name == "__import__":
            self._here.checks.report(
                self._here.frame, node, f"{ast.unparse(node)}: import what is meant by a statement"
            )
            return UNKNOWN
        if name == "partial" and given and any(value.is_isaac for value in given[0]):
            self._here.checks.report(
                self._here.frame, node, f"{ast.unparse(node)}: call it by a lambda, which is checked"
            )
            return UNKNOWN
        if name == "super":
            return self._bases()
        if name == "cast" and len(node.args) == 2:
            return self._here.annotation(node.args[0])
        if name in SAME_ELEMENTS and given:
            return instance(callee.name, elements(given[0]))
        if name == "enumerate" and given:
            return instance(callee.name, instance("builtins.tuple", instance("builtins.int"), elements(given[0])))
        if name == "zip":
            return instance(callee.name, instance("builtins.tuple", *map(elements, given)))
        if name in ("next", "max", "min") and given:
            return join(elements(given[0]), *given[1:])
        if name == "dict" and not given and not arguments.expanded:
            items = (instance("builtins.str"), join(*arguments.keywords.values()))
            return (Value("builtins.dict", items=items, keys=frozenset(arguments.keywords)),)
        if name not in NEW and any(
            map(self._is_ours, (v for vs in (*given, *arguments.keywords.values()) for v in vs))
        ):
            return UNKNOWN  # it may hand back what it was given
        return instance(f"{callee.name}()")

    def _is_ours(self, value: Value) -> bool:
        here = self._here
        return value.is_instance and (value.name in here.checks.facts.classes or value.name in here.project.classes)

    def _getattr(self, node: ast.Call, name: str, given: tuple[Values, ...]) -> Values:
        here, member = self._here, node.args[1]
        owners = [owner for owner in given[0] if owner.is_isaac]
        if not isinstance(member, ast.Constant):
            if owners:
                here.checks.report(here.frame, node, f"{ast.unparse(node)}: the attribute's name is not written out")
            return UNKNOWN
        if name == "hasattr":
            having = [here.checks.facts.versions_of(f"{owner.name}.{member.value}") for owner in owners]
            return (Value("builtins.bool", true_in=frozenset().union(*having) if owners else None),)
        if len(node.args) == 2:
            return here.attribute(node, given[0], member.value)
        for owner in owners:
            if not here.checks.facts.versions_of(f"{owner.name}.{member.value}"):
                here.checks.attribute(here.frame, node, owner, member.value)
        return join(*(here.checks.optional_attribute(owner, member.value) for owner in owners))

    def _bases(self) -> Values:
        """Of the class that the code is in."""
        here, qualname = self._here, self._here.frame.qualname
        while qualname:
            qualname = qualname.rpartition(".")[0]
            owner = here.project.classes.get(f"{here.frame.module.name}.{qualname}")
            if owner is not None:
                return instances(owner.bases)
        return UNKNOWN

    def result(self, function: Function, arguments: Arguments | None = None) -> Values:
        """What a function of ours returns: as annotated, unless a dictionary or a yes is read from its statements."""
        here = self._here.within(Frame(function.module, versions=self._here.frame.versions))
        said = here.annotation(function.node.returns)
        if arguments is not None and said and said[0].name in ("builtins.dict", "builtins.bool"):
            expression = single_expression(function)
            if expression is not None:
                return self._read_through(function, expression, arguments) or said
        if function.returned and all(value.keys is not None for value in function.returned):
            return within(function.returned, here.frame.versions)
        return said if function.node.returns is not None else function.returned

    def _read_through(self, function: Function, expression: ast.expr, arguments: Arguments) -> Values:
        here = self._here
        if here.depth >= MAX_DEPTH:
            return UNKNOWN
        frame = here.function_frame(function, {})
        frame.versions = frame.versions & here.frame.versions
        frame.names |= {name: values for name, values in self._bound(function, arguments).items() if values}
        return here.within(frame, here.depth + 1).value(expression)

    def _bound(self, function: Function, arguments: Arguments) -> dict[str, Values]:
        """The arguments of a call, by the name of the parameter."""
        signature = own_signature(function, self._owner(function))
        try:
            return dict(signature.bind_partial(*arguments.positional, **arguments.keywords).arguments)
        except TypeError:
            return {}

    def _owner(self, function: Function) -> Class | None:
        return self._here.project.classes.get(f"{function.module.name}.{function.qualname.rpartition('.')[0]}")

    def _check_callback(self, node: ast.Call, name: str, arguments: Arguments) -> None:
        """That what Isaac Sim is handed to call back takes what it will be given."""
        if name not in CALLBACKS:
            return
        here = self._here
        values, count = here.checks.callback(name, arguments)
        for value in values:
            function = here.project.functions.get(value.name)
            if function is not None:
                signature = own_signature(function, self._owner(function))
                here.checks.check_callback(here.frame, node, signature, function.qualname, count)
            elif value.name.startswith("lambda "):
                signature = signature_of(f"({value.name.removeprefix('lambda ')})")
                here.checks.check_callback(here.frame, node, signature, "a lambda", count)

    def _check_handed_over(self, node: ast.Call, function: Function, arguments: Arguments) -> None:
        """That a method of Isaac Sim that a function of ours is handed takes what it will be called with."""
        here = self._here
        types = here.within(Frame(function.module))
        annotations = {argument.arg: argument.annotation for argument in function.parameters}
        for name, values in self._bound(function, arguments).items():
            wanted = [v for v in types.annotation(annotations.get(name)) if v.name.endswith("Callable") and v.items]
            for value in values if isinstance(values, tuple) and wanted else ():
                if value.is_isaac and not value.is_instance:
                    self._check_takes(node, value, len(wanted[0].items) - 1)

    def _check_takes(self, node: ast.Call, value: Value, count: int) -> None:
        facts = self._here.checks.facts

        def problem(version: str) -> str | None:
            entry = facts.entry(version, value.name)
            return takes(entry.signature, count) if entry is not None and entry.signature is not None else None

        versions = value.versions & self._here.frame.versions
        self._here.checks.report_all(self._here.frame, node, value.name, grouped(versions, problem))

    def versions_with_parameter(self, node: ast.Compare) -> frozenset[str] | None:
        """Of `"name" in inspect.signature(callable).parameters`: the versions for which that is so."""
        match node:
            case ast.Compare(
                left=ast.Constant(value=str(parameter)),
                ops=[ast.In()],
                comparators=[ast.Attribute(value=ast.Call(func=function, args=[asked]), attr="parameters")],
            ) if ast.unparse(function).rpartition(".")[2] == "signature":
                values = [value for value in self._here.value(asked) if value.is_isaac]
                having = (self._here.checks.parameters(value, parameter) for value in values)
                return frozenset().union(*having) if values else None
        return None


def single_expression(function: Function) -> ast.expr | None:
    """What a function returns that does nothing else."""
    body = [s for s in function.node.body if not (isinstance(s, ast.Expr) and isinstance(s.value, ast.Constant))]
    return body[0].value if len(body) == 1 and isinstance(body[0], ast.Return) else None


def own_signature(function: Function, owner: Class | None) -> inspect.Signature:
    """As it is called, without self."""
    signature = signature_of(f"({ast.unparse(unannotated(function.node.args))})")
    if owner is None or "staticmethod" in function.decorators:
        return signature
    return signature.replace(parameters=list(signature.parameters.values())[1:])


def unannotated(arguments: ast.arguments) -> ast.arguments:
    return ast.arguments(
        posonlyargs=[ast.arg(a.arg) for a in arguments.posonlyargs],
        args=[ast.arg(a.arg) for a in arguments.args],
        vararg=ast.arg(arguments.vararg.arg) if arguments.vararg else None,
        kwonlyargs=[ast.arg(a.arg) for a in arguments.kwonlyargs],
        kw_defaults=arguments.kw_defaults,
        kwarg=ast.arg(arguments.kwarg.arg) if arguments.kwarg else None,
        defaults=arguments.defaults,
    )
