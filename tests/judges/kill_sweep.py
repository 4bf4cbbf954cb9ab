"""Kill writers at random instants and see what survives: `python tests/judges/kill_sweep.py --kills 200 --seed 1`.

After every SIGKILL the dataset must hold exactly the episodes whose `finish_episode` had returned, or one more whose
commit was through before its acknowledgement. LeRobot says what it holds (`--judge 0.6.1` or `0.4.4`), or our own
`check` (`--judge none`). The next writer goes on with what the last one left. A full disk and a read-only one follow.
Exit code 1 when anything was lost, appeared from nowhere, or did not open.
"""

from __future__ import annotations

import argparse
import random
import selectors
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from kill_disk import NotTried, full_disk, read_only_disk
from kill_judges import Judge, JudgeError, LeRobotJudge, OwnJudge, check
from make_env import MakeEnvError, ensure
from run import VERSIONS, product_environment

HERE = Path(__file__).resolve().parent
SIZES = ((64, 64), (128, 96))
KILLS_PER_DATASET = 20
CHILD_TIMEOUT_S = 60.0
AIMS = {"anytime": 0.25, "finish": 0.25, "step": 0.3, "start": 0.1, "finalize": 0.04, "pack": 0.06}
"""What a kill waits for, and how often: any instant, soon after the child announced something, or right before one of
its renames and other changes of directories, where a wrong order of writing would show."""
WINDOW_S = {"anytime": 0.4, "finish": 0.02, "start": 0.05, "finalize": 0.1, "pack": 0.2}
"""Upper end of the uniformly drawn time between announcement and kill, a little over what the thing takes."""
STEPS = {"start": 14, "finish": 36, "finalize": 18, "pack": 80}
"""Changes of directories that follow an announcement, before the next; the more episodes, the more for pack."""
PLACES = {
    "start": "reopening",
    "finish": "finish_episode",
    "discard": "discard_episode",
    "finalize": "finalize",
    "pack": "finalize(pack=True)",
    "finalized": "after the end",
}
"""Where a kill landed, by the child's last announcement; while writing frames for any other."""


@dataclass
class Dataset:
    """One dataset that is written, killed and continued.

    Attributes:
        acknowledged: Episodes that must be there, in order.
        next_number: First number that no episode has had.
    """

    path: Path
    size: tuple[int, int]
    acknowledged: list[int] = field(default_factory=list)
    next_number: int = 0
    kills: int = 0

    def take(self, announcements: list[str], tally: Tally) -> int | None:
        """Note what a child said; return the episode whose commit was under way when it died."""
        for line in announcements:
            verb, *rest = line.split(maxsplit=1)
            if verb == "begin":
                self.next_number = int(rest[0]) + 1
            elif verb == "done":
                self.acknowledged.append(int(rest[0]))
                tally.acknowledged += 1
        last = announcements[-1].split() if announcements else [""]
        return int(last[1]) if last[0] == "finish" else None


@dataclass
class Tally:
    """What the sweep has seen."""

    landed: Counter[str] = field(default_factory=Counter)
    acknowledged: int = 0
    unacknowledged: int = 0
    problems: list[str] = field(default_factory=list)
    lost: int = 0
    phantom: int = 0

    def compare(self, dataset: Dataset, under_way: int | None, seen: list[int]) -> None:
        """Compare what is in a dataset with what must be; go on from what is there."""
        expected = dataset.acknowledged
        if under_way is not None and seen == [*expected, under_way]:
            self.unacknowledged += 1
        elif seen != expected:
            lost, phantom = set(expected) - set(seen), set(seen) - set(expected)
            self.lost += len(lost)
            self.phantom += len(phantom)
            self.problems.append(f"{dataset.path.name}: holds {seen}, acknowledged {expected}, under way {under_way}")
        dataset.acknowledged = seen


