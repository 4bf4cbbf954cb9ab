"""Flags, environment and their errors."""

import argparse
from dataclasses import replace
from pathlib import Path

import pytest

from collectors.motion import Motion
from collectors.randomization import PRESETS
from sim_service.config import CollectConfig, ConfigError, add_collect_flags, apply_environment, collect_config
from sim_service.serve_config import ServeConfig, add_serve_flags, serve_config
from sim_service.simulators import SimulatorSettings


def parse(*arguments: str, environment: dict[str, str] | None = None) -> CollectConfig:
    parser = argparse.ArgumentParser()
    add_collect_flags(parser)
    apply_environment(parser, environment or {})
    return collect_config(parser.parse_args(arguments))


def parse_serve(*arguments: str, **environment: str) -> ServeConfig:
    parser = argparse.ArgumentParser()
    add_serve_flags(parser)
    apply_environment(parser, {f"ISAAC_COLLECT_{name}": value for name, value in environment.items()})
    return serve_config(parser.parse_args(arguments))


def test_defaults_are_the_designs() -> None:
    assert parse("--output", "x") == CollectConfig(
        output=Path("x"),
        num_episodes=50,
        seed=12345,
        steps_per_segment=30,
        waypoint_noise_rad=0.05,
        max_attempts=5,
        keep_failures=False,
        simulator="auto",
        settings=SimulatorSettings(fps=30, use_ycb=False, render_preset="default"),
        resume=False,
        json=False,
    )


def test_every_flag_can_come_from_the_environment_and_flags_win() -> None:
    environment = {
        "ISAAC_COLLECT_OUTPUT": "from_environment",
        "ISAAC_COLLECT_NUM_EPISODES": "7",
        "ISAAC_COLLECT_USE_YCB": "1",
        "ISAAC_COLLECT_RENDER_PRESET": "fast",
        "ISAAC_COLLECT_SEED": "3",
    }
    config = parse("--seed", "4", environment=environment)
    assert config.output == Path("from_environment")
    assert (config.num_episodes, config.seed) == (7, 4)
    assert config.settings == SimulatorSettings(use_ycb=True, render_preset="fast")


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("NUM_EPISODES", "many", "ISAAC_COLLECT_NUM_EPISODES='many' is not a valid value for --num-episodes"),
        ("USE_YCB", "perhaps", "ISAAC_COLLECT_USE_YCB='perhaps' is not one of 1, true"),
        ("RENDER_PRESET", "ugly", "ISAAC_COLLECT_RENDER_PRESET='ugly' is not one of fast, default, high"),
        ("HEADLESS", "x", "ISAAC_COLLECT_HEADLESS='x' is not one of"),
    ],
)
def test_a_bad_environment_value_is_named(name: str, value: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        parse("--output", "x", environment={f"ISAAC_COLLECT_{name}": value})


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--num-episodes", "0"], "--num-episodes must be at least 1, got 0"),
        (["--seed", "-1"], r"--seed must be 0 or more and below 2\^63, got -1"),
        (["--seed", str(2**63)], r"--seed must be 0 or more and below 2\^63"),
        (["--fps", "50"], r"fps 50 does not divide the physics rate of 120 Hz; allowed: \[1, 2, 3"),
        (["--fps", "0"], "fps 0 does not divide"),
        (["--steps-per-segment", "0"], "--steps-per-segment must be at least 1"),
        (["--num-objects", "0"], "--num-objects must be 1 to 6, got 0"),
        (["--num-objects", "7"], "--num-objects must be 1 to 6, got 7"),
        (["--randomize", "much"], "--randomize: 'much' is neither a file nor one of none, light, full"),
        (["--waypoint-noise", "3"], "--waypoint-noise must be 0 to 0.2 rad"),
        (["--waypoint-noise", "nan"], "--waypoint-noise must be 0 to 0.2 rad"),
        (["--max-attempts", "0"], "--max-attempts must be at least 1"),
        (["--streaming-port", "8211"], "--streaming-port 8211 is one of Isaac Sim's own"),
        (["--no-headless"], "--no-headless needs Isaac Sim"),
    ],
)
def test_a_bad_flag_is_named_with_what_is_allowed(flags: list[str], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        parse("--output", "x", *flags)


def test_all_bad_flags_are_named_at_once() -> None:
    with pytest.raises(ConfigError, match=r"--num-episodes.*--seed.*--num-objects"):
        parse("--output", "x", "--num-episodes", "0", "--seed", "-2", "--num-objects", "7")


def test_objects_beyond_the_target_are_distractors() -> None:
    """Their number is that of --num-objects, whatever --randomize says."""
    assert parse("--output", "x").settings.num_distractors == 0
    assert parse("--output", "x", "--randomize", "full").randomization == PRESETS["full"]
    assert parse("--output", "x", "--randomize", "full").settings.num_distractors == 5
    for number in range(1, 7):
        config = parse("--output", "x", "--randomize", "full", "--num-objects", str(number))
        assert config.randomization == replace(PRESETS["full"], distractors=(number - 1, number - 1))
        assert config.settings.num_distractors == (0 if number == 1 else 5)  # they are any of the five
        assert config.settings.textured_table
    alone = parse("--output", "x", "--num-objects", "3")
    assert alone.randomization == replace(PRESETS["none"], distractors=(2, 2))
    assert not alone.settings.textured_table


def test_a_file_of_ranges_and_the_motion(tmp_path: Path) -> None:
    (tmp_path / "mine.yaml").write_text("preset: light\ngain: [0.9, 1.1]\ncurriculum_episodes: 10\n")
    flags = ("--randomize", str(tmp_path / "mine.yaml"), "--interpolation", "min-jerk", "--approach", "cartesian")
    config = parse("--output", "x", *flags)
    assert config.randomization == replace(PRESETS["light"], gain=(0.9, 1.1), curriculum_episodes=10)
    assert config.motion == Motion("min-jerk", "cartesian")
    from_environment = parse("--output", "x", environment={"ISAAC_COLLECT_RANDOMIZE": "light"})
    assert from_environment.randomization == PRESETS["light"]


def test_a_flag_wins_over_a_switch_in_the_environment() -> None:
    assert not parse("--output", "x", "--no-use-ycb", environment={"ISAAC_COLLECT_USE_YCB": "1"}).settings.use_ycb


def test_the_output_may_begin_with_a_tilde() -> None:
    assert parse("--output=~/ds").output == Path.home() / "ds"


def test_lists_in_the_environment_have_commas() -> None:
    page = parse_serve(ALLOW_HOST="lab.example, robot.example,", CORS_ORIGIN="https://a.example,http://b:80").page
    assert page.allowed_hosts == ("lab.example", "robot.example")
    assert page.cors_origins == ("https://a.example", "http://b:80")
    assert parse_serve("--allow-host", "flag.example", ALLOW_HOST="a.example").page.allowed_hosts == ("flag.example",)


def test_what_kubernetes_says_of_a_service_of_our_name_is_no_port() -> None:
    assert parse_serve(PORT="tcp://10.0.0.7:8600").page.port == parse_serve().page.port
    with pytest.raises(ConfigError, match="ISAAC_COLLECT_PORT='http' is not a valid value for --port"):
        parse_serve(PORT="http")


def test_an_empty_data_root_is_not_the_working_directory() -> None:
    with pytest.raises(ConfigError, match="ISAAC_COLLECT_DATA_ROOT='' is not a valid value for --data-root"):
        parse_serve(DATA_ROOT="")
    assert parse_serve("--data-root=~/sets").data_root == Path.home() / "sets"
