"""The crash contract of `finish_episode`: what was acknowledged stays, whatever fails at whatever instant."""

from __future__ import annotations

import shutil
from contextlib import suppress
from pathlib import Path

import pytest
from failing_disk import Death, FailingDisk
from writing import CAMERAS, Take, add_frames, assert_holds, finish, open_writer, record

from lerobot_writer import CommitError, EncodingError, OrderError, SimLeRobotWriter, WriterError
from lerobot_writer.check import check_dataset

FIRST, SECOND, THIRD = Take(1, 2), Take(2, 3, "place the cube"), Take(3, 1, "a third task")
ONE_CAMERA = ("cam_high",)


def commit_log(root: Path, take: Take) -> list[tuple[str, ...]]:
    writer = open_writer(root, resume=True)
    add_frames(writer, take)
    disk = FailingDisk(root)
    with disk.mounted():
        finish(writer, take)
    writer.finalize()
    return disk.log


@pytest.mark.parametrize("episode", [0, 1])
def test_files_appear_in_the_order_that_survives_a_kill(root: Path, episode: int) -> None:
    takes = [FIRST, SECOND][: episode + 1]
    for take in takes[:-1]:
        commit_log(root, take)
    log = commit_log(root, takes[-1])
    numbered = f"chunk-000/file-{episode:03d}"
    expected = [
        *(f"videos/observation.images.{camera}/{numbered}.mp4" for camera in CAMERAS),
        f"data/{numbered}.parquet",
        f"meta/image_histograms/{numbered}.parquet",
        "meta/stats.json",
        "meta/tasks.parquet",
        "meta/tasks.jsonl",
        "meta/writer.json",
        "meta/episodes/chunk-000/file-000.parquet",
        "meta/info.json",
    ]
    moved = [step for step in log if step[0] in ("replace", "rename")]
    assert moved == [("replace", f".unfinished/{path}", path) for path in expected]
    assert_holds(root, takes)


def test_everything_is_flushed_before_it_counts(root: Path) -> None:
    """A file before it is moved, its folder and every new folder's parent before info.json, and info.json's at last."""
    log = commit_log(root, FIRST)
    commit = log.index(("replace", ".unfinished/meta/info.json", "meta/info.json"))
    for number, step in enumerate(log):
        if step[0] == "replace":
            assert ("fsync", step[1]) in log[:number], step
            if number < commit:
                assert ("fsync", str(Path(step[2]).parent)) in log[number:commit], step
        elif step[0] == "mkdir" and not step[1].startswith(".unfinished"):
            assert ("fsync", str(Path(step[1]).parent)) in log[number:commit], step
        elif step[0] == "write":
            assert any(later == ("fsync", step[1]) for later in log[number:]), step
    assert ("fsync", "meta") in log[commit:]


def folder_with(root: Path, *takes: Take) -> None:
    with open_writer(root, cameras=ONE_CAMERA) as writer:
        record(writer, *takes, cameras=ONE_CAMERA)


def fail_at(
    root: Path, step: int | None, *, dies: bool = False
) -> tuple[SimLeRobotWriter, FailingDisk, BaseException | None]:
    """A writer whose disk fails at that step of committing SECOND."""
    writer = open_writer(root, resume=True, cameras=ONE_CAMERA)
    add_frames(writer, SECOND, cameras=ONE_CAMERA)
    disk = FailingDisk(root, step, dies=dies)
    with disk.mounted():
        try:
            finish(writer, SECOND)
        except (Death, WriterError) as caught:
            return writer, disk, caught
    return writer, disk, None


def steps_to_try(template: Path, scratch: Path, every: int) -> list[tuple[int, bool]]:
    """All steps from the first rename on and some of those before, each with: had info.json been moved before it?"""
    shutil.copytree(template, scratch)
    writer, disk, error = fail_at(scratch, None)
    writer.finalize()
    shutil.rmtree(scratch)
    assert error is None
    first = next(number for number, step in enumerate(disk.log) if step[0] == "replace")
    last = disk.log.index(("replace", ".unfinished/meta/info.json", "meta/info.json"))
    assert 20 < first < last < len(disk.log), "the disk did not see the steps of a commit"
    return [(number, number > last) for number in range(len(disk.log)) if number >= first or number % every == 0]


