"""Counts the pictures with a defect, by episode and camera."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sim_service.quality.gate import Verdict

_Part = tuple[int, str]


class PictureTally:
    def __init__(self) -> None:
        self._seen: dict[_Part, int] = {}
        self._bad: dict[_Part, list[int]] = {}

    def add(self, episode: int, camera: str, frame: int, is_bad: bool) -> None:
        part = episode, camera
        self._seen[part] = self._seen.get(part, 0) + 1
        if is_bad:
            self._bad.setdefault(part, []).append(frame)

    def verdict(self, gate: str, words: str, most: float, figures: Mapping[str, Any] | None = None) -> Verdict:
        """most: the share of bad pictures that every episode may have, of each camera."""
        if not self._seen:
            return Verdict(gate, "skipped", "no picture was examined")
        shares = {part: len(frames) / self._seen[part] for part, frames in self._bad.items()}
        worst = max(shares, key=lambda part: shares[part], default=None)
        found = f"none of {sum(self._seen.values())} pictures is {words}"
        if worst is not None:
            episode, camera = worst
            frames = self._bad[worst]
            found = (
                f"{sum(map(len, self._bad.values()))} of {sum(self._seen.values())} pictures are {words}; most in "
                f"episode {episode}, {camera}: {len(frames)} of {self._seen[worst]}, the first at frame {frames[0]}"
            )
        faulty = sorted({episode for (episode, _), share in shares.items() if share > most})
        return Verdict(
            gate,
            "fail" if faulty else "pass",
            found,
            f"at most {most:.0%} of the pictures of an episode and camera" if most else "none",
            max(shares.values(), default=0.0),
            tuple(faulty),
            figures or {},
        )
