"""What other people's validators say: `python tests/judges/validators.py [DATASET...]`, synthetic datasets by default.

Runs lerobot-doctor, robovet and physlint (from PyPI, in an environment of their own) and prints everything that is not
a pass, with the reason where it is known. Exit code 1 when one of them finds an error.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from make_env import MakeEnvError, ensure
from run import HERE, product_environment

Remarks = list[tuple[str, str]]
"""(severity in capitals, text) of everything that is not a pass."""
ERRORS = ("FAIL", "FAILED", "ERROR", "ERRORED", "CRITICAL")

PHYSLINT_CONFIG = """\
config_version: 1
adapter: auto
profile: auto
fail_on: error
rules:
  video.frozen_frames:
    options:
      mean_absolute_difference: 0.0
"""
"""Frozen means identical. By default physlint takes frames for frozen that differ by less than 0.5 of 255 on average: a
real camera's noise exceeds that; a rendered picture of a slow arm before a still background does not."""
REASONS = {
    "is too short": "what a policy wants; the synthetic episodes are short on purpose",
    "too short (": "what a policy wants; the synthetic episodes are short on purpose",
    "shorter than": "what a policy wants; the synthetic episodes are short on purpose",
    "episode(s) flagged": "sums up what stands below it",
    "adapter lacks capabilities": "LeRobot has one timestamp per frame, so streams cannot lag behind each other",
    "no numeric limits configured": "wants limits that only the owner of a robot knows",
    "no discontinuity thresholds configured": "wants limits that only the owner of a robot knows",
    "privileged.goal_position": "the goal lies on the table: its height is the same in every episode",
    "AV1 stream(s) found": "chosen by whoever wrote the dataset; ours are H.264 unless told otherwise",
}
"""Why a remark is no fault of the dataset, by a piece of its text. It explains; it does not change the verdict."""


def _run(tool: Path, *words: str | Path, cwd: Path) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "HF_HUB_OFFLINE": "1", "NO_COLOR": "1"}
    return subprocess.run(
        [tool, *words], env=environment, cwd=cwd, capture_output=True, text=True, check=False, timeout=600
    )


def _parsed(text: str, tool: str, done: subprocess.CompletedProcess[str]) -> Any:
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        raise MakeEnvError(f"{tool} ended with {done.returncode} and no report: {done.stderr[-800:]}") from error


def lerobot_doctor(tools: Path, dataset: Path, scratch: Path) -> Remarks:
    done = _run(tools / "lerobot-doctor", "check", dataset, "--json", cwd=scratch)
    found: Remarks = []
    for check in _parsed(done.stdout, "lerobot-doctor", done)["checks"]:
        for message in check["messages"]:
            if message["severity"] != "PASS":
                found.append((message["severity"], f"{check['name']}: {message['message']}"))
    return found


def robovet(tools: Path, dataset: Path, scratch: Path) -> Remarks:
    report = scratch / "robovet.json"
    done = _run(tools / "robovet", "doctor", dataset, "--json", report, cwd=scratch)
    text = report.read_text(encoding="utf-8") if report.is_file() else ""
    results = _parsed(text, "robovet", done)["results"]
    return [(one["severity"], f"{one['check_id']}: {one['summary']}") for one in results if one["severity"] != "PASS"]


def physlint(tools: Path, dataset: Path, scratch: Path) -> Remarks:
    config = scratch / "physlint.yaml"
    config.write_text(PHYSLINT_CONFIG, encoding="utf-8")
    words = ("check", dataset, "--config", config, "--offline", "--format", "json")
    done = _run(tools / "physlint", *words, cwd=scratch)
    found: Remarks = []
    for rule in _parsed(done.stdout, "physlint", done)["results"]:
        if rule["reason"]:
            found.append((rule["status"].upper(), f"{rule['rule_id']}: {rule['reason']}"))
        for finding in rule["findings"]:
            where = " ".join(str(value) for value in finding["location"].values() if value is not None)
            found.append((finding["severity"].upper(), f"{rule['rule_id']}: {finding['message']} ({where})"))
    return found


VALIDATORS: dict[str, Callable[[Path, Path, Path], Remarks]] = {
    "lerobot-doctor": lerobot_doctor,
    "robovet": robovet,
    "physlint": physlint,
}


def synthetic(folder: Path) -> Iterator[Path]:
    """The synthetic datasets in H.264, as written and packed."""
    command = [sys.executable, str(HERE / "make_dataset.py"), str(folder / "synthetic")]
    written = subprocess.run(command, env=product_environment(), stdout=subprocess.PIPE, text=True, check=True)
    yield from (path for path in map(Path, written.stdout.splitlines()) if path.name in ("plain", "packed"))


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("datasets", type=Path, nargs="*", metavar="DATASET")
    arguments = parser.parse_args()
    errors = 0
    with tempfile.TemporaryDirectory(prefix="validators-") as temporary:
        scratch = Path(temporary)
        try:
            tools = ensure("validators").parent
            for dataset in [path.resolve() for path in arguments.datasets] or synthetic(scratch):
                for name, validate in VALIDATORS.items():
                    remarks = validate(tools, dataset, scratch)
                    bad = [text for severity, text in remarks if severity in ERRORS]
                    errors += len(bad)
                    print(f"{name} on {dataset.name}: {len(bad)} errors, {len(remarks) - len(bad)} other remarks")
                    for severity, text in remarks:
                        reason = next((why for part, why in REASONS.items() if part in text), None)
                        print(f"    {severity:<9}{text}" + ("" if reason is None else f"\n{'':13}why: {reason}"))
        except (MakeEnvError, subprocess.CalledProcessError) as error:
            print(f"validators: {error}", file=sys.stderr)
            return 1
    return 1 if errors else 0


if __name__ == "__main__":
    raise SystemExit(main())
