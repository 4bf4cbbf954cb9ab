"""One frozen configuration per command, from flags and environment; flags win."""

from __future__ import annotations

import argparse
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from collectors.motion import APPROACHES, INTERPOLATIONS, LINEAR, Motion
from collectors.randomization import PRESETS, Randomization, RandomizationError
from sim_service.commands import CollectRequest
from sim_service.page_config import PageConfig, add_page_flags, page_config
from sim_service.randomization_file import read_randomization
from sim_service.randomization_request import with_num_objects
from sim_service.shard import Shard, parse_shard
from sim_service.simulators import (
    RENDER_PRESETS,
    SIMULATOR_NAMES,
    ApplicationSettings,
    RenderPreset,
    SimulatorSettings,
    resolve_simulator,
)

ENVIRONMENT_PREFIX: Final = "ISAAC_COLLECT_"

_TRUE: Final = ("1", "true", "yes", "on")
_FALSE: Final = ("0", "false", "no", "off")


_SWITCH = argparse.BooleanOptionalAction  # so that a flag can win over the environment either way


class ConfigError(ValueError):
    """A value that cannot be used; the message says what was asked, what is allowed and how to change it."""


@dataclass(frozen=True)
class CollectConfig:
    """What `collect` was asked for. waypoint_noise_rad: bound of the noise on each joint of free-space waypoints."""

    output: Path
    num_episodes: int = CollectRequest.num_episodes
    seed: int = CollectRequest.seed
    steps_per_segment: int = CollectRequest.steps_per_segment
    waypoint_noise_rad: float = 0.05
    max_attempts: int = 5
    keep_failures: bool = False
    simulator: str = "auto"
    settings: SimulatorSettings = field(default_factory=SimulatorSettings)
    application: ApplicationSettings = field(default_factory=ApplicationSettings)
    resume: bool = False
    json: bool = False
    page: PageConfig | None = None  # of --streaming
    shard: Shard | None = None
    workers: int = 1
    heartbeat_file: Path | None = None
    randomization: Randomization = PRESETS["none"]
    motion: Motion = LINEAR

    @property
    def indices(self) -> range:
        """Of the episodes that this process collects."""
        return range(self.num_episodes) if self.shard is None else self.shard.indices(self.num_episodes)


def add_collect_flags(parser: argparse.ArgumentParser) -> None:
    """The flags of `collect`; each can also come from the environment, as ISAAC_COLLECT_<FLAG>."""
    add = parser.add_argument
    add(
        "--num-episodes",
        type=int,
        default=CollectConfig.num_episodes,
        metavar="N",
        help="episodes in the finished dataset, those of all shards together",
    )
    add(
        "--output",
        type=folder,
        required=True,
        metavar="DIR",
        help="folder of the dataset; must be new unless --resume",
    )
    add("--resume", action=_SWITCH, default=False, help="continue the dataset in DIR, or start it where there is none")
    add(
        "--seed",
        type=int,
        default=CollectConfig.seed,
        help="episode e is the same for the same seed, whatever else ran",
    )
    add_simulator_flags(parser)
    add(
        "--steps-per-segment",
        type=int,
        default=CollectConfig.steps_per_segment,
        metavar="N",
        help="frames per motion segment, nine to an episode",
    )
    add(
        "--waypoint-noise",
        type=float,
        default=CollectConfig.waypoint_noise_rad,
        metavar="RAD",
        help="noise on joints at free-space waypoints",
    )
    add("--use-ycb", action=_SWITCH, default=False, help="YCB objects instead of the cube")
    add(
        "--randomize",
        default="none",
        metavar="WHAT",
        help=f"what varies besides the layout: {', '.join(PRESETS)}, a YAML or JSON file of ranges, or such a mapping",
    )
    add(
        "--num-objects",
        type=int,
        metavar="N",
        help="objects on the table, 1 to 6: the target and distractors (default: what --randomize says)",
    )
    add(
        "--interpolation",
        choices=INTERPOLATIONS,
        default=LINEAR.interpolation,
        help="of the motion: at even speed, or smooth at both ends of a segment",
    )
    add(
        "--approach",
        choices=APPROACHES,
        default=LINEAR.approach,
        help="down to the object and up from it: straight in joint space, or the hand straight in the world",
    )
    add(
        "--max-attempts",
        type=int,
        default=CollectConfig.max_attempts,
        metavar="N",
        help="tries per episode before it is given up",
    )
    add(
        "--keep-failures", action=_SWITCH, default=False, help="record failed attempts, marked, instead of trying again"
    )
    add(
        "--shard",
        metavar="I/N",
        help="collect part I of N alone, I from 0; with N alone, I is JOB_COMPLETION_INDEX of the environment",
    )
    add(
        "--workers",
        type=int,
        default=CollectConfig.workers,
        metavar="K",
        help="collect with K processes on this machine, into one dataset",
    )
    add(
        "--heartbeat-file",
        type=folder,
        metavar="FILE",
        help="touched about once a second while the collection moves, for whoever has to notice that it hangs",
    )
    add("--streaming", action=_SWITCH, default=False, help="serve a live page, to look on, while collecting")
    add_page_flags(parser, "streaming-", STREAMING_PORT)
    add("--json", action=_SWITCH, default=False, help="end with one line of JSON on standard output")


