"""A writer that says what it does, to be killed: `python tests/judges/kill_child.py DATASET --first 0`.

Runs in the product's environment. Every line on standard output is one announcement, written at once and before (or,
for an acknowledgement, after) what it announces:

    start              the imports are done, the dataset is about to be opened with `resume=True`
    opened N           it is open and holds N episodes
    begin E            an episode is being written; E names it for good (see truth.py)
    discard E          it is about to be discarded
    discarded E        it has been
    finish E           `finish_episode` is about to be called
    done E             it has returned: the acknowledgement
    finalize, pack     `finalize()` or `finalize(pack=True)` is about to be called
    finalized          it has returned
    refused KIND: WHY  one of the writer's own errors ended this program
"""

from __future__ import annotations

import argparse
import os
import random
import resource
import signal
import sys
from pathlib import Path

import truth
from make_dataset import add_episode_frames, finish_episode, open_writer
from truth import Truth

from lerobot_writer import WriterError

STEPS = ("os.rename", "os.mkdir", "os.remove", "os.rmdir", "shutil.rmtree")
"""Audit events of Python (docs.python.org, "Audit events table") that change a directory; `os.replace` is a rename."""


class DeathAtStep:
    """Kills this process by SIGKILL right before a change of a directory, counted from an announcement."""

    def __init__(self, verb: str, number: int) -> None:
        self._verb = verb
        self._left = number
        self._counting = False
        sys.addaudithook(self._count)

    def announced(self, verb: str) -> None:
        self._counting |= verb == self._verb

    def _count(self, event: str, _: tuple[object, ...]) -> None:
        if self._counting and event in STEPS:
            self._left -= 1
            if self._left == 0:
                os.kill(os.getpid(), signal.SIGKILL)


def say(line: str, death: DeathAtStep | None = None) -> None:
    """Announce, unbuffered: what is written here arrives even when this process is killed right after."""
    os.write(1, f"{line}\n".encode())
    if death is not None:
        death.announced(line.split()[0])


def write(
    root: Path, expected: Truth, first: int, episodes: int, end: str, draw: random.Random, death: DeathAtStep | None
) -> None:
    """Write episodes, discarding one in five, and end as told."""
    say("start", death)
    with open_writer(root, expected, resume=True) as writer:
        say(f"opened {writer.num_episodes}")
        number, finished = first, 0
        while finished < episodes:
            say(f"begin {number}")
            if draw.random() < 0.2:
                add_episode_frames(writer, expected, number, draw.randrange(truth.length(number)))
                say(f"discard {number}")
                writer.discard_episode()
                say(f"discarded {number}")
            else:
                add_episode_frames(writer, expected, number)
                say(f"finish {number}", death)
                finish_episode(writer, number)
                say(f"done {number}")
                finished += 1
            number += 1
        say(end, death)
        writer.finalize(pack=end == "pack")
    say("finalized")


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("dataset", type=Path)
    parser.add_argument("--first", type=int, default=0, help="the first episode's number")
    parser.add_argument("--episodes", type=int, default=1000)
    parser.add_argument("--end", choices=("finalize", "pack"), default="finalize")
    parser.add_argument("--size", type=int, nargs=2, default=(64, 64), metavar=("WIDTH", "HEIGHT"))
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--die-at-step", nargs=2, metavar=("VERB", "N"), help="die right before step N after VERB")
    parser.add_argument("--file-limit", type=int, help="no file may grow beyond this many bytes")
    arguments = parser.parse_args()
    if arguments.file_limit is not None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (arguments.file_limit, arguments.file_limit))
    death = None
    if arguments.die_at_step is not None:
        verb, number = arguments.die_at_step
        death = DeathAtStep(verb, int(number))
    width, height = arguments.size
    expected = Truth((), width, height, fps=30)
    draw = random.Random(arguments.seed)
    try:
        write(arguments.dataset, expected, arguments.first, arguments.episodes, arguments.end, draw, death)
    except WriterError as error:
        say(f"refused {type(error).__name__}: {' '.join(str(error).split())}")
        return 3
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
