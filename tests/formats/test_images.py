"""NIfTI, NRRD and MetaImage: voxels stay where the file places them; damaged files are refused. Truth: SimpleITK."""

from __future__ import annotations

import gzip
import re
import struct
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk

from surgplan.errors import BadInput, SurgplanError
from surgplan.findings import Level
from surgplan.formats import nrrd
from surgplan.formats.images import read_image, read_volume, write_volume
from surgplan.formats.nifti import V1, V2
from surgplan.formats.nrrd import header_text
from surgplan.model.volume import Grid, Modality, Volume

NAMES = ("scan.nrrd", "scan.nhdr", "scan.mha", "scan.mhd", "scan.nii", "scan.nii.gz")
TYPES = ("uint8", "int8", "uint16", "int16", "uint32", "int32", "int64", "float32", "float64")


def image_of(kind: str = "int16", size: tuple[int, int, int] = (5, 6, 7)) -> sitk.Image:
    rng = np.random.default_rng(3)
    array = rng.integers(0, 100, size[::-1]).astype(kind)
    if np.dtype(kind).kind == "f":
        array += 0.25
    image = sitk.GetImageFromArray(array)
    image.SetSpacing((0.5, 0.7, 1.3))
    image.SetOrigin((-10.5, 20.25, 30.125))
    return image


def written(path: Path, image: sitk.Image, compressed: bool = False) -> Path:
    sitk.WriteImage(image, str(path), useCompression=compressed)
    return path


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("kind", TYPES)
def test_every_type_and_format_keeps_its_values_and_places(tmp_path: Path, name: str, kind: str) -> None:
    image = image_of(kind)
    if name.startswith("scan.nii") and kind == "int64":
        pytest.skip("ITK writes no 64-bit NIfTI that its own reader takes")
    volume, findings = read_image(written(tmp_path / name, image))
    assert findings == ()
    assert volume.grid.size == image.GetSize()
    np.testing.assert_allclose(volume.grid.spacing, image.GetSpacing(), atol=1e-6)
    np.testing.assert_allclose(volume.grid.origin, image.GetOrigin(), atol=1e-5)
    np.testing.assert_array_equal(volume.array, sitk.GetArrayViewFromImage(image))
    assert volume.modality is Modality.OTHER


@pytest.mark.parametrize("name", ["scan.nrrd", "scan.mha", "scan.nii.gz"])
def test_compressed_files(tmp_path: Path, name: str) -> None:
    image = image_of(size=(40, 50, 60))
    volume, _ = read_image(written(tmp_path / name, image, compressed=True))
    np.testing.assert_array_equal(volume.array, sitk.GetArrayViewFromImage(image))


def test_whole_numbers_are_kept_as_int16_where_they_fit(tmp_path: Path) -> None:
    for kind, low, high, expected in (
        ("int32", -1024, 3071, "int16"),
        ("float64", -1024, 3071, "int16"),
        ("uint16", 0, 65535, "uint16"),
        ("int64", 0, 2**31 - 1, "int32"),
        ("float32", -0.5, 0.5, "float32"),
    ):
        array = np.full((3, 4, 5), low).astype(kind)
        array[1, 1, 1] = high
        volume, _ = read_image(written(tmp_path / "scan.nrrd", sitk.GetImageFromArray(array)))
        assert volume.array.dtype == expected
        np.testing.assert_array_equal(volume.array, array)


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize(("slope", "inter", "kind"), [(1, -1024, "int16"), (2.0, 0, "int16"), (0.5, 1, "float32")])
def test_nifti_intensities_are_scaled_in_either_byte_order(
    tmp_path: Path, order: str, slope: float, inter: float, kind: str
) -> None:
    path = tmp_path / "scan.nii"
    stored = np.arange(60, dtype=np.int16).reshape(3, 4, 5)
    path.write_bytes(nifti(stored, order=order, slope=slope, inter=inter))
    volume, _ = read_image(path)
    assert volume.array.dtype == kind
    np.testing.assert_array_equal(volume.array, stored * slope + inter)


