"""Networks on whole scans. Truth: the same filter and threshold done directly, by scipy, on the whole scan."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.ndimage import convolve, zoom

from surgplan.errors import BadInput
from surgplan.findings import Level
from surgplan.formats.models import open_model, read_model
from surgplan.model.volume import Grid, Modality, Volume
from surgplan.segment.networks.predict import Plan, predict
from tests.networks import gaussian_kernel, model_folder
from tests.segment.shapes import blurred_ball, grid

pytest.importorskip("onnxruntime")
ANGLE = np.radians(25)
OBLIQUE = np.array([[np.cos(ANGLE), -np.sin(ANGLE), 0], [np.sin(ANGLE), np.cos(ANGLE), 0], [0, 0, 1]])
PIR = np.array([[0, 0, -1], [1, 0, 0], [0, -1, 0]], float)
BANDS = [{"value": 1, "name": "soft"}, {"value": 2, "name": "bone"}]


def run(folder, volume, wanted=("bone",)):
    model = read_model(folder)
    masks, findings = predict(volume, model.card, open_model(model, 2), frozenset(wanted))
    found = {}
    for name, mask in masks.items():
        whole = np.zeros(volume.grid.shape, bool)
        whole[tuple(slice(a, a + n) for a, n in zip(mask.start, mask.array.shape, strict=True))] = mask.array
        found[name] = whole
    return found, findings


def noise(size, spacing=(1.0, 1.0, 1.0), direction=None, seed=0):
    where = grid(size, spacing, np.eye(3) if direction is None else direction)
    random = np.random.default_rng(seed)
    return Volume(where, random.integers(-1000, 1500, where.shape).astype(np.int16), Modality.CT)


@pytest.mark.parametrize("output", ["softmax", "sigmoid", "argmax"])
@pytest.mark.parametrize("size", [(16, 16, 16), (37, 23, 41), (5, 60, 9), (1, 1, 1)])
def test_a_threshold_is_the_same_to_the_last_voxel(tmp_path, output, size):
    volume = noise(size)
    folder = model_folder(tmp_path / "m", (200.5, 700.5), output={"kind": output}, label=BANDS)
    found, _ = run(folder, volume, ("soft", "bone"))
    above = volume.array > 200
    np.testing.assert_array_equal(found["bone"], volume.array > 700)
    np.testing.assert_array_equal(found["soft"], above if output == "sigmoid" else above & (volume.array <= 700))


@pytest.mark.parametrize("direction", [np.eye(3), PIR, OBLIQUE, np.diag([-1.0, -1.0, 1.0])])
@pytest.mark.parametrize("code", ["RAS", "SAR", "LPI"])
def test_every_orientation_lands_on_the_scans_own_voxels(tmp_path, direction, code):
    volume = noise((21, 30, 18), direction=direction)
    folder = model_folder(tmp_path / "m", input={"orientation": code, "patch": [8, 16, 12], "overlap": 0.25})
    np.testing.assert_array_equal(run(folder, volume)[0]["bone"], volume.array > 200)


def test_an_uneven_kernel_tells_the_axes_apart(tmp_path):
    """A filter that looks one voxel to the left must look to the patient's left, however the scan lies."""
    kernel = np.zeros((3, 3, 3), np.float32)
    kernel[0, 1, 1] = 1  # ONNX correlates: the value one step before, along the network's first axis, which grows to R
    folder = model_folder(tmp_path / "m", kernel=kernel, input={"patch": [64, 64, 64]})
    for direction in (np.eye(3), PIR):
        volume = noise((20, 20, 20), direction=direction)
        ijk = np.argwhere(run(folder, volume)[0]["bone"])[:, ::-1]
        left = ijk + np.rint(np.linalg.inv(direction) @ (1, 0, 0)).astype(int)  # LPS: +x is left
        inside = ((left >= 0) & (left < 20)).all(axis=1)
        assert inside.sum() > 1000
        assert (volume.array[tuple(left[inside].T[::-1])] > 200).all()


def test_a_gaussian_filter_by_patches_is_the_filter_on_the_whole_scan(tmp_path):
    volume = blurred_ball(grid((70, 60, 50), (1, 1, 1)), 18, 1000, 0, blur=1.0, noise=60)
    kernel = gaussian_kernel(2, 1.0)
    folder = model_folder(tmp_path / "m", (500.0,), kernel, input={"patch": [32, 24, 40]})
    found, (told,) = run(folder, volume)
    direct = convolve(volume.array.astype(np.float32), kernel, mode="constant") > 500
    different = np.count_nonzero(found["bone"] ^ direct)
    assert different < 0.001 * np.count_nonzero(direct)
    patches = Plan.of(volume, read_model(folder).card).patches
    assert f"{patches} patches of 32 × 24 × 40 at 1 × 1 × 1 mm" in told.measured
    assert told.level is Level.NOTE


