"""Predicted errors against simulation, against the formula of 1998, and against a vector that is known by heart."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from surgplan.model.frames import LPS
from surgplan.navigation.accuracy import solve_pairs
from surgplan.navigation.fit import fit
from surgplan.navigation.pairs import Pairs
from surgplan.navigation.tre import best_next_point, error_model, sphere_of_candidates
from tests.navigation.layouts import HEAD, LAYOUTS, SQUARE, TRACKER

Array = NDArray[np.float64]
DRAWS = 10_000


def alike(count: int, sd: Array) -> tuple[Array, Array]:
    """Equal weights, and the covariance of pairs that all have these standard deviations."""
    return np.tile(np.eye(3), (count, 1, 1)), np.tile(np.diag(sd**2), (count, 1, 1))


def test_exact_points_have_no_error_to_expect() -> None:
    for degrees in (np.inf, 6.0):
        model = error_model(SQUARE, *alike(4, np.zeros(3)), degrees=degrees)
        np.testing.assert_array_equal(model.quantile(np.array([[0.0, 0, 0], [0, 0, 100]])), 0)


def test_the_known_vector() -> None:
    """Four fiducials, FLE² = 1 mm², a target at their centroid: TRE² = FLE² / 4."""
    model = error_model(SQUARE, *alike(4, np.full(3, np.sqrt(1 / 3))))
    assert model.rms(np.zeros((1, 3)))[0] ** 2 == pytest.approx(0.25, abs=1e-12)


def fitzpatrick(fiducials: Array, target: Array, fle: float) -> float:
    """Equation 46 of Fitzpatrick, West and Maurer 1998, by principal axes."""
    middle = fiducials.mean(axis=0)
    axes = np.linalg.svd(fiducials - middle)[2]
    total = 0.0
    for axis in axes:
        d = np.linalg.norm(np.cross(target - middle, axis))
        f = np.sqrt((np.linalg.norm(np.cross(fiducials - middle, axis), axis=1) ** 2).mean())
        total += d**2 / f**2 / 3
    return float(np.sqrt(fle**2 / len(fiducials) * (1 + total)))


@pytest.mark.parametrize("name", LAYOUTS)
def test_the_formula_of_1998(name: str) -> None:
    fiducials, targets = LAYOUTS[name]
    model = error_model(fiducials, *alike(len(fiducials), np.full(3, 0.8 / np.sqrt(3))))
    np.testing.assert_allclose(model.rms(targets), [fitzpatrick(fiducials, t, 0.8) for t in targets], rtol=1e-9)


ISOTROPIC, ANISOTROPIC = np.full(3, np.sqrt(1 / 3)), np.array([0.2, 0.2, 0.6])


@pytest.mark.parametrize("sd", [ISOTROPIC, ANISOTROPIC], ids=["isotropic", "anisotropic"])
@pytest.mark.parametrize("scaled", [False, True], ids=["rigid", "similarity"])
@pytest.mark.parametrize("name", LAYOUTS)
def test_prediction_agrees_with_simulation(name: str, scaled: bool, sd: Array) -> None:
    """10,000 draws: the root mean square within 2 %, and 95 of 100 errors below the 95 % bound."""
    fiducials, targets = LAYOUTS[name]
    rng = np.random.default_rng(11)
    drawn = fit(fiducials + rng.normal(0, 1, (DRAWS, *fiducials.shape)) * sd, fiducials, scaled=scaled)
    errors = np.linalg.norm(drawn.apply(targets) - targets, axis=2)
    model = error_model(fiducials, *alike(len(fiducials), sd), scaled)
    np.testing.assert_allclose(model.rms(targets), np.sqrt((errors**2).mean(axis=0)), rtol=0.02)
    np.testing.assert_allclose((errors < model.quantile(targets)).mean(axis=0), 0.95, atol=0.012)


def test_weights_and_unequal_errors_agree_with_simulation() -> None:
    fiducials, targets = LAYOUTS["head"]
    sd = np.array([0.2, 0.2, 0.3, 0.4, 0.8, 1.5])
    rng = np.random.default_rng(12)
    drawn = fit(fiducials + rng.normal(0, 1, (DRAWS, 6, 3)) * sd[:, None], fiducials, 1 / sd**2)
    errors = np.linalg.norm(drawn.apply(targets) - targets, axis=2)
    spread = sd[:, None, None] ** 2 * np.eye(3)
    model = error_model(fiducials, np.linalg.inv(spread), spread)
    np.testing.assert_allclose(model.rms(targets), np.sqrt((errors**2).mean(axis=0)), rtol=0.02)


@pytest.mark.parametrize("name", ["three", "head"])
def test_an_estimated_fle_still_bounds_95_of_100_errors(name: str) -> None:
    """With three fiducials the FLE is estimated from three numbers: the bound must be so much wider."""
    fiducials, targets = LAYOUTS[name]
    rng = np.random.default_rng(13)
    names = tuple("ABCDEF"[: len(fiducials)])
    below = []
    for _ in range(1000):
        pairs = Pairs(names, fiducials + rng.normal(0, 0.5, fiducials.shape), fiducials, LPS, TRACKER)
        solved = solve_pairs(pairs, False, False, None)
        error = np.linalg.norm(solved.fit.apply(targets) - targets, axis=1)
        below.append(error < solved.model(pairs).quantile(targets))
    np.testing.assert_allclose(np.mean(below, axis=0), 0.95, atol=0.025)


def test_the_fle_is_estimated_without_bias() -> None:
    rng = np.random.default_rng(14)
    squares, inside = [], []
    for _ in range(2000):
        pairs = Pairs(tuple("ABCDEF"), HEAD + rng.normal(0, 0.4, HEAD.shape), HEAD, LPS, TRACKER)
        fle = solve_pairs(pairs, False, False, None).fle
        squares.append(fle.rms_mm**2)
        inside.append(fle.low_mm < 0.4 * np.sqrt(3) < fle.high_mm)
    assert np.mean(squares) == pytest.approx(3 * 0.16, rel=0.03)
    assert np.mean(inside) == pytest.approx(0.95, abs=0.015)


def test_the_error_grows_with_distance_and_is_least_in_the_middle() -> None:
    model = error_model(HEAD, *alike(6, np.full(3, 0.3)))
    away = HEAD.mean(axis=0) + np.outer(np.arange(6) * 40.0, [0.6, 0.0, 0.8])
    assert (np.diff(model.rms(away)) > 0).all()


def test_one_more_point_does_what_was_promised() -> None:
    """The promised error is that of the arrangement with the point in it; no other candidate gives less."""
    targets = np.array([[28.0, 18.0, 24.0], [0.0, -80.0, -40.0]])
    spread = np.full(3, 0.3) ** 2
    precision = np.tile(np.diag(1 / spread), (6, 1, 1))
    candidates = sphere_of_candidates(HEAD.mean(axis=0), 90.0, 60)
    best = best_next_point(HEAD, precision, candidates, targets)
    assert best is not None

    def worst(fiducials: Array) -> float:
        return float(error_model(fiducials, *alike(len(fiducials), np.full(3, 0.3))).rms(targets).max())

    each = [worst(np.vstack([HEAD, candidate])) for candidate in candidates]
    assert best.tre_mm == pytest.approx(min(each), rel=1e-9)
    assert best.now_mm == pytest.approx(worst(HEAD), rel=1e-9)
    np.testing.assert_allclose(best.place, candidates[int(np.argmin(each))])
