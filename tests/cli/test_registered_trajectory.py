"""A registration's error on its way from `surgplan register` through files to the corridor of a path."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from surgplan.case.casefile import plan_case
from surgplan.case.point_files import write_point_file
from surgplan.case.toml_files import write_toml
from surgplan.cli.main import run
from surgplan.errors import BadInput
from surgplan.formats.markups import StoredPoints
from surgplan.model.points import PointSet
from surgplan.model.volume import Grid, Volume
from surgplan.navigation.stage import NavigationParams, plan_navigation
from tests.navigation.layouts import HEAD, named, seen

UID = "1.2.3.4"
ENTRY, TARGET = np.array([0.0, -80.0, 60.0]), np.array([28.0, 60.0, -60.0])
FLE_MM = 0.6


@pytest.fixture(scope="module")
def registered(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("registered")
    write_point_file(folder / "fixed.mrk.json", StoredPoints(named(HEAD), UID))
    write_point_file(folder / "moving.csv", StoredPoints(seen(HEAD, 0.1)))
    words = ["register", folder / "moving.csv", folder / "fixed.mrk.json", "-o", folder / "x.tfm", "--fle-mm", FLE_MM]
    assert run([*map(str, words), "-q"]) == 0
    return folder


def measured(folder: Path, target: Path, *more: object) -> int:
    ends = [",".join(map(str, place)) for place in (ENTRY, TARGET)]
    words = ["trajectories", "--entry", ends[0], "--target", ends[1], "-o", target, "-q", *more]
    return run([str(word) for word in words])


def kabsch(moving: Any, fixed: Any) -> tuple[Any, Any]:
    """Rotation and shift by scipy, that share no line with the code under test."""
    turn, _ = Rotation.align_vectors(fixed - fixed.mean(axis=0), moving - moving.mean(axis=0))
    return turn, fixed.mean(axis=0) - turn.apply(moving.mean(axis=0))


def test_the_corridor_is_that_of_registrations_made_again_and_again(registered: Path, tmp_path: Path) -> None:
    assert measured(registered, tmp_path / "made.json", "--registration", registered / "x.json") == 0
    corridor = json.loads((tmp_path / "made.json").read_text("utf-8"))["trajectories"][0]["corridor"]
    rng = np.random.default_rng(5)
    ends, direction = np.array([ENTRY, TARGET]), (TARGET - ENTRY) / np.linalg.norm(TARGET - ENTRY)
    away = []
    for _ in range(3000):
        turn, shift = kabsch(HEAD + rng.normal(0, FLE_MM / np.sqrt(3), HEAD.shape), HEAD)
        moved = turn.apply(ends) + shift - ends
        away.append(np.linalg.norm(moved - (moved @ direction)[:, None] * direction, axis=1))
    entry, end = np.quantile(away, 0.95, axis=0)
    assert corridor["at_entry_mm"] == pytest.approx(entry, rel=0.05)
    assert corridor["at_end_mm"] == pytest.approx(end, rel=0.05)
    assert corridor["radius_mm"] == pytest.approx(np.quantile(np.max(away, axis=1), 0.95), rel=0.05)
    assert end > 1.2 * entry, "the layout does not tell one place from another"


def changed(key: str, value: Any) -> Callable[[dict[str, Any]], Any]:
    return lambda stored: {**stored, key: value}


def wrong_model(key: str, value: Any) -> Callable[[dict[str, Any]], Any]:
    return lambda stored: {**stored, "error_model": {**stored["error_model"], key: value}}


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (changed("verdict", "rejected"), "was rejected"),
        (changed("fixed", {"name": "tracker-2", "scope": ""}), "leads to tracker-2"),
        (changed("fixed", {"name": "LPS", "scope": "other"}), "leads to LPS"),
        (changed("error_model", None), "holds no error over space"),
        (changed("format", "other"), "is not what `surgplan register` writes"),
        (wrong_model("motion_covariance", [[1.0] * 5] * 5), "not 6 × 6 or 7 × 7"),
        (wrong_model("motion_covariance", (-np.eye(6)).tolist()), "no covariance"),
        (wrong_model("motion_covariance", np.triu(np.ones((6, 6))).tolist()), "no covariance"),
        (wrong_model("middle_mm", [0, 1]), "middle_mm"),
        (wrong_model("degrees", -1), "degrees"),
        (lambda stored: [stored], "is not what `surgplan register` writes"),
    ],
)
def test_a_registration_that_does_not_fit_is_refused(
    change: Callable[[dict[str, Any]], Any],
    told: str,
    registered: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    stored = json.loads((registered / "x.json").read_text("utf-8"))
    (tmp_path / "x.json").write_text(json.dumps(change(stored)))
    assert measured(registered, tmp_path / "made.json", "--registration", tmp_path / "x.json") == 3
    assert told in capsys.readouterr().err
    assert not (tmp_path / "made.json").exists()


def test_a_registration_to_another_scan_is_refused(
    registered: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_point_file(tmp_path / "points.mrk.json", StoredPoints(named(HEAD), "9.9"))
    more = ["--registration", registered / "x.json", "--points", tmp_path / "points.mrk.json"]
    assert measured(registered, tmp_path / "made.json", *more) == 3
    assert "leads to another scan" in capsys.readouterr().err


def case_file(folder: Path, registration: str) -> Path:
    ends = f"entry = {ENTRY.tolist()}\ntarget = {TARGET.tolist()}"
    path = f'[[trajectory]]\nname = "biopsy"\n{ends}\nregistration = "{registration}"\n'
    (folder / "case.toml").write_text(f'case = "one"\nsource = "scan"\nrecipe = "ct-skull"\n{path}')
    return folder / "case.toml"


def test_a_case_file_names_the_registration_and_the_case_keeps_its_error(registered: Path, tmp_path: Path) -> None:
    plan = plan_case(case_file(registered, "x.json"))
    grid = Grid((50, 50, 50), (5, 5, 5), (-120, -120, -120))

    def corridor_of(plan: Any, uid: str = UID) -> Any:
        scan = Volume(grid, np.zeros(grid.shape, np.int16), frame_of_reference=uid)
        params = NavigationParams(fiducials="none")
        made = plan_navigation(scan, PointSet(()), plan.trajectories, params, (), None, plan.errors)
        return made.measures[0].corridor

    assert measured(registered, tmp_path / "made.json", "--registration", registered / "x.json") == 0
    told = json.loads((tmp_path / "made.json").read_text("utf-8"))["trajectories"][0]["corridor"]
    assert vars(corridor_of(plan)) == pytest.approx(told)
    # the case folder's own case file holds the error itself, and no path
    text = write_toml(plan.case_toml())
    assert "x.json" not in text
    (tmp_path / "case.toml").write_text(text)
    assert vars(corridor_of(plan_case(tmp_path / "case.toml"))) == pytest.approx(told)
    with pytest.raises(BadInput, match=r"registration of biopsy leads to another scan|leads to another scan"):
        corridor_of(plan, "9.9")
