"""Settings of Omniverse Kit among the words of our command line: `--/persistent/isaac/asset_root/default=/assets`."""

from __future__ import annotations

from collections.abc import Sequence


def split_kit_arguments(words: Sequence[str]) -> tuple[list[str], list[str]]:
    """Our words, and Kit's; each as they stand, in their order."""
    ours: list[str] = []
    kit: list[str] = []
    for word in words:
        (kit if word.startswith("--/") else ours).append(word)
    return ours, kit
