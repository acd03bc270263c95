"""How sure a boundary is, on edges whose steepness is known."""

import numpy as np
import pytest

from surgplan.segment.certainty import FARTHEST_MM, certainty
from surgplan.segment.threshold import threshold
from tests.segment.shapes import grid, places, scan


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


def test_a_flat_place_is_told_as_the_farthest():
    where = grid((30, 30, 30))
    x, _, _ = places(where)
    flat = scan(where, np.broadcast_to(np.where(x > 0, 300, 299.6), where.shape))
    sure = certainty(flat, "it", threshold(flat, 300, 400), 300, 50)
    assert sure is None or sure.max_mm == FARTHEST_MM