@pytest.mark.parametrize("version", [1, 2])
def test_fields_lie_where_nibabel_says(version: int) -> None:
    """Offsets of both versions, from the tables of nifti1.h and nifti2.h, written down independently."""
    layout = {1: V1, 2: V2}[version]
    offsets = {name: layout.fields[name][1] for name in layout.names}
    first = {
        "bitpix": 72,
        "pixdim": 76,
        "vox_offset": 108,
        "qform_code": 252,
        "quatern": 256,
        "srow": 280,
        "magic": 344,
    }
    second = {
        "bitpix": 14,
        "pixdim": 104,
        "vox_offset": 168,
        "qform_code": 344,
        "quatern": 352,
        "srow": 400,
        "magic": 4,
    }
    assert first.items() <= offsets.items() if version == 1 else second.items() <= offsets.items()


def test_voxel_sizes_that_contradict_the_sform_are_told_or_refused(tmp_path: Path) -> None:
    path = tmp_path / "scan.nii"
    path.write_bytes(nifti(STORED, sform=SFORM * [1.02, 1, 1, 1]))
    assert [finding.check for finding in read_image(path)[1]] == ["placement"]
    path.write_bytes(nifti(STORED, sform=SFORM * [2, 1, 1, 1]))
    with pytest.raises(BadInput, match="its sform has voxels of 4 × 2 × 3 mm, its pixdim of 2 × 2 × 3 mm"):
        read_image(path)


def nifti(
    stored: np.ndarray,
    order: str = "<",
    slope: float = 0,
    inter: float = 0,
    units: int = 2,
    sform: np.ndarray | None = None,
    qoffset: tuple[float, float, float] | None = None,
    steps: tuple[float, float, float] = (2, 2, 3),
    dims: tuple[int, ...] | None = None,
) -> bytes:
    """A NIfTI-1 file by hand, from the offsets of nifti1.h."""
    header = bytearray(352)
    dims = dims or (3, *stored.shape[::-1], 1, 1, 1, 1)
    struct.pack_into(f"{order}i", header, 0, 348)
    struct.pack_into(f"{order}8h", header, 40, *dims[:8])
    struct.pack_into(f"{order}2h", header, 70, 4, 16)
    struct.pack_into(f"{order}4f", header, 76, 1, *steps)
    struct.pack_into(f"{order}3f", header, 108, 352, slope, inter)
    header[123] = units
    if qoffset is not None:
        struct.pack_into(f"{order}h", header, 252, 1)
        struct.pack_into(f"{order}3f", header, 268, *qoffset)
    if sform is not None:
        struct.pack_into(f"{order}h", header, 254, 1)
        struct.pack_into(f"{order}12f", header, 280, *sform[:3].ravel())
    header[344:348] = b"n+1\0"
    return bytes(header) + stored.astype(f"{order}i2").tobytes()


STORED = np.arange(60, dtype=np.int16).reshape(3, 4, 5)
SFORM = np.array([[2.0, 0, 0, -7], [0, 2, 0, 5], [0, 0, 3, 11], [0, 0, 0, 1]])


def test_nifti_units_of_metres_and_micrometres_become_millimetres(tmp_path: Path) -> None:
    for units, factor in ((1, 1000.0), (3, 0.001), (0, 1.0), (2, 1.0)):
        path = tmp_path / "scan.nii"
        path.write_bytes(nifti(STORED, units=units, sform=SFORM))
        volume, _ = read_image(path)
        np.testing.assert_allclose(volume.grid.spacing, np.array([2, 2, 3]) * factor)
        np.testing.assert_allclose(volume.grid.origin, np.array([7, -5, 11]) * factor)  # RAS to LPS


def test_a_nifti_that_does_not_say_how_the_patient_lies_is_told(tmp_path: Path) -> None:
    path = tmp_path / "scan.nii"
    path.write_bytes(nifti(STORED))
    _, findings = read_image(path)
    assert [finding.check for finding in findings] == ["space"]
    assert findings[0].level is Level.WARN


