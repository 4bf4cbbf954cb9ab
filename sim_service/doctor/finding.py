"""What came of one check."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any, Final, Literal

Verdict = Literal["pass", "fail", "not run"]
_MARKS: Final[dict[Verdict, str]] = {"pass": "pass", "fail": "FAIL", "not run": "not run"}


@dataclass(frozen=True)
class Finding:
    """found: for a check that was not run, why. advice: what to do; of a failure alone. remark: of a pass alone."""

    name: str
    verdict: Verdict
    found: str
    expected: str
    advice: str = ""
    remark: str = ""
    seconds: float = 0.0

    def line(self) -> str:
        """For a person, without a line break."""
        text = self.found
        if self.verdict == "fail":
            text += f"; expected: {self.expected}; what to do: {self.advice}"
        elif self.verdict == "pass":
            text += f" (expected: {self.expected})"
            if self.remark:
                text += f"; remark: {self.remark}"
        return f"{_MARKS[self.verdict]:<8}{self.name:<27} {' '.join(text.split())}"

    def to_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {**dataclasses.asdict(self), "seconds": round(self.seconds, 3)}
