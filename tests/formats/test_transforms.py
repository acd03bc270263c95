"""`.tfm` files: what ITK understands of them, and what is refused."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from surgplan.errors import BadInput
from surgplan.formats.transforms import LARGEST_FILE, read_tfm, transform_file, write_tfm
from surgplan.model.frames import IJK, LPS, LPS_FROM_RAS, PRINT, RAS, Frame, Transform
from surgplan.model.volume import Grid

TURNED = np.array([[0.0, -1.0, 0.0, 12.5], [1.0, 0.0, 0.0, -3.25], [0.0, 0.0, 1.0, 40.0], [0.0, 0.0, 0.0, 1.0]])
PLACES = [[0.0, 0.0, 0.0], [10.0, -20.0, 30.0], [-81.3, 44.2, 913.7]]


def tfm(text: str, folder: Path, name: str = "some.tfm") -> Path:
    path = folder / name
    path.write_text(text, "utf-8")
    return path


def itk(
    kind: str = "AffineTransform_double_3_3", parameters: str = "1 0 0 0 1 0 0 0 1 5 6 7", fixed: str = "0 0 0"
) -> str:
    lines = ("#Insight Transform File V1.0", "#Transform 0", f"Transform: {kind}", f"Parameters: {parameters}")
    return "\n".join((*lines, f"FixedParameters: {fixed}\n"))


@pytest.mark.parametrize(
    "transform",
    [
        Transform(PRINT, LPS, TURNED),
        Transform(PRINT, LPS, TURNED * np.array([[0.5], [0.5], [0.5], [1.0]])),
        LPS_FROM_RAS,
        Grid(
            (9, 8, 7), (0.7, 0.8, 2.5), (-100.0, 20.5, 713.0), np.array([[0, 0, 1], [1, 0, 0], [0, 1, 0]])
        ).lps_from_ijk,
    ],
    ids=["rigid", "scaled", "lps_from_ras", "lps_from_ijk"],
)
def test_itk_carries_points_from_fixed_to_moving(transform: Transform, tmp_path: Path) -> None:
    import SimpleITK as sitk

    path = tmp_path / transform_file(transform)
    write_tfm(path, transform)
    read = sitk.ReadTransform(str(path))
    for place in PLACES:
        back = read.TransformPoint(transform.apply(place).tolist())
        np.testing.assert_allclose(back, place, atol=1e-9)


def test_resampling_with_the_file_brings_an_image_to_the_fixed_frame(tmp_path: Path) -> None:
    """The convention told by what resampling does: the bright voxel ends where the point transform puts it."""
    import SimpleITK as sitk

    shift = Transform.translation(PRINT, LPS, (4.0, 2.0, -3.0))
    write_tfm(tmp_path / "print_from_lps.tfm", shift)
    moving = sitk.Image((20, 20, 20), sitk.sitkUInt8)
    moving[6, 7, 8] = 200
    there = sitk.Resample(moving, moving, sitk.ReadTransform(str(tmp_path / "print_from_lps.tfm")))
    k, j, i = np.argwhere(sitk.GetArrayFromImage(there) == 200)[0]
    assert (i, j, k) == tuple(shift.apply((6, 7, 8)))


def test_a_file_of_ours_names_its_frames(tmp_path: Path) -> None:
    tracker = Frame("optical tracker", "Gerät 7: \\n")
    transform = Transform(tracker, LPS, TURNED)
    path = tmp_path / transform_file(transform)
    assert path.name == "optical_tracker_from_lps.tfm"
    write_tfm(path, transform)
    found = read_tfm(path)
    assert (found.fixed, found.moving) == (tracker, LPS)
    np.testing.assert_allclose(found.matrix, transform.matrix, atol=1e-9)
    with pytest.raises(BadInput, match="names optical tracker"):
        read_tfm(path, RAS, LPS)


def test_the_same_transform_gives_the_same_bytes_and_no_negative_zero(tmp_path: Path) -> None:
    one, other = (write_tfm(tmp_path / name, LPS_FROM_RAS) for name in ("a.tfm", "b.tfm"))
    assert one.sha256 == other.sha256
    assert "-0.0" not in one.path.read_text()


def test_a_foreign_file_is_read_with_its_centre(tmp_path: Path) -> None:
    import SimpleITK as sitk

    foreign = sitk.AffineTransform(3)
    foreign.SetCenter((5.0, 6.0, 7.0))
    foreign.Rotate(0, 1, 0.3)
    foreign.SetTranslation((1.0, 2.0, 3.0))
    sitk.WriteTransform(foreign, str(tmp_path / "foreign.tfm"))
    with pytest.raises(BadInput, match="does not name its fixed frame"):
        read_tfm(tmp_path / "foreign.tfm")
    found = read_tfm(tmp_path / "foreign.tfm", Frame("second scan"), LPS)
    for place in PLACES:
        np.testing.assert_allclose(found.apply(foreign.TransformPoint(place)), place, atol=1e-9)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "does not begin"),
        ("solid cube\n", "does not begin"),
        ("#Insight Transform File V1.0\n", "no transform"),
        (itk("Euler3DTransform_double_3_3"), "Euler3DTransform"),
        (itk("AffineTransform_double_2_2", "1 0 0 1 5 6", "0 0"), "2_2"),
        (itk() + itk(), "AffineTransform_double_3_3, AffineTransform"),
        (itk(parameters="1 0 0 0 1 0 0 0 1 5"), "has 10 parameters"),
        (itk(parameters="1 0 0 0 1 0 0 0 1 5 6 inches"), "could not convert"),
        (itk(parameters="1 0 0 0 1 0 0 0 1 nan 6 7"), "not finite"),
        (itk(parameters="1 0 0 0 1 0 0 0 0 5 6 7"), "flattens"),
        (itk(parameters="-1 0 0 0 1 0 0 0 1 5 6 7"), "left would become a right"),
        (itk(fixed="0 0"), "2 fixed ones"),
        (itk().replace("#Transform 0", "#surgplan {"), "Expecting"),
        (itk().replace("#Transform 0", '#surgplan {"fixed": {"name": "A\\nB"}}'), "printable name"),
    ],
)
def test_what_is_no_affine_transform_is_refused_by_name(text: str, told: str, tmp_path: Path) -> None:
    path = tfm(text, tmp_path)
    with pytest.raises(BadInput, match=told) as caught:
        read_tfm(path, PRINT, LPS)
    assert "some.tfm" in caught.value.message


def test_files_that_are_no_text_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "x.tfm"
    path.write_bytes(b"\xff\xfe\x00\x01")
    with pytest.raises(BadInput, match="cannot be read as text"):
        read_tfm(path, PRINT, LPS)
    path.write_bytes(b"#" * (LARGEST_FILE + 1))
    with pytest.raises(BadInput, match="bytes"):
        read_tfm(path, PRINT, LPS)
    with pytest.raises(BadInput):
        read_tfm(tmp_path / "missing.tfm", PRINT, LPS)


@pytest.mark.parametrize("note", ["[1, 2]", '{"fixed": 3}', "null"])
def test_a_comment_that_names_no_frames_does_no_harm(note: str, tmp_path: Path) -> None:
    path = tfm(itk().replace("#Transform 0", f"#surgplan {note}"), tmp_path)
    assert read_tfm(path, PRINT, IJK).fixed == PRINT


def test_a_comment_that_is_nested_too_deep_is_refused(tmp_path: Path) -> None:
    path = tfm(itk().replace("#Transform 0", "#surgplan " + "[" * 100_000), tmp_path)
    with pytest.raises(BadInput, match=r"some\.tfm.*too deep"):
        read_tfm(path, PRINT, IJK)
