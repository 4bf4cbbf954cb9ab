"""What the walk knows of an expression: which class it is an instance of, or which name it stands for."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

from isaac_contract_facts import VERSIONS

ALL: Final = frozenset(VERSIONS)
ISAAC: Final = ("isaacsim", "omni", "carb")
NONE: Final = "None"


@dataclass(frozen=True)
class Value:
    """name: dotted; of a class, function, method or module, of Isaac Sim, of the adapter or of anything else. Named for
        the call, with `()`: the result of a call that nobody says the type of.
    is_instance: it is an instance of the class; else the class, function, method or module itself.
    items: of a generic: what stands between its brackets. Of `Callable[[A], B]`: the parameters, then the result.
    keys: of a dictionary whose keys are all written out.
    true_in: of a question about versions: those for which it is answered by yes.
    versions: those in which it can be this.
    """

    name: str
    is_instance: bool = True
    items: tuple[tuple[Value, ...], ...] = ()
    keys: frozenset[str] | None = None
    true_in: frozenset[str] | None = None
    versions: frozenset[str] = ALL

    @property
    def is_isaac(self) -> bool:
        return self.name.partition(".")[0] in ISAAC

    @property
    def is_untyped_result(self) -> bool:
        return self.is_isaac and self.name.endswith("()")


Values = tuple[Value, ...]  # the alternatives; empty where nothing is known
UNKNOWN: Final[Values] = ()


def join(*alternatives: Values) -> Values:
    return tuple(dict.fromkeys(value for values in alternatives for value in values))


def within(values: Values, versions: frozenset[str]) -> Values:
    """What they are in these versions alone."""
    if all(value.versions and value.versions <= versions for value in values):
        return values
    cut = (replace(value, versions=value.versions & versions) for value in values)
    return tuple(value for value in cut if value.versions)


def versions_of(values: Values) -> frozenset[str]:
    return frozenset().union(*(value.versions for value in values))


def instances(values: Values) -> Values:
    """Of the classes that an annotation names."""
    return tuple(replace(value, is_instance=True) for value in values if value.name != NONE)


def instance(name: str, *items: Values) -> Values:
    return (Value(name, items=items),)


def elements(values: Values) -> Values:
    """What iterating gives."""
    found = [join(*v.items) if v.name.endswith("tuple") else v.items[0] for v in values if v.items]
    return join(*found)


def unpacked(values: Values, count: int) -> list[Values]:
    """What `count` names on the left of an assignment get."""
    for value in values:
        if value.name.endswith("tuple") and len(value.items) == count:
            return list(value.items)
    return [elements(values)] * count


def looked_up(value: Value, index: object) -> Values:
    """What a subscript gives; index: its value where that is written out."""
    if not value.items:
        return UNKNOWN if value.is_isaac else instance(f"{value.name}[]")
    if not value.name.endswith("tuple"):
        return value.items[-1]
    if isinstance(index, int) and -len(value.items) <= index < len(value.items):
        return value.items[index]
    return join(*value.items)


def container_call(method: Value) -> Values | None:
    """What a method of a generic gives, such as `dict[str, Camera].values`; None for another call."""
    owner, _, name = method.name.rpartition(".")
    if method.is_instance or not method.items or name not in ("values", "items", "keys", "get", "pop", "copy"):
        return None
    if name == "items":
        return instance("builtins.list", instance("builtins.tuple", *method.items))
    if name in ("values", "keys"):
        return instance("builtins.list", method.items[-1 if name == "values" else 0])
    return instance(owner, *method.items) if name == "copy" else method.items[-1]
