"""A command takes effect so many control periods later, and the start holds until then."""

import numpy as np
import pytest

from collectors.command_delay import CommandDelay
from collectors.simulator import Action


def action(number: int) -> Action:
    return Action(np.full(7, float(number)), 0.0)


@pytest.mark.parametrize("ticks", [0, 1, 2, 3])
def test_commands_come_out_in_order_so_many_ticks_later(ticks: int) -> None:
    start, issued = action(-1), [action(number) for number in range(10)]
    delay = CommandDelay(start, ticks)
    assert [delay(command) for command in issued] == [*[start] * ticks, *issued[: 10 - ticks]]
