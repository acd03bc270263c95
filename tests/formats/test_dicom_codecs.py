"""Compressed pixels of every kind. Truth: numpy, the lossless twin, and a stream that another library encoded."""

from __future__ import annotations

import base64
import zlib
from pathlib import Path

import numpy as np
import pytest
from pydicom.encaps import encapsulate
from pydicom.uid import JPEG2000, JPEG2000Lossless, RLELossless

from surgplan.errors import BadInput, Missing
from surgplan.formats import dicom_decode
from surgplan.formats.dicom import read_headers
from surgplan.formats.dicom_pixels import read_slices
from tests.formats.slices import slice_of, write
from tests.formats.test_dicom_headers import enhanced
from tests.formats.test_dicom_pixels import headers

ROW, COLUMN = np.mgrid[:20, :24]
WAVES = (1500 * np.sin(COLUMN / 3) * np.cos(ROW / 4)).astype(np.int16)
LARGE = np.tile(WAVES, (4, 4))
HTJ2K = base64.b64decode(
    "/0//UQApQAAAAAAYAAAAFAAAAAAAAAAAAAAAGAAAABQAAAAAAAAAAAABjwEB/1AACAACAAAACv9SAAwAAgABAAMEBEAB/1wADSCIkJCQkJCQiIiI"
    "/2QAFwABT3BlbkpQSCBWZXIgMC4zMS4wLv+QAAoAAAAAAj0AAf+TwAAtQJxOy3rSC6JiJrdi+BRLzIMBeLgAwAAWrAABXQAAVwAaK2ZDzCc8fzh8"
    "LU/3BgW4pAF4uAByF8J2uEZR/gBiA362AHJu9B8VtLiRAIMDfrYAwAAXXwAAXYQAAXUApMUBwjroyK+9xZxBqOGvQifMY4MQSVxQCHNrnt2iGpFL"
    "Rt0AWs6lUkSiBCAinAAWAGAcogwREycTogoXF0F3l6/6JhA8la1ysFPhhNLS1wE9JD+YAiAAEiRgAhAikAEqABDPMURQjrTdB8YBFAjlUkNG0xO1"
    "BeQAQ+SH8wA4AADkRD7k+pABwAAvoWAAF73AAC7wNhdDj5Lg1ZY0JZvDpxFWhsDmpUXDESgVWIUQoQC0BtFENTE7CHAMdC2qNY+Lh9j3iETApwcC"
    "TCYoWq4iL2axw2C0qb+rSnIwEA/Fiz0U1sq2jj6F7aR9eUYaA5uCbEFbfIzBUcP4zAAwA1OHrO0SQRJKBElIERSIMANBiLKBEMsAACqeAQBghQmU"
    "r8Brw7wVS51Fogb5ACAlXMM1rBQxMR1UOQehhl6jvqv5yYdBV+A12ICw6puX/N2S6UhDyTF0L8MAmhVu0WBwgfoJciVoRWAZPIL4oSKfiDUKpj3Q"
    "OMLTAcklUgKqQEPORvDrLSSUSAqpAZQABrkgKRqqkqq/AQi4bxIMhQWgfQmQNLsDQSHJWSAGFLiAEQUcqKANqGARPhaQH4AAFB+aq2VxIiHAmwQR"
    "jFMyqMV0Iza+Af/Z"
)
"""`WAVES`, encoded without loss by OpenJPH (@cornerstonejs/codec-openjph 2.4): not by the library that decodes it."""


def encapsulated(path: Path, frame: bytes, syntax: str) -> Path:
    """A file of `WAVES` whose one frame is in any transfer syntax, also in one that pydicom does not know."""
    data = slice_of(WAVES, syntax=RLELossless)
    data.PixelData = encapsulate([frame + b"\0" * (len(frame) % 2)])
    data["PixelData"].VR, data["PixelData"].is_undefined_length = "OB", True
    whole = write(path, data).read_bytes()
    at = whole.index(b"\x02\x00\x10\x00UI") + 6
    name = syntax.encode() + b"\0" * (len(syntax) % 2)
    rest = whole[at + 2 + int.from_bytes(whole[at : at + 2], "little") :]
    path.write_bytes(whole[:at] + len(name).to_bytes(2, "little") + name + rest)
    return path


@pytest.mark.parametrize("number", [201, 202, 203])
def test_high_throughput_jpeg_2000_is_read_exactly(tmp_path: Path, number: int) -> None:
    path = encapsulated(tmp_path / "a", HTJ2K, f"1.2.840.10008.1.2.4.{number}")
    (header,) = headers(path)
    np.testing.assert_array_equal(read_slices([header])[0], WAVES)
    assert not header.lossy


