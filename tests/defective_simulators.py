"""What can be wrong with a simulator: the embedded one behind wrappers that break one thing each."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np

from collectors.franka import FINGER_OPEN_M
from collectors.geometry import Pose, quat_about_axis
from collectors.scene import Scene
from collectors.simulator import Action, Observation, Simulator, SimulatorError, Tick


class Wrapped:
    """Stays open when it is closed."""

    def __init__(self, inner: Simulator) -> None:
        self.inner = inner

    def __getattr__(self, name: str) -> Any:
        return getattr(self.inner, name)

    def close(self) -> None:
        pass


class Pictures(Wrapped):
    """`change` sees every picture of one camera."""

    def __init__(self, inner: Simulator, camera: str, change: Callable[[np.ndarray], np.ndarray]) -> None:
        super().__init__(inner)
        self.camera, self.change = camera, change

    def observe(self, images: bool = False) -> Observation:
        seen = self.inner.observe(images)
        if self.camera not in seen.images:
            return seen
        changed = self.change(seen.images[self.camera])
        return dataclasses.replace(seen, images={**seen.images, self.camera: changed})


class LatePictures(Wrapped):
    """After an advance they are those of the tick before."""

    def reset(self, scene: Scene) -> None:
        self.inner.reset(scene)
        self.late: dict[str, np.ndarray] | None = None
        self.last = getattr(self, "last", {})

    def advance(self, tick: Tick) -> None:
        self.inner.advance(tick)
        if tick.images:
            drawn = dict(self.inner.observe(images=True).images)
            self.late, self.last = self.last or drawn, drawn

    def refresh(self, images: bool) -> None:
        self.inner.refresh(images)
        self.late = None

    def observe(self, images: bool = False) -> Observation:
        seen = self.inner.observe(images)
        return dataclasses.replace(seen, images=self.late) if images and self.late is not None else seen


class OldSceneDrawn(Wrapped):
    """After a reset `refresh` shows what was drawn before it."""

    stale = False
    last: dict[str, np.ndarray] | None = None

    def reset(self, scene: Scene) -> None:
        self.inner.reset(scene)
        self.stale = True

    def advance(self, tick: Tick) -> None:
        self.inner.advance(tick)
        self.stale = False

    def observe(self, images: bool = False) -> Observation:
        seen = self.inner.observe(images)
        if not images:
            return seen
        if self.stale and self.last is not None:
            return dataclasses.replace(seen, images=self.last)
        self.last = dict(seen.images)
        return seen


class DrawingTakesTime(Wrapped):
    drawn = 0

    def reset(self, scene: Scene) -> None:
        self.inner.reset(scene)
        self.drawn = 0

    def refresh(self, images: bool) -> None:
        self.inner.refresh(images)
        self.drawn += images

    def observe(self, images: bool = False) -> Observation:
        seen = self.inner.observe(images)
        return dataclasses.replace(seen, time_s=seen.time_s + self.drawn * self.inner.control_period_s)


class LostTick(Wrapped):
    """Time stands still, once."""

    advances = 0

    def advance(self, tick: Tick) -> None:
        self.advances += 1
        if self.advances == 20:
            self.inner.refresh(tick.images)
        else:
            self.inner.advance(tick)


class LongTick(Wrapped):
    """A tick is a tenth longer for all that falls than it is said to be: gravity in other units looks the same."""

    def observe(self, images: bool = False) -> Observation:
        seen = self.inner.observe(images)
        x, y, z = seen.object_to_world.position
        held = np.linalg.norm(seen.hand_to_world.position - (x, y, z)) < 0.15
        fallen_m = 0.21 * 9.81 * seen.time_s**2 / 2 if z > 0.45 and not held else 0.0
        return dataclasses.replace(seen, object_to_world=Pose((x, y, z - fallen_m), seen.object_to_world.quat_wxyz))


class StaleReset(Wrapped):
    """Until the next step the object is where it was."""

    def reset(self, scene: Scene) -> None:
        try:
            self.stale: Pose | None = self.inner.observe().object_to_world
        except SimulatorError:
            self.stale = None
        self.inner.reset(scene)

    def advance(self, tick: Tick) -> None:
        self.inner.advance(tick)
        self.stale = None

    def observe(self, images: bool = False) -> Observation:
        seen = self.inner.observe(images)
        return seen if self.stale is None else dataclasses.replace(seen, object_to_world=self.stale)


class ResetKeepsTargets(Wrapped):
    """The arm goes on to where it was sent before the reset."""

    target: Action | None = None

    def reset(self, scene: Scene) -> None:
        self.inner.reset(scene)
        if self.target is not None:
            self.inner.command(Action(self.target.arm_rad, FINGER_OPEN_M))
            self.target = None

    def command(self, action: Action) -> None:
        # What follows a slow ramp is told apart from the one jump that is interrupted by a reset.
        self.target = action if np.abs(action.arm_rad - self.inner.observe().arm_rad).max() > 0.15 else None
        self.inner.command(action)


class OtherHand(Wrapped):
    """hand: what is reported in place of the hand's pose."""

    def __init__(self, inner: Simulator, hand: Callable[[Observation], Pose]) -> None:
        super().__init__(inner)
        self.hand = hand

    def observe(self, images: bool = False) -> Observation:
        seen = self.inner.observe(images)
        return dataclasses.replace(seen, hand_to_world=self.hand(seen))


