"""Slices of real scans: organs whose sides everybody knows."""

from __future__ import annotations

import numpy as np
import pytest

from surgplan.formats.images import read_image
from surgplan.model.labels import Label, LabelMap
from surgplan.report.slices import PIXELS, slice_pictures
from surgplan.surface.stage import SurfaceParams, make_surfaces
from tests.report.pixels import letter_at, opened


@pytest.mark.parametrize(("organ", "side"), [("liver", "left"), ("hip_left", "right"), ("kidney_right", "left")])
def test_organs_lie_on_their_side_of_an_axial_slice(test_data, organ, side):
    """The liver is on the patient's right, which radiologists look at from the feet: at the picture's left."""
    folder = test_data / "ct_pelvis_3mm"
    volume, _ = read_image(folder / "example_ct.nii.gz")
    mask, _ = read_image(folder / "masks" / f"{organ}.nii.gz")
    labels = LabelMap(volume.grid, (mask.array > 0).astype(np.uint8), (Label(1, organ, (220, 30, 30)),))
    surfaces = make_surfaces(None, labels, SurfaceParams()).surfaces
    axial = next(slice_pictures(volume, labels, surfaces, 1))
    picture = opened(axial.png)
    assert letter_at(picture, "left") == "R"
    red = picture[:, :, 0] - picture[:, :, 1] > 90
    assert red.sum() > 100
    # the picture is centred on the organ: the middle of the body, bright, lies on the other side of it
    body = picture.mean(axis=2) > 60
    away = np.nonzero(body)[1].mean() - np.nonzero(red)[1].mean()
    assert (away > 0) == (side == "left"), f"{away:.0f} of {PIXELS} pixels"