def test_frames_that_are_encapsulated_as_they_are_or_deflated(tmp_path: Path) -> None:
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    deflated = packer.compress(WAVES.tobytes()) + packer.flush()
    for frame, syntax in ((WAVES.tobytes(), "1.2.840.10008.1.2.1.98"), (deflated, "1.2.840.10008.1.2.8.1")):
        path = encapsulated(tmp_path / syntax, frame, syntax)
        np.testing.assert_array_equal(read_slices(headers(path))[0], WAVES)


KINDS = (("int16", 16), ("int16", 12), ("uint16", 16), ("uint16", 12), ("uint16", 10), ("uint8", 8))


@pytest.mark.parametrize("syntax", [RLELossless, JPEG2000Lossless])
def test_lossless_codecs_change_no_value_of_any_kind(tmp_path: Path, syntax: str) -> None:
    expected, paths = [], []
    for number, (kind, bits) in enumerate(KINDS):
        low = -(1 << (bits - 1)) if kind == "int16" else 0
        pixels = np.random.default_rng(number).integers(low, low + (1 << bits), (33, 47)).astype(kind)
        data = slice_of(pixels, BitsStored=bits, HighBit=bits - 1)
        data.compress(syntax, generate_instance_uid=False)
        expected.append(pixels)
        paths.append(write(tmp_path / str(number), data))
    np.testing.assert_array_equal(read_slices(headers(*paths)), np.stack([each.astype(float) for each in expected]))


@pytest.mark.parametrize("syntax", [RLELossless, JPEG2000Lossless])
def test_each_frame_of_a_compressed_multi_frame_image_is_its_own(tmp_path: Path, syntax: str) -> None:
    data = enhanced(40)
    pixels = np.stack([LARGE + number for number in range(40)])
    data.Rows, data.Columns, data.PixelData = *LARGE.shape, pixels.tobytes()
    expected = pixels - 100 * np.arange(40)[:, None, None]
    data.compress(syntax, generate_instance_uid=False)
    np.testing.assert_array_equal(read_slices(headers(write(tmp_path / "a", data))), expected)


def test_a_wavelet_with_loss_is_told_though_the_header_does_not_say_it(tmp_path: Path) -> None:
    data = slice_of(LARGE)
    data.compress(JPEG2000, j2k_psnr=[60], generate_instance_uid=False)
    for keyword in ("LossyImageCompression", "LossyImageCompressionRatio", "LossyImageCompressionMethod"):
        if keyword in data:
            delattr(data, keyword)
    (header,) = headers(write(tmp_path / "a", data))
    assert header.lossy
    lossless = slice_of(LARGE)
    lossless.compress(JPEG2000Lossless, generate_instance_uid=False)
    lossless.file_meta.TransferSyntaxUID = JPEG2000  # which may be lossless, too
    (header,) = headers(write(tmp_path / "b", lossless))
    assert not header.lossy


@pytest.mark.parametrize("syntax", ["1.2.840.10008.1.2.4.100", "1.2.840.10008.1.2.4.110", "1.2.3.4"])
def test_an_encoding_that_nothing_decodes_is_named(tmp_path: Path, syntax: str) -> None:
    path = encapsulated(tmp_path / "a.dcm", b"\0" * 5000, syntax)
    with pytest.raises(BadInput, match=r"a\.dcm: is encoded as .*, which surgplan cannot decode.*Export it again"):
        read_slices(headers(path))


def test_a_missing_decoder_is_named_with_its_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The real child process, in which the packages cannot be imported."""
    path = encapsulated(tmp_path / "a.dcm", HTJ2K, "1.2.840.10008.1.2.4.201")
    for name in ("openjpeg", "pylibjpeg"):
        (tmp_path / "hidden" / name).mkdir(parents=True)
        (tmp_path / "hidden" / name / "__init__.py").write_text("raise ImportError('hidden')")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path / "hidden"))
    with pytest.raises(Missing, match="pip install pylibjpeg pylibjpeg-openjpeg") as caught:
        read_slices(headers(path))
    assert caught.value.exit_code == 5


def test_slices_are_decoded_by_as_many_processes_as_there_are_cores(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("os.sched_getaffinity", lambda process: {0, 1, 2})
    started = []
    by_child = dicom_decode._by_child
    monkeypatch.setattr(dicom_decode, "_by_child", lambda *given: (started.append(given[1]), by_child(*given)))
    data = slice_of(np.stack([WAVES + number for number in range(24)]), NumberOfFrames=24)
    data.compress(RLELossless, generate_instance_uid=False)
    found = read_headers(write(tmp_path / "a", data))
    assert isinstance(found, tuple)
    np.testing.assert_array_equal(read_slices(found)[:, 0, 0], np.arange(24))
    assert sorted(number for part in started for number in part) == list(range(24))
    assert len(started) == 3
