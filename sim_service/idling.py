"""What goes on between two jobs: simulated time passes where somebody plays, and whoever watches gets pictures."""

from __future__ import annotations

from collections.abc import Callable

from collectors.simulator import Tick
from sim_service.frame_hub import FrameHub
from sim_service.host_work import Draw, Rest, Work
from sim_service.work_cell import WorkCell


class Idling:
    """live_period_s: the shortest time between two pictures that are made for viewers alone."""

    def __init__(self, cell: WorkCell, frames: FrameHub, live_period_s: float, clock: Callable[[], float]) -> None:
        self._cell, self._frames = cell, frames
        self._live_period_s, self._clock = live_period_s, clock
        self._playing = False
        self._play_at = self._picture_at = clock()

    @property
    def playing(self) -> bool:
        """Whether simulated time passes while nothing is collected."""
        return self._playing

    def play(self, playing: bool) -> None:
        """From now on."""
        self._playing, self._play_at = playing, self._clock()

    def turn(self, carried_out: Work | None) -> Work:
        """The next thing to do. carried_out: what the host did since the last turn; pictures that it made are shown to
        the viewers. Raises what the simulator raises."""
        if isinstance(carried_out, Draw) or (isinstance(carried_out, Tick) and carried_out.images):
            self._frames.publish(self._cell.images())
        now, period_s = self._clock(), self._cell.simulator.control_period_s
        # Half a turn early is nearer to the live rate than half a turn late.
        due = self._frames.wanted and now - self._picture_at >= self._live_period_s - period_s / 2
        if self._playing and now < self._play_at:
            return Rest(self._play_at - now)
        if due:
            self._picture_at = now
        if self._playing:
            self._play_at = max(self._play_at + period_s, now)
            return Tick(images=due)
        if due:
            return Draw()
        self._cell.simulator.refresh(images=False)
        return Rest(period_s)
