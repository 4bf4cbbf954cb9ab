"""The gates on pictures: moving, sharp, well-lit videos pass; each defect that is planted fails its gate."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from lerobot_writer import SimLeRobotWriter
from sim_service.quality.gate import Luma, PictureGate, Verdict
from sim_service.quality.luma import luma
from sim_service.quality.picture_gates import picture_gates
from sim_service.quality.pictures_blurred import EVERY, POOL, laplacian, pool
from sim_service.quality.pictures_frozen import LEAST_REPEATS
from sim_service.stored import Columns, StoredDataset, open_stored

FRAMES = 60
SIDE = 96
CAMERA = "observation.images.cam"
GATES = (
    "black-pictures",
    "under-exposed",
    "over-exposed",
    "frozen-pictures",
    "blurred-pictures",
    "blurred-episodes",
)

Video = Sequence[Luma]
Change = Callable[[Luma], Luma]


class Robot(StoredDataset):
    """A dataset whose robot is where `positions` say, in every episode; None: it has neither state nor action."""

    positions: NDArray[np.float64] | None

    def numbers(self, episode: int, columns: Sequence[str] | None = None) -> Columns:
        assert columns is not None
        assert self.positions is not None
        return dict.fromkeys(columns, self.positions)


def robot(positions: NDArray[np.float64] | None) -> Robot:
    features = {"next.done": {"dtype": "bool"}}
    if positions is not None:
        features["observation.state"] = {"dtype": "float32"}
    dataset = Robot(Path("nowhere"), {"features": features, "fps": 30}, [])
    object.__setattr__(dataset, "positions", positions)
    return dataset


MOVING = np.linspace([0.0, 1.0], [1.0, 0.5], FRAMES)


def picture(episode: int, frame: int) -> Luma:
    """Blocks of 8 pixels, and a square in front of them that moves by a pixel a frame."""
    blocks = np.random.default_rng(episode).integers(50, 180, (SIDE // 8, SIDE // 8))
    levels = blocks.repeat(8, axis=0).repeat(8, axis=1).astype(np.uint8)
    levels[30:54, frame : frame + 24] = 210
    return levels


def video(episode: int = 0) -> list[Luma]:
    return [picture(episode, frame) for frame in range(FRAMES)]


def blurred(levels: Luma) -> Luma:
    """By a Gaussian of 2 pixels: six times the mean of three pixels, both ways."""
    smooth = levels.astype(np.float64)
    for axis in (0, 1) * 6:
        smooth = (np.roll(smooth, 1, axis) + smooth + np.roll(smooth, -1, axis)) / 3
    result: Luma = smooth.round().astype(np.uint8)
    return result


def faint_noise(levels: Luma) -> Luma:
    """Sharp, and yet a picture of nothing."""
    specks = np.random.default_rng(int(levels.sum())).random(levels.shape) < 0.05
    return (100 + specks).astype(np.uint8)


def gain(factor: float) -> Change:
    return lambda levels: np.clip(levels * factor, 0, 255).astype(np.uint8)


def partly_white(levels: Luma) -> Luma:
    """The upper 30 %."""
    return np.where(np.arange(SIDE)[:, None] < 0.3 * SIDE, np.uint8(255), levels)


def black(levels: Luma) -> Luma:
    return np.zeros_like(levels)


def grey(levels: Luma) -> Luma:
    return np.full_like(levels, 128)


def changed(frames: Video, change: Change, first: int = 0, last: int = FRAMES) -> list[Luma]:
    return [change(levels) if first <= frame < last else levels for frame, levels in enumerate(frames)]


def frozen(frames: Video, first: int, repeats: int) -> list[Luma]:
    """Frame `first`, and that many repeats of it."""
    return [frames[first] if first <= frame <= first + repeats else levels for frame, levels in enumerate(frames)]


def failed(verdicts: Iterable[Verdict]) -> dict[str, tuple[int, ...]]:
    return {verdict.gate: verdict.episodes for verdict in verdicts if verdict.status == "fail"}


def shown(gates: Sequence[PictureGate], *episodes: Video) -> list[Verdict]:
    """What the gates say to these episodes of one camera. The plane is one buffer, as a decoder may have it."""
    for number, frames in enumerate(episodes):
        buffer = np.empty_like(frames[0])
        for frame, levels in enumerate(frames):
            buffer[:] = levels
            for gate in gates:
                gate.see(number, CAMERA, frame, buffer)
    return [verdict for gate in gates for verdict in gate.verdicts()]


def judged(*episodes: Video, positions: NDArray[np.float64] | None = MOVING) -> list[Verdict]:
    return shown(picture_gates(robot(positions)), *episodes)


def test_moving_sharp_pictures_pass() -> None:
    verdicts = judged(*(video(episode) for episode in range(4)))
    assert [(verdict.gate, verdict.status) for verdict in verdicts] == [(gate, "pass") for gate in GATES]


# Name to the damage and to the gates that fail. What is dark hardly changes, and what is washed out has no edges.
DEFECTS: dict[str, tuple[Callable[[Video], Video], set[str]]] = {
    "one black picture": (lambda frames: changed(frames, black, 20, 21), {"black-pictures"}),
    "all dark": (lambda frames: changed(frames, gain(0.12)), {"under-exposed", "frozen-pictures"}),
    "some washed out": (lambda frames: changed(frames, gain(4.0), 10, 15), {"over-exposed", "blurred-pictures"}),
    "partly white": (lambda frames: changed(frames, partly_white), {"over-exposed"}),
    "frozen for a while": (lambda frames: frozen(frames, 20, 10), {"frozen-pictures"}),
    "frozen to the end": (lambda frames: frozen(frames, FRAMES - 16, 16), {"frozen-pictures"}),
    "frozen from the start": (lambda frames: frozen(frames, 0, 12), {"frozen-pictures"}),
    "some blurred": (lambda frames: changed(frames, blurred, 14, 36), {"blurred-pictures"}),
    "all blurred": (lambda frames: changed(frames, blurred), {"blurred-episodes"}),
    "nothing but noise": (lambda frames: changed(frames, faint_noise), {"frozen-pictures", "blurred-episodes"}),
    "all frozen": (lambda frames: frozen(frames, 0, FRAMES), {"frozen-pictures"}),
    "nothing but grey": (lambda frames: changed(frames, grey), {"frozen-pictures", "blurred-episodes"}),
}


@pytest.mark.parametrize("defect", DEFECTS)
def test_each_defect_fails_its_gate_and_names_the_episode(defect: str) -> None:
    damage, gates = DEFECTS[defect]
    assert failed(judged(video(0), damage(video(1)), video(2))) == dict.fromkeys(gates, (1,))


def test_a_dark_table_is_no_black_picture() -> None:
    """The hand camera's, above the darkest table: 0.04 of white everywhere, for half a second."""
    assert (
        failed(judged(changed(video(), lambda levels: np.full_like(levels, 10), 20, 23))).keys().isdisjoint(GATES[:3])
    )