def test_sform_and_qform_that_disagree_are_told_or_refused(tmp_path: Path) -> None:
    path = tmp_path / "scan.nii"
    path.write_bytes(nifti(STORED, sform=SFORM, qoffset=(-7, 5, 11)))
    assert read_image(path)[1] == ()
    path.write_bytes(nifti(STORED, sform=SFORM, qoffset=(-7, 5.5, 11)))
    _, (finding,) = read_image(path)
    assert finding.level is Level.WARN
    assert "0.50 mm" in finding.measured
    path.write_bytes(nifti(STORED, sform=SFORM, qoffset=(-7, 25, 11)))
    with pytest.raises(BadInput, match=r"scan.nii: its sform and qform place the same voxel 20\.00 mm apart"):
        read_image(path)
    mirrored = SFORM * [[-1], [1], [1], [1]]
    path.write_bytes(nifti(STORED, sform=mirrored, qoffset=(7, 5, 11)))
    with pytest.raises(BadInput, match="sform and qform"):
        read_image(path)


def test_a_left_handed_file_becomes_right_handed_and_nothing_moves(tmp_path: Path) -> None:
    path = tmp_path / "scan.nii"
    mirrored = SFORM * [[-1], [1], [1], [1]]
    path.write_bytes(nifti(STORED, sform=mirrored))
    volume, _ = read_image(path)
    assert np.linalg.det(volume.grid.direction) > 0
    for k, j, i in np.ndindex(STORED.shape):
        lps = np.diag([-1, -1, 1, 1]) @ mirrored @ [i, j, k, 1]
        at = np.rint(volume.grid.ijk_from_lps.apply(lps[:3])).astype(int)
        assert volume.array[at[2], at[1], at[0]] == STORED[k, j, i]


def test_sheared_axes_are_refused_with_their_angle(tmp_path: Path) -> None:
    sheared = SFORM.copy()
    sheared[1, 2] = 3 * np.tan(np.radians(18.5))
    path = tmp_path / "scan.nii"
    path.write_bytes(nifti(STORED, sform=sheared, steps=(2, 2, 3 / np.cos(np.radians(18.5)))))
    with pytest.raises(BadInput, match=r"its axes stand at 71\.50°, expected 90°"):
        read_image(path)


@pytest.mark.parametrize("dims", [(4, 5, 4, 3, 2, 1, 1, 1), (2, 5, 4, 1, 1, 1, 1, 1), (9, 5, 4, 3, 1, 1, 1, 1)])
def test_a_nifti_of_other_than_three_dimensions_is_refused(tmp_path: Path, dims: tuple[int, ...]) -> None:
    path = tmp_path / "scan.nii"
    path.write_bytes(nifti(np.concatenate([STORED, STORED]), sform=SFORM, dims=dims))
    with pytest.raises(BadInput, match=r"scan\.nii"):
        read_image(path)


def test_a_fourth_dimension_of_one_is_no_hindrance(tmp_path: Path) -> None:
    path = tmp_path / "scan.nii"
    path.write_bytes(nifti(STORED, sform=SFORM, dims=(4, 5, 4, 3, 1, 1, 1, 1)))
    assert read_image(path)[0].grid.size == (5, 4, 3)


def test_values_that_are_not_finite_are_counted(tmp_path: Path) -> None:
    array = np.zeros((3, 4, 5), np.float32) + 0.5
    array[0, 1, 2] = np.nan
    array[1, 1, 2] = np.inf
    with pytest.raises(BadInput, match="2 of 60 voxels hold no finite value"):
        read_image(written(tmp_path / "scan.nrrd", sitk.GetImageFromArray(array)))


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("share", [0.0, 0.3, 0.6, 0.95])
def test_a_file_cut_short_is_refused(tmp_path: Path, name: str, share: float) -> None:
    path = written(tmp_path / name, image_of(size=(30, 31, 32)), compressed=name in ("scan.mha", "scan.nii.gz"))
    data = next((beside for beside in tmp_path.iterdir() if beside.suffix in (".raw", ".zraw")), path)
    data = data if share else path
    data.write_bytes(data.read_bytes()[: int(data.stat().st_size * share)])
    with pytest.raises(BadInput, match=re.escape(data.name)):
        read_image(path)


def test_a_gzip_that_is_whole_but_holds_too_little_is_refused(tmp_path: Path) -> None:
    path = written(tmp_path / "scan.nii.gz", image_of(size=(30, 31, 32)))
    data = gzip.decompress(path.read_bytes())
    for wrong in (data[:-100], data + b"\0" * 100):
        path.write_bytes(gzip.compress(wrong))
        with pytest.raises(BadInput, match=r"bytes of voxels, expected 59520 bytes"):
            read_image(path)


