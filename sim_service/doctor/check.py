"""One assumption, and how it is looked at."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass


class CheckFailed(Exception):
    """The assumption does not hold. found: what is there instead. advice: in place of the check's own."""

    def __init__(self, found: str, advice: str = "") -> None:
        super().__init__(found)
        self.found, self.advice = found, advice


class NotRun(Exception):
    """The check cannot be made; the message says why."""


class Interrupted(NotRun):
    """Somebody asked to stop."""

    def __init__(self) -> None:
        super().__init__("interrupted")


@dataclass(frozen=True)
class Found:
    """What holds as expected. remark: what a person should know all the same."""

    text: str
    remark: str = ""


@dataclass(frozen=True)
class Check:
    """expected: what `look` has to find. advice: what to do where it does not. needs: names of checks that must have
    passed. look: raises CheckFailed, NotRun, or whatever the thing that is looked at raises."""

    name: str
    expected: str
    advice: str
    look: Callable[[], Found]
    needs: tuple[str, ...] = ()