@pytest.mark.parametrize("spacing", [(0.7, 0.7, 2.5), (2.0, 1.1, 0.6)])
@pytest.mark.parametrize("direction", [np.eye(3), OBLIQUE])
def test_another_spacing_is_resampled_there_and_back(tmp_path, spacing, direction):
    size = np.rint(40 / np.array(spacing)).astype(int)
    where = grid(size, spacing, direction)
    volume = blurred_ball(where, 12, 1000, 0, blur=1.0, noise=30)
    folder = model_folder(tmp_path / "m", (500.0,), input={"orientation": "SPL", "spacing_mm": [1.5, 1.5, 1.5]})
    found, _ = run(folder, volume)
    # directly: zoom of pixels that have an extent; threshold minus value is what comes back
    there = [max(1, round(n * s / 1.5)) for n, s in zip(where.shape, where.spacing[::-1], strict=True)]
    scaled = zoom(volume.array.astype(float), np.array(there) / where.shape, order=1, grid_mode=True, mode="nearest")
    logit = zoom(scaled - 500, np.array(where.shape) / scaled.shape, order=1, grid_mode=True, mode="nearest")
    assert np.count_nonzero(found["bone"] ^ (logit > 0)) < 5
    volume_mm3 = np.count_nonzero(found["bone"]) * where.voxel_volume_mm3
    assert volume_mm3 == pytest.approx(4 / 3 * np.pi * 12**3, rel=0.06)


def test_scaling_before_and_after_resampling_differ_where_it_clips(tmp_path):
    volume = noise((24, 24, 12), (1, 1, 2))
    how = {"kind": "range", "a_min": 0, "a_max": 400, "clip": True}
    found = []
    for first in (True, False):
        folder = model_folder(tmp_path / str(first), (0.6,), intensity=how, input={"normalise_first": first})
        found.append(run(folder, volume)[0]["bone"])
    assert found[0].any()
    assert (found[0] != found[1]).any()


def test_the_same_scan_gives_the_same_mask(tmp_path):
    volume = noise((40, 33, 29))
    folder = model_folder(tmp_path / "m", (100.0,), gaussian_kernel(2, 1.0))
    first, second = (run(folder, volume)[0]["bone"] for _ in range(2))
    np.testing.assert_array_equal(first, second)


def test_values_that_no_label_has_are_refused(tmp_path):
    folder = model_folder(
        tmp_path / "m", (200.0, 700.0), output={"kind": "argmax"}, label=[{"value": 1, "name": "soft"}]
    )
    with pytest.raises(BadInput, match=r"gives the values \[2\]"):
        run(folder, noise((20, 20, 20)), ("soft",))


def test_an_mr_scan_is_refused_by_a_ct_network_and_an_unknown_one_is_told(tmp_path):
    folder = model_folder(tmp_path / "m")
    scan = noise((20, 20, 20))
    with pytest.raises(BadInput, match="is MR, and the network bone-net is for CT"):
        run(folder, Volume(scan.grid, scan.array, Modality.MR))
    _, findings = run(folder, Volume(scan.grid, scan.array, Modality.OTHER))
    assert [finding.check for finding in findings] == ["network's modality", "network"]


def test_thick_slices_are_told(tmp_path):
    _, findings = run(model_folder(tmp_path / "m"), noise((20, 20, 8), (1, 1, 6)))
    assert "6.0 times" in findings[0].measured


def test_memory_grows_with_the_patch_and_not_with_the_length_of_the_scan(tmp_path):
    labels = [{"value": n + 1, "name": f"l{n}"} for n in range(60)]
    tables = {"label": labels, "input": {"patch": [64, 64, 64], "orientation": "SAR"}}
    card = read_model(model_folder(tmp_path / "m", **tables)).card
    short, long = (
        Plan.of(Volume(Grid((200, 200, n), (1, 1, 1), (0, 0, 0)), np.zeros((n, 200, 200), np.int16)), card)
        for n in (200, 800)
    )
    whole = 4 * 61 * 800 * 200 * 200
    assert long.memory < whole / 3
    assert long.memory - short.memory < 0.05 * whole
