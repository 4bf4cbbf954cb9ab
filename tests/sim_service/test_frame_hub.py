"""Pictures from one thread to many."""

import threading

import numpy as np
import pytest

from sim_service import frame_hub
from sim_service.frame_hub import FrameHub


def images(value: int) -> dict[str, np.ndarray]:
    return {name: np.full((4, 6, 3), value, dtype=np.uint8) for name in ("high", "wrist")}


def test_frames_are_numbered_and_not_copied() -> None:
    hub = FrameHub(["high", "wrist"])
    assert hub.latest("high") is None
    for number in (1, 2, 3):
        given = images(number)
        hub.publish(given)
        frame = hub.latest("wrist")
        assert frame is not None
        assert (frame.camera, frame.number) == ("wrist", number)
        assert frame.rgb is given["wrist"]


def test_the_same_pictures_again_are_no_new_frame_at_first(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 100.0
    monkeypatch.setattr(frame_hub.time, "monotonic", lambda: now)
    hub = FrameHub(["high", "wrist"])
    given = images(1)
    numbers = []
    for _ in range(17):
        hub.publish(given)
        frame = hub.latest("high")
        assert frame is not None
        numbers.append(frame.number)
        now += 0.125
    assert numbers[-1] == 5  # at 0, 0.5, 1.0, 1.5 and 2.0 s
    hub.publish(images(1))  # equal, yet drawn anew
    frame = hub.latest("high")
    assert frame is not None
    assert frame.number == 6


def test_waiting_ends_with_a_newer_frame_or_with_the_hub() -> None:
    hub = FrameHub(["high", "wrist"])
    assert hub.wait("high", after=0, timeout_s=0.0) is None
    hub.publish(images(1))
    frame = hub.wait("high", after=0, timeout_s=0.0)
    assert frame is not None
    assert frame.number == 1
    seen: list[object] = []
    waiting = threading.Thread(target=lambda: seen.append(hub.wait("high", after=1, timeout_s=60.0)))
    waiting.start()
    hub.publish(images(2))
    waiting.join()
    assert seen == [hub.latest("high")]
    waiting = threading.Thread(target=lambda: seen.append(hub.wait("high", after=2, timeout_s=60.0)))
    waiting.start()
    hub.close()
    waiting.join()
    assert seen[1] is None


def test_it_is_wanted_for_as_long_as_somebody_watches() -> None:
    hub = FrameHub(["high"])
    assert not hub.wanted
    with hub.watch():
        with hub.watch():
            assert hub.viewers == 2
        assert hub.wanted
    assert not hub.wanted


def test_a_camera_that_does_not_exist_is_named() -> None:
    hub = FrameHub(["high", "wrist"])
    for ask in (lambda: hub.latest("front"), lambda: hub.wait("front", 0, 0.0)):
        with pytest.raises(KeyError, match="no camera 'front'; there are high, wrist"):
            ask()
