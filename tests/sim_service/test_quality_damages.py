"""Every gate on numbers catches what is planted for it, passes clean sets, and says nothing of unrelated damage."""

from __future__ import annotations

import numpy as np
import pytest
from quality_damages import DAMAGES, failing, judge
from quality_datasets import KINDS, Kind, clean, episode_numbers

EPISODES = 6
GATES = {verdict.gate for verdict in judge([])}


@pytest.mark.parametrize("seed", [1, 2])
@pytest.mark.parametrize("kind", KINDS)
def test_clean_sets_pass_every_gate(kind: Kind, seed: int) -> None:
    verdicts = judge(episode_numbers(clean(kind, EPISODES, seed)))
    assert {verdict.gate: verdict.found for verdict in verdicts if verdict.status != "pass"} == {}


@pytest.mark.parametrize("name", DAMAGES)
def test_a_planted_defect_sets_off_its_gate_and_those_that_are_explained(name: str) -> None:
    planted = DAMAGES[name]
    found = failing(judge(episode_numbers(planted.damage(clean("linear", EPISODES)))))
    assert found == {planted.catches, *planted.also}
    assert bool(planted.also) == bool(planted.why)


@pytest.mark.parametrize("kind", KINDS[1:])
@pytest.mark.parametrize("name", DAMAGES)
def test_it_is_caught_in_every_kind_of_motion(name: str, kind: Kind) -> None:
    planted = DAMAGES[name]
    found = failing(judge(episode_numbers(planted.damage(clean(kind, EPISODES)))))
    assert (planted.catches in found) == (kind not in planted.unseen_with)


def test_every_gate_has_a_defect_planted_for_it() -> None:
    assert {planted.catches for planted in DAMAGES.values()} == GATES


def test_the_episodes_at_fault_are_named() -> None:
    found = judge(episode_numbers(DAMAGES["actions a row early, in one episode"].damage(clean("full", EPISODES))))
    at_fault = {verdict.gate: verdict.episodes for verdict in found if verdict.status == "fail"}
    assert at_fault == {"action-lag": (2,), "gripper-timing": (2,)}


def test_damaging_leaves_the_clean_set_alone() -> None:
    before = [t.columns["action"].copy() for t in clean("linear", EPISODES)]
    for planted in DAMAGES.values():
        planted.damage(clean("linear", EPISODES))
    assert all(
        np.array_equal(t.columns["action"], old) for t, old in zip(clean("linear", EPISODES), before, strict=True)
    )


def test_without_episodes_every_gate_is_skipped() -> None:
    assert {verdict.status for verdict in judge([])} == {"skipped"}
