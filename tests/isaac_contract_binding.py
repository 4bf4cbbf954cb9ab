"""One name, one call: whether every version of Isaac Sim has it and would take it."""

from __future__ import annotations

import difflib
import inspect
from collections.abc import Callable, Collection

from isaac_contract_facts import VERSIONS, Entry, Facts


def grouped(versions: Collection[str], problem_in: Callable[[str], str | None]) -> list[str]:
    """Each problem once, with the versions that have it."""
    problems: dict[str, list[str]] = {}
    for version in VERSIONS:
        problem = problem_in(version) if version in versions else None
        if problem is not None:
            problems.setdefault(problem, []).append(version)
    return [f"in {', '.join(where)}: {problem}" for problem, where in problems.items()]


def missing(facts: Facts, dotted: str, versions: Collection[str]) -> list[str]:
    """Problems of using a name at all."""
    owner, _, last = dotted.rpartition(".")
    having = facts.versions_of(dotted)
    if not having:
        known = sorted(name.removeprefix(f"{owner}.") for name in facts.names if name.rpartition(".")[0] == owner)
        near = difflib.get_close_matches(last, known, n=3) or known[:8]
        has = f"{owner} has {', '.join(near)}" if known else f"there is nothing about {owner}"
        return [f"in {', '.join(VERSIONS)}: tests/isaac_api has no such name; {has}"]
    return grouped(versions, lambda v: None if v in having else f"there is none; it is in {', '.join(having)}")


def mismatches(
    facts: Facts, dotted: str, versions: Collection[str], positional: int, keywords: Collection[str]
) -> list[str]:
    """Problems of calling it like this, in those of the versions that have it."""

    def problem(version: str) -> str | None:
        entry = facts.entry(version, dotted)
        if entry is None:
            return None  # `missing` says so
        if entry.signature is None:
            return f"a {entry.kind} is not called"
        try:
            entry.signature.bind(*[None] * positional, **dict.fromkeys(keywords))
        except TypeError as error:
            return f"{error}; its signature is {entry.signature}"
        return None

    return grouped(versions, problem) or shifts(facts, dotted, versions, positional)


def shifts(facts: Facts, dotted: str, versions: Collection[str], positional: int) -> list[str]:
    """A positional argument that is another parameter in another version."""
    entries = {v: entry for v in VERSIONS if v in versions and (entry := facts.entry(v, dotted)) and entry.signature}
    for index in range(positional):
        meant = {version: parameter_name(entry, index) for version, entry in entries.items()}
        if len(set(meant.values())) > 1:
            says = ", ".join(f"{name!r} in {version}" for version, name in meant.items())
            first, *_, last = entries
            return [
                f"in {', '.join(entries)}: positional argument {index + 1} is {says}: pass it by keyword; its "
                f"signature is {entries[first].signature} in {first}, {entries[last].signature} in {last}"
            ]
    return []


def parameter_name(entry: Entry, index: int) -> str:
    """Where a positional argument goes; empty for what has no name that could differ."""
    assert entry.signature is not None
    parameters = list(entry.signature.parameters.values())
    parameter = parameters[min(index, len(parameters) - 1)]
    by_position = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.POSITIONAL_ONLY)
    return "" if parameter.kind in by_position else parameter.name


def takes(signature: inspect.Signature, positional: int) -> str | None:
    """Why something is not called with so many arguments; None if it is."""
    try:
        signature.bind(*[None] * positional)
    except TypeError as error:
        return f"{error}; its signature is {signature}"
    return None
