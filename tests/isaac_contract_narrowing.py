"""What is known where a condition holds: which alternative a name is, and so in which versions the code runs."""

from __future__ import annotations

import ast
from dataclasses import replace
from typing import TYPE_CHECKING

from isaac_contract_modules import Frame
from isaac_contract_values import NONE, Values, instances, versions_of, within

if TYPE_CHECKING:
    from isaac_contract_expressions import Expressions


def question(here: Expressions, test: ast.expr, truth: bool) -> Frame:
    """The frame of the code that runs where the test comes out like that."""
    frame = replace(here.frame, names=dict(here.frame.names))
    _narrow(here, test, truth, frame)
    return frame


def _narrow(here: Expressions, test: ast.expr, truth: bool, frame: Frame) -> None:
    if isinstance(test, ast.UnaryOp) and isinstance(test.op, ast.Not):
        _narrow(here, test.operand, not truth, frame)
    elif isinstance(test, ast.BoolOp):
        if isinstance(test.op, ast.And) == truth:
            for operand in test.values:
                _narrow(here.within(frame), operand, truth, frame)
    elif isinstance(test, ast.Compare) and len(test.ops) == 1 and isinstance(test.ops[0], (ast.Is, ast.IsNot)):
        nothing = test.comparators[0]
        if isinstance(nothing, ast.Constant) and nothing.value is None:
            _keep(here, test.left, frame, none=isinstance(test.ops[0], ast.Is) == truth)
    elif isinstance(test, ast.Call) and ast.unparse(test.func) == "isinstance" and len(test.args) == 2:
        if truth:
            classes = test.args[1].elts if isinstance(test.args[1], ast.Tuple) else [test.args[1]]
            meant = tuple(value for node in classes for value in instances(here.value(node)))
            frame.names[ast.unparse(test.args[0])] = meant
    else:
        values = here.value(test)
        _keep_versions(values, truth, frame)
        if truth and isinstance(test, (ast.Name, ast.Attribute)):
            _keep(here, test, frame, none=False)
        elif truth and isinstance(test, ast.NamedExpr):
            _keep(here, test.target, frame, none=False)


def _keep(here: Expressions, node: ast.expr, frame: Frame, none: bool) -> None:
    """Alternatives that are None, or those that are not; only a None that comes of a version is an alternative."""
    if isinstance(node, ast.NamedExpr):
        node = node.target
    values = here.value(node)
    if not any(value.name == NONE for value in values):
        return
    kept: Values = tuple(value for value in values if (value.name == NONE) == none)
    frame.versions &= versions_of(kept)
    frame.names[ast.unparse(node)] = within(kept, frame.versions)


def _keep_versions(values: Values, truth: bool, frame: Frame) -> None:
    """Of a question about versions, such as `hasattr(camera, "destroy")`."""
    asked = [value for value in values if value.true_in is not None]
    if asked and len(asked) == len(values):
        yes = frozenset().union(*(value.true_in & value.versions for value in asked if value.true_in is not None))
        frame.versions &= yes if truth else versions_of(values) - yes