def test_a_gzip_of_several_members_is_read(tmp_path: Path) -> None:
    image = image_of(size=(30, 31, 32))
    path = written(tmp_path / "scan.nii.gz", image)
    data = gzip.decompress(path.read_bytes())
    path.write_bytes(b"".join(gzip.compress(data[at : at + 9999]) for at in range(0, len(data), 9999)))
    np.testing.assert_array_equal(read_image(path)[0].array, sitk.GetArrayViewFromImage(image))


def test_a_changed_byte_in_a_compressed_file_is_noticed(tmp_path: Path) -> None:
    path = written(tmp_path / "scan.nii.gz", image_of(size=(30, 31, 32)))
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 0xFF
    path.write_bytes(data)
    with pytest.raises(BadInput, match=r"scan\.nii\.gz"):
        read_image(path)


def test_a_header_that_declares_more_than_the_file_can_hold_takes_no_memory(tmp_path: Path) -> None:
    path = written(tmp_path / "scan.nrrd", image_of(), compressed=True)
    path.write_bytes(re.sub(rb"sizes: [\d ]+", b"sizes: 60000 60000 60000", path.read_bytes()))
    with pytest.raises(SurgplanError, match=r"scan\.nrrd: its header declares .* GiB of voxels"):
        read_image(path)


def test_a_header_may_name_no_file_elsewhere(tmp_path: Path) -> None:
    (tmp_path / "secret").write_bytes(b"\0" * 420)
    folder = tmp_path / "scan"
    folder.mkdir()
    for name in ("scan.nhdr", "scan.mhd"):
        path = written(folder / name, image_of())
        path.write_text(re.sub(r"(data file|ElementDataFile)(: | = )\S+", r"\1\2../secret", path.read_text()))
        with pytest.raises(BadInput, match="not in one file beside it"):
            read_image(path)


@pytest.mark.parametrize(
    ("space", "signs"),
    [("left-posterior-superior", (1, 1, 1)), ("RAS", (-1, -1, 1)), ("left-anterior-superior", (1, -1, 1))],
)
def test_every_world_of_nrrd_becomes_lps(tmp_path: Path, space: str, signs: tuple[int, int, int]) -> None:
    path = written(tmp_path / "scan.nrrd", image_of())
    path.write_bytes(path.read_bytes().replace(b"left-posterior-superior", space.encode()))
    volume, findings = read_image(path)
    truth = sitk.ReadImage(str(path))
    assert findings == ()
    assert_same_places(volume, truth)
    np.testing.assert_allclose(truth.GetOrigin(), np.array([-10.5, 20.25, 30.125]) * signs)


def assert_same_places(volume: Volume, truth: sitk.Image) -> None:
    """Every voxel of SimpleITK's image lies in ours at the same place, with the same value."""
    array = sitk.GetArrayViewFromImage(truth)
    size = np.array(truth.GetSize())
    ijk = np.array(list(np.ndindex(*size)))
    direction = np.reshape(truth.GetDirection(), (3, 3))
    world = (ijk * truth.GetSpacing()) @ direction.T + truth.GetOrigin()
    ours = volume.grid.ijk_from_lps.apply(world)
    at = np.rint(ours).astype(int)
    assert np.abs((ours - at) * volume.grid.spacing).max() < 0.01
    np.testing.assert_array_equal(volume.array[at[:, 2], at[:, 1], at[:, 0]], array[ijk[:, 2], ijk[:, 1], ijk[:, 0]])


def test_an_nrrd_without_a_world_is_told(tmp_path: Path) -> None:
    path = tmp_path / "scan.nrrd"
    path.write_bytes(
        b"NRRD0004\ntype: uchar\ndimension: 3\nsizes: 2 3 4\nspacings: 1 2 3\nencoding: raw\n\n" + bytes(24)
    )
    volume, (finding,) = read_image(path)
    assert finding.level is Level.WARN
    assert volume.grid.spacing.tolist() == [1, 2, 3]


