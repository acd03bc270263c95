"""The markers of the example skull, against the positions that its scene was made from."""

from __future__ import annotations

import numpy as np
import pytest

from surgplan.examples.render import render, scan_grid
from surgplan.examples.scenes import skull
from surgplan.model.volume import Modality, Volume
from surgplan.navigation.fiducials import find_fiducials
from surgplan.navigation.stage import NavigationParams

LIMIT_MM = 0.15


def example(size: str) -> tuple[Volume, np.ndarray]:
    scene = skull()
    grid = scan_grid(scene, size)
    return Volume(grid, render(scene, grid, 7), Modality.CT, "1.2.3"), np.array(scene.truth["markers_mm"])


def errors(volume: Volume, truth: np.ndarray) -> np.ndarray:
    found, findings = find_fiducials(volume, NavigationParams())
    assert len(found) == len(truth), findings
    return np.asarray(np.linalg.norm(found.positions[:, None] - truth, axis=2).min(axis=1))


@pytest.fixture(scope="module")
def small() -> tuple[Volume, np.ndarray]:
    return example("small")


@pytest.mark.parametrize("more_noise_hu", [0, 20, 35])
def test_the_small_example(more_noise_hu: int, small: tuple[Volume, np.ndarray]) -> None:
    """Voxels of 1.8 mm; with the example's own noise of 20 HU, up to 40 HU in all."""
    volume, truth = small
    noise = np.random.default_rng(3).normal(0, more_noise_hu, volume.array.shape) if more_noise_hu else 0
    noisy = np.clip(volume.array + noise, -1024, 3071).astype(np.int16)
    assert errors(Volume(volume.grid, noisy, Modality.CT), truth).max() < LIMIT_MM


def test_every_other_voxel_s_worth_of_shift_changes_nothing(small: tuple[Volume, np.ndarray]) -> None:
    """Crops start at other voxels; what is measured must not depend on that."""
    volume, _ = small
    grid = volume.grid.cropped((3, 5, 2), np.array(volume.grid.size) - (7, 9, 4))
    part = Volume(grid, volume.array[2:-2, 5:-4, 3:-4], Modality.CT)
    whole, cropped = (find_fiducials(each, NavigationParams())[0] for each in (volume, part))
    np.testing.assert_allclose(cropped.positions, whole.positions, atol=1e-3)


@pytest.mark.slow
@pytest.mark.parametrize("size", ["full", "large"])
def test_the_example_at_full_size(size: str) -> None:
    volume, truth = example(size)
    assert errors(volume, truth).max() < 0.02