def add_simulator_flags(parser: argparse.ArgumentParser) -> None:
    """What `simulator_settings` reads, but for --use-ycb."""
    add = parser.add_argument
    add("--simulator", choices=SIMULATOR_NAMES, default="auto", help="auto: Isaac Sim where it is, else MuJoCo")
    add("--render-preset", choices=RENDER_PRESETS, default="default", help="look and cost of MuJoCo's pictures")
    add("--fps", type=int, default=30, help="control and camera rate [1/s], a divisor of 120")
    add("--headless", action=_SWITCH, default=True, help="without a simulator window")
    parser.set_defaults(kit_arguments=())  # words of the command line that are for Omniverse Kit


def simulator_settings(arguments: argparse.Namespace, problems: list[str]) -> SimulatorSettings | None:
    """The settings of the simulator's flags; adds whatever cannot be to `problems`."""
    preset: RenderPreset = arguments.render_preset
    try:
        return SimulatorSettings(fps=arguments.fps, use_ycb=getattr(arguments, "use_ycb", False), render_preset=preset)
    except ValueError as error:
        problems.append(f"--fps: {error}")
        return None


def application_settings(arguments: argparse.Namespace, problems: list[str]) -> ApplicationSettings:
    """How the simulator's application starts; adds whatever cannot be to `problems`."""
    settings = ApplicationSettings(arguments.headless, tuple(arguments.kit_arguments))
    if resolve_simulator(arguments.simulator) != "isaac":
        if not settings.headless:
            problems.append("--no-headless needs Isaac Sim: the embedded simulator has no window")
        if settings.kit_arguments:
            problems.append(f"{' '.join(settings.kit_arguments)}: settings of Omniverse Kit need --simulator isaac")
    return settings