@pytest.mark.parametrize(
    "header",
    [
        b"",
        b"NRRD0004\n",
        b"NRRD0004\ntype: short\n\n",
        b"NRRD0004\ntype: block\ndimension: 3\nsizes: 1 1 1\nencoding: raw\n\n\0",
        b"NRRD0004\ntype: uchar\ndimension: 3\nsizes: 1 1 x\nencoding: raw\n\n\0",
        b"NRRD0004\ntype: uchar\ndimension: 3\nsizes: 1 1 -1\nencoding: raw\n\n\0",
        b"NRRD0004\ntype: uchar\ndimension: 2\nsizes: 1 1\nencoding: raw\n\n\0",
        b"NRRD0004\ntype: uchar\ndimension: 3\nsizes: 1 1 1\nencoding: bzip2\n\n\0",
        b"NRRD0004\ntype: uchar\ndimension: 3\nsizes: 1 1 1\nspace: LPS\nspace directions: (1,0) (0,1) (0,0)\n"
        b"encoding: raw\n\n\0",
        b"NRRD0004\ntype: uchar\ndimension: 3\nsizes: 1 1 1\nspace: LPS\nspace directions: (nan,0,0) (0,1,0) (0,0,1)\n"
        b"encoding: raw\n\n\0",
    ],
)
def test_a_broken_header_is_refused(tmp_path: Path, header: bytes) -> None:
    path = tmp_path / "scan.nrrd"
    path.write_bytes(header)
    with pytest.raises(BadInput, match=r"scan\.nrrd"):
        read_image(path)


def volume_of(modality: Modality = Modality.CT) -> Volume:
    direction, _ = np.linalg.qr(np.random.default_rng(2).normal(size=(3, 3)))
    direction *= np.sign(np.linalg.det(direction))
    grid = Grid((4, 5, 6), (0.3, 0.1 + 0.2, 1 / 3), (1e-3, -1234.56789, 7), direction)
    array = np.random.default_rng(1).integers(-1024, 3071, grid.shape).astype(np.int16)
    return Volume(grid, array, modality, "1.2.3.4")


def test_what_is_written_comes_back_to_the_last_digit(tmp_path: Path) -> None:
    volume = volume_of()
    write_volume(tmp_path / "volume.nrrd", volume)
    found = read_volume(tmp_path / "volume.nrrd")
    assert (found.modality, found.frame_of_reference) == (Modality.CT, "1.2.3.4")
    np.testing.assert_array_equal(found.array, volume.array)
    np.testing.assert_array_equal(found.grid.origin, volume.grid.origin)
    np.testing.assert_allclose(found.grid.direction, volume.grid.direction, atol=1e-15)


@pytest.mark.parametrize(
    ("right", "wrong"),
    [
        (b"space origin: (0.001,", b"space origin: (0.101,"),
        (b"left-posterior-superior", b"right-anterior-superior"),
        (b"type: int16", b"type: uint16"),
        (b"sizes: 4 5 6", b"sizes: 5 4 6"),
        (b"sizes: 4 5 6", b"sizes: 4 5 5"),
        (b"modality:=CT", b"modality:=MR"),
        (b"1.2.3.4", b"1.2.3.5"),
        (b"\n\n", b"\n# more\n\n \n"),
    ],
)
def test_a_header_that_says_another_volume_gets_no_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, right: bytes, wrong: bytes
) -> None:
    def lying(*given: object) -> bytes:
        text = header_text(*given)  # type: ignore[arg-type]
        assert right in text
        return text.replace(right, wrong)

    monkeypatch.setattr(nrrd, "header_text", lying)
    with pytest.raises(BadInput, match="another volume"):
        write_volume(tmp_path / "volume.nrrd", volume_of())
    assert not list(tmp_path.iterdir())


def test_simpleitk_sees_the_written_volume_at_the_same_place(tmp_path: Path) -> None:
    volume = volume_of()
    path = tmp_path / "volume.nrrd"
    write_volume(path, volume)
    assert_same_places(volume, sitk.ReadImage(str(path)))
    assert b"encoding: raw" in path.read_bytes()[:1000]
    assert b"space: left-posterior-superior" in path.read_bytes()[:1000]


@pytest.mark.parametrize("kind", ["uint8", "int16", "uint16", "int32", "float32"])
def test_the_same_volume_gives_the_same_bytes(tmp_path: Path, kind: str) -> None:
    volume = Volume(Grid((2, 3, 4), (1, 1, 1), (0, 0, 0)), np.ones((4, 3, 2), kind))
    first = write_volume(tmp_path / "a.nrrd", volume)
    assert write_volume(tmp_path / "b.nrrd", volume).sha256 == first.sha256
    assert read_volume(tmp_path / "a.nrrd").array.dtype == kind


