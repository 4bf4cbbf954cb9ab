"""One episode's MP4: the file itself, its packets, or its pictures encoded anew; always exactly that episode."""

from __future__ import annotations

import io
import struct
import threading
from contextlib import suppress
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from foreign_dataset import FPS, LENGTHS, pictures_of, write_video
from writing import AV1, Take, add_frame, decode, open_writer, picture, picture_number, video_path

import sim_service.episode_video
from sim_service.episode_video import EpisodeVideos, Span, cut
from sim_service.folder_listings import file_version
from sim_service.ports import UnreadableDatasetError

PICTURES = pictures_of(LENGTHS)
SPANS = [Span(sum(LENGTHS[:episode]) / FPS, length, FPS) for episode, length in enumerate(LENGTHS)]
B_FRAMES = {"preset": "medium", "bf": "3", "b-adapt": "0", "g": "12"}
ONE_KEYFRAME = {"preset": "ultrafast", "bf": "0", "g": "250"}


def atoms(content: bytes) -> list[str]:
    """The kinds of an MP4's outermost boxes, in order."""
    found, position = [], 0
    while position < len(content):
        size, kind = struct.unpack_from(">I4s", content, position)
        found.append(kind.decode())
        position += size
    return found


def shown(content: bytes | Path) -> list[tuple[float, int, int]]:
    """Presentation time [s], content and frame of every picture."""
    with av.open(str(content) if isinstance(content, Path) else io.BytesIO(content)) as container:
        return [
            (float(frame.pts * frame.time_base), *picture_number(frame.to_ndarray())[1:])
            for frame in container.decode(video=0)
        ]


def packets(content: bytes | Path) -> list[bytes]:
    with av.open(str(content) if isinstance(content, Path) else io.BytesIO(content)) as container:
        return [bytes(packet) for packet in container.demux(video=0) if packet.size]


def as_bytes(content: bytes | Path) -> bytes:
    assert isinstance(content, bytes)
    return content


def expected(span: Span) -> list[tuple[float, int, int]]:
    first = round(span.start_s * span.fps)
    pictures = PICTURES[first : first + span.frames]
    return [(pytest.approx(position / span.fps), *pictures[position]) for position in range(len(pictures))]


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "shared.mp4"


@pytest.mark.parametrize("codec", [None, AV1], ids=["h264", "av1"])
def test_a_packed_episode_is_copied_packet_by_packet(tmp_path: Path, codec: Any) -> None:
    takes = [Take(content, length) for content, length in enumerate((7, 12, 5))]
    size = (96, 64)
    for name, pack in (("loose", False), ("packed", True)):
        with open_writer(tmp_path / name, codec=codec, cameras=("cam_high",), size=size) as writer:
            for take in takes:
                for frame in range(take.length):
                    add_frame(writer, take.content, frame, done=frame == take.length - 1)
                    writer.add_video_frame("cam_high", picture(0, take.content, frame, size))
                writer.finish_episode(writer.num_episodes, take.length, take.task)
            writer.finalize(pack=pack)
    start = 0
    for number, take in enumerate(takes):
        content = as_bytes(cut(video_path(tmp_path / "packed", "cam_high"), Span(start / FPS, take.length, FPS)))
        loose = video_path(tmp_path / "loose", "cam_high", file=number)
        assert packets(content) == packets(loose)
        whole = decode(video_path(tmp_path / "packed", "cam_high"))[start : start + take.length]
        with av.open(io.BytesIO(content)) as container:
            assert container.streams.video[0].frames == take.length
            times = [(frame.pts * frame.time_base, frame.to_ndarray()) for frame in container.decode(video=0)]
        assert [time for time, _ in times] == [pytest.approx(n / FPS) for n in range(take.length)]
        np.testing.assert_array_equal([array for _, array in times], whole)
        start += take.length


def test_the_index_comes_before_the_pictures(file: Path) -> None:
    """So that a browser plays and seeks before all is there."""
    for options in (ONE_KEYFRAME, {**ONE_KEYFRAME, "g": "1"}):  # encoded anew, copied
        write_video(file, PICTURES, options=options)
        kinds = atoms(as_bytes(cut(file, SPANS[1])))
        assert kinds.index("moov") < kinds.index("mdat")


def test_a_file_of_one_episode_is_served_as_it_is(file: Path) -> None:
    write_video(file, PICTURES)
    assert cut(file, Span(0.0, len(PICTURES), FPS)) == file


