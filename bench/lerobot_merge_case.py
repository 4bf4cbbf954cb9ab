"""LeRobot's own merge, measured: `python -m bench.lerobot_merge_case CASE ...` in LeRobot's environment.

Only `aggregate_datasets` is measured, as of ours the command alone; imports are not.
"""

from __future__ import annotations

import argparse
import importlib
import os
from pathlib import Path
from typing import Final

from bench.measure import Meter, write_result

# separate: a file stays a file, its fastest. default: files are joined up to a size.
CASES: Final = {"separate": False, "default": True}


def main() -> None:
    parser = argparse.ArgumentParser(description="One measured merge; started by bench.merge.")
    parser.add_argument("case", choices=list(CASES))
    parser.add_argument("--result", type=Path, required=True)
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("--shards", type=Path, nargs="+", required=True)
    given = parser.parse_args()
    for name in ("HF_HUB_OFFLINE", "HF_DATASETS_OFFLINE", "HF_DATASETS_DISABLE_PROGRESS_BARS"):
        os.environ[name] = "1"
    os.environ["HF_HOME"] = str(given.result.parent / "huggingface")
    aggregate = importlib.import_module("lerobot.datasets.aggregate").aggregate_datasets
    concatenate = CASES[given.case]
    with Meter() as meter:
        aggregate(
            ["bench/shard"] * len(given.shards),
            "bench/merged",
            roots=given.shards,
            aggr_root=given.output,
            concatenate_videos=concatenate,
            concatenate_data=concatenate,
        )
    write_result(given.result, meter.usage)


if __name__ == "__main__":
    main()
