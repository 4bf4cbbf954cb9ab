"""The gates on success, placement and variety: collections of the collector's rates pass, planted defects do not."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from collectors.objects import PALETTE, YCB
from sim_service.quality.gate import EpisodeNumbers, NumberGate, Verdict
from sim_service.quality.success import FailuresKeptGate, SuccessGate
from sim_service.quality.success_placement import PlacementGate
from sim_service.quality.success_variety import VarietyGate
from sim_service.quality.wilson import wilson_interval


def episode(number: int, columns: Mapping[str, Any] | None = None, **row: object) -> EpisodeNumbers:
    """row: of `collection/...`, over those of a success."""
    told = {
        "success": True,
        "success_2cm": True,
        "failure_reason": "",
        "failed_attempts": "",
        "placement_error_m": 0.0004,
        "object": "cube",
        "object_colour": list(PALETTE)[number % len(PALETTE)],
    }
    row = {f"collection/{name}": value for name, value in (told | row).items()}
    return EpisodeNumbers(number, 30, row, columns or {}, {})


def verdicts(gate: NumberGate, episodes: Iterable[EpisodeNumbers]) -> dict[str, Verdict]:
    for seen in episodes:
        gate.see(seen)
    return {verdict.gate: verdict for verdict in gate.verdicts()}


def last_frames(off_m: float) -> dict[str, Any]:
    """Two frames; in the second the object stands so far from the goal."""
    pose = np.array([[0.5, 0.0, 0.43, 1, 0, 0, 0], [0.4 + off_m, 0.1, 0.43, 1, 0, 0, 0]])
    return {"privileged.object_pose": pose, "privileged.goal_position": np.full((2, 3), [0.4, 0.1, 0.41])}


def test_the_interval_holds_the_true_rate_as_often_as_it_says() -> None:
    """Over all outcomes of 60 attempts: 95 %, give or take what whole numbers of successes leave open."""
    for rate in (0.5, 0.8, 0.95):
        rng = np.random.default_rng(3)
        intervals = [wilson_interval(k, 60) for k in rng.binomial(60, rate, 4000)]
        held = np.mean([least <= rate <= most for least, most in intervals])
        assert 0.92 < held < 0.98, rate


def test_the_interval_has_wilsons_published_form() -> None:
    """Its ends are where the observed rate is 1.96 standard deviations of the true rate away."""
    least, most = wilson_interval(47, 60)
    for end in (least, most):
        assert abs(47 / 60 - end) == pytest.approx(1.959964 * np.sqrt(end * (1 - end) / 60))


def test_the_interval_at_its_ends() -> None:
    assert wilson_interval(0, 0) == (0.0, 1.0)
    assert wilson_interval(0, 8)[0] == 0.0
    assert wilson_interval(8, 8) == pytest.approx((0.6756, 1.0), abs=1e-4)
    with pytest.raises(ValueError, match="0 to 3"):
        wilson_interval(4, 3)


@pytest.mark.parametrize("count", [1, 8, 200])
def test_nothing_but_successes_pass(tmp_path: Path, count: int) -> None:
    found = verdicts(SuccessGate(tmp_path), map(episode, range(count)))
    assert {name: verdict.status for name, verdict in found.items()} == {"success-rate": "pass", "success-2cm": "pass"}
    assert found["success-rate"].value == 1.0


def test_the_measured_rate_passes(tmp_path: Path) -> None:
    """198 of 200 attempts."""
    failed = {20: "missed_grasp", 70: "unreachable"}
    found = verdicts(SuccessGate(tmp_path), (episode(n, failed_attempts=failed.get(n, "")) for n in range(198)))
    assert found["success-rate"].status == "pass"
    assert found["success-rate"].figures["attempts"] == 200


def test_attempts_that_failed_first_count(tmp_path: Path) -> None:
    """Every recorded episode is a success, and yet every third attempt failed."""
    rows = (episode(n, failed_attempts="dropped" if n % 2 else "") for n in range(40))
    found = verdicts(SuccessGate(tmp_path), rows)["success-rate"]
    assert (found.status, found.value) == ("fail", 40 / 60)
    assert found.figures["failures"] == {"dropped": 20}
    assert found.episodes == tuple(range(1, 40, 2))


def test_episodes_that_were_given_up_count(tmp_path: Path) -> None:
    (tmp_path / "meta").mkdir()
    exhausted = {"3": ["missed_grasp"] * 5, "9": ["dropped"] * 5}
    (tmp_path / "meta/collection.json").write_text(json.dumps({"configuration": {}, "exhausted": exhausted}))
    found = verdicts(SuccessGate(tmp_path), map(episode, range(40)))["success-rate"]
    assert (found.status, found.value, found.figures["given_up"]) == ("fail", 40 / 50, 2)


def test_successes_that_are_not_within_2_cm(tmp_path: Path) -> None:
    found = verdicts(SuccessGate(tmp_path), (episode(n, success_2cm=n % 3 > 0) for n in range(60)))
    assert found["success-rate"].status == "pass"
    assert (found["success-2cm"].status, found["success-2cm"].value) == ("fail", 40 / 60)


def test_a_failure_that_was_kept(tmp_path: Path) -> None:
    failed = episode(4, success=False, success_2cm=False, failure_reason="off_target")
    rows = [failed if n == 4 else episode(n) for n in range(100)]
    found = verdicts(FailuresKeptGate(), rows)["failures-kept"]
    assert (found.status, found.value, found.episodes) == ("fail", 1.0, (4,))
    assert verdicts(FailuresKeptGate(), rows[5:])["failures-kept"].status == "pass"
    assert verdicts(SuccessGate(tmp_path), rows)["success-rate"].figures["failures"] == {"off_target": 1}


def test_exact_placements_pass() -> None:
    found = verdicts(PlacementGate(), (episode(n, last_frames(0.0004)) for n in range(10)))
    assert {name: verdict.status for name, verdict in found.items()} == {
        "placement": "pass",
        "placement-recomputed": "pass",
    }


def test_placements_that_are_coarse() -> None:
    rows = (episode(n, last_frames(0.03), placement_error_m=0.03) for n in range(10))
    found = verdicts(PlacementGate(), rows)
    assert found["placement"].status == "fail"
    assert found["placement"].value == pytest.approx(0.03)
    assert found["placement-recomputed"].status == "pass"


def test_a_success_that_the_frames_belie() -> None:
    """The column says half a millimetre, the object stands 8 cm off."""
    rows = [episode(n, last_frames(0.08 if n == 2 else 0.0004)) for n in range(5)]
    found = verdicts(PlacementGate(), rows)["placement-recomputed"]
    assert (found.status, found.episodes) == ("fail", (2,))


def test_a_placement_error_of_another_episode() -> None:
    rows = [episode(n, last_frames(0.012 if n == 3 else 0.0004)) for n in range(5)]
    assert verdicts(PlacementGate(), rows)["placement-recomputed"].episodes == (3,)


def test_failed_episodes_have_no_part_in_placement() -> None:
    rows = [episode(n, last_frames(0.3), success=False, placement_error_m=0.3) for n in range(5)]
    assert {verdict.status for verdict in verdicts(PlacementGate(), rows).values()} == {"skipped"}


def drawn(count: int, choose: Callable[[int], int]) -> list[EpisodeNumbers]:
    return [episode(n, object_colour=list(PALETTE)[choose(n)]) for n in range(count)]


def test_colours_that_are_drawn_evenly() -> None:
    for seed in range(20):
        colours = np.random.default_rng(seed).integers(len(PALETTE), size=50).tolist()
        found = verdicts(VarietyGate(), drawn(50, lambda n, colours=colours: colours[n]))  # type: ignore[misc]
        assert found["colour-variety"].status == "pass", seed


def test_one_colour_alone() -> None:
    found = verdicts(VarietyGate(), drawn(20, lambda _: 3))["colour-variety"]
    assert found.status == "fail"
    assert found.figures["counts"] == {list(PALETTE)[3]: 20}


def test_a_colour_that_never_comes() -> None:
    assert verdicts(VarietyGate(), drawn(210, lambda n: n % (len(PALETTE) - 1)))["colour-variety"].status == "fail"
    assert verdicts(VarietyGate(), drawn(210, lambda n: n % len(PALETTE)))["colour-variety"].status == "pass"


def test_objects_that_are_drawn_unevenly() -> None:
    kinds = list(YCB)
    even = [episode(n, object=kinds[n % len(kinds)], object_colour="") for n in range(50)]
    found = verdicts(VarietyGate(), even)
    assert (found["object-variety"].status, found["colour-variety"].status) == ("pass", "skipped")
    mostly_one = [episode(n, object=kinds[0 if n % 4 else n % 5], object_colour="") for n in range(50)]
    assert verdicts(VarietyGate(), mostly_one)["object-variety"].status == "fail"


def test_few_episodes_say_nothing_of_variety() -> None:
    assert verdicts(VarietyGate(), drawn(19, lambda _: 0))["colour-variety"].status == "skipped"


def test_other_collectors_datasets_are_skipped(tmp_path: Path) -> None:
    rows = [EpisodeNumbers(n, 30, {"length": 5}, {}, {}) for n in range(50)]
    for gate in (SuccessGate(tmp_path), FailuresKeptGate(), PlacementGate(), VarietyGate()):
        for verdict in verdicts(gate, rows).values():
            assert verdict.status == "skipped"
            assert verdict.found
