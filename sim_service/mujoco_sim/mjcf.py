"""MJCF, MuJoCo's XML, as nested elements with typed attributes."""

from __future__ import annotations

from collections.abc import Iterable
from xml.etree.ElementTree import Element

AttributeValue = str | bool | int | float | Iterable[float]


def element(tag: str, *children: Element, **attributes: AttributeValue) -> Element:
    """An element whose attributes are formatted so that MuJoCo reads back the same double.

    A trailing underscore is dropped from an attribute's name (`class_`).
    """
    node = Element(tag, {name.rstrip("_"): _text(value) for name, value in attributes.items()})
    node.extend(children)
    return node


def _text(value: AttributeValue) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (int, float)):
        return repr(value)
    return " ".join(repr(float(number)) for number in value)
