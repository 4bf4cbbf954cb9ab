"""The gap between open fingers and object on the way to and from it."""

import numpy as np
import pytest

from collectors.clearance import finger_clearance_m
from collectors.objects import CUBE, YCB, ObjectKind
from collectors.randomization import PRESETS
from collectors.scene import TABLE_SURFACE_Z_M
from collectors.tasks.pick_place import MIN_FINGER_CLEARANCE_M, TALL_FINGER_CLEARANCE_M, PickPlace
from collectors.variation import draw_variation

PLAIN = draw_variation(PRESETS["none"], (0, 0, 0))


def test_a_centred_hand_has_half_the_free_span_on_either_side() -> None:
    contact = PickPlace((CUBE,), 0.0).draw(np.random.default_rng(0), PLAIN).waypoints[1].arm_rad
    plan = PickPlace((CUBE,), 0.0).draw(np.random.default_rng(0), PLAIN)
    assert finger_clearance_m(contact, contact, CUBE, plan.pick_xy_m, TABLE_SURFACE_Z_M) == pytest.approx(
        0.02, abs=1e-9
    )


def test_it_falls_by_what_the_object_is_off() -> None:
    plan = PickPlace((CUBE,), 0.0).draw(np.random.default_rng(1), PLAIN)
    contact = plan.waypoints[1]
    closing = contact.hand_to_world.matrix()[:3, 1]
    off = np.array(plan.pick_xy_m) + 0.007 * closing[:2]
    gap = finger_clearance_m(contact.arm_rad, contact.arm_rad, CUBE, (float(off[0]), float(off[1])), TABLE_SURFACE_Z_M)
    assert gap == pytest.approx(0.02 - 0.007 * float(closing[:2] @ closing[:2]), abs=1e-9)


def test_what_happens_above_the_object_does_not_count() -> None:
    plan = PickPlace((CUBE,), 0.0).draw(np.random.default_rng(2), PLAIN)
    above, contact = plan.waypoints[0].arm_rad, plan.waypoints[1].arm_rad
    far_above = above + np.array([0.5, -0.3, 0, 0, 0, 0, 0])  # leads up at once, and far to the side
    assert finger_clearance_m(far_above, contact, CUBE, plan.pick_xy_m, TABLE_SURFACE_Z_M) > -0.03
    assert finger_clearance_m(contact, far_above, CUBE, plan.pick_xy_m, TABLE_SURFACE_Z_M) == np.inf  # begins above


@pytest.mark.parametrize("kind", [CUBE, *YCB.values()], ids=lambda kind: kind.name)
def test_drawn_plans_keep_their_distance(kind: ObjectKind) -> None:
    allowed = TALL_FINGER_CLEARANCE_M if kind.is_tall else MIN_FINGER_CLEARANCE_M
    for seed in range(60):
        plan = PickPlace((kind,)).draw(np.random.default_rng(seed), PLAIN)
        above, at, retract = (plan.waypoints[i].arm_rad for i in (0, 1, 7))
        assert finger_clearance_m(above, at, kind, plan.pick_xy_m, TABLE_SURFACE_Z_M) >= allowed
        assert (
            finger_clearance_m(retract, plan.waypoints[6].arm_rad, kind, plan.place_xy_m, TABLE_SURFACE_Z_M) >= allowed
        )
        assert plan.scene.object_pose.position[2] == TABLE_SURFACE_Z_M + kind.size_m[2] / 2
