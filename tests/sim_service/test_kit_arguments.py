"""Settings of Omniverse Kit on the command line: taken out before ours are read, refused where there is no Kit."""

import random
from pathlib import Path

import pytest

from sim_service import __main__ as command_line
from sim_service.kit_arguments import split_kit_arguments

ASSETS = "--/persistent/isaac/asset_root/default=/assets with spaces"
WAIT = "--/app/renderer/waitIdle=true"


@pytest.mark.parametrize("seed", range(5))
def test_every_word_is_in_one_of_the_two_in_its_order(seed: int) -> None:
    numbers = random.Random(seed)
    words = [numbers.choice(["collect", "--output", "/data/x", "-", "--", "/app/x", ASSETS, WAIT]) for _ in range(30)]
    ours, kit = split_kit_arguments(words)
    assert all(word.startswith("--/") for word in kit)
    assert not any(word.startswith("--/") for word in ours)
    for part in (ours, kit):
        assert part == [word for word in words if word in part]
    assert sorted(ours + kit) == sorted(words)


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (["collect", "--output", "x", ASSETS, "--simulator", "mujoco"], "need --simulator isaac"),
        ([WAIT, "serve", "--data-root", "x", "--simulator", "mujoco"], "need --simulator isaac"),
        (["check", "x", WAIT], "check takes no settings of Omniverse Kit"),
    ],
)
def test_without_isaac_sim_they_are_a_bad_argument_that_is_named(
    words: list[str],
    complaint: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    assert command_line.main(words) == 2
    said = capsys.readouterr().err
    assert next(word for word in words if word.startswith("--/")) in said
    assert complaint in said
    assert not Path("x").exists()


@pytest.mark.parametrize("command", [["collect", "--output", "x"], ["serve", "--data-root", "x"]])
def test_they_reach_what_opens_isaac_sim(command: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    seen = []
    monkeypatch.setattr(command_line, "_collect", lambda config, verbose: seen.append(config) or 0)
    monkeypatch.setattr(command_line, "_serve", lambda config, verbose: seen.append(config) or 0)
    assert command_line.main([*command, WAIT, "--simulator", "isaac", ASSETS]) == 0
    assert [config.application.kit_arguments for config in seen] == [(WAIT, ASSETS)]
