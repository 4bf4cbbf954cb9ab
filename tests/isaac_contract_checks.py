"""What the walk asks of the facts, and what it reports."""

from __future__ import annotations

import ast
import inspect
import itertools
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Final, NamedTuple

from isaac_contract_binding import grouped, mismatches, missing, takes
from isaac_contract_facts import VERSIONS, Facts
from isaac_contract_modules import Frame
from isaac_contract_values import NONE, UNKNOWN, Value, Values, join, versions_of, within

# Members of Isaac Sim's classes whose names others have too: a receiver that the walk does not know is no reason for
# suspicion then.
COMMON_NAMES: Final = frozenset({"clear", "close", "context", "get", "name", "pause", "run", "set", "stop", "update"})

# What Isaac Sim calls back, with how many arguments: in which parameter it is handed over.
CALLBACKS: Final = {
    "carb.events.IEventStream.create_subscription_to_pop": ("fn", 1),  # the event
    "isaacsim.core.api.World.add_physics_callback": ("callback_fn", 1),  # the length of the step
}

# A dictionary whose keys Isaac Sim looks up, and where it says which ones it knows; others it ignores without a word.
DICTIONARIES: Final = {"isaacsim.SimulationApp": ("launch_config", "isaacsim.SimulationApp.DEFAULT_LAUNCHER_CONFIG")}


class Exemption(NamedTuple):
    """versions: those meant. reason: one sentence."""

    versions: tuple[str, ...]
    reason: str


@dataclass(frozen=True)
class Tables:
    """only_in: functions and classes, by path and qualified name, whose body runs in these versions alone. ignored:
    dictionary keys, by path and key, that these versions do not know and may ignore."""

    only_in: Mapping[tuple[str, str], Exemption] = field(default_factory=dict)
    ignored: Mapping[tuple[str, str], Exemption] = field(default_factory=dict)


@dataclass(frozen=True, order=True)
class Finding:
    path: str
    line: int
    problem: str

    def __str__(self) -> str:
        return f"{self.path}:{self.line}: {self.problem}"


@dataclass(frozen=True)
class Use:
    """Of a name of Isaac Sim, in the versions that the code runs in; a call of it has `()` at its end."""

    path: str
    line: int
    name: str
    versions: frozenset[str]


@dataclass(frozen=True)
class Arguments:
    """Of one call. keywords: by name. expanded: what stands behind `**`. star: an argument behind `*`."""

    positional: tuple[Values, ...]
    keywords: Mapping[str, Values]
    expanded: tuple[Values, ...] = ()
    star: bool = False

    def shapes(self) -> list[tuple[frozenset[str], frozenset[str]]] | None:
        """Every set of keywords that the call may have, with its versions; None where one is not written out."""
        if not all(values and all(value.keys is not None for value in values) for values in self.expanded):
            return None
        shapes = []
        for choice in itertools.product(*self.expanded):
            keys = frozenset(self.keywords).union(*(value.keys or () for value in choice))
            shapes.append((frozenset(VERSIONS).intersection(*(value.versions for value in choice)), keys))
        return shapes


