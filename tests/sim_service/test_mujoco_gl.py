"""Finding out whether OpenGL works, and living without it."""

import os
import subprocess
import sys
import textwrap
from collections.abc import Callable
from pathlib import Path

import pytest

from sim_service.mujoco_sim.gl import APT_LINE, ProbeFailed, check_gl
from sim_service.simulators import SimulatorUnavailable

ROOT = Path(__file__).parents[2]


def loader(*missing: str) -> Callable[[str], object]:
    def load(name: str) -> object:
        if any(name.startswith(library) for library in missing):
            raise OSError(f"{name}: cannot open shared object file")
        return object()

    return load


def probe(renderer: str = "a GPU", error: str = "") -> Callable[[str], str]:
    def run(backend: str) -> str:
        if error:
            raise ProbeFailed(f"{backend}: {error}")
        return renderer

    return run


def unused_probe(backend: str) -> str:
    raise AssertionError(f"{backend} need not be probed")


def test_a_working_backend_is_set_for_mujoco() -> None:
    environ: dict[str, str] = {}
    status = check_gl(environ, loader(), probe("llvmpipe"))
    assert (status.backend, status.renderer, status.problem) == ("egl", "llvmpipe", "")
    assert environ == {"MUJOCO_GL": "egl"}


@pytest.mark.parametrize(
    ("missing", "named"),
    [
        (("libEGL",), "libEGL.so.1"),
        (("libOpenGL", "libGL.so"), "libOpenGL.so.0"),
        (("libEGL", "libOpenGL", "libGL.so"), "libEGL.so.1, libOpenGL.so.0"),
    ],
)
def test_missing_libraries_are_named_with_what_to_install(missing: tuple[str, ...], named: str) -> None:
    environ: dict[str, str] = {}
    status = check_gl(environ, loader(*missing), unused_probe)
    assert status.backend is None
    assert named in status.problem
    assert APT_LINE in status.problem
    assert environ == {}


def test_one_of_two_opengl_libraries_is_enough() -> None:
    assert check_gl({}, loader("libOpenGL"), probe()).backend == "egl"


def test_a_driver_that_fails_is_reported_in_its_own_words() -> None:
    environ: dict[str, str] = {}
    status = check_gl(environ, loader(), probe(error="no device display"))
    assert status.backend is None
    assert "no device display" in status.problem
    assert APT_LINE in status.problem
    assert environ == {}


@pytest.mark.parametrize(
    ("chosen", "backend"), [("egl", "egl"), ("OSMesa", "osmesa"), ("glfw", "glfw"), ("on", "glfw")]
)
def test_the_users_choice_is_tried_and_no_other(chosen: str, backend: str) -> None:
    environ = {"MUJOCO_GL": chosen}
    assert check_gl(environ, loader(), probe()).backend == backend
    broken = check_gl(environ, loader(), probe(error="broken"))
    assert broken.backend is None
    assert f"{backend}: broken" in broken.problem
    assert f"MUJOCO_GL={chosen.lower()}" in broken.problem
    assert environ == {"MUJOCO_GL": chosen}


@pytest.mark.parametrize("chosen", ["disable", "off", "0"])
def test_switching_off_is_respected(chosen: str) -> None:
    status = check_gl({"MUJOCO_GL": chosen}, loader(), unused_probe)
    assert status.backend is None
    assert f"MUJOCO_GL={chosen}" in status.problem


def test_a_word_mujoco_does_not_know_is_reported() -> None:
    with pytest.raises(SimulatorUnavailable, match=r"MUJOCO_GL=vulkan is unknown to MuJoCo; allowed: egl, osmesa"):
        check_gl({"MUJOCO_GL": "vulkan"}, loader(), unused_probe)


WITHOUT_GL = textwrap.dedent("""
    import logging, os, warnings
    warnings.simplefilter("error")
    logging.basicConfig(format="LOGGED %(message)s")
    before = dict(os.environ)
    from collectors.geometry import Pose
    from collectors.objects import CUBE
    from collectors.scene import Scene
    from collectors.simulator import Tick
    from sim_service.simulators import SimulatorSettings, open_simulator
    simulator = open_simulator("mujoco", SimulatorSettings())
    simulator.reset(Scene(CUBE, Pose((0.5, 0.1, 0.43)), (0.8, 0.1, 0.08), (0.45, -0.2)))
    simulator.advance(Tick(images=True))
    images = simulator.observe(images=True).images
    green = images["cam_high"].astype(int)
    disc = (green[..., 1] > 2 * green[..., 0]).sum()
    print(simulator.versions["renderer"], sorted(images), bool(disc > 100), dict(os.environ) == before)
    simulator.close()
    """)


@pytest.mark.parametrize(
    ("environment", "said"),
    [
        ({"MUJOCO_GL": "disable"}, "MUJOCO_GL=disable"),
        ({"MUJOCO_EGL_DEVICE_ID": "999"}, APT_LINE),
        ({"MUJOCO_GL": "egl", "MUJOCO_EGL_DEVICE_ID": "999"}, "MUJOCO_GL=egl does not work here"),
    ],
    ids=["off", "no device", "chosen without device"],
)
def test_without_opengl_the_simulator_casts_rays_and_says_so(environment: dict[str, str], said: str) -> None:
    inherited = {name: value for name, value in os.environ.items() if name != "MUJOCO_GL"}
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT_GL], env=inherited | environment, cwd=ROOT, capture_output=True, text=True
    )
    assert done.stdout.strip() == "raycast ['cam_high', 'cam_wrist'] True True", done.stderr
    logged = [line for line in done.stderr.splitlines() if line.startswith("LOGGED")]
    assert len(logged) == 1
    assert said in logged[0]
