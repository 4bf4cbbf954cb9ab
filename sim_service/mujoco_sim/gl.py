"""Whether OpenGL can render off screen here, found out before `mujoco` is imported.

MuJoCo reads MUJOCO_GL while it is imported, and a library that is missing shows only as an opaque error from deep
inside. So the libraries are tried first, then a context is made in a process of its own: a broken driver may crash it.
"""

from __future__ import annotations

import ctypes
import functools
import importlib
import logging
import os
import subprocess
import sys
from collections.abc import Callable, MutableMapping
from dataclasses import dataclass
from types import ModuleType
from typing import Final

from sim_service.simulators import SimulatorUnavailable

APT_LINE: Final = "apt-get install --no-install-recommends libegl1 libopengl0 libgl1-mesa-dri"

_log = logging.getLogger(__name__)

# What MuJoCo accepts in MUJOCO_GL on Linux: https://mujoco.readthedocs.io/en/stable/programming/#using-opengl and
# mujoco/gl_context.py. The values are the modules of `mujoco` that make the context.
_BACKENDS: Final = {
    "egl": "egl",
    "osmesa": "osmesa",
    **dict.fromkeys(("glfw", "glx", "enable", "enabled", "on", "true", "1"), "glfw"),
}
_OFF: Final = ("disable", "disabled", "off", "false", "0")
_LIBRARIES: Final = {
    "egl": (("libEGL.so.1",), ("libOpenGL.so.0", "libGL.so.1")),
    "osmesa": (("libOSMesa.so.8", "libOSMesa.so.6", "libOSMesa.so"),),
    "glfw": (("libGL.so.1",),),
}
_PROBE_TIMEOUT_S: Final = 20.0

# Makes a context with MuJoCo's own module, without the 0.3 s that importing all of MuJoCo takes. Prints the renderer.
_PROBE: Final = """
import ctypes, importlib, importlib.util, sys, types
package = types.ModuleType("mujoco")
package.__path__ = list(importlib.util.find_spec("mujoco").submodule_search_locations)
sys.modules["mujoco"] = package
context = importlib.import_module("mujoco." + sys.argv[1]).GLContext(16, 16)
context.make_current()
get_string = None
for library in sys.argv[2:]:
    try:
        get_string = ctypes.CDLL(library).glGetString
        break
    except (OSError, AttributeError):
        pass
if get_string is not None:
    get_string.restype = ctypes.c_char_p
    get_string.argtypes = [ctypes.c_uint]
    print((get_string(0x1F01) or b"").decode(errors="replace"))
context.free()
"""


class ProbeFailed(RuntimeError):
    """No context could be made; the message is the last line of what the driver or MuJoCo said."""


@dataclass(frozen=True)
class GlStatus:
    """backend: the module of `mujoco` that makes contexts here, None when none does.

    renderer: the driver's name for itself. problem: why there is no backend, and what to do; else "".
    """

    backend: str | None
    renderer: str
    problem: str


def check_gl(
    environ: MutableMapping[str, str] = os.environ,
    load_library: Callable[[str], object] = ctypes.CDLL,
    probe: Callable[[str], str] | None = None,
) -> GlStatus:
    """Find a backend that works, and set MUJOCO_GL to it if the user had not chosen one.

    A choice in MUJOCO_GL is respected: that one is tried and no other. load_library raises OSError for a library that
    is missing; probe returns the renderer's name or raises ProbeFailed. Raises SimulatorUnavailable for a choice that
    MuJoCo does not know.
    """
    chosen = environ.get("MUJOCO_GL", "").lower().strip()
    if chosen in _OFF:
        return GlStatus(None, "", f"OpenGL is switched off by MUJOCO_GL={chosen}")
    if chosen and chosen not in _BACKENDS:
        raise SimulatorUnavailable(
            f"MUJOCO_GL={chosen} is unknown to MuJoCo; allowed: {', '.join([*_BACKENDS, *_OFF])}, or leave it unset"
        )
    backend = _BACKENDS[chosen or "egl"]
    advice = f"MUJOCO_GL={chosen} does not work here; unset it, or: {APT_LINE}" if chosen else f"try: {APT_LINE}"
    missing = _missing_libraries(backend, load_library)
    if missing:
        return GlStatus(None, "", f"no OpenGL: cannot load {', '.join(missing)}; {advice}")
    try:
        renderer = (probe or probe_in_subprocess)(backend)
    except ProbeFailed as error:
        return GlStatus(None, "", f"no OpenGL: {backend} fails with {str(error)!r}; {advice}")
    if not chosen:
        environ["MUJOCO_GL"] = backend
    _log.debug("OpenGL by %s: %s", backend, renderer)
    return GlStatus(backend, renderer, "")


def import_mujoco(status: GlStatus, environ: MutableMapping[str, str] = os.environ) -> ModuleType:
    """Import MuJoCo so that the import itself cannot fail for want of OpenGL; leaves `environ` as it is."""
    chosen = environ.get("MUJOCO_GL")
    if status.backend is None:
        environ["MUJOCO_GL"] = _OFF[0]
    try:
        return importlib.import_module("mujoco")
    finally:
        if chosen is None:
            environ.pop("MUJOCO_GL", None)
        else:
            environ["MUJOCO_GL"] = chosen


@functools.cache
def probe_in_subprocess(backend: str) -> str:
    libraries = ("libOpenGL.so.0", "libGL.so.1")
    try:
        done = subprocess.run(
            [sys.executable, "-c", _PROBE, backend, *libraries],
            capture_output=True,
            text=True,
            errors="replace",
            timeout=_PROBE_TIMEOUT_S,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise ProbeFailed(f"no context after {_PROBE_TIMEOUT_S:.0f} s") from error
    if done.returncode:
        said = done.stderr.strip().splitlines()
        raise ProbeFailed(said[-1] if said else f"exit status {done.returncode}")
    renderer = done.stdout.strip()
    if not renderer:
        raise ProbeFailed("a context that answers nothing")
    return renderer


def _missing_libraries(backend: str, load_library: Callable[[str], object]) -> list[str]:
    """The first name of each set of which not one can be loaded."""
    return [names[0] for names in _LIBRARIES[backend] if not any(_loads(name, load_library) for name in names)]


def _loads(name: str, load_library: Callable[[str], object]) -> bool:
    try:
        load_library(name)
    except OSError:
        return False
    return True