class LateHand(Wrapped):
    """Its pose is that of the tick before."""

    before: Pose | None = None

    def advance(self, tick: Tick) -> None:
        self.before = self.inner.observe().hand_to_world
        self.inner.advance(tick)

    def reset(self, scene: Scene) -> None:
        self.inner.reset(scene)
        self.before = None

    def observe(self, images: bool = False) -> Observation:
        seen = self.inner.observe(images)
        return seen if self.before is None else dataclasses.replace(seen, hand_to_world=self.before)


class LateServos(Wrapped):
    """A command holds from the tick after the next one on."""

    waiting: Action | None = None

    def reset(self, scene: Scene) -> None:
        self.inner.reset(scene)
        self.waiting = None

    def command(self, action: Action) -> None:
        if self.waiting is not None:
            self.inner.command(self.waiting)
        self.waiting = action

    def advance(self, tick: Tick) -> None:
        self.inner.advance(tick)
        if self.waiting is not None:
            self.inner.command(self.waiting)
            self.waiting = None


class Servos(Wrapped):
    """`change` sees every command."""

    def __init__(self, inner: Simulator, change: Callable[[Action], Action]) -> None:
        super().__init__(inner)
        self.change = change

    def command(self, action: Action) -> None:
        self.inner.command(self.change(action))


class SlippingWeld(Wrapped):
    """The object moves by 0.1 mm a tick in the hand."""

    slipped: int | None = None

    def attach(self) -> None:
        self.inner.attach()
        self.slipped = 0

    def detach(self) -> None:
        self.inner.detach()
        self.slipped = None

    def reset(self, scene: Scene) -> None:
        self.inner.reset(scene)
        self.slipped = None

    def advance(self, tick: Tick) -> None:
        self.inner.advance(tick)
        if self.slipped is not None:
            self.slipped += 1

    def observe(self, images: bool = False) -> Observation:
        seen = self.inner.observe(images)
        where = seen.object_to_world
        slip_m = 1e-4 * (self.slipped or 0)
        return dataclasses.replace(seen, object_to_world=Pose(where.position + (slip_m, 0, 0), where.quat_wxyz))


class NoWeld(Wrapped):
    """Nor can the fingers hold what they have."""

    def attach(self) -> None:
        self.open = True

    def command(self, action: Action) -> None:
        self.inner.command(Action(action.arm_rad, FINGER_OPEN_M) if getattr(self, "open", False) else action)

    def reset(self, scene: Scene) -> None:
        self.inner.reset(scene)
        self.open = False


class LastingWeld(Wrapped):
    def detach(self) -> None:
        pass


class WeldOutlivesReset(Wrapped):
    """The object flies to the hand again."""

    welded = False

    def attach(self) -> None:
        self.inner.attach()
        self.welded = True

    def detach(self) -> None:
        self.inner.detach()
        self.welded = False

    def reset(self, scene: Scene) -> None:
        self.inner.reset(scene)
        # Two grasps in a row are another object's business: this one is let go of by the scene of the next grasp.
        if self.welded and np.allclose(scene.arm_rad, HOME_LIKE):
            self.inner.attach()
        self.welded = False


HOME_LIKE = (0.0, -0.785, 0.0, -2.356, 0.0, 1.571, 0.785)


class ObjectElsewhere(Wrapped):
    """Its pose is 4 cm from where it is seen, unless it is in the hand's way."""

    def observe(self, images: bool = False) -> Observation:
        seen = self.inner.observe(images)
        where = seen.object_to_world
        if not images or where.position[1] < 0.15:
            return seen
        return dataclasses.replace(seen, object_to_world=Pose(where.position + (0.04, 0, 0), where.quat_wxyz))


def black(picture: np.ndarray) -> np.ndarray:
    return np.zeros_like(picture)


def grey(picture: np.ndarray) -> np.ndarray:
    return np.full_like(picture, 90)


def small(picture: np.ndarray) -> np.ndarray:
    return picture[::2, ::2].copy()


def floats(picture: np.ndarray) -> np.ndarray:
    return picture / np.float32(255)


def shifted(picture: np.ndarray) -> np.ndarray:
    return np.roll(picture, 4, axis=1)


def mirrored(picture: np.ndarray) -> np.ndarray:
    return picture[:, ::-1].copy()


def upside_down(picture: np.ndarray) -> np.ndarray:
    return picture[::-1].copy()


def zoomed(picture: np.ndarray) -> np.ndarray:
    """By an eighth, about the middle."""
    side = len(picture)
    steps = np.linspace(side / 18, side - side / 18 - 1, side).round().astype(int)
    return picture[np.ix_(steps, steps)].copy()


def red_for_blue(picture: np.ndarray) -> np.ndarray:
    return picture[:, :, ::-1].copy()


def off_by_2_mm(seen: Observation) -> Pose:
    return Pose(seen.hand_to_world.position + (0.0, 0.002, 0.0), seen.hand_to_world.quat_wxyz)


def turned(seen: Observation) -> Pose:
    """By half a degree, about its own z."""
    return seen.hand_to_world @ Pose((0, 0, 0), quat_about_axis((0, 0, 1), np.radians(0.5)))


def stiff_fingers(action: Action) -> Action:
    return Action(action.arm_rad, max(action.finger_m, 0.005))


def half_open(action: Action) -> Action:
    return Action(action.arm_rad, min(action.finger_m, 0.035))


def short(action: Action) -> Action:
    """Of joint 2, by 8 mrad; what a servo without gravity compensation does."""
    return Action(action.arm_rad + (0, 8e-3, 0, 0, 0, 0, 0), action.finger_m)
