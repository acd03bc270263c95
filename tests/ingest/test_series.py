"""Which slices make a volume, and which volume is meant."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from surgplan.case.sources import list_series, load_source
from surgplan.errors import BadInput, WrongUsage
from surgplan.findings import Level
from surgplan.ingest.listing import HEADINGS
from surgplan.ingest.stage import IngestParams
from tests.formats.slices import slice_of, write, write_series
from tests.formats.test_dicom_headers import enhanced

RNG = np.random.default_rng(0)


def planes(count: int = 24, rows: int = 6, columns: int = 8) -> np.ndarray:
    return RNG.integers(-1000, 1500, (count, rows, columns)).astype(np.int16)


def load(folder: Path, **params: object) -> object:
    return load_source(folder, IngestParams(**params))


def test_slices_are_sorted_by_position_never_by_name_or_number(tmp_path: Path) -> None:
    array = planes()
    write_series(tmp_path, array, np.arange(24) * 2.0)
    numbers = [path.name for path in load(tmp_path).files]
    assert numbers != sorted(numbers)
    np.testing.assert_array_equal(load(tmp_path).volume.array, array)


def test_what_is_no_slice_is_left_out_and_told(tmp_path: Path) -> None:
    write_series(tmp_path, planes(), np.arange(24) * 2.0)
    scout = slice_of(planes(1, 20, 30)[0], ImageType=["ORIGINAL", "PRIMARY", "LOCALIZER"], SeriesInstanceUID="1.9")
    write(tmp_path / "scout", scout)
    page = slice_of(planes(1, 20, 30)[0], SOPClassUID="1.2.840.10008.5.1.4.1.1.7", SeriesInstanceUID="1.8")
    write(tmp_path / "page", page)
    (tmp_path / "notes.txt").write_text("chest")
    loaded = load(tmp_path)
    assert len(loaded.files) == 24
    (why,) = [finding for finding in loaded.findings if finding.check == "series"]
    assert why.level is Level.NOTE
    for words in ("24 slices", "1 × a localizer", "1 × a Secondary Capture", "1 × not DICOM"):
        assert words in why.measured


def test_two_series_that_are_as_good_must_be_told_apart(tmp_path: Path) -> None:
    first, second = planes(), planes()
    write_series(tmp_path / "a", first, np.arange(24) * 2.0, SeriesInstanceUID="1.2.3", SeriesNumber=2)
    write_series(tmp_path / "b", second, np.arange(24) * 2.0, SeriesInstanceUID="1.2.4", SeriesNumber=1)
    with pytest.raises(BadInput, match=r"2 series that are as good .*number 1.*number 2.*Pass --series NUMBER"):
        load(tmp_path)
    np.testing.assert_array_equal(load(tmp_path, series="1").volume.array, second)
    np.testing.assert_array_equal(load(tmp_path, series="1.2.3").volume.array, first)
    np.testing.assert_array_equal(load(tmp_path, series="2").volume.array, first)
    with pytest.raises(WrongUsage, match=r"`1\.2` names more than one series"):
        load(tmp_path, series="1.2")
    with pytest.raises(WrongUsage, match=r"`7` names no series.*number 1.*number 2"):
        load(tmp_path, series="7")


SAME = {"AcquisitionDate": "20260101", "AcquisitionTime": "101500", "AcquisitionNumber": 3, "Manufacturer": "SIEMENS"}


def two(folder: Path, first: dict[str, object], second: dict[str, object], **both: object) -> Path:
    """Two series of 24 and, of half the step, 32 slices or as many as are asked for."""
    for name, tags in (("1.2.3", first), ("1.2.4", second)):
        own = {**SAME, **both, **tags}
        count, step = own.pop("count", 24), own.pop("step", 2.0)
        write_series(folder / name, planes(count), np.arange(count) * step, SeriesInstanceUID=name, **own)
    return folder


@pytest.mark.parametrize(
    ("maker", "soft", "sharp"),
    [("SIEMENS", ["Br40d", "3"], ["Hr68h", "3"]), ("GE MEDICAL SYSTEMS", "STANDARD", "BONE")],
)
def test_of_two_reconstructions_of_one_acquisition_the_softest_is_taken(
    tmp_path: Path, maker: str, soft: object, sharp: object
) -> None:
    two(tmp_path, {"ConvolutionKernel": sharp}, {"ConvolutionKernel": soft}, Manufacturer=maker)
    found = load(tmp_path)
    assert "1.2.4" in str(found.files[0])
    (why,) = [finding for finding in found.findings if finding.check == "series"]
    assert "the softest of 2 reconstructions of one acquisition (kernels" in why.measured
    assert "--series" in why.advice


def test_of_two_reconstructions_of_one_acquisition_the_thinnest_is_taken(tmp_path: Path) -> None:
    two(tmp_path, {"count": 25}, {"count": 31, "step": 1.6}, ConvolutionKernel="B30f")
    found = load(tmp_path)
    assert found.volume.grid.size[2] == 31
    assert "the thinnest of 2 reconstructions of one acquisition" in str(found.findings[0])


@pytest.mark.parametrize(
    "other",
    [
        {"AcquisitionTime": "101530"},
        {"AcquisitionNumber": 4},
        {"ConvolutionKernel": "unknown"},
        {"ConvolutionKernel": "B30f"},
        {"FrameOfReferenceUID": "1.2.10"},
        {"StudyInstanceUID": "1.3"},
        {"PixelSpacing": [8.0, 7.0]},
        {"AcquisitionTime": None},
        {"step": 2.4},
    ],
)
def test_what_is_not_surely_one_acquisition_is_never_chosen_from(tmp_path: Path, other: dict[str, object]) -> None:
    other = {"ConvolutionKernel": "B70f", **other}
    if other.get("AcquisitionTime", "") is None:
        del other["AcquisitionTime"]
        two(tmp_path, {"ConvolutionKernel": "B30f"}, other, AcquisitionTime="", AcquisitionDate="")
    else:
        two(tmp_path, {"ConvolutionKernel": "B30f"}, other)
    with pytest.raises(BadInput, match="2 series that are as good"):
        load(tmp_path)


def test_a_choice_among_studies_is_worth_a_warning(tmp_path: Path) -> None:
    two(tmp_path, {}, {"count": 8, "StudyInstanceUID": "1.3"})
    (told,) = [finding for finding in load(tmp_path).findings if finding.check == "studies"]
    assert told.level is Level.WARN
    assert "2 studies" in told.measured


def test_a_much_larger_series_is_chosen_and_the_choice_explained(tmp_path: Path) -> None:
    write_series(tmp_path / "thick", planes(8), np.arange(8) * 6.0, SeriesInstanceUID="1.2.4")
    write_series(tmp_path / "thin", planes(), np.arange(24) * 2.0)
    loaded = load(tmp_path)
    assert loaded.volume.grid.size[2] == 24
    assert "the largest sound one of 2" in str(loaded.findings[0])


def test_a_larger_series_with_a_gap_is_passed_over_with_a_warning(tmp_path: Path) -> None:
    write_series(tmp_path / "thick", planes(8), np.arange(8) * 6.0, SeriesInstanceUID="1.2.4")
    write_series(tmp_path / "thin", planes(), np.r_[np.arange(12), np.arange(13, 25)] * 2.0)
    loaded = load(tmp_path)
    assert loaded.volume.grid.size[2] == 8
    (passed,) = [finding for finding in loaded.findings if finding.check == "series-passed-over"]
    assert passed.level is Level.WARN
    assert "gap of 4.00 mm" in passed.measured


def test_originals_come_before_derived_ones(tmp_path: Path) -> None:
    derived = ["DERIVED", "SECONDARY", "REFORMATTED"]
    write_series(tmp_path / "mpr", planes(40), np.arange(40) * 1.0, SeriesInstanceUID="1.2.4", ImageType=derived)
    write_series(tmp_path / "axial", planes(), np.arange(24) * 2.0)
    assert load(tmp_path).volume.grid.size[2] == 24


@pytest.mark.parametrize(
    ("keyword", "values"),
    [
        ("ConvolutionKernel", ("B30", "B70")),
        ("EchoTime", (10, 80)),
        ("TemporalPositionIdentifier", (1, 2)),
        ("AcquisitionNumber", (1, 2)),
        ("TriggerTime", (100, 600)),
        ("ImageType", (["ORIGINAL", "PRIMARY", "M", "ADD"], ["ORIGINAL", "PRIMARY", "M", "SUB"])),
    ],
)
def test_one_series_uid_that_holds_several_volumes_is_split(tmp_path: Path, keyword: str, values: tuple) -> None:
    arrays = [planes(), planes()]
    for number, (array, value) in enumerate(zip(arrays, values, strict=True)):
        write_series(tmp_path / str(number), array, np.arange(24) * 2.0, **{keyword: value})
    with pytest.raises(BadInput, match="2 series that are as good"):
        load(tmp_path)
    for number, array in enumerate(arrays, 1):
        np.testing.assert_array_equal(load(tmp_path, series=str(number)).volume.array, array)


def test_acquisition_numbers_that_differ_within_one_volume_do_not_split_it(tmp_path: Path) -> None:
    for number, plane in enumerate(planes()):
        write(tmp_path / str(number), slice_of(plane, (0, 0, number * 5.0), AcquisitionNumber=number))
    assert load(tmp_path).volume.grid.size[2] == 24


def test_overlapping_acquisitions_are_split(tmp_path: Path) -> None:
    write_series(tmp_path / "head", planes(), np.arange(24) * 2.0, AcquisitionNumber=1)
    write_series(tmp_path / "neck", planes(12), -15.7 + np.arange(12) * 2.0, AcquisitionNumber=2)
    assert load(tmp_path).volume.grid.size[2] == 24


def test_copies_of_the_same_instance_are_left_out(tmp_path: Path) -> None:
    array = planes()
    write_series(tmp_path / "a", array, np.arange(24) * 2.0)
    (tmp_path / "b").mkdir()
    for path in list((tmp_path / "a").iterdir())[:5]:
        (tmp_path / "b" / path.name).write_bytes(path.read_bytes())
    loaded = load(tmp_path)
    np.testing.assert_array_equal(loaded.volume.array, array)
    assert "5 files hold slices once more" in next(f.measured for f in loaded.findings if f.check == "copies")


def test_slices_that_were_sent_again_under_new_uids_are_copies_when_their_pixels_are_the_same(tmp_path: Path) -> None:
    array = planes()
    write_series(tmp_path, array, np.arange(24) * 2.0)
    for number in (0, 7, 23):
        write(tmp_path / f"again{number}.dcm", slice_of(array[number], (-20, -30, 2.0 * number)))
    loaded = load(tmp_path)
    np.testing.assert_array_equal(loaded.volume.array, array)
    assert "3 files hold slices once more" in next(f.measured for f in loaded.findings if f.check == "copies")
    write(tmp_path / "other.dcm", slice_of(array[7] + 1, (-20, -30, 14.0)))
    with pytest.raises(BadInput, match=r"lies 0\.00 mm from slice 8"):
        load(tmp_path)


def test_one_instance_with_two_contents_is_no_copy(tmp_path: Path) -> None:
    array = planes()
    write_series(tmp_path, array, np.arange(24) * 2.0)
    victim = sorted(tmp_path.iterdir())[3]
    data = bytearray(victim.read_bytes())
    data[-1] ^= 1
    (tmp_path / "twin.dcm").write_bytes(data)
    with pytest.raises(BadInput, match=r"lies 0\.00 mm from slice"):
        load(tmp_path)


def test_a_multi_frame_file_that_is_there_twice_is_read_once(tmp_path: Path) -> None:
    data = enhanced(8)
    for name in ("a", "b"):
        write(tmp_path / name, data)
    assert load(tmp_path).volume.grid.size == (4, 3, 8)


def test_scans_of_two_patients_are_never_chosen_from(tmp_path: Path) -> None:
    write_series(tmp_path / "a", planes(), np.arange(24) * 2.0)
    write_series(tmp_path / "b", planes(4), np.arange(4) * 2.0, SeriesInstanceUID="1.2.4", PatientID="OTHER-ID")
    with pytest.raises(BadInput, match="holds scans of 2 patients") as caught:
        load(tmp_path)
    assert "OTHER-ID" not in caught.value.message
    assert load(tmp_path, series="2").volume.grid.size[2] == 4


def test_a_slice_of_another_patient_within_a_series_is_not_taken_in(tmp_path: Path) -> None:
    write_series(tmp_path, planes(), np.arange(24) * 2.0)
    write(tmp_path / "stray.dcm", slice_of(planes(1)[0], (-20, -30, 48.0), PatientID="OTHER-ID"))
    with pytest.raises(BadInput, match="holds scans of 2 patients"):
        load(tmp_path)
    found = load(tmp_path, series="1")
    assert found.volume.grid.size[2] == 24
    assert "in patient" in next(finding.measured for finding in found.findings if finding.check == "strays")


def test_slices_of_mixed_orientation_are_refused(tmp_path: Path) -> None:
    for number, plane in enumerate(planes(4)):
        turned = [1, 0, 0, 0, 1, 0] if number % 2 else [0, 1, 0, 0, 0, -1]
        write(tmp_path / str(number), slice_of(plane, (number, number, number), ImageOrientationPatient=turned))
    with pytest.raises(BadInput, match="mixes 4 slices of 2 different orientations"):
        load(tmp_path)


@pytest.mark.parametrize(
    ("tags", "words"),
    [
        ({"PixelSpacing": [0.8, 0.9]}, "pixel size"),
        ({"SeriesInstanceUID": "1.2.4"}, "series UID"),
        ({"ImagePositionPatient": None}, "place"),
        ({"ConvolutionKernel": "B70"}, "kernel"),
        ({"ImageType": ["ORIGINAL", "PRIMARY", "XXIAL"]}, "image type"),
    ],
)
def test_a_stray_end_slice_is_not_dropped_in_silence(tmp_path: Path, tags: dict[str, object], words: str) -> None:
    """A slice that was damaged at the stack's end leaves no gap: nobody else would notice."""
    write_series(tmp_path, planes(), np.arange(24) * 2.0)
    stray = write(tmp_path / "last.dcm", slice_of(planes(1)[0], (-20, -30, 48.0), **tags))
    with pytest.raises(BadInput, match=rf"{stray.name}: 1 slice differs from the other 24 .* in {words}"):
        load(tmp_path)
    number = "1" if words != "series UID" else "1.2.3"
    found = load(tmp_path, series=number)
    assert found.volume.grid.size[2] == 24
    assert "left out" in next(finding.measured for finding in found.findings if finding.check == "strays")


