"""Frames and transforms: what is right by definition, and what must not be possible."""

from __future__ import annotations

import numpy as np
import pytest

from surgplan.errors import FrameMismatch
from surgplan.model.frames import (
    IJK,
    LPS,
    LPS_FROM_RAS,
    PRINT,
    RAS,
    RAS_FROM_LPS,
    Frame,
    Transform,
    same_frame,
)
from surgplan.model.points import Landmark, PointSet, Trajectory

QUARTER_TURN = [[0, -1, 0, 10], [1, 0, 0, 20], [0, 0, 1, 30], [0, 0, 0, 1]]


def test_left_is_plus_x_in_lps_and_minus_x_in_ras() -> None:
    left_ear = Landmark("left ear", (70.0, 15.0, -30.0), LPS)
    np.testing.assert_array_equal((RAS_FROM_LPS @ left_ear).position, [-70.0, -15.0, -30.0])
    assert (RAS_FROM_LPS @ left_ear).frame == RAS


def test_ras_and_lps_differ_by_half_a_turn_not_by_a_mirror() -> None:
    assert np.linalg.det(RAS_FROM_LPS.linear) == pytest.approx(1.0)
    assert Transform.identity(LPS, LPS) == LPS_FROM_RAS @ RAS_FROM_LPS


def test_frames_are_told_apart_by_name_and_scope() -> None:
    assert Frame("tracker", "one") != Frame("tracker", "two")
    assert str(Frame("tracker", "one")) == "tracker (one)"
    for name, scope in (("", ""), ("a\nb", ""), ("tracker", "a\0b")):
        with pytest.raises(ValueError, match="printable"):
            Frame(name, scope)


def test_points_in_another_frame_are_refused() -> None:
    in_ras = PointSet([Landmark("a", (1, 2, 3), RAS)])
    with pytest.raises(FrameMismatch, match="PointSet: lies in RAS, expected LPS"):
        RAS_FROM_LPS @ in_ras
    with pytest.raises(FrameMismatch, match="lie in LPS and RAS"):
        PointSet([Landmark("a", (1, 2, 3), RAS), Landmark("b", (1, 2, 3), LPS)])
    with pytest.raises(FrameMismatch):
        RAS_FROM_LPS @ Trajectory("t", (0, 0, 0), (1, 1, 1), RAS)


def test_transforms_join_only_where_they_meet() -> None:
    print_from_lps = Transform(PRINT, LPS, QUARTER_TURN)
    assert (print_from_lps @ LPS_FROM_RAS).moving == RAS
    with pytest.raises(FrameMismatch, match="transform: leads to RAS, expected LPS"):
        print_from_lps @ RAS_FROM_LPS
    with pytest.raises(TypeError):
        print_from_lps @ [1, 2, 3]


def test_a_worked_transform() -> None:
    transform = Transform(PRINT, LPS, QUARTER_TURN)
    np.testing.assert_array_equal(transform.apply([1, 0, 0]), [10, 21, 30])
    np.testing.assert_array_equal(transform.apply([[1, 0, 0], [0, 2, 5]]), [[10, 21, 30], [8, 20, 35]])
    np.testing.assert_array_equal(transform.offset, [10, 20, 30])
    assert transform.is_rigid
    assert not Transform(PRINT, LPS, np.diag([2.0, 2.0, 2.0, 1.0])).is_rigid
    shift = Transform.translation(PRINT, LPS, (1, 2, 3))
    np.testing.assert_array_equal(shift.inverse().apply((1, 2, 3)), [0, 0, 0])


@pytest.mark.parametrize(
    ("matrix", "told"),
    [
        (np.eye(3), "4 × 4"),
        (np.diag([1, 1, 1, 2.0]), "last row"),
        (np.diag([1, np.nan, 1, 1.0]), "not finite"),
        (np.diag([1, np.inf, 1, 1.0]), "not finite"),
        (np.diag([1, 0, 1, 1.0]), "flattens"),
        (np.diag([-1, 1, 1, 1.0]), "left would become a right"),
        (np.diag([-1, -1, -1, 1.0]), "left would become a right"),
        ([[0, 1, 0, 0], [1, 0, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]], "left would become a right"),
        ([[1, 1, 0, 0], [1, 1 + 1e-9, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]], "flattens"),
    ],
)
def test_matrices_that_are_no_transform(matrix: np.ndarray, told: str) -> None:
    with pytest.raises(ValueError, match=told):
        Transform(RAS, LPS, matrix)


def test_nothing_can_be_changed_afterwards() -> None:
    given = np.eye(4)
    transform = Transform(PRINT, LPS, given)
    given[0, 3] = 99
    assert transform.offset[0] == 0
    with pytest.raises(ValueError, match="read-only"):
        transform.matrix[0, 3] = 1
    with pytest.raises(AttributeError):
        transform.fixed = IJK  # type: ignore[misc]
    with pytest.raises(TypeError):
        hash(transform)


def test_one_frame_for_all() -> None:
    assert same_frame(Landmark("a", (0, 0, 0)), PointSet(())) == LPS
    with pytest.raises(FrameMismatch, match="lie in none"):
        same_frame()
