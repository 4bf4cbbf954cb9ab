"""The Python modules of Isaac Sim: found by name, once the application runs."""

from __future__ import annotations

import importlib.abc
import importlib.machinery
import sys
from collections.abc import Callable, Sequence
from types import ModuleType
from typing import Any, Final

OWN_ROOTS: Final = ("isaacsim", "omni", "carb")
BORROWED_ROOTS: Final = ("pxr",)  # there in reality only once the application runs


class ModuleFinder(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Gives `modules` by dotted name while `may_import` allows; nobody else is asked for names below their roots."""

    def __init__(self, modules: dict[str, ModuleType], may_import: Callable[[str], bool]) -> None:
        self._modules, self._may_import = modules, may_import

    def find_spec(self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None) -> Any:
        root = fullname.partition(".")[0]
        if root not in (*OWN_ROOTS, *BORROWED_ROOTS):
            return None
        if not self._may_import(fullname):
            raise ModuleNotFoundError(
                f"No module named {fullname!r}: it can be imported once SimulationApp was constructed", name=fullname
            )
        if fullname in self._modules:
            return importlib.machinery.ModuleSpec(
                fullname, self, is_package=hasattr(self._modules[fullname], "__path__")
            )
        if root in OWN_ROOTS:
            raise ModuleNotFoundError(f"No module named {fullname!r}", name=fullname)
        return None

    def create_module(self, spec: Any) -> ModuleType:
        return self._modules[spec.name]

    def exec_module(self, module: ModuleType) -> None:
        """It is complete."""


def module_tree(members: dict[str, Any]) -> dict[str, ModuleType]:
    """Modules with these members, by dotted name, and the packages above them."""
    modules: dict[str, ModuleType] = {}
    for dotted, member in members.items():
        module, _, name = dotted.rpartition(".")
        for end in range(1, module.count(".") + 2):
            parent = ".".join(module.split(".")[:end])
            if parent not in modules:
                modules[parent] = ModuleType(parent)
                modules[parent].__path__ = []
        setattr(modules[module], name, member)
    return modules


class BorrowedModules:
    """pxr, out of sight between `hide` and `show`: a real Isaac Sim has none before it runs. The modules themselves
    stay loaded, since libraries of C++ cannot be loaded twice."""

    def __init__(self) -> None:
        self._specs: dict[str, Any] = {}
        self.modules: dict[str, ModuleType] = {}

    def hide(self) -> None:
        for name in [name for name in sys.modules if name.partition(".")[0] in BORROWED_ROOTS]:
            self.modules[name] = sys.modules.pop(name)
            self._specs[name] = self.modules[name].__spec__

    def show(self) -> None:
        for name, module in self.modules.items():
            module.__spec__ = self._specs[name]
            sys.modules[name] = module
