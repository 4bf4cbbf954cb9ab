"""What the classes and functions of Isaac Sim and Kit are like, version by version: read from `tests/isaac_api`."""

from __future__ import annotations

import ast
import functools
import inspect
import json
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Final

FOLDER: Final = Path(__file__).with_name("isaac_api")
VERSIONS: Final = ("4.5.0", "5.0.0", "5.1.0", "6.0.1")
CALLABLE_KINDS: Final = ("class", "function", "method", "classmethod", "staticmethod")


@dataclass(frozen=True)
class Entry:
    """One name of one version.

    kind: class, function, method, classmethod, staticmethod, property or attribute.
    signature: without self or cls; None where the name cannot be called. Defaults are literals, or the source's text of
        what is none.
    is_async: a call returns something to be awaited.
    is_settable: an attribute, or a property with a setter.
    keys: what a dictionary attribute has, in order; empty otherwise.
    """

    kind: str
    signature: inspect.Signature | None = None
    is_async: bool = False
    is_settable: bool = False
    keys: tuple[str, ...] = ()


class Facts:
    """Entries by version and dotted public name."""

    def __init__(self, entries: dict[str, dict[str, Entry]], returns: dict[str, str]) -> None:
        self._entries = entries
        self.returns = returns
        self.names = frozenset(name for version in entries.values() for name in version)
        self.classes = frozenset(
            name for version in entries.values() for name, entry in version.items() if entry.kind == "class"
        )
        prefixes = {".".join(name.split(".")[:end]) for name in self.names for end in range(1, name.count(".") + 1)}
        self.modules = prefixes - self.classes

    def without(self, version: str, names: Collection[str]) -> Facts:
        """As if that version lacked these names."""
        left = {name: entry for name, entry in self._entries[version].items() if name not in names}
        return Facts({**self._entries, version: left}, self.returns)

    def entry(self, version: str, dotted: str) -> Entry | None:
        return self._entries[version].get(dotted)

    def members(self, version: str, class_dotted: str) -> dict[str, Entry]:
        """The public members of a class, those that it inherits included; empty when the version lacks the class."""
        prefix = f"{class_dotted}."
        return {
            name.removeprefix(prefix): entry
            for name, entry in self._entries[version].items()
            if name.startswith(prefix) and "." not in name.removeprefix(prefix)
        }

    def has_module(self, version: str, dotted: str) -> bool:
        return dotted in self.modules and any(name.startswith(f"{dotted}.") for name in self._entries[version])

    def versions_of(self, dotted: str) -> tuple[str, ...]:
        """The versions that have a name, be it a module."""
        return tuple(v for v in VERSIONS if dotted in self._entries[v] or self.has_module(v, dotted))


def default_of(node: ast.expr) -> object:
    try:
        return ast.literal_eval(node)
    except ValueError:
        return ast.unparse(node)


def signature_of(parameters: str) -> inspect.Signature:
    """`(a, b=None, *, c)` as a signature.

    Raises:
        SyntaxError: it is no list of parameters.
    """
    function = ast.parse(f"def name{parameters}: ...").body[0]
    assert isinstance(function, ast.FunctionDef)
    arguments = function.args
    positional = [(a, inspect.Parameter.POSITIONAL_ONLY) for a in arguments.posonlyargs]
    positional += [(a, inspect.Parameter.POSITIONAL_OR_KEYWORD) for a in arguments.args]
    defaults: list[ast.expr | None] = [*[None] * (len(positional) - len(arguments.defaults)), *arguments.defaults]
    every = [(a, kind, default) for (a, kind), default in zip(positional, defaults, strict=True)]
    if arguments.vararg:
        every.append((arguments.vararg, inspect.Parameter.VAR_POSITIONAL, None))
    every += [
        (a, inspect.Parameter.KEYWORD_ONLY, default)
        for a, default in zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True)
    ]
    if arguments.kwarg:
        every.append((arguments.kwarg, inspect.Parameter.VAR_KEYWORD, None))
    empty = inspect.Parameter.empty
    return inspect.Signature(
        [inspect.Parameter(a.arg, kind, default=empty if d is None else default_of(d)) for a, kind, d in every]
    )


@functools.cache
def entry_of(fact: str) -> Entry:
    """Of a fact as it is written: `async method (soft=False)`, `settable property`, `keys width height`."""
    words, parenthesis, parameters = fact.partition("(")
    modifiers = words.split()
    if modifiers[0] == "keys":
        return Entry("attribute", keys=tuple(modifiers[1:]))
    kind = modifiers.pop()
    if kind not in (*CALLABLE_KINDS, "property", "attribute") or not set(modifiers) <= {"async", "settable"}:
        raise ValueError(f"{fact!r} is no fact: its kind is {kind!r}, its modifiers are {modifiers}")
    if (kind in CALLABLE_KINDS) != bool(parenthesis):
        raise ValueError(f"{fact!r} is no fact: what can be called has parameters, and nothing else has")
    return Entry(
        kind,
        signature=signature_of(parenthesis + parameters) if parenthesis else None,
        is_async="async" in modifiers,
        is_settable=kind == "attribute" or "settable" in modifiers,
    )


@functools.cache
def load_facts() -> Facts:
    entries: dict[str, dict[str, Entry]] = {version: {} for version in VERSIONS}
    for file in ("facts.json", "kit_facts.json"):
        for owner, members in json.loads((FOLDER / file).read_text()).items():
            for member, facts in members.items():
                dotted = owner if member == "()" else f"{owner}.{member}"
                for versions, fact in facts.items():
                    if versions == "seen":
                        continue
                    for version in versions.split():
                        if dotted in entries[version]:
                            raise ValueError(f"{file} says twice what {dotted} is in {version}")
                        entries[version][dotted] = entry_of(fact)
    return Facts(entries, json.loads((FOLDER / "return_types.json").read_text()))