def test_a_damaged_neighbour_may_be_a_slice(tmp_path: Path) -> None:
    write_series(tmp_path, planes(), np.arange(24) * 2.0)
    victim = sorted(tmp_path.iterdir())[3]
    victim.write_bytes(victim.read_bytes()[:300])
    with pytest.raises(BadInput, match=victim.name):
        load(tmp_path)
    victim.write_bytes(b"")
    with pytest.raises(BadInput, match=victim.name):
        load(tmp_path)


def test_sources_without_a_series_say_what_they_hold(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="is empty"):
        load(tmp_path)
    (tmp_path / "a.txt").write_text("x")
    with pytest.raises(BadInput, match=r"a\.txt: is not DICOM"):
        load(tmp_path)
    write(tmp_path / "scout", slice_of(planes(1)[0], ImageType=["ORIGINAL", "PRIMARY", "LOCALIZER"]))
    with pytest.raises(BadInput, match="holds no CT or MR series, but 1 × a localizer, 1 × not DICOM"):
        load(tmp_path)


def test_a_mosaic_is_no_slice(tmp_path: Path) -> None:
    kind = ["ORIGINAL", "PRIMARY", "M", "ND", "MOSAIC"]
    write_series(tmp_path, planes(4), np.arange(4) * 2.0, Modality="MR", ImageType=kind)
    with pytest.raises(BadInput, match="a mosaic of many slices"):
        load(tmp_path)