@pytest.mark.parametrize(
    ("committed", "per_meta_file", "every"),
    [((), 1000, 12), ((FIRST,), 1, 40), ((FIRST,), 1000, 6)],
    ids=["first", "new meta file", "second"],
)
def test_a_death_at_any_step_loses_nothing_and_invents_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, committed: tuple[Take, ...], per_meta_file: int, every: int
) -> None:
    """Reopened, the dataset holds what was acknowledged; the cut episode is there whole or not at all."""
    monkeypatch.setattr("lerobot_writer.layout.EPISODES_PER_META_FILE", per_meta_file)
    template = tmp_path / "template"
    folder_with(template, *committed)
    for step, is_committed in steps_to_try(template, tmp_path / "scratch", every):
        root = tmp_path / str(step)
        shutil.copytree(template, root)
        writer, disk, error = fail_at(root, step, dies=True)
        assert error is not None or disk.failed == ("rmtree", ".unfinished")
        writer._release()  # as the kernel does
        holds = [*committed, SECOND] if is_committed else list(committed)
        assert (root / "meta/info.json").exists() == bool(holds), disk.failed
        if holds:
            assert_holds(root, holds, cameras=ONE_CAMERA, left_overs=True)
        with open_writer(root, resume=True, cameras=ONE_CAMERA) as writer:
            assert writer.num_episodes == len(holds), disk.failed
            record(writer, THIRD, cameras=ONE_CAMERA)
        assert_holds(root, [*holds, THIRD], cameras=ONE_CAMERA)
        if per_meta_file == 1000 and step % 7 == 0:
            report = check_dataset(root)
            assert report.ok, f"{disk.failed}: {report.text()}"
        shutil.rmtree(root)


@pytest.mark.parametrize(("committed", "every"), [((), 15), ((FIRST,), 4)], ids=["first", "second"])
def test_an_error_at_any_step_leaves_a_valid_dataset_and_a_way_on(
    tmp_path: Path, committed: tuple[Take, ...], every: int
) -> None:
    """The error says the way: discard the episode, or reopen."""
    template = tmp_path / "template"
    folder_with(template, *committed)
    ways = set()
    for step, is_committed in steps_to_try(template, tmp_path / "scratch", every):
        root = tmp_path / str(step)
        shutil.copytree(template, root)
        writer, disk, error = fail_at(root, step)
        holds = [*committed, SECOND] if is_committed else list(committed)
        if error is None:
            assert disk.failed == ("rmtree", ".unfinished"), "only clearing up may fail unnoticed"
            record(writer, THIRD, cameras=ONE_CAMERA)
            writer.finalize()
        elif isinstance(error, EncodingError):
            ways.add("encoding")
            assert f"camera cam_high, episode {len(committed)}: " in str(error)
            carry_on_after_discarding(writer)
        else:
            assert isinstance(error, CommitError)
            assert "No space left on device" in str(error)
            if "discard it to go on" in str(error):
                ways.add("discard")
                carry_on_after_discarding(writer)
            else:
                ways.add("reopen")
                assert "reopen the dataset with resume=True" in str(error)
                with open_writer(root, resume=True, cameras=ONE_CAMERA) as reopened:
                    assert reopened.num_episodes == len(holds), disk.failed
                    record(reopened, THIRD, cameras=ONE_CAMERA)
        assert_holds(root, [*holds, THIRD], cameras=ONE_CAMERA)
        shutil.rmtree(root)
    assert ways == {"encoding", "discard", "reopen"}


def carry_on_after_discarding(writer: SimLeRobotWriter) -> None:
    episodes = writer.num_episodes
    with pytest.raises(WriterError, match=r"discard|camera cam_"):
        finish(writer, SECOND)
    with pytest.raises(WriterError, match=r"discard|camera cam_"):
        add_frames(writer, THIRD, cameras=ONE_CAMERA)
    writer.discard_episode()
    assert writer.num_episodes == episodes
    record(writer, THIRD, cameras=ONE_CAMERA)
    writer.finalize()


def test_a_cut_commit_ends_the_writer(root: Path) -> None:
    """After a rename failed, only reopening knows what is on disk."""
    writer = open_writer(root)
    add_frames(writer, FIRST)
    disk = FailingDisk(root)
    with disk.mounted(), pytest.MonkeyPatch.context() as patch:

        def refuse(path: Path, target: Path) -> None:
            raise OSError(5, "Input/output error", str(target))

        patch.setattr(Path, "replace", refuse)
        with pytest.raises(CommitError, match="committing episode 0 was cut short"):
            finish(writer, FIRST)
    for call in (writer.discard_episode, writer.finalize, lambda: add_frames(writer, FIRST)):
        with pytest.raises(WriterError, match=r"takes no more calls: .*reopen the dataset with resume=True"):
            call()
    with writer:
        pass  # leaving the context adds no second error
    with open_writer(root, resume=True) as reopened:
        record(reopened, SECOND)
    assert_holds(root, [SECOND])


