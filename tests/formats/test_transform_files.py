"""Transforms in every format, against ITK, numpy and themselves."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
from hypothesis import HealthCheck, given, settings

from surgplan.errors import BadInput, WrongUsage
from surgplan.formats.transform_files import ENDINGS, read_transform, write_transform
from surgplan.model.frames import LPS, Frame, Transform
from tests.property.strategies import affine_transforms

TRACKER = Frame("tracker", "room 2")


def example() -> Transform:
    matrix = np.eye(4)
    matrix[:3] = [[0, -1, 0, 10], [1, 0, 0, -20], [0, 0, 1, 30.5]]
    return Transform(LPS, TRACKER, matrix)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=25)
@given(transform=affine_transforms(LPS, TRACKER))
def test_every_format_gives_the_transform_back(transform: Transform, tmp_path: Path) -> None:
    for ending in ENDINGS:
        if ending != ".h5":
            comes_back(tmp_path / f"x{ending}", transform)


def test_hdf5_gives_the_transform_back(tmp_path: Path) -> None:
    """Once, for it is read in a process of its own."""
    comes_back(tmp_path / "x.h5", example(), LPS, TRACKER)


def comes_back(path: Path, transform: Transform, *frames: Frame) -> None:
    write_transform(path, transform)
    found = read_transform(path, *frames)
    assert (found.fixed, found.moving) == (LPS, TRACKER)
    np.testing.assert_allclose(found.matrix, transform.matrix, rtol=1e-7, atol=1e-7)


@pytest.mark.parametrize("ending", [".tfm", ".h5"])
def test_itk_files_hold_the_inverse_as_resampling_wants_it(ending: str, tmp_path: Path) -> None:
    path = tmp_path / f"x{ending}"
    write_transform(path, example())
    theirs = sitk.ReadTransform(str(path))
    assert theirs.TransformPoint((10.0, -20.0, 30.5)) == pytest.approx((0, 0, 0), abs=1e-9)


def test_text_and_json_hold_the_matrix_as_it_is(tmp_path: Path) -> None:
    write_transform(tmp_path / "x.txt", example(), ("a note",))
    np.testing.assert_array_equal(np.loadtxt(tmp_path / "x.txt"), example().matrix)
    assert "# a note" in (tmp_path / "x.txt").read_text("utf-8")
    write_transform(tmp_path / "x.json", example(), more={"verdict": "ready"})
    stored = json.loads((tmp_path / "x.json").read_text("utf-8"))
    assert stored["verdict"] == "ready"
    assert stored["fixed"] == {"name": "LPS", "scope": ""}
    assert stored["moving"] == {"name": "tracker", "scope": "room 2"}
    np.testing.assert_array_equal(stored["matrix"], example().matrix)


def test_frames_that_contradict_are_refused(tmp_path: Path) -> None:
    for ending in (".tfm", ".json", ".txt"):
        write_transform(tmp_path / f"x{ending}", example())
        with pytest.raises(BadInput, match="names LPS as its fixed frame"):
            read_transform(tmp_path / f"x{ending}", Frame("guide"))


def test_h5_without_frames_is_refused(tmp_path: Path) -> None:
    write_transform(tmp_path / "x.h5", example())
    with pytest.raises(BadInput, match="does not name its fixed frame"):
        read_transform(tmp_path / "x.h5")


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("x.h5", b"no"),
        ("x.h5", b"\x89HDF\r\n\x1a\nno"),
        ("x.txt", b"1 2 3\n"),
        ("x.json", b"[]"),
        ("x.json", b"{}"),
        ("x.txt", b"\xff\xfe"),
    ],
)
def test_broken_files_are_refused(name: str, data: bytes, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(data)
    with pytest.raises(BadInput):
        read_transform(tmp_path / name, LPS, TRACKER)


def test_a_matrix_that_mirrors_is_refused(tmp_path: Path) -> None:
    np.savetxt(tmp_path / "x.txt", np.diag([-1.0, 1.0, 1.0, 1.0]))
    with pytest.raises(BadInput, match="mirrors"):
        read_transform(tmp_path / "x.txt", LPS, TRACKER)


def test_another_ending_is_wrong_usage(tmp_path: Path) -> None:
    with pytest.raises(WrongUsage, match=r"ends in `\.mat`"):
        write_transform(tmp_path / "x.mat", example())


def test_a_damaged_hdf5_file_takes_nothing_with_it(tmp_path: Path) -> None:
    """Four bytes repeated 200 times at this place end the process of the library that reads them."""
    path = tmp_path / "x.h5"
    sitk.WriteTransform(sitk.AffineTransform((1, 0, 0, 0, 1, 0, 0, 0, 1), (10.0, 20.0, 30.0)), str(path))
    data = path.read_bytes()
    for at in (2102, 5812):
        path.write_bytes(data[:at] + data[at : at + 4] * 200 + data[at + 4 :])
        with pytest.raises(BadInput, match=r"x\.h5: cannot be read as an ITK transform"):
            read_transform(path, LPS, TRACKER)


def test_a_number_that_no_computer_holds_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "x.json"
    write_transform(path, example())
    path.write_text(path.read_text().replace("30.5", "1" + "0" * 400))
    with pytest.raises(BadInput, match=r"x\.json"):
        read_transform(path)
