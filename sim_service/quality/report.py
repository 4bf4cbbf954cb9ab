"""What the gates said, as text and for JSON."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from sim_service.index_runs import index_runs
from sim_service.quality.gate import Status, Verdict
from sim_service.quality.motion_figures import MotionSummary

_WORDS: Final[dict[Status, str]] = {"pass": "pass", "fail": "FAIL", "skipped": "skipped"}


@dataclass(frozen=True)
class QualityReport:
    """unread: why the dataset could not be judged to its end, "" where it could."""

    verdicts: Sequence[Verdict] = ()
    motion: MotionSummary = field(default_factory=MotionSummary)
    unread: str = ""

    @property
    def failed(self) -> list[str]:
        """Names of gates."""
        return [verdict.gate for verdict in self.verdicts if verdict.status == "fail"]

    @property
    def ok(self) -> bool:
        """Whether everything was read and no gate fails. A gate that was skipped does not count."""
        return not self.unread and not self.failed

    def text(self) -> str:
        width = max((len(verdict.gate) for verdict in self.verdicts), default=0)
        lines = ["quality:"]
        lines += [
            f"  {verdict.gate:<{width}}  {_WORDS[verdict.status]:<7}  {_said(verdict)}" for verdict in self.verdicts
        ]
        figures = self.motion.lines()
        if figures:
            lines += ["", "figures of the motion, the worst joint's peak / the RMS of all joints:"]
            lines += [f"  {line}" for line in figures]
        counted = {status: sum(verdict.status == status for verdict in self.verdicts) for status in _WORDS}
        if self.unread:
            verdict = f"not judged: {self.unread}"
        elif self.failed:
            verdict = f"{counted['fail']} of {len(self.verdicts)} gates fail: {', '.join(self.failed)}"
        else:
            verdict = f"no gate fails: {counted['pass']} pass, {counted['skipped']} skipped"
        return "\n".join([*lines, "", f"quality: {verdict}"])

    def as_json(self) -> dict[str, Any]:
        """Numbers that JSON has not become null."""
        gates = [
            {
                "gate": verdict.gate,
                "status": verdict.status,
                "found": verdict.found,
                "allowed": verdict.allowed,
                "value": verdict.value,
                "episodes": list(verdict.episodes),
                "figures": dict(verdict.figures),
            }
            for verdict in self.verdicts
        ]
        whole = {"ok": self.ok, "unread": self.unread, "gates": gates, "motion": self.motion.as_json()}
        finite: dict[str, Any] = _finite(whole)
        return finite


def _said(verdict: Verdict) -> str:
    parts = [verdict.found]
    if verdict.allowed:
        parts.append(f"allowed: {verdict.allowed}")
    if verdict.episodes:
        noun = "episode" if len(verdict.episodes) == 1 else "episodes"
        parts.append(f"{noun} {index_runs(verdict.episodes)}")
    return "; ".join(parts)


def _finite(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
