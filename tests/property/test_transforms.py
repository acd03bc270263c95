"""Any transform, through a file and through ITK."""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose

from surgplan.formats.transforms import read_tfm, transform_file, write_tfm
from surgplan.model.frames import Frame, Transform
from surgplan.model.volume import Grid
from tests.property.strategies import Array, affine_transforms, frames, grids, positions, rigid_transforms


@given(rigid_transforms() | affine_transforms() | grids().map(lambda grid: grid.lps_from_ijk), positions)
def test_itk_leads_back_along_any_transform(transform: Transform, place: Array) -> None:
    import SimpleITK as sitk

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / transform_file(transform)
        write_tfm(path, transform)
        itk = sitk.ReadTransform(str(path))
        found = read_tfm(path)
    assert_allclose(itk.TransformPoint(transform.apply(place).tolist()), place, atol=1e-6)
    assert_allclose(found.apply(place), transform.apply(place), atol=1e-6)
    assert (found.fixed, found.moving) == (transform.fixed, transform.moving)


@given(frames, frames, rigid_transforms())
def test_any_frame_s_name_comes_back(fixed: Frame, moving: Frame, transform: Transform) -> None:
    with tempfile.TemporaryDirectory() as folder:
        named = Transform(fixed, moving, transform.matrix)
        path = Path(folder) / transform_file(named)
        assert path.parent == Path(folder)
        write_tfm(path, named)
        found = read_tfm(path, fixed, moving)
    assert (found.fixed, found.moving) == (fixed, moving)


@given(grids(), st.integers(0, 2))
def test_a_voxel_s_neighbour_is_one_spacing_away_for_itk_too(grid: Grid, axis: int) -> None:
    import SimpleITK as sitk

    image = sitk.Image(grid.size, sitk.sitkUInt8)
    image.SetSpacing(grid.spacing.tolist())
    image.SetOrigin(grid.origin.tolist())
    image.SetDirection(grid.direction.ravel().tolist())
    index = np.eye(3)[axis]
    assert_allclose(
        image.TransformContinuousIndexToPhysicalPoint(index.tolist()), grid.lps_from_ijk.apply(index), atol=1e-7
    )