def test_a_few_bright_pictures_are_allowed() -> None:
    assert "over-exposed" not in failed(judged(changed(video(), gain(4.0), 10, 13)))


def test_a_resting_robots_picture_may_stand_still() -> None:
    resting = MOVING.copy()
    resting[20:41] = resting[20]
    assert failed(judged(frozen(video(), 20, 20), positions=resting)) == {}
    assert failed(judged(frozen(video(), 20, 20))) == {"frozen-pictures": (0,)}


def test_as_many_repeats_as_are_stated() -> None:
    assert failed(judged(frozen(video(), 20, LEAST_REPEATS - 1))) == {}
    assert failed(judged(frozen(video(), 20, LEAST_REPEATS))) == {"frozen-pictures": (0,)}


def test_a_view_in_which_nothing_moves_may_stand_still() -> None:
    """As of a camera on the hand above a plain table: the changes fade out and in again, for a fifth of the
    episode. An abrupt stop of as many frames is a defect."""
    steps_px = np.clip(np.abs(np.arange(FRAMES) - 26) - 6, 0, 4)
    faded = [np.roll(picture(0, 0), shift, axis=1) for shift in np.cumsum(steps_px).tolist()]
    assert failed(judged(faded)) == {}
    abrupt = [np.roll(picture(0, 0), shift, axis=1) for shift in np.cumsum(np.where(steps_px, 4, 0)).tolist()]
    assert failed(judged(abrupt)) == {"frozen-pictures": (0,)}


