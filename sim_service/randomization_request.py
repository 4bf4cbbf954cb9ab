"""A randomization as a request asks for it: a preset by its name, and the number of objects on the table."""

from __future__ import annotations

import dataclasses
from typing import Final, get_args

from collectors.randomization import MAX_DISTRACTORS, PRESETS, Randomization, RandomizationError
from sim_service.commands import CollectRequest, Preset

MAX_OBJECTS: Final = 1 + MAX_DISTRACTORS  # the target is one of them
PRESET_NAMES: Final[tuple[Preset, ...]] = get_args(Preset)


def with_num_objects(base: Randomization, num_objects: int | None) -> Randomization:
    """`base` with so many objects on the table in every episode, the target among them; None: as many as it says.
    Raises RandomizationError, whose message is to stand behind the name of what was asked for."""
    if num_objects is None:
        return base
    if not 1 <= num_objects <= MAX_OBJECTS:
        raise RandomizationError(f"must be 1 to {MAX_OBJECTS}, got {num_objects}")
    return dataclasses.replace(base, distractors=(num_objects - 1, num_objects - 1))


def requested_randomization(request: CollectRequest) -> Randomization:
    """Raises RandomizationError for a request that can only be looked at: one of other ranges than a preset's."""
    if request.randomize not in PRESET_NAMES:
        allowed = " or ".join(PRESET_NAMES)
        raise RandomizationError(f"a request names a preset, {allowed}; got {request.randomize!r}")
    return with_num_objects(PRESETS[request.randomize], request.num_objects)


def request_fields(randomization: Randomization) -> tuple[Preset | None, int | None]:
    """The `randomize` and `num_objects` that ask for it, the first that do; None and None where no preset does."""
    for num_objects in (None, *range(1, MAX_OBJECTS + 1)):
        for preset in PRESET_NAMES:
            if with_num_objects(PRESETS[preset], num_objects) == randomization:
                return preset, num_objects
    return None, None
