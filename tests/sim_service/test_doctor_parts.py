"""What the doctor is made of: verdicts, projection, and the checks of this process."""

from __future__ import annotations

import math
import shutil
import types
from pathlib import Path

import numpy as np
import pytest

from collectors.cameras import CAMERAS, Camera
from collectors.franka import HOME_RAD
from collectors.geometry import matrix_from_quat
from collectors.objects import CUBE, YCB, ObjectKind
from collectors.scene import GOAL_RGB, TABLE_RGB, TABLE_SURFACE_Z_M
from collectors.simulator import SimulatorError
from sim_service.doctor import process
from sim_service.doctor.check import Check, CheckFailed, Found, NotRun
from sim_service.doctor.examination import Examination
from sim_service.doctor.finding import Finding
from sim_service.doctor.process import process_checks
from sim_service.doctor.projection import (
    camera_to_world,
    inner_points_m,
    locate,
    on_table,
    project,
    tint_gained,
    values_at,
)


def check(name: str, outcome: Found | Exception, needs: tuple[str, ...] = ()) -> Check:
    def look() -> Found:
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    return Check(name, "what is expected", "what to do", look, needs)


def findings(*checks: Check) -> dict[str, Finding]:
    examination = Examination(lambda: False, lambda finding: None)
    examination.run(checks)
    return {finding.name: finding for finding in examination.findings}


# Verdicts


def test_a_failure_stops_what_needs_it_and_nothing_else() -> None:
    found = findings(
        check("a", Found("fine")),
        check("b", CheckFailed("broken")),
        check("c", Found("fine"), needs=("a", "b")),
        check("d", Found("fine"), needs=("c",)),
        check("e", Found("fine"), needs=("a",)),
    )
    assert [finding.verdict for finding in found.values()] == ["pass", "fail", "not run", "not run", "pass"]
    assert found["c"].found == "needs 'b'"
    assert found["d"].found == "needs 'c'"


def test_every_finding_is_told_as_soon_as_it_is_made() -> None:
    told: list[str] = []
    examination = Examination(lambda: False, lambda finding: told.append(finding.name))

    def checks() -> object:
        yield check("a", Found("fine"))
        assert told == ["a"]
        yield check("b", NotRun("why"))

    examination.run(checks())
    assert told == ["a", "b"]
    assert not examination.failed


