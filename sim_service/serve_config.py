"""Flags of `serve`."""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import Path

from sim_service.config import ConfigError, add_simulator_flags, application_settings, folder, simulator_settings
from sim_service.page_config import DEFAULT_PORT, PageConfig, add_page_flags, page_config
from sim_service.simulators import ApplicationSettings, SimulatorSettings


@dataclass(frozen=True)
class ServeConfig:
    """data_root: the folder below which datasets are written. grace_s: what an episode under way gets to end by itself
    when the service is told to end."""

    data_root: Path
    page: PageConfig
    simulator: str
    settings: SimulatorSettings
    application: ApplicationSettings
    grace_s: float


def add_serve_flags(parser: argparse.ArgumentParser) -> None:
    """The flags of `serve`; each can also come from the environment, as ISAAC_COLLECT_<FLAG>."""
    add_page_flags(parser, "", DEFAULT_PORT)
    parser.add_argument(
        "--data-root",
        type=folder,
        default=Path("datasets"),
        metavar="DIR",
        help="folder that datasets are written below",
    )
    add_simulator_flags(parser)
    parser.add_argument(
        "--grace-period",
        type=float,
        default=30.0,
        metavar="S",
        help="on SIGTERM or Ctrl-C: seconds that the episode under way gets to end by itself",
    )


def serve_config(arguments: argparse.Namespace) -> ServeConfig:
    """Raises ConfigError listing everything that cannot be."""
    problems: list[str] = []
    page = page_config(arguments, "", problems)
    settings = simulator_settings(arguments, problems)
    application = application_settings(arguments, problems)
    if not 0 <= arguments.grace_period <= 3600:
        problems.append(f"--grace-period must be 0 to 3600 s, got {arguments.grace_period}")
    if problems or settings is None:
        raise ConfigError("; ".join(problems))
    return ServeConfig(
        arguments.data_root, page, arguments.simulator, settings, application, float(arguments.grace_period)
    )
