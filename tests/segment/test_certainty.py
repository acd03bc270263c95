"""How sure a boundary is, on edges whose steepness is known."""

import numpy as np
import pytest
from scipy.optimize import brentq
from scipy.special import erf

from surgplan.segment.certainty import FARTHEST_MM, certainty
from surgplan.segment.threshold import threshold
from tests.segment.shapes import ball, grid, places, scan


@pytest.mark.parametrize("spacing", [(1.0, 1.0, 1.0), (0.5, 0.8, 2.0)])
@pytest.mark.parametrize("steepness", [50.0, 200.0])
def test_a_ramp_of_known_steepness_moves_by_what_it_must(spacing, steepness):
    """Between 250 and 350 HU a ramp of s HU a millimetre has 100 / s millimetres, in any direction."""
    where = grid((60, 60, 30), spacing)
    x, y, z = places(where)
    ramp = scan(where, 300 + steepness * (0.6 * x + 0.8 * y) + 0 * z)
    sure = certainty(ramp, "it", threshold(ramp, 300, 32767), 300, 50)
    assert sure.median_mm == pytest.approx(100 / steepness, rel=0.03)
    assert sure.p95_mm == pytest.approx(100 / steepness, rel=0.05)


def blurred(r, radius, sigma):
    """Share of a ball that a Gaussian point spread leaves at a distance r from its middle, in closed form."""
    q = np.sqrt(2) * sigma
    both = np.exp(-(((radius - r) / q) ** 2)) - np.exp(-(((radius + r) / q) ** 2))
    return (erf((radius + r) / q) + erf((radius - r) / q)) / 2 - sigma / (r * np.sqrt(2 * np.pi)) * both


def apart(radius, sigma, low, high):
    """Distance of the spheres on which such a ball of 1000 in 0 has two intensities."""
    first, second = (
        brentq(lambda r, level=level: 1000 * blurred(r, radius, sigma) - level, 0.5, radius + 6)
        for level in (low, high)
    )
    return first - second


@pytest.mark.parametrize(
    ("spacing", "noise", "within"), [((0.5, 0.5, 0.5), 0, 0.03), ((1, 1, 1), 0, 0.05), ((0.7, 0.7, 1.5), 20, 0.08)]
)
def test_a_ball_seen_through_a_point_spread(spacing, noise, within):
    """The distance is a third of a voxel: voxels alone would tell nothing."""
    where = grid(tuple(int(36 / step) for step in spacing), spacing)
    x, y, z = places(where)
    r = np.sqrt(x * x + y * y + z * z) + 1e-9
    array = 1000 * blurred(r, 12.0, 1.0) + np.random.default_rng(0).normal(0, noise, r.shape)
    sure = certainty(scan(where, array), "it", threshold(scan(where, array), 500, 32767), 500, 50)
    assert sure.median_mm == pytest.approx(apart(12.0, 1.0, 450, 550), rel=within)
    assert sure.max_mm < 2 * apart(12.0, 1.0, 450, 550)


def test_a_wall_that_a_higher_threshold_loses_is_told_as_far_away():
    """A block of 1000 HU with a fin of 280 HU, 20 mm long: above 300 HU the fin is gone, and its tip moves by 20 mm."""
    where = grid((60, 40, 40))
    x, y, z = places(where)
    block, fin = (abs(x + 15) < 10) & (abs(y) < 10), (x > -6) & (x < 15) & (abs(y) < 2)
    plate = scan(where, np.where(block & (abs(z) < 10), 1000, np.where(fin & (abs(z) < 10), 280, 0)))
    sure = certainty(plate, "it", threshold(plate, 250, 32767), 250, 50)
    assert sure.median_mm < 1.0
    assert 17 < sure.max_mm <= 21  # the first-order estimate told 0.7 mm


def test_what_hangs_on_it_at_a_lower_threshold_is_told():
    """Beside a bone of 1000 HU lies, parted by a dark layer, a pool of 230 HU: a lower threshold floods it."""
    where = grid((60, 40, 40))
    x, y, z = places(where)
    bone, pool = (abs(x + 12) < 8) & (abs(y) < 8), (x > -5) & (x < 20) & (abs(y) < 8)
    both = scan(where, np.where(bone & (abs(z) < 8), 1000, np.where(pool & (abs(z) < 8), 230, 0)))
    sure = certainty(both, "it", threshold(both, 250, 32767), 250, 50)
    assert sure.max_mm > 5
    without = scan(where, np.where(bone & (abs(z) < 8), 1000, np.zeros(where.shape)))
    assert certainty(without, "it", threshold(without, 250, 32767), 250, 50).max_mm < 0.5


def test_where_closing_made_the_boundary_nothing_is_measured():
    """A ball of 20 HU that another method found: no threshold bounds it."""
    where = grid((40, 40, 40))
    soft = scan(where, np.where(ball(where, 10), 20, 0))
    assert certainty(soft, "it", threshold(soft, 10, 32767), 300, 50) is None


def test_a_large_structure_is_looked_at_in_slabs_and_tells_the_same():
    where = grid((260, 260, 150), (0.5, 0.5, 0.7))
    x, y, z = places(where)
    ramp = scan(where, np.clip(1000 - 100 * (np.sqrt(x * x + y * y) - 40) + 0 * z, -1000, 2000))
    sure = certainty(ramp, "it", threshold(ramp, 500, 32767), 500, 50)
    assert sure.median_mm == pytest.approx(1.0, rel=0.02)
    assert sure.places > 10_000


def test_a_flat_place_is_told_as_the_farthest():
    where = grid((30, 30, 30))
    x, _, _ = places(where)
    flat = scan(where, np.broadcast_to(np.where(x > 0, 300, 299.6), where.shape))
    sure = certainty(flat, "it", threshold(flat, 300, 400), 300, 50)
    assert sure is None or sure.max_mm == FARTHEST_MM
