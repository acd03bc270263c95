"""Surface registrations confirmed by open3d: results that are right, wrong, and that nobody can confirm."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from surgplan.case.point_files import write_point_file
from surgplan.cli.main import run
from surgplan.findings import Finding, Level
from surgplan.formats.markups import StoredPoints
from surgplan.formats.meshes import write_ply
from surgplan.model.frames import LPS, Transform
from surgplan.model.points import PointSet
from surgplan.navigation.confirm import SHIFT_MM, confirmed, installed, off
from surgplan.navigation.register import RegisterParams, Registration
from surgplan.navigation.register_surface import register_to_surface
from tests.navigation.bodies import ellipsoid, full_skull, touched
from tests.navigation.layouts import TRACKER

needs_open3d = pytest.mark.skipif(not installed(), reason="open3d is not installed")

TARGETS = PointSet.from_array([[28, 18, 24], [0, -80, -40], [0, 0, 70]], prefix="T")
COARSE_MM = 3.0

ABSENT = """
import importlib.machinery as machinery, sys
find = machinery.PathFinder.find_spec
machinery.PathFinder.find_spec = classmethod(lambda c, name, *more: None if name == "open3d" else find(name, *more))
from surgplan.cli.main import run
sys.exit(run(sys.argv[1:]))
"""
"""The program in an interpreter whose import system does not find open3d."""


@pytest.fixture(scope="module")
def laid() -> tuple[Registration, PointSet]:
    points = PointSet.from_array(touched(full_skull(COARSE_MM), 500, 0.3, 1), TRACKER)
    return register_to_surface(full_skull(COARSE_MM), points, RegisterParams(), [TARGETS]), points


def displaced(made: Registration, shift_mm: Sequence[float]) -> Registration:
    moved = np.eye(4)
    moved[:3, 3] = shift_mm
    return replace(made, transform=Transform(LPS, TRACKER, moved @ made.transform.matrix))


def told(made: Registration) -> list[Finding]:
    return [finding for finding in made.findings if finding.check in ("confirmed", "not-confirmed")]


@needs_open3d
def test_two_implementations_agree_on_the_skull(laid: tuple[Registration, PointSet]) -> None:
    made = confirmed(laid[0], full_skull(COARSE_MM), laid[1], True, None)
    assert [(each.check, each.level) for each in told(made)] == [("confirmed", Level.NOTE)]
    assert made.confirmation is not None
    assert [name for name, _ in made.confirmation.apart_mm] == ["T-1", "T-2", "T-3"]
    assert 0 < made.confirmation.worst_mm < 0.25
    np.testing.assert_array_equal(made.transform.matrix, laid[0].transform.matrix)


@needs_open3d
@pytest.mark.parametrize("shift_mm", [(3, 0, 0), (0, 0, -3)], ids=["left", "down"])
def test_a_result_3_mm_off_is_told(laid: tuple[Registration, PointSet], shift_mm: Sequence[float]) -> None:
    made = confirmed(displaced(laid[0], shift_mm), full_skull(COARSE_MM), laid[1], True, None)
    assert [(each.check, each.level) for each in told(made)] == [("not-confirmed", Level.WARN)]
    assert made.confirmation is not None
    assert made.confirmation.worst_mm == pytest.approx(3, abs=0.3)
    assert made.confirmation.as_dict()["agrees"] is False


@needs_open3d
def test_points_that_open3d_finds_nowhere_confirm_nothing(laid: tuple[Registration, PointSet]) -> None:
    made = confirmed(displaced(laid[0], (0, 0, 400)), full_skull(COARSE_MM), laid[1], True, None)
    assert made.confirmation is None
    assert told(made)[0].level is Level.WARN
    assert "0% of the points" in told(made)[0].measured


def test_the_start_moves_every_place_by_the_shift_at_least() -> None:
    """So that an end that stayed at its start cannot pass for agreement."""
    places = np.random.default_rng(1).uniform(-200, 200, (1000, 3))
    moved = off(np.eye(4), places[:50])
    away = np.linalg.norm(places @ moved[:3, :3].T + moved[:3, 3] - places, axis=1)
    assert away.min() >= SHIFT_MM * (1 - 1e-9)
    assert away.max() < 20


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write_ply(tmp_path / "skin.ply", ellipsoid(60, 95, 75))
    points = PointSet.from_array(touched(ellipsoid(60, 95, 75), 200, 0.3, 1), TRACKER)
    write_point_file(tmp_path / "moving.csv", StoredPoints(points))
    return tmp_path


def words(folder: Path, *more: str) -> list[str]:
    return ["register", str(folder / "moving.csv"), str(folder / "skin.ply"), "-o", str(folder / "x.tfm"), *more]


def stored(folder: Path) -> dict[str, object]:
    found: dict[str, object] = json.loads((folder / "x.json").read_text("utf-8"))
    return found


def absent(folder: Path, *more: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", ABSENT, *words(folder, *more)]
    return subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)


@needs_open3d
def test_the_same_input_gives_the_same_bytes_and_stdout_only_the_paths(
    folder: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    assert run(words(folder, "--confirm")) == 0
    assert capfd.readouterr().out.splitlines() == [str(folder / "x.tfm"), str(folder / "x.json")]
    first = [(folder / name).read_bytes() for name in ("x.tfm", "x.json")]
    assert run(words(folder, "--confirm", "--overwrite")) == 0
    assert [(folder / name).read_bytes() for name in ("x.tfm", "x.json")] == first
    confirmation = stored(folder)["confirmation"]
    assert isinstance(confirmation, dict)
    assert sorted(confirmation["apart_mm"]) == [f"corner-{n}" for n in range(1, 9)]
    assert confirmation["agrees"] is True


def test_who_wants_no_confirmation_gets_none(folder: Path) -> None:
    assert run(words(folder, "--no-confirm")) == 0
    assert "confirm" not in (folder / "x.json").read_text("utf-8")


def test_without_open3d_the_cure_is_told(folder: Path) -> None:
    done = absent(folder, "-v")
    assert done.returncode == 0, done.stderr
    assert "open3d is not installed" in done.stderr
    assert "surgplan[registration]" in done.stderr
    assert "confirmation" not in stored(folder)


def test_without_open3d_a_demanded_confirmation_ends_with_5_and_writes_nothing(folder: Path) -> None:
    done = absent(folder, "--confirm")
    assert done.returncode == 5
    assert "open3d: is not installed" in done.stderr
    assert "surgplan[registration]" in done.stderr
    assert not (folder / "x.tfm").exists()


def test_an_open3d_that_does_not_start_is_told(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    broken = folder / "site" / "open3d"
    broken.mkdir(parents=True)
    (broken / "__init__.py").write_text('raise ImportError("libGL.so.1: cannot open shared object file")\n', "utf-8")
    monkeypatch.setenv("PYTHONPATH", str(broken.parent), prepend=os.pathsep)
    monkeypatch.syspath_prepend(str(broken.parent))
    assert run(words(folder)) == 0
    findings = stored(folder)["findings"]
    assert isinstance(findings, list)
    assert [each["level"] for each in findings if "libGL.so.1" in each["measured"]] == ["warn"]
    assert run(words(folder, "--confirm", "--overwrite")) == 5


def test_only_what_lies_on_a_surface_can_be_confirmed(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pair = [str(folder / "moving.csv"), str(folder / "fixed.csv")]
    points = PointSet.from_array(touched(ellipsoid(60, 95, 75), 200, 0.3, 1))
    write_point_file(folder / "fixed.csv", StoredPoints(points))
    assert run(["register", *pair, "-o", str(folder / "y.tfm"), "--confirm"]) == 2
    assert "--no-confirm" in capsys.readouterr().err
