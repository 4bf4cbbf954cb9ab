"""What a check found: findings by rule, what could not be checked, warnings and notes; as text and as JSON."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import asdict, dataclass, field
from pathlib import Path

GROUPS: dict[str, tuple[str, ...]] = {
    "files": ("F1", "F2", "F3"),
    "info.json": ("I1", "I2", "I3", "I4", "I5"),
    "data": ("D1", "D2", "D3", "D4", "D5"),
    "episodes": ("E1", "E2", "E3", "E4"),
    "tasks": ("T1", "T2"),
    "videos": ("V1", "V2", "V3", "V4"),
    "statistics": ("S1", "S2", "S3", "S4", "S5"),
    "histograms": ("H1", "H2"),
}
"""The rules of FORMAT.md by the part of the dataset that they speak of, in reading order."""

RULES: tuple[str, ...] = tuple(rule for rules in GROUPS.values() for rule in rules)

_SHOWN_PER_RULE = 5


@dataclass(frozen=True)
class Finding:
    """One broken rule in one place.

    rule: The rule's id in FORMAT.md. file: Path below the dataset, "/"-separated; "." is the dataset itself.
    """

    rule: str
    file: str
    expected: str
    found: str


@dataclass(frozen=True)
class Unchecked:
    """A rule that could not be checked somewhere because something before it failed."""

    rule: str
    reason: str


@dataclass
class Report:
    """Collects a check's outcome.

    A rule is "ok" only after `ran` named it: a rule that was neither run nor skipped counts as not checked, and a
    report with anything not checked is not ok.
    """

    root: Path
    findings: list[Finding] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    episodes: int | None = None
    frames: int | None = None
    cameras: int | None = None
    fps: int | None = None
    size_bytes: int = 0
    _skipped: dict[Unchecked, None] = field(default_factory=dict)  # a set that keeps its order
    _ran: set[str] = field(default_factory=set)

    def add(self, rule: str, file: str, expected: str, found: str) -> None:
        self.findings.append(Finding(rule, file, expected, found))

    def ran(self, *rules: str) -> None:
        """Says that the check of these rules came to its end, wherever it was not skipped."""
        self._ran.update(rules)

    def skip(self, rules: tuple[str, ...], reason: str) -> None:
        """Says that these rules could not be checked, wholly or in the part that the reason names."""
        for rule in rules:
            self._skipped[Unchecked(rule, reason)] = None

    @property
    def not_checked(self) -> list[Unchecked]:
        skipped = {unchecked.rule for unchecked in self._skipped}
        forgotten = [Unchecked(rule, "its check did not run") for rule in RULES if rule not in self._ran | skipped]
        return sorted([*self._skipped, *forgotten], key=lambda unchecked: RULES.index(unchecked.rule))

    @property
    def ok(self) -> bool:
        """Whether every rule was checked everywhere and none is broken. Warnings and notes do not count."""
        return not self.findings and not self.not_checked

    def outcome(self, *rules: str) -> str:
        """ "ok", or how many problems these rules have and which of them were not checked everywhere."""
        problems = sum(finding.rule in rules for finding in self.findings)
        unchecked = [rule for rule in rules if any(rule == skipped.rule for skipped in self.not_checked)]
        parts = [_counted(problems, "problem")] if problems else []
        if unchecked:
            parts.append("not checked: " + " ".join(unchecked))
        return ", ".join(parts) or "ok"

    def text(self) -> str:
        """The report for a person; repeats of a rule beyond the fifth are counted, not listed."""
        lines = [self._headline(), ""]
        lines += [f"  {group:<11} {' '.join(rules):<15} {self.outcome(*rules)}" for group, rules in GROUPS.items()]
        by_rule = sorted(self.findings, key=lambda finding: RULES.index(finding.rule))
        problems = [(f.rule, f"{f.file}: expected {f.expected}, found {f.found}") for f in by_rule]
        lines += _section("problems", problems)
        lines += _section("not checked", [(unchecked.rule, unchecked.reason) for unchecked in self.not_checked])
        lines += _section("warnings", [("", warning) for warning in self.warnings])
        lines += _section("notes", [("", note) for note in self.notes])
        if self.ok:
            verdict = "valid"
        elif self.findings:
            verdict = f"invalid: {_counted(len(self.findings), 'problem')}"
        else:
            verdict = "invalid: not everything could be checked"
        return "\n".join([*lines, "", verdict])

    def to_json(self) -> str:
        """The report as one JSON object in one line, every finding listed."""
        seconds = None if self.frames is None or not self.fps else self.frames / self.fps
        return json.dumps(
            {
                "dataset": str(self.root),
                "ok": self.ok,
                "episodes": self.episodes,
                "frames": self.frames,
                "cameras": self.cameras,
                "fps": self.fps,
                "duration_s": seconds,
                "size_bytes": self.size_bytes,
                "rules": {rule: self.outcome(rule) for rule in RULES},
                "findings": [asdict(finding) for finding in self.findings],
                "not_checked": [asdict(unchecked) for unchecked in self.not_checked],
                "warnings": self.warnings,
                "notes": self.notes,
            }
        )

    def _headline(self) -> str:
        parts = [
            _counted(number, noun)
            for number, noun in ((self.episodes, "episode"), (self.frames, "frame"), (self.cameras, "camera"))
            if number is not None
        ]
        if self.frames is not None and self.fps:
            parts.append(f"{self.frames / self.fps:.1f} s at {self.fps} fps")
        parts.append(f"{self.size_bytes / 1e6:.1f} MB")
        return f"{self.root}: {', '.join(parts)}"


def _counted(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def _section(title: str, entries: list[tuple[str, str]]) -> list[str]:
    """Lines of (rule, text) entries under a title; a rule's entries beyond the fifth become one line."""
    if not entries:
        return []
    lines = ["", f"{title}:"]
    totals = Counter(rule for rule, _ in entries)
    shown: Counter[str] = Counter()
    for rule, text in entries:
        shown[rule] += 1
        if not rule or shown[rule] <= _SHOWN_PER_RULE:
            lines.append(f"  {rule:<2} {text}" if rule else f"  {text}")
        elif shown[rule] == totals[rule]:
            lines.append(f"     and {totals[rule] - _SHOWN_PER_RULE} more")
    return lines