def test_a_frame_is_not_asked_for_in_vain(tmp_path: Path) -> None:
    write_series(tmp_path, planes(), np.arange(24) * 2.0)
    with pytest.raises(WrongUsage, match="--frame: is for NIfTI, NRRD and MHA"):
        load(tmp_path, frame=1)


def test_one_slice_is_no_volume(tmp_path: Path) -> None:
    path = write(tmp_path / "one.dcm", slice_of(planes(1)[0]))
    with pytest.raises(BadInput, match=r"one\.dcm: its series has 1 slice, expected at least 3\. Name the folder"):
        load(path)


def test_links_that_lead_round_in_circles_do_no_harm(tmp_path: Path) -> None:
    write_series(tmp_path, planes(), np.arange(24) * 2.0)
    (tmp_path / "again").symlink_to(tmp_path, target_is_directory=True)
    assert len(load(tmp_path).files) == 24


def test_the_list_tells_what_each_series_holds_and_what_is_wrong_with_it(tmp_path: Path) -> None:
    write_series(tmp_path / "a", planes(), np.arange(24) * 2.0, SeriesDescription="thin", ConvolutionKernel="B70")
    write_series(tmp_path / "b", planes(8), np.r_[0, 2:9] * 5.0, SeriesInstanceUID="1.2.4", SeriesNumber=9)
    listing = list_series(tmp_path, IngestParams())
    first, second = listing.rows
    spacing = "0.70 × 0.80 × 2.00"
    assert first.cells() == ("1", "CT", "thin", "24", "8×6", spacing, "axial, LPS", "B70", "")
    assert len(HEADINGS) == len(first.cells())
    assert (second.number, second.series_uid, second.slices) == (2, "1.2.4", 8)
    assert second.trouble == "gap of 10.00 mm after slice 1"
    assert second.as_dict()["trouble"] == second.trouble
    assert listing.chosen == 1
    assert listing.lines() == ["number 1 would be read without --series"]


