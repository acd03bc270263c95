"""Coarse slices: the edge is found between them, and nothing changes where it is no such edge."""

from __future__ import annotations

import numpy as np
import pytest

from surgplan.model.volume import Volume
from surgplan.surface.blurred_edge import made_linear
from surgplan.surface.contour import contour
from surgplan.surface.fidelity import surface_samples
from surgplan.surface.stage import SurfaceParams, make_surfaces
from tests.surface.shapes import BONE, LEVEL, SOFT, scan, torus

COARSE = (0.5, 0.5, 2.0)


def test_between_coarse_slices_the_edge_is_found() -> None:
    volume, labels = scan(torus(), COARSE)
    plain = np.abs(torus()(surface_samples(contour(volume, labels, labels.labels[0]), 20_000)))
    linear = np.abs(torus()(surface_samples(contour(*made_linear(volume, labels, labels.labels[0])), 20_000)))
    assert linear.mean() < plain.mean() / 2
    assert np.percentile(linear, 95) < np.percentile(plain, 95) / 2


def test_every_voxel_stays_on_its_side() -> None:
    volume, labels = scan(torus(), COARSE)
    linear, cropped, label = made_linear(volume, labels, labels.labels[0])
    start = np.rint(labels.grid.ijk_from_lps.apply(linear.grid.origin[None])[0]).astype(int)[::-1]
    box = tuple(slice(at, at + size) for at, size in zip(start, linear.array.shape, strict=True))
    assert (np.sign(linear.array) == np.sign(volume.array[box] - LEVEL)).all()
    assert (cropped.array == labels.array[box]).all()
    assert label.level == 0


@pytest.mark.parametrize("why", ["fine", "no level", "one-sided", "dark"])
def test_what_is_no_such_edge_stays(why: str) -> None:
    volume, labels = scan(torus(), (1.0, 1.0, 1.0) if why == "fine" else (1.0, 1.0, 2.0))
    if why == "no level":
        labels = labels.with_level("body", None)
    if why == "one-sided":
        labels = labels.with_level("body", SOFT + 0.05 * (BONE - SOFT))
    if why == "dark":
        volume = Volume(volume.grid, (1080 - volume.array).astype(np.int16), volume.modality)
    found, _, label = made_linear(volume, labels, labels.labels[0])
    assert found is volume
    assert label is labels.labels[0]


def test_the_surface_keeps_the_level_that_was_asked_for() -> None:
    volume, labels = scan(torus(), (1.0, 1.0, 2.0))
    result = make_surfaces(volume, labels, SurfaceParams())
    assert result.surfaces[0].label == labels.labels[0]
    assert result.measures[0].level == result.measures[0].certificate.level == LEVEL
