"""Sources of every kind give the same scan, or say what is wrong. Truth: the same files in a plain folder."""

from __future__ import annotations

import shutil
import tempfile
import zipfile
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
from pydicom import DataElement, Dataset
from pydicom.config import IGNORE
from pydicom.fileset import FileSet

from surgplan.case.digest import source_digest, source_files
from surgplan.case.sources import list_series, load_source
from surgplan.errors import BadInput, WrongUsage
from surgplan.findings import Level
from surgplan.ingest.stage import IngestParams
from tests.formats.slices import slice_of, write, write_series

RNG = np.random.default_rng(0)
ARRAY = RNG.integers(-1000, 1500, (24, 6, 8)).astype(np.int16)


@pytest.fixture(autouse=True)
def own_temporary_folder(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path_factory.mktemp("temporary")
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    return folder


def load(source: Path, **params: object) -> object:
    return load_source(source, IngestParams(**params))


def series(folder: Path, **tags: object) -> Path:
    return write_series(folder, ARRAY, np.arange(24) * 2.0, **tags)


def packed(folder: Path, path: Path) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for file in sorted(folder.rglob("*")):
            archive.write(file, file.relative_to(folder))
    return path


def image(path: Path, array: np.ndarray = ARRAY) -> Path:
    path.parent.mkdir(exist_ok=True, parents=True)
    sitk.WriteImage(sitk.GetImageFromArray(array), str(path))
    return path


def disc(folder: Path, files: Path) -> Path:
    """A file set with its DICOMDIR, written by pydicom."""
    made = FileSet()
    for number, path in enumerate(sorted(files.iterdir())):
        data = slice_of_file(path)
        data.PatientName, data.StudyDate, data.StudyTime, data.StudyID = "A", "20200101", "120000", "1"
        data.InstanceNumber = number + 1
        made.add(data)
    made.write(folder)
    return folder / "DICOMDIR"


def slice_of_file(path: Path) -> Dataset:
    from pydicom import dcmread

    return dcmread(path)


def test_a_zipped_scan_is_the_scan(tmp_path: Path, own_temporary_folder: Path) -> None:
    series(tmp_path / "scan" / "a" / "b")
    (tmp_path / "scan" / "letter.txt").write_text("Dear colleague")
    archive = packed(tmp_path / "scan", tmp_path / "export.zip")
    found = load(archive)
    np.testing.assert_array_equal(found.volume.array, ARRAY)
    assert found.files == tuple(archive / path.relative_to(tmp_path / "scan") for path in load(tmp_path / "scan").files)
    assert not list(own_temporary_folder.iterdir())
    assert list_series(archive, IngestParams()).rows == list_series(tmp_path / "scan", IngestParams()).rows


def test_what_is_wrong_in_an_archive_is_told_by_its_place_there(tmp_path: Path) -> None:
    victim = sorted(series(tmp_path / "scan" / "a").iterdir())[3]
    victim.write_bytes(victim.read_bytes()[:-50])
    archive = packed(tmp_path / "scan", tmp_path / "export.zip")
    with pytest.raises(BadInput, match=rf"export\.zip/a/{victim.name}: holds 46 bytes of pixels") as caught:
        load(archive)
    assert tempfile.gettempdir() not in caught.value.message


def test_an_archive_in_an_archive_or_folder_is_told_and_not_opened(tmp_path: Path) -> None:
    series(tmp_path / "scan")
    (tmp_path / "outer").mkdir()
    packed(tmp_path / "scan", tmp_path / "outer" / "inner.zip")
    with pytest.raises(BadInput, match=r"inner\.zip: is a zip archive: not opened.*Name the archive itself"):
        load(tmp_path / "outer")
    with pytest.raises(BadInput, match=r"outer\.zip/inner\.zip: is a zip archive: not opened"):
        load(packed(tmp_path / "outer", tmp_path / "outer.zip"))


def test_an_empty_archive_says_so(tmp_path: Path) -> None:
    (tmp_path / "scan").mkdir()
    with pytest.raises(BadInput, match=r"scan\.zip: is empty"):
        load(packed(tmp_path / "scan", tmp_path / "scan.zip"))


@pytest.mark.parametrize("name", ["scan.nii.gz", "scan.nrrd", "scan.mha", "deep/er/scan.mhd"])
def test_one_image_file_in_a_folder_or_archive_is_the_scan(tmp_path: Path, name: str) -> None:
    image(tmp_path / "scan" / name)
    (tmp_path / "scan" / "readme.txt").write_text("a scan")
    for source in (tmp_path / "scan", packed(tmp_path / "scan", tmp_path / "scan.zip")):
        np.testing.assert_array_equal(load(source).volume.array, ARRAY)


def test_the_only_scan_among_masks_is_taken_and_that_is_told(tmp_path: Path) -> None:
    image(tmp_path / "ct.nii.gz")
    for number in range(3):
        image(tmp_path / f"mask{number}.nii.gz", (500 * number < ARRAY).astype(np.uint8))
    found = load(tmp_path)
    np.testing.assert_array_equal(found.volume.array, ARRAY)
    assert "number 1 of 4 image files: the only one that is a scan" in str(found.findings[0])
    listing = list_series(tmp_path, IngestParams())
    assert [bool(row.trouble) for row in listing.rows] == [False, True, True, True]
    assert listing.rows[0].cells()[:7] == ("1", "OTHER", "ct.nii.gz", "24", "8×6", "1.00 × 1.00 × 1.00", "axial, LPS")
    assert listing.chosen == 1


def test_several_scans_need_a_choice(tmp_path: Path) -> None:
    image(tmp_path / "a.nii.gz")
    other = image(tmp_path / "b.nrrd", ARRAY[:, ::-1])
    with pytest.raises(
        BadInput, match=r"holds 2 image files that are scans \(number 1, a\.nii\.gz; number 2, b\.nrrd\)"
    ):
        load(tmp_path)
    for wanted in ("2", other.name):
        np.testing.assert_array_equal(load(tmp_path, series=wanted).volume.array, ARRAY[:, ::-1])
    with pytest.raises(WrongUsage, match="`3` names no image file"):
        load(tmp_path, series="3")


def test_images_beside_a_series_are_read_only_when_asked_for(tmp_path: Path) -> None:
    series(tmp_path / "dicom")
    image(tmp_path / "resampled.nrrd", ARRAY[:12])
    assert load(tmp_path).volume.grid.size == (8, 6, 24)
    assert load(tmp_path, series="2").volume.grid.size == (8, 6, 12)
    assert [row.number for row in list_series(tmp_path, IngestParams()).rows] == [1, 2]


def test_a_dicomdir_leads_to_its_files(tmp_path: Path) -> None:
    directory = disc(tmp_path / "disc", series(tmp_path / "scan"))
    write(tmp_path / "disc" / "stray.dcm", slice_of(ARRAY[0], (0, 0, 500), SeriesInstanceUID="1.9"))
    for source in (directory, directory.parent):
        np.testing.assert_array_equal(load(source, series="1.2.3").volume.array, ARRAY)
    assert len(list_series(directory, IngestParams()).rows) == 1  # only what it names
    assert len(source_files(directory)) == 25


def test_a_dicomdir_copied_in_small_letters_still_leads_to_its_files(tmp_path: Path) -> None:
    directory = disc(tmp_path / "disc", series(tmp_path / "scan"))
    for path in sorted(directory.parent.rglob("*"), reverse=True):
        if path != directory:
            path.rename(path.with_name(path.name.lower()))
    np.testing.assert_array_equal(load(directory).volume.array, ARRAY)


def test_a_file_that_the_dicomdir_names_in_vain_may_be_an_end_slice(tmp_path: Path) -> None:
    directory = disc(tmp_path / "disc", series(tmp_path / "scan"))
    last = max(
        (path for path in directory.parent.rglob("*") if path.is_file() and path != directory),
        key=lambda path: slice_of_file(path).ImagePositionPatient[2],
    )
    last.unlink()
    for source in (directory, directory.parent):
        with pytest.raises(BadInput, match=rf"{last.name}: is missing, one of 1 files of the series"):
            load(source)
        found = load(source, series="1")
        assert found.volume.grid.size[2] == 23
        (told,) = [finding for finding in found.findings if finding.check == "dicomdir"]
        assert told.level is Level.WARN


def test_a_dicomdir_alone_is_refused_with_a_remedy(tmp_path: Path) -> None:
    directory = disc(tmp_path / "disc", series(tmp_path / "scan"))
    alone = tmp_path / "alone"
    alone.mkdir()
    shutil.copy(directory, alone)
    with pytest.raises(BadInput, match=r"names 24 files, none of which is there\. Copy the whole disc"):
        load(alone / "DICOMDIR")


def test_a_dicomdir_that_leads_out_of_its_folder_is_refused(tmp_path: Path) -> None:
    directory = disc(tmp_path / "disc", series(tmp_path / "scan"))
    data = slice_of_file(directory)
    named = [record for record in data.DirectoryRecordSequence if "ReferencedFileID" in record]
    for parts in (["..", "scan"], ["a", "../../scan"], ["", "etc", "passwd"]):
        named[0][0x00041500] = DataElement(0x00041500, "CS", parts, validation_mode=IGNORE)
        data.save_as(directory)
        with pytest.raises(BadInput, match="names a file outside of its folder"):
            load(directory)
    named[0][0x00041500] = DataElement(0x00041500, "CS", ["link", "x"], validation_mode=IGNORE)
    data.save_as(directory)
    (tmp_path / "disc" / "link").symlink_to(tmp_path / "scan")
    with pytest.raises(BadInput, match="names x, which links outside"):
        load(directory)


def test_an_image_of_a_dicomdir_that_names_no_file_may_be_an_end_slice(tmp_path: Path) -> None:
    directory = disc(tmp_path / "disc", series(tmp_path / "scan"))
    data = directory.read_bytes()
    at = data.index(b"\x04\x00\x00\x15CS")
    directory.write_bytes(data[: at + 3] + b"\x05" + data[at + 4 :])
    with pytest.raises(BadInput, match=r"DICOMDIR: has a record of an image that names no file"):
        load(directory)


def test_a_damaged_dicomdir_beside_a_whole_series_is_told(tmp_path: Path) -> None:
    directory = disc(tmp_path / "disc", series(tmp_path / "scan"))
    directory.write_bytes(directory.read_bytes()[:-300])
    found = load(directory.parent)
    assert found.volume.grid.size[2] == 24
    assert "cannot tell whether all files are there" in next(
        f.measured for f in found.findings if f.check == "dicomdir"
    )
    with pytest.raises(BadInput, match=r"DICOMDIR: its header cannot be used"):
        load(directory)


def test_the_digest_of_a_source_covers_what_is_read(tmp_path: Path) -> None:
    directory = disc(tmp_path / "disc", series(tmp_path / "scan"))
    archive = packed(tmp_path / "scan", tmp_path / "scan.zip")
    before = {source: source_digest(source, source_files(source)) for source in (directory, archive)}
    slices = [path for path in source_files(directory) if path != directory]
    slices[5].write_bytes(slices[5].read_bytes()[:-1] + b"\x7f")
    packed(tmp_path / "disc", archive)
    for source, digest in before.items():
        assert source_digest(source, source_files(source)) != digest


@pytest.mark.parametrize("name", ["scan.nii", "scan.nii.gz", "scan.nrrd", "scan.mha"])
def test_one_of_several_volumes_must_be_chosen(tmp_path: Path, name: str) -> None:
    """Truth: SimpleITK wrote the four volumes, with another spacing, origin and direction than usual."""
    four = np.stack([ARRAY + 10 * number for number in range(4)])
    joined = sitk.JoinSeries([placed(array) for array in four])
    sitk.WriteImage(joined, str(tmp_path / name))
    with pytest.raises(BadInput, match=r"holds 4 volumes, expected one\. Pass --frame, a number from 1 to 4"):
        load(tmp_path / name)
    alone = placed(four[2])
    found = load(tmp_path / name, frame=3).volume
    np.testing.assert_array_equal(sorted(found.array.ravel()), sorted(four[2].ravel()))
    for ijk in ((0, 0, 0), (7, 5, 23), (3, 2, 11)):
        place = alone.TransformContinuousIndexToPhysicalPoint([float(value) for value in ijk])
        i, j, k = np.rint(found.grid.ijk_from_lps.apply(place)).astype(int)
        np.testing.assert_allclose(found.grid.lps_from_ijk.apply([i, j, k]), place, atol=1e-3)
        assert found.array[k, j, i] == four[2][ijk[::-1]]
    with pytest.raises(BadInput, match="holds 4 volumes, expected at least 5"):
        load(tmp_path / name, frame=5)


def placed(array: np.ndarray) -> sitk.Image:
    one = sitk.GetImageFromArray(array)
    one.SetSpacing((0.7, 0.8, 2.0))
    one.SetOrigin((-10.5, 20.25, 30.0))
    one.SetDirection((0, 0, 1, 1, 0, 0, 0, 1, 0))
    return one
