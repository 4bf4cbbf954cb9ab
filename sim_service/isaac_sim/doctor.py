"""What `isaac-collect doctor` looks at in Isaac Sim besides the seam: the installation, its assets, its settings."""

from __future__ import annotations

import importlib.util
import logging
import time
from collections.abc import Iterator
from functools import partial
from typing import Final

from collectors.objects import YCB
from sim_service.doctor.check import Check, CheckFailed, Found
from sim_service.doctor.patient import Patient
from sim_service.isaac_sim.application import ZERO_DELAY
from sim_service.isaac_sim.livestream import STREAMS_FROM_6, STREAMS_UP_TO_5
from sim_service.isaac_sim.standalone import running_application
from sim_service.simulators import ApplicationSettings, SimulatorSettings, SimulatorUnavailable

_APPLICATION: Final = "application"
_API: Final = "api"
_ASSET_ROOT: Final = "asset root"
_FRANKA: Final = "franka"
_YCB_LOOKS: Final = "ycb looks"

_KNOWN_VERSIONS: Final = ((4, 5), (6, 0))  # lowest, highest

_log = logging.getLogger(__name__)


def needed_for_cell(settings: SimulatorSettings) -> tuple[str, ...]:
    """Names of the checks without which the work cell cannot be built."""
    return _APPLICATION, _API, _FRANKA, *((_YCB_LOOKS,) if settings.use_ycb else ())


def application_checks(application: ApplicationSettings, settings: SimulatorSettings) -> Iterator[Check]:
    """Start the application; the work cell is built in the same one later."""
    yield Check(
        "isaacsim",
        "Isaac Sim is in this Python",
        "run this by Isaac Sim's own python.sh, or install isaacsim, or examine the embedded simulator by "
        "--simulator mujoco",
        _installed,
    )
    yield Check(
        _APPLICATION,
        "Isaac Sim starts",
        "look at Isaac Sim's own log: a GPU with RT cores, its driver and the accepted licence (ACCEPT_EULA=Y) are "
        "what it needs",
        partial(_start, application),
        needs=("isaacsim",),
    )
    yield Check(
        _API,
        "every name that the adapter imports is there",
        "this version of Isaac Sim moved or removed a name: sim_service/isaac_sim/compat.py is where it belongs",
        _import_adapter,
        needs=(_APPLICATION,),
    )
    (low_major, low_minor), (high_major, high_minor) = _KNOWN_VERSIONS
    yield Check(
        "version",
        f"{low_major}.{low_minor} to {high_major}.{high_minor}",
        "use one of these versions",
        _version,
        needs=(_API,),
    )
    yield Check(
        _ASSET_ROOT,
        "NVIDIA's assets are within reach",
        "give the machine access to the internet, or a copy of the assets and "
        "--/persistent/isaac/asset_root/default=FOLDER",
        _asset_root,
        needs=(_API,),
    )
    yield Check(
        _FRANKA,
        "the robot's USD file is below the asset root",
        "the asset root is of another version, or the copy of the assets is not whole",
        _franka,
        needs=(_ASSET_ROOT,),
    )
    yield Check(
        _YCB_LOOKS,
        f"{len(YCB)} USD files of YCB objects are below the asset root",
        "the asset root is of another version, or the copy of the assets is not whole",
        partial(_ycb_looks, settings.use_ycb),
        needs=(_FRANKA,),
    )
    yield Check(
        "live stream",
        "an extension that LIVESTREAM=1 or 2 can start",
        "LIVESTREAM cannot be used with this installation; --streaming works without it",
        _live_stream,
        needs=(_API,),
    )
    yield Check(
        "zero delay",
        "the renderer waits for each picture",
        "nothing: `picture delay` says what it costs",
        _zero_delay,
        needs=(_API,),
    )


def delay_check(patient: Patient, cell: str) -> Check:
    """cell: name of the check that builds it."""
    return Check(
        "picture delay",
        "measured when the cell was built",
        "see the check of the cell",
        partial(_picture_delay, patient),
        needs=(cell,),
    )


def _installed() -> Found:
    spec = importlib.util.find_spec("isaacsim")
    if spec is None:
        raise CheckFailed("there is no isaacsim")
    return Found(str(spec.origin or next(iter(spec.submodule_search_locations or ()), "isaacsim")))


def _start(application: ApplicationSettings) -> Found:
    began_s = time.monotonic()
    _log.info("starting Isaac Sim; this takes a minute, and several the first time")
    running_application(application)
    return Found(f"started in {time.monotonic() - began_s:.0f} s")


def _import_adapter() -> Found:
    from sim_service.isaac_sim.simulator import IsaacSimulator

    return Found(f"{IsaacSimulator.__name__} is imported, with all that it stands on")


def _version() -> Found:
    from sim_service.isaac_sim.compat import version

    found = version()
    numbers = tuple(int(part) for part in found.split(".")[:2] if part.isdecimal())
    lowest, highest = _KNOWN_VERSIONS
    known = lowest <= numbers <= highest
    return Found(found, "" if known else "isaac-collect was not made for this version; what follows says how it does")


def _asset_root() -> Found:
    from sim_service.isaac_sim.compat import assets_root

    began_s = time.monotonic()
    root = assets_root()
    return Found(f"{root}, found in {time.monotonic() - began_s:.1f} s")


def _franka() -> Found:
    from sim_service.isaac_sim.assets import find_assets
    from sim_service.isaac_sim.compat import assets_root, franka_usds

    return Found(find_assets(assets_root(), franka_usds(), ()).robot_usd)


def _ycb_looks(used: bool) -> Found:
    from sim_service.isaac_sim.assets import YCB_FOLDER, find_assets
    from sim_service.isaac_sim.compat import assets_root, franka_usds

    try:
        assets = find_assets(assets_root(), franka_usds(), tuple(YCB.values()))
    except SimulatorUnavailable as error:
        if used:
            raise
        return Found("not all of them", f"--use-ycb cannot be used: {error}")
    return Found(f"all below {assets.root}{YCB_FOLDER}")


def _live_stream() -> Found:
    import omni.kit.app

    extensions = omni.kit.app.get_app().get_extension_manager().get_extensions()
    enabled = {extension["name"]: bool(extension["enabled"]) for extension in extensions}
    known = (*STREAMS_FROM_6, *STREAMS_UP_TO_5)
    found = [f"{name} is installed{' and runs' if enabled[name] else ''}" for name in known if name in enabled]
    if not found:
        raise CheckFailed(f"none of {', '.join(known)} is installed")
    return Found(", ".join(found))


def _zero_delay() -> Found:
    from sim_service.isaac_sim.compat import setting

    others = []
    for argument in ZERO_DELAY:
        path, _, wanted = argument.removeprefix("--").partition("=")
        present = setting(path)
        if str(present).lower() != wanted:
            others.append(f"{path} is {present}, not {wanted}")
    return Found(
        f"{len(ZERO_DELAY) - len(others)} of {len(ZERO_DELAY)} settings are as asked",
        f"{'; '.join(others)}: pictures may lag, which is measured and made up for" if others else "",
    )


def _picture_delay(patient: Patient) -> Found:
    from sim_service.isaac_sim.simulator import IsaacSimulator

    simulator = patient.simulator
    if not isinstance(simulator, IsaacSimulator):
        raise CheckFailed(f"{type(simulator).__name__} measures none")
    delay = simulator.picture_delay
    return Found(
        f"{delay} turns of drawing",
        f"each frame costs {delay} more renders than with a renderer that waits" if delay else "",
    )
