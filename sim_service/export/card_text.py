"""A dataset's card as Markdown: the same bytes from the same dataset, with no time, host or path in it."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

import numpy as np
import yaml

from collectors.features import ACTION_NAMES, GOAL_POSITION, OBJECT_POSE, STATE_NAMES, TRUE_STATE
from collectors.randomization import Randomization
from lerobot_writer.schema import IMAGE_PREFIX
from sim_service.export.card_facts import CardFacts, Outcomes
from sim_service.quality.wilson import wilson_interval

UNKNOWN_LICENSE: Final = "unknown"
_SHOWN_TASKS: Final = 20
_STATE_MEANING: Final = (
    "`joint_pos_0..6` [rad], `joint_vel_0..6` [rad/s], `gripper_pos_0..1` of each finger [m], `eef_pos_x/y/z` [m] and "
    "`eef_quat_w/x/y/z` of panda_hand in the world, which is the robot's base frame, z up"
)
_MEANINGS: Final = {
    OBJECT_POSE: "ground truth: centre of the object [m] and its quaternion w, x, y, z, in the world",
    GOAL_POSITION: "ground truth: centre of the goal [m], in the world",
    "next.done": "true in the last row of an episode",
    "timestamp": "`frame_index` / fps [s]",
    "frame_index": "position in the episode, from 0",
    "episode_index": "position of the episode in the dataset",
    "index": "position of the row in the dataset",
    "task_index": "row of meta/tasks.parquet",
}
_CODE: Final = re.compile(r"[A-Za-z0-9_./,:+ -]+")
# Text that Markdown, in the Hub's flavour too, takes for nothing but text; in any other all punctuation is escaped.
_PLAIN: Final = re.compile(r"(?!.*www\.)[A-Za-z](?:[A-Za-z0-9 ,.-]|(?<=[A-Za-z0-9])_(?=[A-Za-z0-9]))*|-?\d+(?:\.\d+)?")
_PUNCTUATION: Final = re.compile(r"([!-/:-@\[-`{-~])")


def card_text(facts: CardFacts, license: str) -> str:
    """license: an identifier of the Hugging Face Hub, or "unknown"."""
    return f"---\n{_front_matter(facts, license)}---\n\n" + "\n\n".join(_sections(facts, license)) + "\n"


def _front_matter(facts: CardFacts, license: str) -> str:
    tags = ["LeRobot", _one_line(facts.robot_type), *_simulators(facts)]
    content = {
        "license": license,
        "task_categories": ["robotics"],
        "tags": [tag for tag in dict.fromkeys(tags) if tag],
        "configs": [{"config_name": "default", "data_files": "data/*/*.parquet"}],
    }
    text: str = yaml.safe_dump(content, sort_keys=False, allow_unicode=True, width=10**6)
    return text


def _simulators(facts: CardFacts) -> list[str]:
    return [] if facts.configuration is None else [_one_line(str(facts.configuration["simulator"]))]


def _sections(facts: CardFacts, license: str) -> Iterator[str]:
    yield from _opening(facts)
    yield "## Statistics"
    yield _table(("what", "value"), _statistics(facts))
    yield "## Features"
    yield _table(("name", "dtype", "shape", "meaning"), map(_feature, facts.features.items()))
    if facts.configuration is not None:
        yield (
            f"Row k was observed at k / {facts.fps} s, before the command of that row. `action` is that command: "
            f"absolute joint targets, held for 1 / {facts.fps} s. So `action[k]` leads `observation.state[k + 1]`. "
            "Pictures and state of a row belong to the same instant."
        )
    if any(name.startswith("privileged.") for name in facts.features):
        yield (
            "**Features that begin with `privileged.` are the simulator's ground truth.** No real robot has them: they "
            "are for analysis and critics, not for a policy's input. LeRobot takes `observation.*` for inputs alone."
        )
    if facts.cameras:
        yield "## Cameras"
        heads = ("name", "mounted on", "position there [m]", "horizontal field of view [rad]", "pixels")
        yield _table(heads, [_camera(camera) for camera in facts.cameras.values()])
    if facts.configuration is not None:
        yield "## How it was collected"
        yield from _collecting(facts.configuration)
    yield "## How to load it"
    yield (
        "```python\nfrom lerobot.datasets.lerobot_dataset import LeRobotDataset\n\n"
        'dataset = LeRobotDataset("USER/NAME")  # a local copy: root="path/to/the/folder" besides\n'
        "item = dataset[0]  # pictures, state, action and task of the first row\n```"
    )
    yield "## Licence"
    yield _licence(license)


def _opening(facts: CardFacts) -> Iterator[str]:
    configuration = facts.configuration
    if configuration is None:
        yield f"# {_text(facts.robot_type or 'robot')} dataset"
        yield "Robot episodes in LeRobot v3.0."
    else:
        yield f"# {_text(facts.robot_type)}: {_text(configuration['task'])}"
        yield (
            f"Demonstrations of {_text(facts.robot_type)} in simulation ({_text(configuration['simulator'])}), "
            "collected by isaac-collect, in LeRobot v3.0."
        )
    heading = "Task" if len(facts.tasks) == 1 else f"{len(facts.tasks)} tasks"
    tasks = [f"- {_text(task)}" for task in facts.tasks[:_SHOWN_TASKS]]
    more = len(facts.tasks) - _SHOWN_TASKS
    yield f"{heading}:\n\n" + "\n".join(tasks + [f"- and {more} more, in meta/tasks.jsonl"] * (more > 0))


def _statistics(facts: CardFacts) -> Iterator[tuple[str, str]]:
    yield "episodes", f"{facts.episodes:,}"
    yield "frames", f"{facts.frames:,} at {facts.fps} a second"
    minutes = facts.frames / facts.fps / 60
    yield "duration", f"{minutes:.1f} min" if minutes < 60 else f"{minutes / 60:.2f} h"
    if facts.outcomes is not None:
        yield from _outcome_rows(facts.outcomes, facts.episodes)


def _outcome_rows(outcomes: Outcomes, episodes: int) -> Iterator[tuple[str, str]]:
    for name, successes in (("5 cm", outcomes.successes), ("2 cm", outcomes.successes_2cm)):
        yield f"attempts that placed within {name}", _rate(successes, outcomes.attempts)
    if outcomes.failures:
        counts = ", ".join(f"{_text(reason)} {count}" for reason, count in sorted(outcomes.failures.items()))
        yield "failed attempts", counts
    yield "episodes here that succeeded (5 cm)", f"{outcomes.recorded:,} of {episodes:,}"
    if len(outcomes.errors_m):
        middle, high = np.quantile(outcomes.errors_m, [0.5, 0.95]) * 1000
        most = outcomes.errors_m.max() * 1000
        yield "placement error of those", f"median {middle:.2f} mm, 95 % up to {high:.2f} mm, at most {most:.2f} mm"


def _rate(successes: int, attempts: int) -> str:
    if attempts == 0:
        return "none were made"
    low, high = wilson_interval(successes, attempts)
    share, least, most = (f"{100 * rate:.1f} %" for rate in (successes / attempts, low, high))
    return f"{successes:,} of {attempts:,}: {share}, with 95 % confidence {least} to {most}"


def _feature(item: tuple[str, Mapping[str, Any]]) -> tuple[str, str, str, str]:
    name, feature = item
    shape = " x ".join(str(size) for size in feature["shape"])
    return _code(name), _code(str(feature["dtype"])), shape, _meaning(name, feature)


def _meaning(name: str, feature: Mapping[str, Any]) -> str:
    names = feature.get("names")
    if feature["dtype"] == "video":
        return f"RGB pictures of {_code(name.removeprefix(IMAGE_PREFIX))}, in {_text(_codec(feature))}"
    if name == "observation.state" and names == list(STATE_NAMES):
        return _STATE_MEANING
    if name == TRUE_STATE:
        return "ground truth: `observation.state` without its noise"
    if name == "action" and names == list(ACTION_NAMES):
        return (
            "the command: `action_joint_0..6`, absolute joint targets [rad]; `action_gripper`, target of each finger "
            "[m], 0.04 open, 0 closed"
        )
    if name in _MEANINGS:
        return _MEANINGS[name]
    return ", ".join(_code(str(item)) for item in names) if isinstance(names, list) else ""


def _codec(feature: Mapping[str, Any]) -> str:
    return str(feature.get("info", {}).get("video.codec", "an unnamed codec"))


def _camera(camera: Mapping[str, Any]) -> tuple[str, str, str, str, str]:
    position = ", ".join(f"{float(number):g}" for number in camera["position_m"])
    pixels = f"{int(camera['width_px'])} x {int(camera['height_px'])}"
    fov = f"{float(camera['horizontal_fov_rad']):.3f}"
    return _code(str(camera["name"])), _text(camera["parent"]), position, fov, pixels


def _collecting(configuration: Mapping[str, Any]) -> Iterator[str]:
    rows = [
        (name.replace("_", " "), _text(configuration[name]))
        for name in (
            *("seed", "simulator", "renderer", "render_preset", "objects", "steps_per_segment"),
            *("waypoint_noise_rad", "interpolation", "approach", "max_attempts", "keep_failures"),
        )
        if name in configuration
    ]
    rows += [(f"version: {_text(name)}", _text(value)) for name, value in configuration["versions"].items()]
    yield _table(("setting", "value"), rows)
    nominal = Randomization().as_json()
    varied = {name: value for name, value in configuration["randomization"].items() if value != nominal.get(name)}
    if not varied:
        yield "Randomized: the object, its colour, its place and the goal's. Nothing else is."
        return
    yield (
        "Randomized besides the object, its colour, its place and the goal's (least and most, or the largest departure "
        "either way; each episode's own values are in the `collection/...` columns of `meta/episodes`):"
    )
    yield _table(("what", "range"), [(_code(name), _text(value)) for name, value in varied.items()])


def _licence(license: str) -> str:
    if license != UNKNOWN_LICENSE:
        return f"{_code(license)}, as its owner chose."
    return (
        "> **Its owner has not chosen a licence.** Until then nobody else may count on being allowed to use it. To "
        "choose one, put its identifier (https://huggingface.co/docs/hub/repositories-licenses) in the first line of "
        "this file's head, `license: ...`, or run `isaac-collect push --license ID`."
    )


def _table(heads: Sequence[str], rows: Any) -> str:
    lines = [heads, ["---"] * len(heads), *rows]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


def _code(text: str) -> str:
    return f"`{text}`" if _CODE.fullmatch(text) else _text(text)


def _text(value: object) -> str:
    """One line that reads as it is written."""
    plain = _one_line(value if isinstance(value, str) else json.dumps(value, ensure_ascii=False))
    return plain if _PLAIN.fullmatch(plain) else _PUNCTUATION.sub(r"\\\1", plain)


def _one_line(text: str) -> str:
    return " ".join("".join(letter if letter.isprintable() else " " for letter in text).split())
