"""Search of entries: on bodies where the best entry is known by geometry."""

from __future__ import annotations

import numpy as np
import pytest

from surgplan.errors import BadInput
from surgplan.navigation.search import SearchParams, clearances, search_entries
from tests.navigation.bodies import sphere

TARGET = np.array([0.0, 0, 10])
SKIN = sphere(60.0, fineness=5)


def test_the_best_entry_is_the_shortest_when_nothing_is_in_the_way() -> None:
    """The target lies above the middle: the nearest skin is straight above it, 50 mm away."""
    found = search_entries(TARGET, SKIN, {}, SearchParams(max_length_mm=200))
    assert found.best[0].length_mm == pytest.approx(50, abs=0.2)
    assert found.best[0].place[2] == pytest.approx(60, abs=0.2)
    assert found.counts["allowed"] == found.tried - found.counts["too long"] - found.counts["too oblique"]
    places = np.array([each.place for each in found.best])
    apart = np.linalg.norm(places[:, None] - places, axis=2) + 1e9 * np.eye(len(places))
    assert apart.min() >= 5


def test_clearances_are_those_of_a_ball_to_straight_lines() -> None:
    """A ball of 8 mm above the target: distance of a line to its centre, less its radius, by vector algebra."""
    ball, centre = sphere(8.0, (0, 0, 35), fineness=4), np.array([0.0, 0, 35])
    params = SearchParams(max_length_mm=200, margin_mm=2, diameter_mm=1.0, best=20, max_angle_deg=90)
    found = search_entries(TARGET, SKIN, {"ball": ball}, params)
    assert len(found.best) == 20
    for each in found.best:
        step = TARGET - each.place
        share = np.clip((centre - each.place) @ step / (step @ step), 0, 1)
        truth = np.linalg.norm(each.place + share * step - centre) - 8 - 0.5
        assert each.clearance_mm == pytest.approx(truth, abs=0.02)
        assert each.clearance_mm >= params.margin_mm
        assert each.nearest["ball"].inside_mm == 0


def test_sifting_agrees_with_exact_distances_and_drops_what_is_too_near() -> None:
    ball, centre = sphere(8.0, (0, 0, 35), fineness=3), np.array([0.0, 0, 35])
    rng = np.random.default_rng(3)
    places = rng.normal(size=(500, 3))
    places *= 60 / np.linalg.norm(places, axis=1)[:, None]
    about = clearances(TARGET, places, {"ball": ball}, 2.0, 12.0)
    steps = TARGET - places
    share = np.clip(((centre - places) * steps).sum(axis=1) / (steps**2).sum(axis=1), 0, 1)
    truth = np.linalg.norm(places + share[:, None] * steps - centre, axis=1) - 8
    assert not np.isneginf(about[truth > 2.1]).any()
    assert np.isneginf(about[truth < 1.9]).all()
    kept = (truth > 2.1) & (truth < 11.5)
    np.testing.assert_allclose(about[kept], truth[kept], atol=0.25)
    assert (about[truth > 12.2] == 12).all()


def test_a_target_within_what_is_to_be_avoided_is_refused() -> None:
    with pytest.raises(BadInput, match="within ball"):
        search_entries(TARGET, SKIN, {"ball": sphere(20.0, (0, 0, 10))}, SearchParams())
    with pytest.raises(BadInput, match=r"1.5\d mm from ball"):
        search_entries(TARGET, SKIN, {"ball": sphere(8.5, (0, 0, 20))}, SearchParams())
    with pytest.raises(BadInput, match="no part of it"):
        search_entries(TARGET, SKIN, {}, SearchParams(), np.array([500.0, 0, 0]), 10)


def test_a_patch_limits_where_entries_lie_and_reasons_are_counted() -> None:
    middle = np.array([60.0, 0, 0])
    found = search_entries(TARGET, SKIN, {}, SearchParams(max_angle_deg=5), middle, 20)
    places = np.array([each.place for each in found.best]).reshape(-1, 3)
    assert np.linalg.norm(places - middle, axis=1).max(initial=0) <= 22
    assert sum(found.counts.values()) == found.tried
    assert found.counts["too oblique"] > 0