class Child:
    """A running `kill_child.py`."""

    def __init__(
        self,
        dataset: Dataset,
        seed: int,
        *,
        episodes: int = 1000,
        end: str = "finalize",
        die_at: tuple[str, int] | None = None,
    ) -> None:
        words = ["--first", dataset.next_number, "--size", *dataset.size, "--seed", seed]
        words += ["--episodes", episodes, "--end", end]
        words += [] if die_at is None else ["--die-at-step", *die_at]
        self._process = subprocess.Popen(
            [sys.executable, HERE / "kill_child.py", dataset.path, *map(str, words)],
            env=product_environment(),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        if self._process.stdout is None:
            raise JudgeError("the child has no pipe")
        self._pipe = self._process.stdout
        self._heard = b""

    def wait_for(self, verb: str, times: int) -> None:
        """Listen until a verb was announced that often, or the child ended."""
        until = time.monotonic() + CHILD_TIMEOUT_S
        with selectors.DefaultSelector() as selector:
            selector.register(self._pipe, selectors.EVENT_READ)
            while sum(line.split()[:1] == [verb] for line in self.announcements()) < times:
                if not selector.select(until - time.monotonic()):
                    raise JudgeError(f"the child did not announce {verb!r} in {CHILD_TIMEOUT_S} s")
                heard = self._pipe.read1(65536)  # type: ignore[attr-defined]  # a buffered reader, which IO does not say
                if not heard:
                    return
                self._heard += heard

    def kill(self) -> list[str]:
        """Kill it and return everything that it had announced."""
        self._process.send_signal(signal.SIGKILL)
        return self.finish()

    def finish(self) -> list[str]:
        """Let it end and return everything that it announced."""
        heard, errors = self._process.communicate(timeout=CHILD_TIMEOUT_S)
        self._heard += heard
        if self._process.returncode not in (0, -signal.SIGKILL):
            said = [*self.announcements()[-1:], *errors.decode().splitlines()[-3:]]
            raise JudgeError(f"the child ended with exit code {self._process.returncode}: {' | '.join(said)}")
        return self.announcements()

    def announcements(self) -> list[str]:
        """Whole lines heard so far."""
        return [line.decode() for line in self._heard.split(b"\n")[:-1]]


def kill_once(dataset: Dataset, draw: random.Random) -> list[str]:
    """Start a child on a dataset and kill it at a drawn instant; return what it had announced."""
    aim = draw.choices(list(AIMS), list(AIMS.values()))[0]
    seed = draw.randrange(2**31)
    if aim == "step":
        verb = draw.choices(list(STEPS), [2, 6, 1, 3])[0]
        end = verb if verb in ("finalize", "pack") else "finalize"
        return Child(dataset, seed, episodes=2, end=end, die_at=(verb, draw.randint(1, STEPS[verb]))).finish()
    short = aim in ("finalize", "pack")
    child = Child(dataset, seed, episodes=1 if short else 1000, end="pack" if aim == "pack" else "finalize")
    child.wait_for("start" if aim == "anytime" else aim, draw.randint(1, 4) if aim == "finish" else 1)
    time.sleep(draw.uniform(0, WINDOW_S[aim]))
    return child.kill()


def end_dataset(dataset: Dataset, draw: random.Random, judge: Judge, tally: Tally) -> None:
    """Let a child go on undisturbed and finalize, packing or not; then everything must be right."""
    end = draw.choice(("finalize", "pack"))
    heard = Child(dataset, draw.randrange(2**31), episodes=2, end=end).finish()
    dataset.take(heard, tally)
    check(dataset.path)
    tally.compare(dataset, None, judge.episodes(dataset.path, dataset.size, known=None))
    left_over = sorted(path.name for path in dataset.path.parent.iterdir() if path != dataset.path)
    left_over += [".unfinished"] if (dataset.path / ".unfinished").exists() else []
    if left_over:
        tally.problems.append(f"{dataset.path.name}: left behind after {end}: {', '.join(left_over)}")


def sweep(kills: int, draw: random.Random, judge: Judge, folder: Path) -> Tally:
    """Kill writers; return what was seen."""
    tally = Tally()
    dataset: Dataset | None = None
    for number in range(kills):
        if dataset is None:
            home = folder / f"home {number}"
            home.mkdir()
            dataset = Dataset(home / f"dataset_{number}", draw.choice(SIZES))
        try:
            known = len(dataset.acknowledged)
            heard = kill_once(dataset, draw)
            under_way = dataset.take(heard, tally)
            place = PLACES.get(heard[-1].split()[0] if heard else "", "between")
            tally.landed[place] += 1
            seen = judge.episodes(dataset.path, dataset.size, known=known)
            tally.compare(dataset, under_way, seen)
            dataset.kills += 1
            if dataset.kills == KILLS_PER_DATASET or number == kills - 1:
                end_dataset(dataset, draw, judge, tally)
                shutil.rmtree(dataset.path.parent)
                dataset = None
        except JudgeError as error:
            kept = dataset.path if dataset is not None else folder
            tally.problems.append(f"kill {number}, {kept.name}, last heard {heard[-1:]}: {error}")
            dataset = None  # a broken dataset would fail every round that follows
        if sys.stderr.isatty():
            print(f"\r{number + 1}/{kills} kills, {len(tally.problems)} problems", end="", file=sys.stderr)
    return tally


def show(tally: Tally, kills: int, judge: str) -> None:
    """Print the table and every problem."""
    rows = [("kills", kills), *((f"  in {place}", tally.landed[place]) for place in (*PLACES.values(), "between"))]
    rows += [
        ("episodes acknowledged", tally.acknowledged),
        ("committed, killed before the acknowledgement", tally.unacknowledged),
        ("episodes lost", tally.lost),
        ("episodes from nowhere", tally.phantom),
    ]
    print(f"\njudge: {judge}")
    for name, value in rows:
        print(f"{name:<46}{value:>6}")
    for problem in tally.problems:
        print(f"FAIL {problem}")


def disk(name: str, try_it: Callable[[Judge, Path], str], judge: Judge, folder: Path) -> bool:
    """Try a disk that cannot be written; print what happened."""
    try:
        print(f"ok {name}: {try_it(judge, folder)}")
    except NotTried as reason:
        print(f"absent {name}: {reason}")
    except JudgeError as error:
        print(f"FAIL {name}: {error}")
        return False
    return True


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--judge", choices=(*VERSIONS, "none"), default=VERSIONS[0])
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="kill-sweep-") as temporary:
        folder = Path(temporary)
        judge: LeRobotJudge | OwnJudge
        if arguments.judge == "none":
            judge = OwnJudge(folder)
        else:
            try:
                judge = LeRobotJudge(ensure(f"lerobot-{arguments.judge}"), folder)
            except MakeEnvError as error:
                print(f"kill_sweep: {error}", file=sys.stderr)
                return 1
        tally = sweep(arguments.kills, random.Random(arguments.seed), judge, folder)
        show(tally, arguments.kills, arguments.judge)
        survived = [not tally.problems, disk("full disk", full_disk, judge, folder)]
        survived.append(disk("read-only disk", read_only_disk, judge, folder))
        judge.close()
    print("nothing lost, nothing from nowhere" if all(survived) else "FAILED")
    return 0 if all(survived) else 1


if __name__ == "__main__":
    raise SystemExit(main())