class Checks:
    """Findings come in as the walk goes; `muted` ones do not."""

    def __init__(self, facts: Facts, tables: Tables) -> None:
        self.facts, self.tables = facts, tables
        self.findings: set[Finding] = set()
        self.uses: set[Use] = set()
        self._muted = 0
        members = {name.rpartition(".")[2] for name in facts.names - facts.classes}
        self.telling = members - COMMON_NAMES

    @contextmanager
    def muted(self) -> Iterator[None]:
        self._muted += 1
        try:
            yield
        finally:
            self._muted -= 1

    def report(self, frame: Frame, node: ast.AST, problem: str) -> None:
        if not self._muted:
            self.findings.add(Finding(frame.module.path, getattr(node, "lineno", 1), problem))

    def use(self, frame: Frame, node: ast.AST, name: str, versions: frozenset[str]) -> None:
        if not self._muted:
            self.uses.add(Use(frame.module.path, getattr(node, "lineno", 1), name, versions))

    def report_all(self, frame: Frame, node: ast.AST, dotted: str, problems: Collection[str]) -> None:
        for problem in problems:
            self.report(frame, node, f"{dotted} {problem}")

    def unresolved(self, frame: Frame, node: ast.AST, member: str) -> None:
        if member in self.telling and frame.versions:
            self.report(frame, node, f"unresolved: nothing says what {ast.unparse(node)} belongs to; annotate it")

    def typed(self, dotted: str, versions: frozenset[str]) -> Values:
        """What a call or a property gives."""
        name = self.facts.returns.get(dotted)
        return (Value(name or f"{dotted}()", versions=versions),)

    def attribute(self, frame: Frame, node: ast.AST, owner: Value, member: str) -> Values:
        """Of a module, class or instance of Isaac Sim."""
        dotted, versions = f"{owner.name}.{member}", owner.versions & frame.versions
        if owner.is_untyped_result:
            self.report(frame, node, f"{owner.name} gives what tests/isaac_api/return_types.json does not say")
            return UNKNOWN
        self.use(frame, node, dotted, versions)
        self.report_all(frame, node, dotted, missing(self.facts, dotted, versions))
        having = versions.intersection(self.facts.versions_of(dotted))
        if not having:
            return UNKNOWN
        if dotted in self.facts.modules:
            if dotted not in frame.module.imported:
                self.report(frame, node, f"{dotted} is used, but this file does not import it")
            return (Value(dotted, is_instance=False, versions=having),)
        kinds = {entry.kind for version in having if (entry := self.facts.entry(version, dotted)) is not None}
        if owner.name in self.facts.classes and not owner.is_instance and kinds & {"method", "property"}:
            self.report(frame, node, f"{dotted} belongs to an instance, not to the class")
        if kinds & {"property", "attribute"}:
            return self.typed(dotted, having)
        return (Value(dotted, is_instance=False, versions=having),)

    def optional_attribute(self, owner: Value, member: str) -> Values:
        """What `getattr(owner, member, None)` gives: None in versions that lack it."""
        dotted = f"{owner.name}.{member}"
        having = owner.versions.intersection(self.facts.versions_of(dotted))
        values = (Value(dotted, is_instance=False), Value(NONE))
        return join(within(values[:1], having), within(values[1:], owner.versions - having))

    def storing(self, frame: Frame, node: ast.AST, owner: Value, member: str) -> None:
        dotted = f"{owner.name}.{member}"

        def problem(version: str) -> str | None:
            entry = self.facts.entry(version, dotted)
            return None if entry is None or entry.is_settable else f"a {entry.kind} that cannot be set"

        self.report_all(frame, node, dotted, grouped(owner.versions & frame.versions, problem))

    def call(self, frame: Frame, node: ast.Call, callee: Value, arguments: Arguments, awaited: bool | None) -> Values:
        """Of a function, class or method of Isaac Sim. awaited: None where the result is kept for later."""
        name, versions = callee.name, callee.versions & frame.versions
        if callee.is_instance or name in self.facts.modules:
            self.report(frame, node, f"{name} is not called")
            return UNKNOWN
        self.use(frame, node, f"{name}()", versions)
        shapes = arguments.shapes()
        if arguments.star or shapes is None:
            self.report(frame, node, f"{name} is called with arguments that are not written out: {ast.unparse(node)}")
        else:
            for which, keywords in shapes:
                problems = mismatches(self.facts, name, versions & which, len(arguments.positional), keywords)
                self.report_all(frame, node, name, problems)
        self._check_awaiting(frame, node, name, versions, awaited)
        self._check_keys(frame, node, name, versions, arguments)
        if name in self.facts.classes:
            return (replace(callee, is_instance=True, versions=versions),)
        return self.typed(name, versions)

    def _check_awaiting(
        self, frame: Frame, node: ast.AST, name: str, versions: frozenset[str], awaited: bool | None
    ) -> None:
        def problem(version: str) -> str | None:
            entry = self.facts.entry(version, name)
            if entry is None or awaited is None or entry.is_async == awaited:
                return None
            return "it is to be awaited" if entry.is_async else "it is not to be awaited"

        self.report_all(frame, node, name, grouped(versions, problem))

    def _check_keys(
        self, frame: Frame, node: ast.AST, name: str, versions: frozenset[str], arguments: Arguments
    ) -> None:
        """Of a dictionary that Isaac Sim looks its keys up in."""
        parameter, known_keys = DICTIONARIES.get(name, ("", ""))
        values = self._argument(name, parameter, arguments)
        if not values:
            return
        if not all(value.keys is not None for value in values):
            self.report(frame, node, f"{name}: the keys of {parameter} are not written out")
            return
        for key in sorted(frozenset().union(*(value.keys or () for value in values))):
            exemption = self.tables.ignored.get((frame.module.path, key))
            asked = versions_of(values) & versions - set(exemption.versions if exemption else ())

            def problem(version: str, key: str = key) -> str | None:
                entry = self.facts.entry(version, known_keys)
                return None if entry is None or key in entry.keys else f"{parameter} has no {key!r}, it is ignored"

            self.report_all(frame, node, name, grouped(asked, problem))

    def _argument(self, name: str, parameter: str, arguments: Arguments) -> Values:
        """What a call gives one parameter."""
        for version in reversed(VERSIONS):
            entry = self.facts.entry(version, name)
            if parameter and entry is not None and entry.signature is not None:
                try:
                    given = entry.signature.bind_partial(*arguments.positional, **arguments.keywords)
                except TypeError:
                    return UNKNOWN  # it does not bind, which is reported
                return given.arguments.get(parameter, UNKNOWN)
        return UNKNOWN

    def callback(self, name: str, arguments: Arguments) -> tuple[Values, int]:
        """What a call hands over to be called back, and with how many arguments it will be."""
        parameter, count = CALLBACKS.get(name, ("", 0))
        return self._argument(name, parameter, arguments), count

    def check_callback(self, frame: Frame, node: ast.AST, signature: inspect.Signature, text: str, count: int) -> None:
        problem = takes(signature, count)
        if problem is not None:
            self.report(frame, node, f"{text} will be called back with {count} arguments: {problem}")

    def parameters(self, value: Value, parameter: str) -> frozenset[str]:
        """The versions in which a class or function of Isaac Sim has a parameter."""
        entries = {version: self.facts.entry(version, value.name) for version in value.versions}
        return frozenset(v for v, e in entries.items() if e and e.signature and parameter in e.signature.parameters)

    def condition(self, frame: Frame, node: ast.AST, values: Values) -> None:
        """A method in place of what it returns is always true."""
        for value in values:
            if value.is_isaac and not value.is_instance and value.name not in self.facts.classes and len(values) == 1:
                self.report(frame, node, f"{value.name} is not called here, so it is always true")
