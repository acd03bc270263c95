"""Matching points by name, and by their distances alone."""

from __future__ import annotations

import numpy as np
import pytest

from surgplan.errors import BadInput
from surgplan.findings import Level
from surgplan.model.frames import LPS
from surgplan.model.points import Landmark, PointSet
from surgplan.navigation.pairing import find_pairings
from surgplan.navigation.pairs import normalised, pair_by_name
from tests.navigation.layouts import HEAD, SQUARE, TRACKER, named, seen, truth


@pytest.mark.parametrize(
    ("one", "other"),
    [("T01L", "T1-L"), ("left  Orbit", "Left_orbit"), ("F-1", "f1"), ("Élan", "elan"), ("#07", "7"), ("P-010", "p10")],
)
def test_spellings_of_one_name(one: str, other: str) -> None:
    assert normalised(one) == normalised(other)


@pytest.mark.parametrize(("one", "other"), [("T1L", "T1R"), ("T1", "T10"), ("α", "β"), ("T100", "T10")])
def test_different_names_stay_different(one: str, other: str) -> None:
    assert normalised(one) != normalised(other)


def test_points_are_paired_by_name_in_any_order() -> None:
    fixed = named(HEAD)
    moving = PointSet(reversed(seen(HEAD).landmarks))
    pairs, findings = pair_by_name(fixed, moving)
    assert pairs.names == tuple("ABCDEF")
    np.testing.assert_allclose(truth().apply(pairs.moving), pairs.fixed, atol=2.0)
    assert findings == ()


def test_what_did_not_match_is_listed() -> None:
    moving = PointSet([*seen(HEAD[:4]).landmarks, Landmark("nose", (0, 0, 0), TRACKER)])
    _, findings = pair_by_name(named(HEAD), moving)
    told = " ".join(finding.measured for finding in findings)
    assert "2 of 6 fixed points have no partner: E, F" in told
    assert "1 of 5 moving points have no partner: nose" in told


def test_names_that_differ_are_stated() -> None:
    moving = PointSet([Landmark(f"m{p.name}", p.position, TRACKER) for p in seen(HEAD)])
    pairs, _ = pair_by_name(named(HEAD), moving, stated=[("A", "mA"), ("C", "mC"), ("F", "mF")])
    assert pairs.names == ("A (mA)", "C (mC)", "F (mF)")


def test_a_different_spelling_is_told_with_its_cure() -> None:
    moving = PointSet([Landmark(f"{p.name.lower()}", p.position, TRACKER) for p in seen(HEAD)])
    with pytest.raises(BadInput, match="--match normalised"):
        pair_by_name(named(HEAD), moving)
    assert len(pair_by_name(named(HEAD), moving, "normalised")[0]) == 6


def test_two_points_of_one_normalised_name_are_refused() -> None:
    fixed = PointSet([Landmark("T1", (0, 0, 0)), Landmark("T01", (9, 0, 0)), *named(HEAD).landmarks])
    with pytest.raises(BadInput, match="same normalised name"):
        pair_by_name(fixed, seen(HEAD), "normalised")


def test_two_points_are_too_few() -> None:
    with pytest.raises(BadInput, match="2 points belong together: A, B, expected at least 3"):
        pair_by_name(named(HEAD[:2]), seen(HEAD[:2]))


def test_points_on_a_line_are_refused() -> None:
    line = np.outer(np.arange(4.0), [30.0, 10.0, 5.0])
    with pytest.raises(BadInput, match="lie on one line"):
        pair_by_name(named(line), seen(line, 0.01))


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize(("count", "shared", "strays"), [(3, 3, 0), (6, 6, 0), (10, 7, 3), (30, 24, 5)])
def test_pairs_are_found_by_distances_alone(count: int, shared: int, strays: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    fixed = rng.uniform(-90, 90, (count, 3))
    which = rng.permutation(count)[:shared]
    moving = truth().inverse().apply(fixed[which]) + rng.normal(0, 0.3, (shared, 3))
    moving = np.concatenate([moving, truth().inverse().apply(rng.uniform(-90, 90, (strays, 3)))])
    best = find_pairings(fixed, moving, 2.0)[0]
    assert best.couples >= {(int(f), m) for m, f in enumerate(which)}


def test_a_mirror_image_fits_nowhere() -> None:
    found = find_pairings(HEAD, HEAD * [-1, 1, 1], 2.0)
    assert all(len(each) < len(HEAD) for each in found)


def test_a_square_fits_in_four_ways() -> None:
    """Turned by quarters, and, being flat, turned over: eight pairings, all as good."""
    found = [each for each in find_pairings(SQUARE, SQUARE, 2.0) if len(each) == 4]
    assert len(found) == 8
    assert max(each.rms_mm for each in found) < 1e-9


def test_points_without_enough_in_common_are_told_as_none() -> None:
    assert find_pairings(HEAD, HEAD[:2], 2.0) == []
    assert find_pairings(np.eye(3) * 10, np.eye(3) * 300, 2.0) == []


def test_findings_are_graded_by_how_much_is_missing() -> None:
    few = PointSet(seen(HEAD).landmarks[:3])
    many = PointSet([Landmark(f"X{n}", (n, 0, 0), LPS) for n in range(9)])
    _, findings = pair_by_name(PointSet([*named(HEAD).landmarks, *many.landmarks]), few)
    assert [finding.level for finding in findings] == [Level.WARN]
