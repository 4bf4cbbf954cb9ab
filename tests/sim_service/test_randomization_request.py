"""A randomization as a request's `randomize` and `num_objects`."""

from __future__ import annotations

import argparse
import itertools
from dataclasses import replace
from pathlib import Path
from typing import get_args

import numpy as np
import pytest

from bridge import client, messages
from collectors.randomization import MAX_DISTRACTORS, PRESETS, Randomization, RandomizationError
from collectors.task import TASKS
from collectors.variation import draw_variation
from sim_service.batch_run import BatchRun
from sim_service.commands import CollectRequest, Preset
from sim_service.config import CollectConfig, add_collect_flags, collect_config
from sim_service.randomization_request import (
    MAX_OBJECTS,
    PRESET_NAMES,
    request_fields,
    requested_randomization,
    with_num_objects,
)
from sim_service.simulators import SimulatorSettings

NUMBERS = (None, *range(1, MAX_OBJECTS + 1))
FIELDS = list(itertools.product(PRESET_NAMES, NUMBERS))


def of_the_command_line(preset: str, num_objects: int | None) -> Randomization:
    parser = argparse.ArgumentParser()
    add_collect_flags(parser)
    flags = [] if num_objects is None else ["--num-objects", str(num_objects)]
    return collect_config(parser.parse_args(["--output", "x", "--randomize", preset, *flags])).randomization


@pytest.mark.parametrize(("preset", "num_objects"), FIELDS)
def test_a_request_varies_what_the_same_flags_vary(preset: Preset, num_objects: int | None) -> None:
    asked = requested_randomization(CollectRequest("ds", randomize=preset, num_objects=num_objects))
    assert asked == of_the_command_line(preset, num_objects)


@pytest.mark.parametrize(("preset", "num_objects"), FIELDS)
def test_the_fields_of_a_randomization_ask_for_it(preset: Preset, num_objects: int | None) -> None:
    asked = requested_randomization(CollectRequest("ds", randomize=preset, num_objects=num_objects))
    named, number = request_fields(asked)
    assert requested_randomization(CollectRequest("ds", randomize=named, num_objects=number)) == asked
    assert named == preset
    if num_objects is None:
        assert number is None


@pytest.mark.parametrize("num_objects", NUMBERS)
def test_the_simulator_has_every_distractor_of_every_scene(num_objects: int | None) -> None:
    asked = with_num_objects(PRESETS["full"], num_objects)
    settings = SimulatorSettings.of(30, False, "fast", asked)
    task = TASKS["pick_place"](settings.objects, 0.0)
    slots: set[int] = set()
    for seed in range(20):
        plan = task.draw(np.random.default_rng(seed), draw_variation(asked, (seed, 0, 0)))
        slots |= {distractor.slot for distractor in plan.scene.distractors}
    assert slots == set(range(settings.num_distractors))


def test_ranges_of_ones_own_have_no_fields_and_cannot_be_requested() -> None:
    for own in (replace(PRESETS["full"], delay_ticks=(1, 1)), replace(PRESETS["none"], distractors=(1, 2))):
        assert request_fields(own) == (None, None)
        [job] = BatchRun(CollectConfig(Path("ds"), randomization=own)).jobs(1)
        with pytest.raises(RandomizationError, match="names a preset, none or light or full; got None"):
            requested_randomization(job.request)


def test_the_page_of_a_batch_run_says_what_varies() -> None:
    config = CollectConfig(Path("ds"), randomization=with_num_objects(PRESETS["light"], 3))
    [job] = BatchRun(config).jobs(1)
    assert (job.request.randomize, job.request.num_objects) == ("light", 3)


@pytest.mark.parametrize("number", [0, -1, MAX_OBJECTS + 1])
def test_no_other_number_of_objects(number: int) -> None:
    with pytest.raises(RandomizationError, match=f"must be 1 to 6, got {number}"):
        with_num_objects(PRESETS["full"], number)


def test_names_and_numbers_are_the_same_everywhere() -> None:
    assert PRESET_NAMES == tuple(PRESETS) == get_args(client.Preset)
    assert MAX_OBJECTS == messages.MAX_OBJECTS == 1 + MAX_DISTRACTORS
