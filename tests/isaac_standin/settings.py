"""carb's settings: a tree of values by path."""

from __future__ import annotations

from typing import Any


class Settings:
    """Paths begin with a slash; one that does not is taken as if it did, as carb does."""

    _values: dict[str, Any]

    def get(self, path: str) -> Any:
        return self._values.get(_absolute(path))

    def set(self, path: str, value: Any) -> None:
        if not isinstance(value, (bool, int, float, str, list, tuple, dict, type(None))):
            raise TypeError(f"carb cannot hold {value!r} of type {type(value).__name__} at {path}")
        self._values[_absolute(path)] = value

    def set_default(self, path: str, value: Any) -> None:
        self._values.setdefault(_absolute(path), value)

    def set_bool(self, path: str, value: bool, /) -> None:
        self._set_as(bool, path, value)

    def set_int(self, path: str, value: int, /) -> None:
        self._set_as(int, path, value)

    def set_float(self, path: str, value: float, /) -> None:
        self._set_as(float, path, value)

    def set_string(self, path: str, value: str, /) -> None:
        self._set_as(str, path, value)

    def get_as_bool(self, path: str, /) -> bool:
        return bool(self.get(path))

    def get_as_int(self, path: str, /) -> int:
        return int(self.get(path) or 0)

    def get_as_float(self, path: str, /) -> float:
        return float(self.get(path) or 0.0)

    def get_as_string(self, path: str, /) -> str:
        value = self.get(path)
        return "" if value is None else str(value)

    def destroy_item(self, path: str, /) -> None:
        self._values.pop(_absolute(path), None)

    def _set_as(self, kind: type, path: str, value: Any) -> None:
        if not isinstance(value, kind) and not (kind is float and isinstance(value, int)):
            raise TypeError(f"{path} takes {kind.__name__}, not {value!r}")
        self._values[_absolute(path)] = kind(value)


def parsed_arguments(arguments: list[str]) -> dict[str, Any]:
    """The settings among Kit's command line arguments: `--/path=value`."""
    settings: dict[str, Any] = {}
    for argument in arguments:
        if argument.startswith("--/"):
            path, _, text = argument.removeprefix("--").partition("=")
            settings[path] = _value_of(text)
    return settings


def _value_of(text: str) -> Any:
    if text.lower() in ("true", "false"):
        return text.lower() == "true"
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text.strip("'\"")


def _absolute(path: str) -> str:
    if not isinstance(path, str) or not path:
        raise TypeError(f"a setting's path is a string, not {path!r}")
    return path if path.startswith("/") else f"/{path}"
