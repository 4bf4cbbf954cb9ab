"""What an annotation says of a value."""

from __future__ import annotations

import ast
from collections.abc import Callable
from typing import Final

from isaac_contract_values import NONE, UNKNOWN, Value, Values, instances, join

WRAPPERS: Final = ("Annotated", "ClassVar", "Final", "Optional", "Required")
SAYS_NOTHING: Final = ("typing.Any", "builtins.object")
GENERICS: Final = (
    *("dict", "frozenset", "list", "set", "tuple", "type", "deque", "Callable", "Iterable", "Iterator", "Generator"),
    *("Mapping", "MutableMapping", "NDArray", "Sequence", "Union", "Awaitable", "Coroutine", *WRAPPERS),
)


def annotated(node: ast.expr | None, evaluate: Callable[[ast.expr], Values]) -> Values:
    """evaluate: what a name or a dotted name stands for."""
    if node is None:
        return UNKNOWN
    if isinstance(node, ast.Constant):
        return annotated(ast.parse(node.value, mode="eval").body, evaluate) if isinstance(node.value, str) else UNKNOWN
    if isinstance(node, ast.BinOp):
        return join(annotated(node.left, evaluate), annotated(node.right, evaluate))
    if isinstance(node, ast.Subscript):
        return join(*(_generic(base, node.slice, evaluate) for base in evaluate(node.value)))
    return tuple(value for value in instances(evaluate(node)) if value.name not in SAYS_NOTHING)


def _generic(base: Value, inside: ast.expr, evaluate: Callable[[ast.expr], Values]) -> Values:
    kind = base.name.rpartition(".")[2]
    inner = inside.elts if isinstance(inside, ast.Tuple) else [inside]
    if kind == "Literal":
        return UNKNOWN
    if kind in WRAPPERS:
        return annotated(inner[0], evaluate)
    if kind == "Union":
        return join(*(annotated(node, evaluate) for node in inner))
    if kind == "type":
        return tuple(Value(v.name, is_instance=False, versions=v.versions) for v in annotated(inner[0], evaluate))
    if kind == "Callable" and isinstance(inner[0], ast.List):
        taken = tuple(annotated(node, evaluate) for node in inner[0].elts)
        return (Value(base.name, items=(*taken, annotated(inner[-1], evaluate))),)
    nodes = [node for node in inner if not (isinstance(node, ast.Constant) and node.value is Ellipsis)]
    return (Value(base.name, items=tuple(annotated(node, evaluate) for node in nodes)),)


def is_generic(values: Values) -> bool:
    """Brackets behind it make a type, not a look-up."""
    return any(not v.is_instance and v.name != NONE and v.name.rpartition(".")[2] in GENERICS for v in values)
