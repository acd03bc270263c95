from __future__ import annotations

import numpy as np
import pytest

from surgplan.model.frames import LPS, RAS, RAS_FROM_LPS
from surgplan.model.points import Landmark, PointSet, Trajectory


def test_a_landmark_keeps_what_is_known_about_it_when_it_moves() -> None:
    point = Landmark("nasion", [0.4, -88.1, 12.0], description="by hand", uncertainty_mm=0.7)
    moved = RAS_FROM_LPS @ point
    assert (moved.name, moved.description, moved.uncertainty_mm) == ("nasion", "by hand", 0.7)
    with pytest.raises(ValueError, match="read-only"):
        point.position[0] = 1


@pytest.mark.parametrize(
    ("name", "position", "uncertainty", "told"),
    [
        ("", (0, 0, 0), None, "printable name"),
        ("  ", (0, 0, 0), None, "printable name"),
        ("a\nb", (0, 0, 0), None, "printable name"),
        ("a\u202e", (0, 0, 0), None, "printable name"),
        ("a", (0, 0), None, "three finite numbers"),
        ("a", (0, 0, np.nan), None, "three finite numbers"),
        ("a", (0, 0, np.inf), None, "three finite numbers"),
        ("a", (0, 0, 0), 0.0, "not positive"),
        ("a", (0, 0, 0), float("nan"), "not positive"),
    ],
)
def test_what_is_no_landmark(name: str, position: tuple[float, ...], uncertainty: float | None, told: str) -> None:
    with pytest.raises(ValueError, match=told):
        Landmark(name, np.array(position), uncertainty_mm=uncertainty)


def test_a_point_set_is_a_list_by_name() -> None:
    points = PointSet.from_array([[1, 2, 3], [4, 5, 6]], prefix="M")
    assert [point.name for point in points] == ["M-1", "M-2"]
    np.testing.assert_array_equal(np.asarray(points), [[1, 2, 3], [4, 5, 6]])
    np.testing.assert_array_equal(points["M-2"].position, [4, 5, 6])
    assert len(points) == 2
    with pytest.raises(KeyError):
        points["M-3"]
    with pytest.raises(ValueError, match="two landmarks are named 'a'"):
        PointSet([Landmark("a", (0, 0, 0)), Landmark("a", (1, 1, 1))])


def test_an_empty_point_set_has_a_frame_and_no_positions() -> None:
    assert PointSet((), RAS).frame == RAS
    assert PointSet(()).positions.shape == (0, 3)
    assert (RAS_FROM_LPS @ PointSet(())).frame == RAS


def test_a_trajectory_knows_its_length_and_keeps_it() -> None:
    path = Trajectory("biopsy", (0, 0, 0), (3, 4, 12), avoid=["vessels"], margin_mm=3)  # type: ignore[arg-type]
    assert path.length_mm == 13
    assert path.avoid == ("vessels",)
    moved = RAS_FROM_LPS @ path
    assert (moved.frame, moved.length_mm) == (RAS, 13)
    np.testing.assert_array_equal(moved.target, [-3, -4, 12])


@pytest.mark.parametrize(
    ("name", "target", "margin", "told"),
    [
        ("t", (0, 0, 0), 0, "same point"),
        ("t", (0, 0, np.nan), 0, "t target"),
        ("t", (0, 0, 1), -1, "margin -1 mm is negative"),
        ("t", (0, 0, 1), float("inf"), "margin"),
        ("\n", (0, 0, 1), 0, "printable name"),
    ],
)
def test_what_is_no_trajectory(name: str, target: tuple[float, ...], margin: float, told: str) -> None:
    with pytest.raises(ValueError, match=told):
        Trajectory(name, np.zeros(3), np.array(target), LPS, (), margin)
