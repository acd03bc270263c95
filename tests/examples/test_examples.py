"""The examples are what they say: shapes against closed forms, DICOM against a validator, sides, same bytes."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest

from surgplan.errors import WrongUsage
from surgplan.examples import NAMES, write_example
from surgplan.examples.render import PSF_SIGMA_MM, render
from surgplan.examples.scenes import SCENES, Part, Scene
from surgplan.examples.shapes import ball, capsule, ellipsoid, slab, volume_mm3
from surgplan.model.volume import Grid
from tests.program import surgplan


@pytest.fixture(scope="module")
def skull(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("examples") / "skull"
    write_example("skull", folder, "small")
    return folder


@pytest.mark.parametrize(
    ("shape", "volume"),
    [
        (ball((3, 2, 1), 12), 4 / 3 * np.pi * 12**3),
        (ellipsoid((0, 1, 2), (20, 12, 9)), 4 / 3 * np.pi * 20 * 12 * 9),
        (capsule((0, 0, 0), (30, 10, 5), 6), np.pi * 36 * np.sqrt(1025) + 4 / 3 * np.pi * 216),
        (ball((0, 0, 0), 15) - ball((0, 0, 0), 10), 4 / 3 * np.pi * (15**3 - 10**3)),
        (ball((0, 0, 0), 15) & slab((0, 0, 0), (0, 0, 1), 6), np.pi * (225 * 6 - 2 * 27 / 3)),
    ],
)
def test_volumes_by_sampling_are_those_of_the_formulas(shape, volume: float) -> None:  # type: ignore[no-untyped-def]
    assert volume_mm3(shape, 0.5) == pytest.approx(volume, rel=1.5e-3)


def test_a_rendered_ball_is_a_ball_convolved_with_the_point_spread() -> None:
    """Against a brute-force convolution on a fine grid."""
    from scipy.ndimage import gaussian_filter

    radius, step = 2.5, 0.1
    axis = np.arange(-6, 6 + step / 2, step)
    x, y, z = np.meshgrid(axis, axis, axis, indexing="ij")
    fine = gaussian_filter((x**2 + y**2 + z**2 <= radius**2).astype(np.float64), PSF_SIGMA_MM / step)
    grid = Grid((13, 13, 13), (0.01,) * 3, (0, 0, 0))  # voxels so small that they add no blur
    part = Part("ball", ball((0, 0, 0), radius), 2000, ((0, 0, 0), radius))
    rendered = render(Scene("one", (part,), (0, 0, 0), (1, 1, 1)), grid, 0)
    centre = len(axis) // 2
    expected = -1000 + 3000 * fine[centre, centre, centre]
    assert rendered.mean() == pytest.approx(expected, abs=15)


@pytest.mark.parametrize("name", NAMES)
def test_every_example_is_valid_dicom(name: str, tmp_path: Path) -> None:
    checker = shutil.which("dciodvfy")
    if checker is None:
        pytest.skip("dciodvfy is not installed")
    paths = write_example(name, tmp_path / name, "small")
    for path in (paths[0], paths[60]):
        done = subprocess.run([checker, str(path)], capture_output=True, text=True, check=False)
        assert "Error" not in done.stderr + done.stdout, done.stderr


def test_the_same_seed_gives_the_same_bytes_and_another_does_not(skull: Path, tmp_path: Path) -> None:
    write_example("skull", tmp_path / "again", "small")
    write_example("skull", tmp_path / "other", "small", seed=5)
    for name in ("IM0001.dcm", "IM0077.dcm"):
        assert (tmp_path / "again" / "dicom" / name).read_bytes() == (skull / "dicom" / name).read_bytes()
        assert (tmp_path / "other" / "dicom" / name).read_bytes() != (skull / "dicom" / name).read_bytes()


def test_the_tumour_is_on_the_left_where_simpleitk_sees_it(skull: Path) -> None:
    import SimpleITK as sitk

    names = sitk.ImageSeriesReader.GetGDCMSeriesFileNames(str(skull / "dicom"))
    image = sitk.ReadImage(names)
    truth = json.loads((skull / "truth.json").read_text())
    x, y, z = truth["tumour"]["centre_mm"]
    assert x > 0, "left is positive in LPS"
    here = sitk.GetArrayFromImage(image)
    for place, bright in (((x, y, z), True), ((-x, y, z), False)):
        i, j, k = image.TransformPhysicalPointToIndex(place)
        assert bool(here[k - 1 : k + 2, j - 1 : j + 2, i - 1 : i + 2].mean() > 120) is bright


def test_file_names_do_not_follow_instance_numbers(skull: Path) -> None:
    import pydicom

    first, last = (pydicom.dcmread(skull / "dicom" / name) for name in ("IM0001.dcm", "IM0120.dcm"))
    assert first.InstanceNumber > last.InstanceNumber


def test_no_marker_is_the_mirror_image_of_another() -> None:
    places = np.array(SCENES["skull"]().truth["markers_mm"])
    mirrored = places * [-1, 1, 1]
    apart = np.linalg.norm(places[:, None] - mirrored[None], axis=2)
    assert apart.min() > 5


def test_unknown_names_are_refused(tmp_path: Path) -> None:
    with pytest.raises(WrongUsage, match="Did you mean `skull`"):
        write_example("skul", tmp_path)
    with pytest.raises(WrongUsage, match="size"):
        write_example("skull", tmp_path, "huge")


@pytest.mark.parametrize("name", NAMES)
def test_every_example_runs_and_comes_near_its_truth(name: str, tmp_path: Path) -> None:
    """At the small size voxels are as large as walls and branches: volumes within 9 %, markers within 0.2 mm."""
    assert surgplan("example", name, "--size", "small", "-o", tmp_path / name).code == 0
    ended = surgplan("run", tmp_path / name / "case.toml", "-o", tmp_path / "case", "--json")
    assert ended.code == 0, ended.err
    truth = json.loads((tmp_path / name / "truth.json").read_text())
    for told in ended.json["structures"]:
        assert told["volume_mm3"] == pytest.approx(truth["volumes_mm3"][told["name"]], rel=0.09), told["name"]
        assert told["topology"]["watertight"]
    plan = json.loads((tmp_path / "case" / "navigation" / "plan.json").read_text())
    markers = np.array(truth.get("markers_mm", np.empty((0, 3)))).reshape(-1, 3)
    found = np.array([each["position_mm"] for each in plan["fiducials"]]).reshape(-1, 3)
    assert len(found) == len(markers)
    for place in markers:
        assert np.linalg.norm(found - place, axis=1).min() < 0.2
