"""`$(NAME)` in a container's environment, command, arguments and subPathExpr, as the kubelet replaces it
(third_party/forked/golang/expansion/expand.go)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

# A dollar that is followed by: a second one, which is thereby escaped; a name in brackets; anything else.
_DOLLAR: Final = re.compile(r"\$(?:(\$)|\(([^)]*)\))")


def expand(text: str, variables: Mapping[str, str]) -> str:
    """What names no variable stays as it is, and so does what comes out of one."""

    def replaced(found: re.Match[str]) -> str:
        if found[1]:
            return "$"
        return variables.get(found[2], found[0])

    return _DOLLAR.sub(replaced, text)


def names_in(text: str) -> list[str]:
    """Of the variables that the text refers to."""
    return [found[2] for found in _DOLLAR.finditer(text) if not found[1]]
