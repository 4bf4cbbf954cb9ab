"""Classes and functions with exactly the public surface that the facts of one version give them."""

from __future__ import annotations

import functools
import inspect
import threading
from collections.abc import Callable
from typing import Any

from isaac_contract import Entry, Facts


class Api:
    """Makes them. What is called off the thread that made this raises RuntimeError: Isaac Sim deadlocks there."""

    def __init__(self, facts: Facts, version: str) -> None:
        self.facts, self.version = facts, version
        self._thread = threading.get_ident()

    def has(self, dotted: str) -> bool:
        return self.facts.entry(self.version, dotted) is not None

    def function(self, dotted: str, implementation: Callable[..., Any] | None) -> Callable[..., Any]:
        entry = self.facts.entry(self.version, dotted)
        assert entry is not None, f"{dotted} is not in Isaac Sim {self.version}"
        return self._checked(dotted, entry, implementation, bound=0)

    def class_(self, dotted: str, implementation: type | None = None) -> type:
        """Members of the implementation that this version lacks are not there; those that it has and the implementation
        lacks raise NotImplementedError; arguments that do not bind raise TypeError."""
        entry = self.facts.entry(self.version, dotted)
        assert entry is not None, f"{dotted} is not in Isaac Sim {self.version}"
        members = self.facts.members(self.version, dotted)
        base = implementation or _Unimplemented
        namespace: dict[str, Any] = {
            name: self._member(f"{dotted}.{name}", member, inspect.getattr_static(base, name, None))
            for name, member in members.items()
        }
        for name in dir(base):
            if not name.startswith("_") and name not in members:
                namespace[name] = _Absent(f"{dotted}.{name}", self.version)
        constructor = base.__init__ if implementation is not None else None
        namespace["__init__"] = self._checked(dotted, entry, constructor or _plain, bound=1)
        namespace["__setattr__"] = _refusing_unknown(dotted, members, getattr(base, "_PUBLIC", ()))
        namespace["__signature__"] = entry.signature
        module, _, name = dotted.rpartition(".")
        return type(name, (base,), {**namespace, "__module__": module})

    def _member(self, dotted: str, entry: Entry, found: Any) -> Any:
        if entry.kind == "attribute":
            return found if found is not None else dict.fromkeys(entry.keys)
        if entry.kind == "property":
            if found is None:
                return property(_unimplemented(dotted))
            return found if entry.is_settable else property(self._on_thread(dotted, found.fget))
        if entry.kind in ("classmethod", "staticmethod"):
            wrap, bound = (classmethod, 1) if entry.kind == "classmethod" else (staticmethod, 0)
            return wrap(self._checked(dotted, entry, None if found is None else found.__func__, bound=bound))
        return self._checked(dotted, entry, found, bound=1, guarded=True)

    def _checked(
        self,
        dotted: str,
        entry: Entry,
        implementation: Callable[..., Any] | None,
        *,
        bound: int,
        guarded: bool = False,
    ) -> Callable[..., Any]:
        """bound: how many leading arguments (self, cls) the signature of the facts does not count. guarded: whether the
        instance is asked first, by `_guard`, if it may still be used."""
        signature = entry.signature
        assert signature is not None
        call = implementation or _unimplemented(dotted)

        @functools.wraps(call)
        def checked(*args: Any, **kwargs: Any) -> Any:
            self._refuse_other_threads(dotted)
            try:
                signature.bind(*args[bound:], **kwargs)
            except TypeError as error:
                raise TypeError(f"{dotted}{signature} of Isaac Sim {self.version}: {error}") from None
            if guarded and hasattr(args[0], "_guard"):
                args[0]._guard(dotted)
            return call(*args, **kwargs)

        checked.__signature__ = signature
        return checked

    def _on_thread(self, dotted: str, read: Callable[[Any], Any]) -> Callable[[Any], Any]:
        def checked(owner: Any) -> Any:
            self._refuse_other_threads(dotted)
            if hasattr(owner, "_guard"):
                owner._guard(dotted)
            return read(owner)

        return checked

    def _refuse_other_threads(self, dotted: str) -> None:
        if threading.get_ident() != self._thread:
            raise RuntimeError(f"{dotted} was called off the application's main thread")


class _Unimplemented:
    """A class of which only the signature is known."""


class _Absent:
    """A name that the implementation has and this version has not."""

    def __init__(self, dotted: str, version: str) -> None:
        self._message = f"{dotted} is not in Isaac Sim {version}"

    def __get__(self, instance: Any, owner: type) -> Any:
        raise AttributeError(self._message)


def _plain(*_: Any, **__: Any) -> None:
    """The constructor of a class of which only the signature is known."""


def _unimplemented(dotted: str) -> Callable[..., Any]:
    def unimplemented(*_: Any, **__: Any) -> Any:
        raise NotImplementedError(f"the stand-in has no {dotted}")

    return unimplemented


def _refusing_unknown(dotted: str, members: dict[str, Entry], public: tuple[str, ...]) -> Callable[..., None]:
    settable = {*public, *(name for name, member in members.items() if member.is_settable)}

    def set_attribute(owner: Any, name: str, value: Any) -> None:
        ours = "__signature__" in type(owner).__dict__  # else somebody's subclass, such as an extension
        if ours and not name.startswith("_") and name not in settable:
            raise AttributeError(f"{dotted} has no attribute {name!r} to set")
        object.__setattr__(owner, name, value)

    return set_attribute