@pytest.mark.parametrize("error", [SimulatorError("no frame"), TypeError("surplus argument"), OSError("no frame")])
def test_whatever_a_check_raises_is_its_finding(error: Exception, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level("DEBUG", logger="sim_service"):
        found = findings(check("a", error), check("b", Found("fine")))
    assert (found["a"].verdict, found["b"].verdict) == ("fail", "pass")
    assert str(error) in found["a"].found
    assert ("verbose" in found["a"].advice) == (not isinstance(error, SimulatorError))
    assert [record.levelname for record in caplog.records] == ["DEBUG"]  # told with --verbose alone
    assert caplog.records[0].exc_info is not None


def test_nothing_is_looked_at_once_somebody_asked_to_stop() -> None:
    examination = Examination(lambda: len(examination.findings) >= 1, lambda finding: None)
    examination.run([check(name, Found("fine")) for name in "abc"])
    assert [(f.verdict, f.found) for f in examination.findings] == [("pass", "fine"), *[("not run", "interrupted")] * 2]


def test_a_line_is_one_line_with_all_that_is_to_be_told() -> None:
    found = findings(check("a", CheckFailed("two\nlines")), check("b", CheckFailed("x", "do that")))
    assert found["a"].line().split("a", 1)[0].strip() == "FAIL"
    assert found["a"].line().endswith("two lines; expected: what is expected; what to do: what to do")
    assert found["b"].line().endswith("what to do: do that")
    passed = findings(check("a", Found("fine", "but look")))["a"]
    assert passed.line().endswith("fine (expected: what is expected); remark: but look")
    assert passed.to_dict() | {"seconds": 0} == {
        **{"name": "a", "verdict": "pass", "found": "fine", "expected": "what is expected"},
        **{"advice": "", "remark": "but look", "seconds": 0},
    }


# Projection


@pytest.mark.parametrize("camera", CAMERAS, ids=lambda camera: camera.name)
def test_projecting_undoes_looking_along_a_pixel(camera: Camera) -> None:
    rng = np.random.default_rng(5)
    to_world = camera_to_world(camera, HOME_RAD)
    for _ in range(50):
        pixel = rng.uniform(100, 412, size=2)
        x, y = on_table(camera, to_world, tuple(pixel))
        np.testing.assert_allclose(project(camera, to_world, [(x, y, TABLE_SURFACE_Z_M)])[0], pixel, atol=1e-6)


@pytest.mark.parametrize("camera", CAMERAS, ids=lambda camera: camera.name)
def test_the_projection_is_that_of_a_pinhole(camera: Camera) -> None:
    """Ahead is the middle, up is up, right is right, and the picture's edge is half the angle of view away."""
    to_world = camera_to_world(camera, HOME_RAD)
    right, down, forward = matrix_from_quat(to_world.quat_wxyz).T
    tangent = math.tan(camera.horizontal_fov_rad / 2)
    points = to_world.position + np.array([forward, forward + tangent * right, forward + tangent * down, -forward])
    pixels = project(camera, to_world, points)
    np.testing.assert_allclose(pixels[:3], [(256, 256), (512, 256), (256, 512)], atol=1e-6)
    assert np.isnan(pixels[3]).all()
    if camera.parent == "world":
        np.testing.assert_allclose(forward, camera.forward, atol=1e-9)
        np.testing.assert_allclose(-down, camera.up, atol=1e-9)


def painted(rgb: tuple[float, float, float], place: tuple[float, float], radius_px: float) -> np.ndarray:
    picture = np.empty((120, 160, 3), dtype=np.uint8)
    picture[:] = (np.array(TABLE_RGB) * 255).astype(np.uint8)
    rows, columns = np.mgrid[:120, :160] + 0.5
    picture[np.hypot(columns - place[0], rows - place[1]) < radius_px] = (np.array(rgb) * 255).astype(np.uint8)
    return picture


def test_a_thing_is_found_where_it_is_whatever_the_light() -> None:
    rng = np.random.default_rng(6)
    for _ in range(20):
        here, there = (tuple(rng.uniform((15, 15), (145, 105))) for _ in range(2))
        noise = rng.normal(0, 3, size=(2, 120, 160, 3))
        one, other = (
            np.clip(painted(GOAL_RGB, place, 9.0) * light + n, 0, 255).astype(np.uint8)
            for place, light, n in zip((here, there), rng.uniform(0.7, 1.0, 2), noise, strict=True)
        )
        if math.dist(here, there) < 20:
            continue
        found = locate(tint_gained(one, other, GOAL_RGB), math.pi * 81)
        assert found is not None
        assert math.dist(found, here) < 1.0


def test_nothing_is_found_where_nothing_came() -> None:
    rng = np.random.default_rng(7)
    table = painted(TABLE_RGB, (50, 50), 5.0)
    noisy = np.clip(table * 0.8 + rng.normal(0, 3, size=table.shape), 0, 255).astype(np.uint8)
    assert locate(tint_gained(noisy, table, GOAL_RGB), 250) is None
    assert locate(tint_gained(painted((0.6, 0.1, 0.2), (50, 50), 9.0), table, GOAL_RGB), 250) is None


@pytest.mark.parametrize("kind", [CUBE, *YCB.values()], ids=lambda kind: kind.name)
def test_inner_points_are_inside(kind: ObjectKind) -> None:
    points = inner_points_m(kind)
    assert len(points) > 500
    assert (np.abs(points) < np.array(kind.size_m) / 2).all()
    assert (np.abs(points).max(axis=0) > 0.4 * np.array(kind.size_m)).all()
    if kind.shape == "cylinder":
        assert (np.hypot(points[:, 0], points[:, 1]) < kind.size_m[0] / 2).all()


def test_values_are_read_by_column_and_row_inside_the_picture() -> None:
    values = np.arange(12, dtype=np.float32).reshape(3, 4)
    pixels = np.array([(0.0, 0.0), (3.9, 2.9), (1.5, 2.0), (4.0, 0.0), (0.0, 3.0), (-0.1, 0.0)])
    np.testing.assert_array_equal(values_at(values, pixels), [0, 11, 9])


# This process


def process_findings(output: Path) -> dict[str, Finding]:
    return findings(*process_checks(output))


def test_this_process_is_fit(tmp_path: Path) -> None:
    found = process_findings(tmp_path / "new" / "folder")
    assert {finding.verdict for finding in found.values()} == {"pass"}
    assert list(found) == ["python", "numpy", "pyarrow", "av", "flask", "aiortc", "h264", "output folder"]
    assert list((tmp_path / "new" / "folder").iterdir()) == []


@pytest.mark.parametrize("version", ["1.25.2", "3.0.0"])
def test_another_numpy_is_refused(version: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(process, "np", types.SimpleNamespace(__version__=version, __file__=np.__file__))
    found = findings(*(each for each in process_checks(tmp_path) if each.name == "numpy"))["numpy"]
    assert (found.verdict, version in found.found) == ("fail", True)


def test_a_numpy_behind_this_one_is_remarked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(process.metadata, "version", lambda name: "1.26.0")
    found = findings(*(each for each in process_checks(tmp_path) if each.name == "numpy"))["numpy"]
    assert (found.verdict, "1.26.0" in found.remark) == ("pass", True)


@pytest.mark.parametrize(
    ("version", "verdict", "remark"), [((3, 9, 2), "fail", ""), ((3, 10, 0), "pass", ""), ((3, 13, 1), "pass", "newer")]
)
def test_pythons(
    version: tuple[int, ...], verdict: str, remark: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(process, "sys", types.SimpleNamespace(version_info=version, executable="python"))
    found = next(iter(findings(*process_checks(tmp_path)).values()))
    assert (found.verdict, found.remark[:5]) == (verdict, remark)


@pytest.mark.parametrize("error", [ImportError("No module named 'av'"), ValueError("numpy.dtype size changed")])
def test_a_library_that_does_not_import_is_told_and_what_needs_it_waits(
    error: Exception, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def import_module(name: str) -> types.ModuleType:
        if name == "av":
            raise error
        return np

    monkeypatch.setattr(process.importlib, "import_module", import_module)
    found = process_findings(tmp_path)
    assert (found["av"].verdict, str(error) in found["av"].found) == ("fail", True)
    assert (found["h264"].verdict, found["pyarrow"].verdict) == ("not run", "pass")


def test_a_video_that_comes_back_different_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(8)
    side = process._VIDEO_SIDE_PX
    monkeypatch.setattr(
        process, "_moving_picture", lambda number: rng.integers(0, 256, size=(side, side, 3), dtype=np.uint8)
    )
    assert process_findings(tmp_path)["h264"].verdict == "fail"  # noise does not survive the encoder


def test_an_output_folder_that_is_none_or_full_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_bytes(b"")
    assert process_findings(tmp_path / "file" / "folder")["output folder"].verdict == "fail"
    usage = types.SimpleNamespace(free=2**30 - 1)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage)
    assert process_findings(tmp_path)["output folder"].verdict == "fail"
    usage.free = 2**30
    assert process_findings(tmp_path)["output folder"].verdict == "pass"