@pytest.mark.parametrize(
    ("name", "old", "new"),
    [
        ("scan.nrrd", b"space origin: (", b"space orivin: ("),
        ("scan.nrrd", b"space origin: (", b"space origin: "),
        ("scan.nrrd", b"space origin:", b"space origin: (1,2,3)\nspace origin:"),
        ("scan.nrrd", b"space directions:", b"space dirextions:"),
        ("scan.nrrd", b"left-posterior-superior", b"left-posterior"),
        ("scan.nrrd", b"sizes: 5 6 7", b"sizes: 5 6 0_7"),
        ("scan.nrrd", b"(0.5,0,0)", "(0.٥,0,0)".encode()),
        ("scan.nrrd", b"(0.5,0,0)", b"(0.5,0,0,0,0)"),
        ("scan.nrrd", b"30.125)", b"30.125,0,0)"),
        ("scan.nrrd", b"kinds: domain domain domain", b"kinds: vector domain domain"),
        ("scan.nrrd", b"encoding: raw", b"byte skip: 99999999999999999999\nencoding: raw"),
        ("scan.mha", b"ElementSpacing = ", b"ElementSpacinf = "),
        ("scan.mha", b"Offset = -10.5 20.25", "Offset = -10.5 ２0.25".encode()),
        ("scan.mha", b"Offset = ", b"Offset = 1 2 3\nOffset = "),
        ("scan.mha", b"DimSize = 5 6 7", b"DimSize = 5 0_6 7"),
    ],
)
def test_a_header_that_says_no_place_or_two_is_refused(tmp_path: Path, name: str, old: bytes, new: bytes) -> None:
    """Each of these was once read as a scan that lies elsewhere, or whose voxels have another size."""
    path = written(tmp_path / name, image_of())
    data = path.read_bytes()
    assert old in data
    path.write_bytes(data.replace(old, new))
    with pytest.raises(BadInput, match=name):
        read_image(path)


@pytest.mark.parametrize(
    ("name", "line", "check"),
    [
        ("scan.nrrd", rb"space origin: [^\n]*\n", "origin"),
        ("scan.mha", rb"Offset = [^\n]*\n", "origin"),
        ("scan.mha", rb"TransformMatrix = [^\n]*\n", "orientation"),
    ],
)
def test_a_place_that_the_header_leaves_open_is_told(tmp_path: Path, name: str, line: bytes, check: str) -> None:
    path = written(tmp_path / name, image_of())
    path.write_bytes(re.sub(line, b"", path.read_bytes()))
    _, (finding,) = read_image(path)
    assert (finding.check, finding.level) == (check, Level.WARN)


@pytest.mark.parametrize(("slope", "inter"), [(1e5, 0.0), (1e30, 0.0), (3.0, 2.0**31)])
def test_scaled_values_never_run_over(tmp_path: Path, slope: float, inter: float) -> None:
    path = written(tmp_path / "scan.nii", image_of())
    stored = sitk.GetArrayFromImage(sitk.ReadImage(str(path))).astype(np.float64)
    data = bytearray(path.read_bytes())
    struct.pack_into("<2f", data, 112, slope, inter)
    path.write_bytes(data)
    volume, _ = read_image(path)
    np.testing.assert_allclose(volume.array, stored * np.float32(slope) + np.float32(inter), rtol=1e-6)


@pytest.mark.parametrize(("name", "odd"), [("ElementSpacing", "9e39"), ("ElementSpacing", "1e8"), ("Offset", "1e8")])
def test_voxels_of_no_scan_are_refused(tmp_path: Path, name: str, odd: str) -> None:
    """A check that went through the volume in steps of millimetres would have taken all memory."""
    path = written(tmp_path / "scan.mha", image_of())
    path.write_bytes(re.sub(rb"%b = [^\n]*" % name.encode(), f"{name} = 1 1 {odd}".encode(), path.read_bytes()))
    with pytest.raises(BadInput, match=r"scan\.mha: (its voxels measure|a voxel of it lies)"):
        read_image(path)