@pytest.mark.parametrize("pack", [False, True], ids=["finalize", "pack"])
def test_an_error_while_finalizing_leaves_the_episodes_and_a_way_on(tmp_path: Path, pack: bool) -> None:
    """Finalize can be repeated; once the writer has ended, the dataset can be reopened."""
    template = tmp_path / "template"
    folder_with(template, FIRST)
    steps = 0
    for step in range(0, 1000, 6 if pack else 3):
        root = tmp_path / str(step)
        shutil.copytree(template, root)
        writer = open_writer(root, resume=True, cameras=ONE_CAMERA)
        record(writer, SECOND, cameras=ONE_CAMERA)
        disk = FailingDisk(root, step)
        message = ""
        with disk.mounted():
            try:
                writer.finalize(pack=pack)
            except WriterError as error:
                message = str(error)
        if disk.failed is None:
            steps = step
            break
        assert "No space left on device" in message or disk.failed[0] == "link", disk.failed  # then it was copied
        assert_holds(root, [FIRST, SECOND], cameras=ONE_CAMERA, left_overs=True)
        with open_writer(root, resume=True, cameras=ONE_CAMERA) if has_ended(writer) else writer as again:
            record(again, THIRD, cameras=ONE_CAMERA)
        assert_holds(root, [FIRST, SECOND, THIRD], cameras=ONE_CAMERA)
        assert sorted(path.name for path in tmp_path.iterdir()) == sorted([root.name, template.name])
        shutil.rmtree(root)
    assert steps > (30 if pack else 6), "the disk did not see the steps"


def has_ended(writer: SimLeRobotWriter) -> bool:
    try:
        writer.discard_episode()
    except OrderError:
        return True
    return False


@pytest.mark.parametrize("state", ["new", "finished", "cut"])
def test_a_death_while_opening_leaves_what_can_be_opened(tmp_path: Path, state: str) -> None:
    template = tmp_path / "template"
    holds = [] if state == "new" else [FIRST]
    if holds:
        folder_with(template, FIRST)
    if state == "cut":  # in the second episode's commit, before info.json
        info = (template / "meta/info.json").read_bytes()
        with open_writer(template, resume=True, cameras=ONE_CAMERA) as writer:
            record(writer, SECOND, cameras=ONE_CAMERA)
        (template / "meta/info.json").write_bytes(info)
        (template / ".unfinished/data").mkdir(parents=True)
    steps = 0
    for step in range(0, 100, 1 if state == "new" else 3):
        root = tmp_path / str(step)
        if holds:
            shutil.copytree(template, root)
        disk = FailingDisk(root, step, dies=True)
        with disk.mounted(), suppress(Death):
            open_writer(root, resume=True, cameras=ONE_CAMERA).finalize()
        if disk.failed is None:
            steps = step
            break
        assert (root / "meta/info.json").exists() == bool(holds)
        with open_writer(root, resume=True, cameras=ONE_CAMERA) as writer:
            assert writer.num_episodes == len(holds), disk.failed
            record(writer, THIRD, cameras=ONE_CAMERA)
        assert_holds(root, [*holds, THIRD], cameras=ONE_CAMERA)
        shutil.rmtree(root)
    assert steps > 5


def test_a_death_while_overwriting_leaves_no_half_dataset(tmp_path: Path) -> None:
    """Never an info.json whose files are missing, and overwriting can always be repeated."""
    template = tmp_path / "template"
    folder_with(template, FIRST, SECOND)
    (template / "README.md").write_text("notes")
    steps = 0
    for step in range(0, 100, 3):
        root = tmp_path / str(step)
        shutil.copytree(template, root)
        disk = FailingDisk(root, step, dies=True)
        with disk.mounted(), suppress(Death):
            open_writer(root, overwrite=True, cameras=ONE_CAMERA).finalize()
        if disk.failed is None:
            steps = step
            break
        if (root / "meta/info.json").exists():
            assert_holds(root, [FIRST, SECOND], cameras=ONE_CAMERA)
        with open_writer(root, overwrite=True, cameras=ONE_CAMERA) as writer:
            record(writer, THIRD, cameras=ONE_CAMERA)
        assert_holds(root, [THIRD], cameras=ONE_CAMERA)
        shutil.rmtree(root)
    assert steps > 10
