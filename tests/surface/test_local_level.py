"""The local half maximum on bodies whose neighbourhood differs from place to place."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import ndtr

from surgplan.model.labels import Label, LabelMap
from surgplan.model.volume import Grid, Modality, Volume
from surgplan.surface.fidelity import surface_samples
from surgplan.surface.stage import SurfaceParams, make_surfaces
from tests.surface.shapes import BONE, LEVEL, SOFT, scan, torus, torus_volume

AIR = -1000.0


def between_tissue_and_air(spacing: tuple[float, float, float]) -> tuple[Volume, LabelMap]:
    """A torus of bone, in soft tissue on its left and air on its right, cut half way between bone and soft tissue."""
    steps = np.array(spacing)
    size = np.ceil(64 / steps).astype(int)
    grid = Grid(tuple(size), steps, -(size - 1) / 2 * steps + [0.13, -0.21, 0.07])
    k, j, i = np.indices(grid.shape)
    points = grid.lps_from_ijk.apply(np.stack([i, j, k], axis=-1).reshape(-1, 3)).reshape(*grid.shape, 3)
    around = SOFT + (AIR - SOFT) * ndtr(points[..., 0] / 0.6)
    values = around + (BONE - around) * ndtr(torus()(points) / 0.6)
    noisy = np.rint(values + np.random.default_rng(1).normal(0, 20, grid.shape)).astype(np.int16)
    return Volume(grid, noisy, Modality.CT), LabelMap(
        grid, (noisy > LEVEL).astype(np.uint8), (Label(1, "body", level=LEVEL),)
    )


@pytest.mark.parametrize(
    ("spacing", "mean", "p95", "volume_share"),
    [((0.7, 0.7, 1.0), 0.05, 0.12, 0.006), ((0.5, 0.5, 2.0), 0.052, 0.15, 0.006)],
)
def test_bone_between_tissue_and_air_is_as_large_as_it_is(
    spacing: tuple[float, float, float], mean: float, p95: float, volume_share: float
) -> None:
    volume, labels = between_tissue_and_air(spacing)
    results = {
        boundary: make_surfaces(volume, labels, SurfaceParams(tolerance_mm=0.1, boundary=boundary))
        for boundary in ("level", "local-half-maximum")
    }
    away = {}
    for boundary, result in results.items():
        samples = surface_samples(result.surfaces[0], 20_000)
        beside_air = samples[:, 0] > 5
        away[boundary] = np.abs(torus()(samples[beside_air]))
        away[boundary, "all"] = np.abs(torus()(samples))
    assert away["level"].mean() > 0.3
    assert away["local-half-maximum"].mean() < away["level"].mean() / 5
    assert away["local-half-maximum", "all"].mean() <= mean
    assert np.percentile(away["local-half-maximum", "all"], 95) <= p95
    local = results["local-half-maximum"]
    assert local.surfaces[0].volume_mm3 == pytest.approx(torus_volume(), rel=volume_share)
    assert local.measures[0].topology.ok
    assert local.measures[0].certificate.verdict == "accepted"
    assert local.measures[0].level == LEVEL


@pytest.mark.parametrize(("spacing", "share"), [((0.7, 0.7, 1.0), 0.005), ((0.7, 0.7, 2.0), 0.007)])
def test_in_one_surrounding_it_is_the_one_level(spacing: tuple[float, float, float], share: float) -> None:
    """Between coarse slices too: there, a voxel beside the boundary is no deep one, though its next is 2 mm away."""
    volume, labels = scan(torus(), spacing)
    surface = make_surfaces(volume, labels, SurfaceParams(tolerance_mm=0.1, boundary="local-half-maximum")).surfaces[0]
    away = np.abs(torus()(surface_samples(surface, 20_000)))
    assert away.mean() <= 0.05
    assert surface.volume_mm3 == pytest.approx(torus_volume(), rel=share)


def test_voxels_that_were_filled_or_cut_stay() -> None:
    volume, labels = scan(torus(), (0.8, 0.8, 1.0))
    voxels = labels.array.copy()
    k, j, i = (size // 2 for size in labels.grid.shape)
    voxels[k - 1 : k + 2, j - 2 : j + 3, :i][volume.array[k - 1 : k + 2, j - 2 : j + 3, :i] > LEVEL] = 0
    cut = LabelMap(labels.grid, voxels, labels.labels)
    surface = make_surfaces(volume, cut, SurfaceParams(boundary="local-half-maximum")).surfaces[0]
    assert surface.volume_mm3 < 0.997 * torus_volume()
