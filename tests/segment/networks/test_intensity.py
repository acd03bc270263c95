"""Scaling of intensities. Truth: the numbers that nnU-Net's and MONAI's own formulas give, worked out by hand."""

from __future__ import annotations

import numpy as np
import pytest
from pydantic import TypeAdapter

from surgplan.formats.model_card import Intensity
from surgplan.segment.networks.intensity import scaled

SCAN = np.array([-1000, -200, 0, 100, 300, 3000], np.int16).reshape(1, 2, 3)


@pytest.mark.parametrize(
    ("how", "wanted"),
    [
        ({"kind": "none"}, [-1000, -200, 0, 100, 300, 3000]),
        # clip to -200 … 300, less 50, by 250
        ({"kind": "ct", "low": -200, "high": 300, "mean": 50, "std": 250}, [-1, -1, -0.2, 0.2, 1, 1]),
        ({"kind": "shift", "subtrahend": 100, "divisor": 200}, [-5.5, -1.5, -0.5, 0, 1, 14.5]),
        ({"kind": "range", "a_min": -200, "a_max": 300}, [-1.6, 0, 0.4, 0.6, 1, 6.4]),
        ({"kind": "range", "a_min": -200, "a_max": 300, "clip": True}, [0, 0, 0.4, 0.6, 1, 1]),
        (
            {"kind": "range", "a_min": -200, "a_max": 300, "b_min": -1, "b_max": 1, "clip": True},
            [-1, -1, -0.2, 0.2, 1, 1],
        ),
    ],
)
def test_intensities_are_scaled_as_defined(how, wanted):
    found = scaled(SCAN, TypeAdapter(Intensity).validate_python(how))
    assert found.dtype == np.float32
    np.testing.assert_allclose(found.ravel(), wanted, rtol=1e-6, atol=1e-7)
    assert SCAN[0, 0, 0] == -1000


def test_z_score_has_mean_zero_and_deviation_one():
    scan = np.random.default_rng(0).normal(120, 30, (20, 21, 22)).astype(np.float32)
    found = scaled(scan, TypeAdapter(Intensity).validate_python({"kind": "z-score"}))
    assert (found.mean(), found.std()) == (pytest.approx(0, abs=1e-5), pytest.approx(1, abs=1e-5))


def test_z_score_of_what_is_not_zero_leaves_zeros_alone():
    scan = np.array([0, 0, 2, 4, 6], np.float32).reshape(1, 1, 5)
    found = scaled(scan, TypeAdapter(Intensity).validate_python({"kind": "z-score", "nonzero": True}))
    np.testing.assert_allclose(found.ravel(), [0, 0, -1.2247449, 0, 1.2247449], rtol=1e-6)
    empty = scaled(np.zeros((2, 2, 2), np.int16), TypeAdapter(Intensity).validate_python({"kind": "z-score"}))
    assert not empty.any()
