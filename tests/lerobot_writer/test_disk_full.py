"""A disk that takes only so many bytes of a file: never a torn file that passes for a whole one.

The limit is the kernel's (RLIMIT_FSIZE), so that it also holds for what FFmpeg and Arrow write. It is a process's own,
hence a process of its own.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

SWEEP = """
import resource, signal, sys
sys.path[:0] = {path!r}
from pathlib import Path
from writing import Take, assert_holds, files_of, open_writer, record
from lerobot_writer import CommitError, EncodingError, StorageError, WriterError

signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
hard = resource.getrlimit(resource.RLIMIT_FSIZE)[1]

def limit(size):
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))

def unlimited():
    limit(hard)

def contents_of(folder):
    return {{name: content for name, content in files_of(folder).items() if content != "folder"}}

outcomes = set()
root = Path({root!r})
first, second, third = Take(1, 12), Take(2, 40, "place the cube"), Take(3, 2)
with open_writer(root) as writer:
    record(writer, first)
    largest = 0
    for size in [*range(0, 24000, {step}), *range(24000, 10**6, 8000)]:
        before = contents_of(root)
        limit(size)
        try:
            record(writer, second)
        except (EncodingError, CommitError, StorageError) as error:
            assert "File too large" in str(error), error
            outcomes.add(type(error).__name__)
            unlimited()
            writer.discard_episode()
            assert contents_of(root) == before, size
        else:
            unlimited()
            outcomes.add("recorded")
            largest = size
            break
    assert_holds(root, [first, second])
    limit(1000)
    try:
        writer.finalize()
    except StorageError as error:
        outcomes.add("finalize")
    else:
        raise AssertionError("finalize did not notice")
    unlimited()
    record(writer, third)
    limit(1000)
    try:
        open_writer(Path({root!r} + " other"))
        open_writer(Path({root!r} + " another"), repo_id="long " * 300)
    except StorageError as error:
        outcomes.add("open")
    unlimited()
assert_holds(root, [first, second, third])
print(sorted(outcomes), largest)
"""


def test_a_file_that_does_not_fit_is_an_error_and_the_dataset_goes_on(root: Path) -> None:
    """At every size limit, in steps, until the episode fits; then once more while finalizing and opening."""
    script = SWEEP.format(path=sys.path, root=str(root), step=1500)
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stderr
    outcomes, largest = done.stdout.strip().rsplit(" ", 1)
    assert outcomes == "['CommitError', 'EncodingError', 'finalize', 'open', 'recorded']"
    assert int(largest) > 10_000