def collect_config(arguments: argparse.Namespace) -> CollectConfig:
    """Raises ConfigError listing everything that cannot be."""
    problems: list[str] = []
    if arguments.num_episodes < 1:
        problems.append(f"--num-episodes must be at least 1, got {arguments.num_episodes}")
    if not 0 <= arguments.seed < 2**63:
        problems.append(f"--seed must be 0 or more and below 2^63, got {arguments.seed}")
    if arguments.steps_per_segment < 1:
        problems.append(f"--steps-per-segment must be at least 1, got {arguments.steps_per_segment}")
    if not 0 <= arguments.waypoint_noise <= MAX_WAYPOINT_NOISE_RAD:
        problems.append(f"--waypoint-noise must be 0 to {MAX_WAYPOINT_NOISE_RAD} rad, got {arguments.waypoint_noise}")
    if arguments.max_attempts < 1:
        problems.append(f"--max-attempts must be at least 1, got {arguments.max_attempts}")
    randomization = _randomization(arguments, problems)
    shard = _shard(arguments.shard, problems)
    if not 1 <= arguments.workers <= MAX_WORKERS:
        problems.append(f"--workers must be 1 to {MAX_WORKERS}, got {arguments.workers}")
    elif arguments.workers > 1 and shard is not None:
        problems.append("--workers splits a collection into shards of its own; it cannot split --shard further")
    elif arguments.workers > 1 and arguments.streaming:
        problems.append("--streaming shows one simulator: it does not go with --workers")
    page = page_config(arguments, "streaming-", problems)
    settings = simulator_settings(arguments, problems)
    application = application_settings(arguments, problems)
    if problems or settings is None:
        raise ConfigError("; ".join(problems))
    settings = SimulatorSettings.of(settings.fps, settings.use_ycb, settings.render_preset, randomization)
    return CollectConfig(
        output=arguments.output,
        num_episodes=arguments.num_episodes,
        seed=arguments.seed,
        steps_per_segment=arguments.steps_per_segment,
        waypoint_noise_rad=arguments.waypoint_noise,
        max_attempts=arguments.max_attempts,
        keep_failures=arguments.keep_failures,
        simulator=arguments.simulator,
        settings=settings,
        application=application,
        resume=arguments.resume,
        json=arguments.json,
        page=page if arguments.streaming else None,
        shard=shard,
        workers=arguments.workers,
        heartbeat_file=arguments.heartbeat_file,
        randomization=randomization,
        motion=Motion(arguments.interpolation, arguments.approach),
    )


def _randomization(arguments: argparse.Namespace, problems: list[str]) -> Randomization:
    """Adds whatever cannot be to `problems`."""
    randomization = PRESETS["none"]
    try:
        randomization = read_randomization(arguments.randomize)
    except RandomizationError as error:
        problems.append(f"--randomize: {error}")
    try:
        return with_num_objects(randomization, arguments.num_objects)
    except RandomizationError as error:
        problems.append(f"--num-objects {error}")
        return randomization


def _shard(text: str | None, problems: list[str]) -> Shard | None:
    """Adds whatever cannot be to `problems`."""
    if not text:
        return None
    try:
        return parse_shard(text, os.environ)
    except ValueError as error:
        problems.append(f"--shard: {error}")
        return None


STREAMING_PORT: Final = 49102
MAX_WORKERS: Final = 256
MAX_WAYPOINT_NOISE_RAD: Final = 0.2  # more would lift the hand off its way by decimetres


def folder(text: str) -> Path:
    """Of a flag; raises ValueError."""
    if not text:
        raise ValueError("an empty path")
    return Path(text).expanduser()


def apply_environment(parser: argparse.ArgumentParser, environment: Mapping[str, str] = os.environ) -> None:
    """Make ISAAC_COLLECT_<FLAG> the default of each flag of `parser`. Raises ConfigError for an unfit value."""
    for action in parser._actions:  # argparse has no public list of a parser's flags
        flag = next((option for option in action.option_strings if option.startswith("--")), None)
        if flag is None or action.dest == "help":
            continue
        name = ENVIRONMENT_PREFIX + flag.removeprefix("--").replace("-", "_").upper()
        if name in environment and not _is_of_kubernetes(name, environment[name]):
            action.default = _parse(action, name, environment[name])
            action.required = False


def _is_of_kubernetes(name: str, text: str) -> bool:
    """It gives ISAAC_COLLECT_PORT=tcp://10.0.0.7:8600 to every pod beside a Service that is called isaac-collect."""
    return name == f"{ENVIRONMENT_PREFIX}PORT" and text.startswith(("tcp://", "udp://"))


def _parse(action: argparse.Action, name: str, text: str) -> Any:
    if isinstance(action, _SWITCH):
        if text.lower() in _TRUE:
            return True
        if text.lower() in _FALSE or not text:
            return False
        raise ConfigError(f"{name}={text!r} is not one of {', '.join(_TRUE + _FALSE)}")
    try:
        value = action.type(text) if callable(action.type) else text
    except ValueError:
        raise ConfigError(f"{name}={text!r} is not a valid value for {action.option_strings[0]}") from None
    choices: Sequence[Any] | None = list(action.choices) if action.choices else None
    if choices is not None and value not in choices:
        raise ConfigError(f"{name}={text!r} is not one of {', '.join(map(str, choices))}")
    return value
