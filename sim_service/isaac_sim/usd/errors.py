"""What can be wrong with a stage."""

from __future__ import annotations


class StageError(ValueError):
    """The stage, or an asset that it references, is not what the adapter needs."""


class CellExistsError(StageError):
    """The cell, or a part of it, is on the stage already."""


class RobotError(StageError):
    """The referenced robot is no Franka, or a scaled one."""


class CameraError(StageError):
    """A camera that has no place on the stage."""


class LookError(StageError):
    """The referenced look of an object is empty or has other proportions than the object."""


class WeldError(StageError):
    """A weld where one is already, between bodies that do not exist, or at poses that are none."""


class XformOpError(StageError):
    """A transform op of a type that cannot be written."""