def test_the_only_episode_of_a_file_with_more_pictures_is_cut(file: Path) -> None:
    """As after an episode was deleted from the tables alone."""
    write_video(file, PICTURES)
    assert shown(as_bytes(cut(file, SPANS[0]))) == expected(SPANS[0])


@pytest.mark.parametrize("options", [ONE_KEYFRAME, B_FRAMES, {**B_FRAMES, "x264-params": "open-gop=1"}])
@pytest.mark.parametrize(
    "keyframes", [(), [round(span.start_s * FPS) for span in SPANS]], ids=["anywhere", "at starts"]
)
def test_every_span_of_every_coding_has_exactly_its_pictures(
    file: Path, options: dict[str, str], keyframes: list[int]
) -> None:
    write_video(file, PICTURES, options=options, keyframes=keyframes)
    for first in range(len(PICTURES)):
        for frames in {1, 4, len(PICTURES) - first}:
            if first + frames <= len(PICTURES) and frames < len(PICTURES):
                span = Span(first / FPS, frames, FPS)
                assert shown(as_bytes(cut(file, span))) == expected(span), span


def test_episodes_that_begin_with_a_keyframe_are_not_encoded_anew(file: Path) -> None:
    """B-frames included: none of LeRobot's own files loses quality or costs time."""
    write_video(file, PICTURES, options=B_FRAMES, keyframes=[round(span.start_s * FPS) for span in SPANS])
    source = packets(file)
    for span in SPANS:
        first = round(span.start_s * FPS)
        assert packets(as_bytes(cut(file, span))) == source[first : first + span.frames]


def test_what_is_encoded_anew_plays_in_every_browser_and_looks_the_same(file: Path) -> None:
    write_video(file, PICTURES, options=ONE_KEYFRAME)
    with av.open(io.BytesIO(as_bytes(cut(file, SPANS[2])))) as container:
        context = container.streams.video[0].codec_context
        assert (context.name, context.pix_fmt) == ("h264", "yuv420p")
        copies = [frame.to_ndarray() for frame in container.decode(video=0)]
    first = round(SPANS[2].start_s * FPS)
    for copy, original in zip(copies, decode(file)[first:], strict=False):
        assert np.abs(copy.astype(int) - original).mean() < 3


def test_what_is_encoded_anew_has_keyframes_of_its_own(file: Path) -> None:
    write_video(file, PICTURES, options=ONE_KEYFRAME, keyframes=range(SPANS[1].frames, 2 * SPANS[1].frames))
    with av.open(io.BytesIO(as_bytes(cut(file, SPANS[1])))) as container:
        assert [packet.is_keyframe for packet in container.demux(video=0) if packet.size] == [True] + [False] * 8


