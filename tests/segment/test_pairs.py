"""Structures of the two sides are held against each other by their volume."""

import pytest

from surgplan.findings import Level
from surgplan.model.labels import Label, LabelMap
from surgplan.segment.pairs import check_pairs
from tests.segment.shapes import ball, grid


def pair(left, right, names=("left femur", "right femur")):
    where = grid((80, 40, 40))
    array = ball(where, left, (20, 0, 0)) * 1 + ball(where, right, (-20, 0, 0)) * 2
    labels = tuple(Label(value, name, (200, 200, 200)) for value, name in enumerate(names, start=1))
    return LabelMap(where, array.astype("uint8"), labels)


def test_sides_that_differ_are_told_with_both_volumes():
    (told,) = check_pairs(pair(10.0, 15.0))
    assert (told.level, told.subject) == (Level.WARN, "left femur")
    words = told.measured.split()
    assert float(words[3]) == pytest.approx(4.19, rel=0.03)  # a ball of 10 mm
    assert float(words[7]) == pytest.approx(14.14, rel=0.03)


def test_alike_sides_and_others_are_not_told():
    assert not check_pairs(pair(14.5, 15.0))
    assert not check_pairs(pair(10.0, 15.0, ("left femur", "right hip")))