@pytest.mark.parametrize("content", [b"", b"\0", b"\0" * 3000])
def test_an_emptied_end_slice_is_not_dropped_in_silence(tmp_path: Path, content: bytes) -> None:
    """Files of scanners often have no ending: only its neighbours' names tell that this one was a slice."""
    array = planes()
    for number, plane in enumerate(array):
        write(tmp_path / f"IM{number:04d}", slice_of(plane, (-20, -30, 2.0 * number)))
    (tmp_path / "README").write_bytes(b"")
    np.testing.assert_array_equal(load(tmp_path).volume.array, array)
    (tmp_path / "IM0023").write_bytes(content)
    with pytest.raises(BadInput, match=r"IM0023: is (empty|not DICOM)"):
        load(tmp_path)


def test_an_end_slice_of_a_series_without_a_uid_is_missed(tmp_path: Path) -> None:
    write_series(tmp_path, planes(), np.arange(24) * 2.0, SeriesInstanceUID="")
    write(tmp_path / "last.dcm", slice_of(planes(1, 5)[0], (-20, -30, 48.0), SeriesInstanceUID=""))
    with pytest.raises(BadInput, match=r"last\.dcm: 1 slice differs .* in size"):
        load(tmp_path)


@pytest.mark.parametrize(
    "tags",
    [
        {"ImageType": ["ORIGINAL", "PRIMARY", "LOCALIZER"]},
        {"Modality": "SEG"},
        {"SOPClassUID": "1.2.840.10008.5.1.4.1.1.7"},
        {"PhotometricInterpretation": "RGB", "ImagePositionPatient": None},
    ],
)
def test_an_end_slice_that_says_to_be_something_else_is_missed(tmp_path: Path, tags: dict[str, object]) -> None:
    write_series(tmp_path, planes(), np.arange(24) * 2.0)
    write(tmp_path / "last.dcm", slice_of(planes(1)[0], (-20, -30, 48.0), **tags))
    with pytest.raises(BadInput, match=r"last\.dcm: 1 slice differs"):
        load(tmp_path)


def test_an_image_of_the_series_that_differs_in_all_is_told(tmp_path: Path) -> None:
    """It may be a page of a report, or an end slice that was damaged twice."""
    write_series(tmp_path, planes(), np.arange(24) * 2.0)
    write(tmp_path / "last.dcm", slice_of(planes(1, 9)[0], (-20, -30, 48.0), ImageType=["DERIVED", "SECONDARY"]))
    found = load(tmp_path)
    assert "strays" in {finding.check for finding in found.findings if finding.level is Level.WARN}
