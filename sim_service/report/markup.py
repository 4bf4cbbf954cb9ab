"""HTML and SVG that is balanced and escaped by construction: whatever a dataset says stays text."""

from __future__ import annotations

import base64
import html
from collections.abc import Iterable
from typing import Final

_VOID: Final = frozenset(("meta", "img", "br"))
# What no text needs and what would spoil others: control characters, halves of UTF-16 pairs, and the characters that
# turn the direction of what follows (Unicode 15, annex 9, section 2).
_UNWANTED: Final = {
    **dict.fromkeys((*range(0x20), *range(0x7F, 0xA0), *range(0xD800, 0xE000), 0xFFFE, 0xFFFF), "�"),
    **dict.fromkeys((*range(0x202A, 0x202F), *range(0x2066, 0x206A)), "�"),
    **dict.fromkeys((0x09, 0x0A, 0x0D), " "),
}


class Html(str):
    """Markup, as opposed to text that is still to be escaped."""

    __slots__ = ()


def escaped(text: str) -> Html:
    return Html(html.escape(text.translate(_UNWANTED)))


def element(tag: str, *content: str, **attributes: str | float | None) -> Html:
    """content: text, which is escaped, and `Html`. attributes: their `_` stands for `-`, one at the end for none; None
    leaves an attribute out, "" leaves out its value."""
    parts = [f"<{tag}"]
    for name, value in attributes.items():
        if value is not None:
            value_text = escaped(value if isinstance(value, str) else f"{value:g}")
            parts.append(f" {name.rstrip('_').replace('_', '-')}" + (f'="{value_text}"' if value_text else ""))
    parts.append(">")
    if tag not in _VOID:
        parts += (part if isinstance(part, Html) else escaped(part) for part in content)
        parts.append(f"</{tag}>")
    return Html("".join(parts))


def joined(parts: Iterable[Html]) -> Html:
    return Html("".join(parts))


def data_uri(media_type: str, content: bytes) -> str:
    return f"data:{media_type};base64,{base64.b64encode(content).decode('ascii')}"


def shortened(text: str, most: int) -> str:
    return text if len(text) <= most else f"{text[: most - 1]}…"