def test_of_a_file_at_thrice_the_rate_every_time_has_one_picture(file: Path) -> None:
    for options in (ONE_KEYFRAME, {**ONE_KEYFRAME, "g": "1"}):
        write_video(file, [(0, number) for number in range(30)], options=options)
        pictures = shown(as_bytes(cut(file, Span(6 / FPS, 5, FPS // 3))))
        assert [time for time, _, _ in pictures] == [pytest.approx(number / (FPS // 3)) for number in range(5)]
        assert all(
            abs(number - expected) <= 1 for (_, _, number), expected in zip(pictures, range(6, 21, 3), strict=True)
        )


def test_an_odd_picture_size_is_no_obstacle(file: Path) -> None:
    write_video(file, PICTURES, encoder="libsvtav1", options={"preset": "12", "g": "60"}, size=(97, 65))
    with av.open(io.BytesIO(as_bytes(cut(file, SPANS[1])))) as container:
        sizes = [(frame.width, frame.height) for frame in container.decode(video=0)]
    assert sizes == [(96, 64)] * SPANS[1].frames


@pytest.mark.parametrize("options", [ONE_KEYFRAME, {**ONE_KEYFRAME, "g": "1"}], ids=["encoded", "copied"])
@pytest.mark.parametrize("drift_s", [0.0, 0.004, -0.004])
def test_times_may_be_a_little_off(file: Path, options: dict[str, str], drift_s: float) -> None:
    """Sums of container durations are."""
    write_video(file, PICTURES, options=options, shift_s=0.1)
    span = Span(SPANS[1].start_s + 0.1 + drift_s, SPANS[1].frames, FPS)
    assert shown(as_bytes(cut(file, span))) == expected(SPANS[1])


def test_a_longer_episode_fits_its_index(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The room before the pictures is reserved by the number of frames."""
    monkeypatch.setattr(sim_service.episode_video, "_INDEX_BYTES", 1500)
    pictures = [(number // 60, number % 60) for number in range(1500)]
    for options in ({"preset": "ultrafast", "g": "1"}, {**B_FRAMES, "preset": "ultrafast"}):
        write_video(file, pictures, options=options, keyframes=[0, 1])
        content = as_bytes(cut(file, Span(1 / FPS, 1499, FPS)))
        assert [picture[1:] for picture in shown(content)] == pictures[1:]


def spoil(file: Path, keep: float) -> None:
    content = file.read_bytes()
    file.write_bytes(content[: int(len(content) * keep)])


def test_a_broken_file_is_said_to_be(file: Path) -> None:
    write_video(file, PICTURES, options=ONE_KEYFRAME)
    for keep in (0.9, 0.5, 0.01, 0.0):
        spoil(file, keep)
        with pytest.raises(UnreadableDatasetError, match=r"shared\.mp4"):
            cut(file, SPANS[1])


@pytest.mark.parametrize(
    "span",
    [
        Span(SPANS[3].start_s, LENGTHS[3] + 1, FPS),
        Span(100.0, 3, FPS),
        Span(1e300, 3, FPS),
        Span(0.0, 0, FPS),
        Span(0.0, 10**12, FPS),
        Span(0.0, 5, FPS * 2),
    ],
    ids=["ends early", "after the end", "far away", "empty", "endless", "other rate"],
)
def test_a_span_that_is_not_in_the_file_is_refused(file: Path, span: Span) -> None:
    write_video(file, PICTURES, options=ONE_KEYFRAME)
    with pytest.raises(UnreadableDatasetError):
        cut(file, span)


def test_a_list_of_other_files_is_no_video(tmp_path: Path, file: Path) -> None:
    write_video(tmp_path / "secret.mp4", PICTURES)
    file.write_text("ffconcat version 1.0\nfile secret.mp4\n", encoding="utf-8")
    with av.open(str(file)) as container:
        assert container.streams.video  # it would work
    with pytest.raises(UnreadableDatasetError):
        cut(file, SPANS[0])


def test_a_file_without_pictures_is_refused(file: Path) -> None:
    with av.open(str(file), "w", format="mp4") as container:
        stream = container.add_stream("aac", rate=8000)
        sound = av.AudioFrame.from_ndarray(np.zeros((1, 1024), dtype=np.float32), format="fltp", layout="mono")
        sound.sample_rate = 8000
        container.mux(stream.encode(sound))
        container.mux(stream.encode(None))
    with pytest.raises(UnreadableDatasetError, match="no video"):
        cut(file, SPANS[0])


def test_random_damage_raises_nothing_else(file: Path) -> None:
    write_video(file, PICTURES, options=B_FRAMES)
    whole = file.read_bytes()
    rng = np.random.default_rng(5)
    for _ in range(150):
        damaged = bytearray(whole)
        for position in rng.integers(0, len(whole), rng.integers(1, 12)):
            damaged[position] = rng.integers(256)
        file.write_bytes(damaged)
        for span in (SPANS[1], Span(0.0, len(PICTURES), FPS)):
            with suppress(UnreadableDatasetError):
                cut(file, span)


class CountingCuts:
    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.spans: list[Span] = []
        monkeypatch.setattr(sim_service.episode_video, "cut", self)

    def __call__(self, file: Path, span: Span) -> bytes | Path:
        self.spans.append(span)
        return cut(file, span)


def test_a_cut_is_kept_until_the_file_changes(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cuts, videos = CountingCuts(monkeypatch), EpisodeVideos()
    write_video(file, PICTURES)
    version = file_version(file)
    first = videos.of(file, version, SPANS[0])
    assert videos.of(file, version, SPANS[0]) is first
    assert videos.of(file, version, SPANS[1]) != first
    assert cuts.spans == [SPANS[0], SPANS[1]]
    write_video(file, [(9, frame) for frame in range(len(PICTURES))])
    assert shown(videos.of(file, file_version(file), SPANS[0])) == [
        (pytest.approx(frame / FPS), 9, frame) for frame in range(LENGTHS[0])
    ]


def test_many_who_watch_the_same_wait_for_one_cut(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cuts, videos = CountingCuts(monkeypatch), EpisodeVideos()
    write_video(file, PICTURES)
    version = file_version(file)
    found: list[bytes | Path] = []
    together = threading.Barrier(8)

    def watch() -> None:
        together.wait()
        found.append(videos.of(file, version, SPANS[1]))

    threads = [threading.Thread(target=watch) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert cuts.spans == [SPANS[1]]
    assert len(found) == 8
    assert all(content is found[0] for content in found)
