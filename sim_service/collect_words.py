"""A collection as the command line that asks for it."""

from __future__ import annotations

from pathlib import Path

from sim_service.config import CollectConfig
from sim_service.randomization_file import randomization_word


def collect_words(config: CollectConfig, output: Path) -> list[str]:
    """`collect` with everything that decides an episode's content."""
    words = ["collect", "--output", str(output), "--num-episodes", str(config.num_episodes)]
    words += ["--seed", str(config.seed), "--steps-per-segment", str(config.steps_per_segment)]
    words += ["--waypoint-noise", str(config.waypoint_noise_rad), "--max-attempts", str(config.max_attempts)]
    words += ["--simulator", config.simulator, "--fps", str(config.settings.fps)]
    words += ["--render-preset", config.settings.render_preset]
    words += ["--randomize", randomization_word(config.randomization)]
    words += ["--interpolation", config.motion.interpolation, "--approach", config.motion.approach]
    words += ["--use-ycb"] * config.settings.use_ycb + ["--keep-failures"] * config.keep_failures
    words += ["--no-headless"] * (not config.application.headless)
    return [*words, *config.application.kit_arguments]
