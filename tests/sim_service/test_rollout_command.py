"""`isaac-collect rollout`: what it prints, its exit codes, and the user's file; one rollout in MuJoCo."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fake_simulator import FakeSimulator

from bench.learning_data import Recording, collect
from bench.outcomes import BlindSimulator
from collectors.policy import PolicyError
from collectors.rollout import CLOSES_BELOW, GRIP_TICKS
from sim_service.config import ConfigError
from sim_service.exit_codes import BAD_ARGUMENTS, DONE, FAILED
from sim_service.policy_file import MODULE_NAME, load_policy
from sim_service.quality.wilson import wilson_interval
from sim_service.rollout_command import add_rollout_flags, run_rollout
from sim_service.simulators import SimulatorSettings

HOLD = """
from __future__ import annotations
from dataclasses import dataclass
import numpy as np

@dataclass
class Hold:
    wants_images: bool = False

    def reset(self, task): pass

    def act(self, observation):
        return np.append(observation.state[:7], 0.04)
"""
REPLAY = """
import numpy as np

class Replay:
    wants_images = False
    actions = np.load({path!r})

    def reset(self, task):
        self.frame = -1

    def act(self, observation):
        self.frame += 1
        return self.actions[min(self.frame, len(self.actions) - 1)]
"""


@pytest.fixture(autouse=True)
def no_traces_of_the_file() -> Iterator[None]:
    path = list(sys.path)
    yield
    sys.path[:] = path
    sys.modules.pop(MODULE_NAME, None)


@pytest.fixture
def simulator(monkeypatch: pytest.MonkeyPatch) -> FakeSimulator:
    fake = FakeSimulator()
    monkeypatch.setattr("sim_service.rollout_command.open_simulator", lambda *arguments: fake)
    return fake


def policy_file(folder: Path, text: str) -> Path:
    path = folder / "my_policy.py"
    path.write_text(text)
    return path


def roll_out(policy: str, *words: object) -> int:
    parser = argparse.ArgumentParser()
    add_rollout_flags(parser)
    return run_rollout(parser.parse_args(["--policy", policy, *map(str, words)]))


def test_it_says_how_often_and_why_not(
    tmp_path: Path, simulator: FakeSimulator, capsys: pytest.CaptureFixture[str]
) -> None:
    word = f"{policy_file(tmp_path, HOLD)}:Hold"
    assert roll_out(word, "--num-episodes", 3, "--max-seconds", 1) == DONE
    told = capsys.readouterr()
    least, most = wilson_interval(0, 3)
    assert f"{word}: 0 of 3 episodes of seed 54321 succeed (0.0%; 95 % interval {least:.1%} to {most:.1%})" in told.out
    assert "  3 failed: missed_grasp" in told.out
    assert told.out.count("30 frames") == 3
    assert told.err == ""
    assert simulator.closed


def test_json_is_one_line_on_standard_output(
    tmp_path: Path, simulator: FakeSimulator, capsys: pytest.CaptureFixture[str]
) -> None:
    word = f"{policy_file(tmp_path, HOLD)}:Hold"
    assert roll_out(word, "--num-episodes", 2, "--max-seconds", 1, "--seed", 9, "--json") == DONE
    told = capsys.readouterr()
    result = json.loads(told.out)
    assert told.out.count("\n") == 1
    assert (result["exit_code"], result["seed"], result["episodes"], result["successes"]) == (DONE, 9, 2, 0)
    assert result["failures"] == {"missed_grasp": 2}
    assert [outcome["frames"] for outcome in result["outcomes"]] == [30, 30]
    assert "missed_grasp" in told.err


def test_the_scenes_are_those_of_the_seed(tmp_path: Path, simulator: FakeSimulator) -> None:
    scenes: list[Any] = []
    original = simulator.reset

    def remember(scene: Any) -> None:
        scenes.append((*scene.object_pose.position, *scene.goal_xy_m))
        original(scene)

    simulator.reset = remember  # type: ignore[method-assign]  # spying on the fake
    word = f"{policy_file(tmp_path, HOLD)}:Hold"
    for seed, count in ((1, 3), (1, 2), (2, 2)):
        roll_out(word, "--seed", seed, "--num-episodes", count, "--max-seconds", 0.1)
    first, again, other = scenes[:3], scenes[3:5], scenes[5:]
    assert first[:2] == again
    assert len({*first, *other}) == 5


def test_a_broken_simulator_is_a_failure_of_the_machine(
    tmp_path: Path, simulator: FakeSimulator, capsys: pytest.CaptureFixture[str]
) -> None:
    word = f"{policy_file(tmp_path, HOLD)}:Hold"
    simulator.lost_ticks = frozenset([20])
    assert roll_out(word, "--num-episodes", 2, "--max-seconds", 1) == DONE  # the second one went well
    assert "1 failed: simulator_error" in capsys.readouterr().out
    simulator.lost_ticks = frozenset(range(10_000))
    assert roll_out(word, "--num-episodes", 2, "--max-seconds", 1) == FAILED
    assert "simulated time advanced by 0.000000 s" in capsys.readouterr().err


def test_a_failing_policy_shows_its_own_traceback(
    tmp_path: Path, simulator: FakeSimulator, capsys: pytest.CaptureFixture[str]
) -> None:
    path = policy_file(tmp_path, HOLD.replace("return np.append", "raise RuntimeError('out of memory')  # "))
    assert roll_out(f"{path}:Hold", "--json") == BAD_ARGUMENTS
    told = capsys.readouterr()
    assert "my_policy.py" in told.err
    assert "isaac-collect: frame 0: the policy failed: RuntimeError: out of memory" in told.err
    assert json.loads(told.out)["exit_code"] == BAD_ARGUMENTS
    assert simulator.closed


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--num-episodes", "0"], "--num-episodes must be at least 1, got 0"),
        (["--seed", "-1"], "--seed must be 0 or more"),
        (["--max-seconds", "0"], "--max-seconds must be above 0, got 0.0"),
        (["--max-seconds", "nan"], "--max-seconds must be above 0, got nan"),
        (["--randomize", "wild"], "--randomize: 'wild' is neither a file nor one of"),
        (["--fps", "7"], "--fps: fps 7 does not divide"),
    ],
)
def test_bad_arguments_are_said(words: list[str], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        roll_out("policy.py:load", *words)


def test_what_is_no_policy_is_said(tmp_path: Path) -> None:
    path = policy_file(tmp_path, f"{HOLD}\ndef nothing(): return None\ndef broken(): return 1 / 0\n")
    for word, message in (
        ("policy", "must be FILE.py:FACTORY, got 'policy'"),
        (f"{tmp_path}:load", "is not a Python file"),
        (f"{tmp_path / 'other.py'}:load", "is not a Python file"),
        (f"{path}:load", r"has no function 'load'; it has Hold, broken, dataclass, nothing"),
        (f"{path}:nothing", "a NoneType, has no wants_images, reset, act"),
    ):
        with pytest.raises(ConfigError, match=message):
            load_policy(word)
    with pytest.raises(PolicyError, match="ZeroDivisionError") as caught:
        load_policy(f"{path}:broken")
    assert isinstance(caught.value.__cause__, ZeroDivisionError)
    with pytest.raises(PolicyError, match=r"my_policy\.py failed: ModuleNotFoundError"):
        load_policy(f"{policy_file(tmp_path, 'import no_such_module_anywhere')}:load")


def test_a_policy_file_may_import_its_neighbours(tmp_path: Path) -> None:
    (tmp_path / "my_network_of_rollout.py").write_text("OPEN_M = 0.04\n")
    path = policy_file(tmp_path, HOLD.replace("import numpy as np", "import numpy as np, my_network_of_rollout", 1))
    assert load_policy(f"{path}:Hold").wants_images is False


def test_in_mujoco_the_experts_actions_succeed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Open loop, as a policy would command them, in a simulator that has physics."""
    simulator = BlindSimulator(SimulatorSettings(render_preset="fast"))
    expert = collect(simulator, 1, 7, Recording())[0]
    simulator.close()
    np.save(tmp_path / "actions.npy", expert.actions)
    path = policy_file(tmp_path, REPLAY.format(path=str(tmp_path / "actions.npy")))
    words = ("--num-episodes", 1, "--simulator", "mujoco", "--render-preset", "fast", "--json")
    assert roll_out(f"{path}:Replay", "--seed", 7, *words) == DONE
    outcome = json.loads(capsys.readouterr().out)["outcomes"][0]
    assert outcome["failure_reason"] == ""
    assert outcome["placement_error_m"] < 0.005
    closes = int(np.argmax(expert.actions[:, 7] <= CLOSES_BELOW * 0.02))
    held = np.flatnonzero(expert.held)
    assert outcome["attach_frame"] == closes + GRIP_TICKS <= held[0]
    assert outcome["detach_frame"] <= held[-1] + 1
    assert roll_out(f"{path}:Replay", "--seed", 8, *words) == DONE  # of another scene they do not
    assert json.loads(capsys.readouterr().out)["successes"] == 0
