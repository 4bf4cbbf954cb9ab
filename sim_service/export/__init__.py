"""Handing over what was collected: a dataset's card, and the formats of other tools."""

from __future__ import annotations


class ExportError(RuntimeError):
    """The dataset cannot be had in that format, or not there; the message says why. There is no output."""