def test_noise_on_every_picture_is_no_motion() -> None:
    """Repeats differ in a few levels where a keyframe lies between them."""
    rng = np.random.default_rng(0)
    noisy = [levels + rng.integers(0, 2, levels.shape, np.uint8) for levels in frozen(video(), 20, 15)]
    assert failed(judged(noisy)) == {"frozen-pictures": (0,)}


def test_cameras_are_judged_each_by_itself() -> None:
    gates = picture_gates(robot(MOVING))
    for frame, (levels, stuck) in enumerate(zip(video(0), frozen(video(0), 20, 15), strict=True)):
        for camera, plane in (("one", levels), ("other", stuck)):
            for gate in gates:
                gate.see(0, camera, frame, plane)
    verdicts = {verdict.gate: verdict for gate in gates for verdict in gate.verdicts()}
    assert failed(verdicts.values()) == {"frozen-pictures": (0,)}
    assert "other, frames 20 to 35" in verdicts["frozen-pictures"].found


def test_without_state_and_action_nobody_knows_whether_it_moves() -> None:
    verdicts = {verdict.gate: verdict for verdict in judged(frozen(video(), 20, 30), positions=None)}
    assert verdicts["frozen-pictures"].status == "skipped"
    assert "observation.state" in verdicts["frozen-pictures"].found


def test_without_pictures_every_gate_is_skipped() -> None:
    assert {(verdict.gate, verdict.status) for verdict in judged()} == {(gate, "skipped") for gate in GATES}


def test_the_laplacian_of_a_parabola_is_constant() -> None:
    rows, columns = np.mgrid[0:12, 0:9]
    assert (laplacian((rows**2 + columns).astype(np.int16)) == 2).all()


def test_pooling_sums_whole_blocks() -> None:
    levels = np.random.default_rng(1).integers(0, 256, (4 * POOL + 1, 3 * POOL + 2)).astype(np.uint8)
    whole = levels[: 4 * POOL, : 3 * POOL].reshape(4, POOL, 3, POOL).sum(axis=(1, 3))
    assert (pool(levels) == whole).all()


def test_tiny_pictures_are_passed_over() -> None:
    verdicts = judged([np.full((8, 8), 100 + frame, np.uint8) for frame in range(3 * EVERY)])
    assert {verdict.gate for verdict in verdicts if verdict.status == "skipped"} == {
        "blurred-pictures",
        "blurred-episodes",
    }


def write(root: Path, *episodes: Video) -> StoredDataset:
    """As the collector stores it."""
    writer = SimLeRobotWriter(root, "test/pictures", 30, "arm", 2, 1, ["cam"], (SIDE, SIDE), ["x", "y"], ["x"])
    for number, frames in enumerate(episodes):
        for frame, levels in enumerate(frames):
            state: Any = MOVING[frame]
            writer.add_frame(number, frame, state.astype(np.float32), np.zeros(1, np.float32), frame / 30, frame == 59)
            writer.add_video_frame("cam", np.stack([levels] * 3, axis=2))
        writer.finish_episode(number, FRAMES, "move")
    writer.finalize()
    return open_stored(root)


def decoded(dataset: StoredDataset, episode: int) -> list[Luma]:
    return [luma(frame) for frame in dataset.video_frames(episode, CAMERA, range(FRAMES))]


def test_defects_are_found_in_encoded_videos(tmp_path: Path) -> None:
    names = ["one black picture", "all dark", "frozen for a while", "some blurred", "all blurred", "some washed out"]
    clean = write(tmp_path / "clean", *(video(episode) for episode in range(2)))
    assert failed(shown(picture_gates(clean), *(decoded(clean, episode) for episode in range(2)))) == {}
    damaged = write(tmp_path / "damaged", *(DEFECTS[name][0](video(number)) for number, name in enumerate(names)))
    found = failed(shown(picture_gates(damaged), *(decoded(damaged, number) for number in range(len(names)))))
    expected = {gate: tuple(n for n, name in enumerate(names) if gate in DEFECTS[name][1]) for gate in GATES}
    assert found == expected
