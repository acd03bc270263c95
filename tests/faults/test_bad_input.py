"""Each kind of bad input ends with its own exit code and one message that names the file, the value and the cure."""

from __future__ import annotations

import gzip
import os
import resource
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from tests.program import Ended, files_below, surgplan

SLOW = pytest.mark.slow
HOW = ("-r", "example-femur", "--set", "report.pictures=false")


@pytest.fixture(scope="module")
def example(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("faults") / "femur"
    assert surgplan("example", "femur", "--size", "small", "-o", folder).code == 0
    return folder


@pytest.fixture
def scan(example: Path, tmp_path: Path) -> Path:
    """A DICOM series of one's own, to be broken."""
    return Path(shutil.copytree(example / "dicom", tmp_path / "scan"))


def refuses(ended: Ended, code: int, *words: str) -> str:
    """The run ended with `code` and one message that holds all the words and a cure."""
    assert ended.code == code, (ended.code, ended.err)
    message = ended.error
    for word in words:
        assert word in message, message
    assert message.count(". ") >= 1, f"no remedy in: {message}"
    return message


def nothing_is_left(folder: Path) -> None:
    """No result under a final name, and no temporary file; at the most a page that says where it failed."""
    found = files_below(folder)
    page = found.pop("report/index.html", b"Failed in the stage")
    assert b"Failed in the stage" in page
    left = [name for name in found if not name.startswith(".surgplan") and name != "case.toml"]
    assert not [name for name in left if name != "manifest.json"], left


def slices_in_order(scan: Path) -> list[Path]:
    import pydicom

    places = {path: float(pydicom.dcmread(path).ImagePositionPatient[2]) for path in scan.iterdir()}
    return sorted(places, key=lambda path: places[path])


def run(source: Path, case: Path, *more: object) -> Ended:
    return surgplan("run", source, *HOW, "-o", case, *more)


def test_an_empty_folder(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    refuses(run(tmp_path / "empty", tmp_path / "case"), 3, "empty")
    nothing_is_left(tmp_path / "case")


def test_a_folder_without_an_image(tmp_path: Path) -> None:
    (tmp_path / "notes").mkdir()
    (tmp_path / "notes" / "readme.txt").write_text("no image here")
    refuses(run(tmp_path / "notes", tmp_path / "case"), 3, "notes")


def test_a_path_that_does_not_exist(tmp_path: Path) -> None:
    refuses(run(tmp_path / "nowhere", tmp_path / "case"), 5, "nowhere", "no such file")


def test_a_file_that_is_no_scan(tmp_path: Path) -> None:
    (tmp_path / "letter.nii.gz").write_bytes(b"Dear colleague, " * 40)
    refuses(run(tmp_path / "letter.nii.gz", tmp_path / "case"), 3, "letter.nii.gz")
    (tmp_path / "letter.dcm").write_bytes(b"Dear colleague, " * 40)
    refuses(run(tmp_path / "letter.dcm", tmp_path / "case"), 3, "letter.dcm")


def test_a_truncated_slice(scan: Path, tmp_path: Path) -> None:
    victim = slices_in_order(scan)[20]
    victim.write_bytes(victim.read_bytes()[:-5000])
    refuses(run(scan, tmp_path / "case"), 3, victim.name)
    nothing_is_left(tmp_path / "case")


def test_a_missing_slice(scan: Path, tmp_path: Path) -> None:
    ordered = slices_in_order(scan)
    ordered[30].unlink()
    message = refuses(run(scan, tmp_path / "case"), 3, "gap of", " mm after slice", "expected")
    assert ordered[29].name in message or ordered[31].name in message
    nothing_is_left(tmp_path / "case")


def test_a_slice_that_is_there_twice(scan: Path, tmp_path: Path) -> None:
    import pydicom

    doubled = pydicom.dcmread(slices_in_order(scan)[10])
    doubled.SOPInstanceUID = doubled.SOPInstanceUID + ".1"
    doubled.PixelData = doubled.PixelData[::-1]  # the same pixels would be a copy, which is left out
    doubled.file_meta.MediaStorageSOPInstanceUID = doubled.SOPInstanceUID
    doubled.save_as(scan / "again.dcm")
    refuses(run(scan, tmp_path / "case"), 3, "mm")


def test_two_series_in_one_folder(example: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    assert surgplan("example", "femur", "--size", "small", "--seed", "3", "-o", other).code == 0
    both = tmp_path / "both"
    shutil.copytree(example / "dicom", both / "a")
    shutil.copytree(other / "dicom", both / "b")
    ended = run(both, tmp_path / "case")
    assert ended.code in (2, 3), ended.err
    assert "--series" in ended.error or "series" in ended.error
    nothing_is_left(tmp_path / "case")


def test_a_nifti_cut_short(tmp_path: Path) -> None:
    import SimpleITK as sitk

    rng = np.random.default_rng(0)
    image = sitk.GetImageFromArray(rng.integers(-1000, 1500, (40, 40, 40)).astype(np.int16))
    for name in ("scan.nii", "scan.nii.gz"):
        path = tmp_path / name
        sitk.WriteImage(image, str(path))
        data = gzip.decompress(path.read_bytes()) if name.endswith("gz") else path.read_bytes()
        cut = data[: len(data) * 2 // 3]
        path.write_bytes(gzip.compress(cut) if name.endswith("gz") else cut)
        refuses(run(path, tmp_path / "case"), 3, name)
    path.write_bytes(path.read_bytes()[:-2000])
    refuses(run(path, tmp_path / "case"), 3, "scan.nii.gz")
    nothing_is_left(tmp_path / "case")


def test_a_recipe_with_a_wrong_key_and_with_a_value_out_of_range(scan: Path, tmp_path: Path) -> None:
    recipe = tmp_path / "mine.toml"
    head = '[[structure]]\nname = "bone"\nthreshold_hu = [250, 3071]\n'
    recipe.write_text(head + "[surface]\ntolerence_mm = 1\n")
    message = refuses(surgplan("run", scan, "-r", recipe, "-o", tmp_path / "case"), 2, "mine.toml", "tolerence_mm")
    assert "Did you mean `tolerance_mm`" in message
    recipe.write_text(head + "[surface]\ntolerance_mm = 99\n")
    refuses(surgplan("run", scan, "-r", recipe, "-o", tmp_path / "case"), 2, "mine.toml", "99")
    assert not (tmp_path / "case").exists()


def test_a_threshold_that_selects_nothing(scan: Path, tmp_path: Path) -> None:
    ended = run(scan, tmp_path / "case", "--set", "structure.femur.threshold_hu=[9000, 9999]")
    refuses(ended, 3, "femur", "9000")
    assert not (tmp_path / "case" / "labels.seg.nrrd").exists()


def test_an_output_that_exists(scan: Path, tmp_path: Path) -> None:
    case = tmp_path / "case"
    case.mkdir()
    (case / "thesis.txt").write_text("ten years of work")
    refuses(run(scan, case), 6, "case", "--overwrite")
    volume = tmp_path / "volume.nrrd"
    volume.write_text("precious")
    refuses(surgplan("ingest", scan, "-o", volume), 6, "volume.nrrd", "--overwrite")
    assert volume.read_text() == "precious"
    assert (case / "thesis.txt").read_text() == "ten years of work"


def test_an_unwritable_folder(scan: Path, tmp_path: Path) -> None:
    locked = Path("/sys/surgplan") if os.geteuid() == 0 else tmp_path / "locked" / "case"
    if os.geteuid() != 0:
        locked.parent.mkdir(mode=0o555)
    refuses(run(scan, locked), 2, str(locked), "cannot be written")


def test_a_folder_that_is_a_file(scan: Path, tmp_path: Path) -> None:
    (tmp_path / "case").write_text("a file")
    refuses(run(scan, tmp_path / "case"), 6, "case")
    refuses(surgplan("ingest", scan, "-o", tmp_path / "case" / "v.nrrd"), 2, "cannot be written")
    assert (tmp_path / "case").read_text() == "a file"


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A real file system of 6 MB, which a case does not fit on."""
    folder = tmp_path / "small"
    folder.mkdir()
    made = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=6m", "tmpfs", folder], capture_output=True, check=False)
    if made.returncode:
        pytest.skip(f"cannot mount a small disk: {made.stderr.decode().strip()}")
    yield folder
    subprocess.run(["umount", "-l", folder], check=True)


def test_a_full_disk(scan: Path, small_disk: Path) -> None:
    (small_disk / "old.nrrd").write_bytes(b"what was there before")
    shutil.copy(small_disk / "old.nrrd", small_disk / "volume.nrrd")
    (small_disk / "filler").write_bytes(bytes(5_000_000))
    ended = surgplan("ingest", scan, "-o", small_disk / "volume.nrrd", "--overwrite")
    refuses(ended, 7, "volume.nrrd", "Free some disk space")
    assert (small_disk / "volume.nrrd").read_bytes() == b"what was there before"
    refuses(run(scan, small_disk / "case"), 7, "Free some disk space")
    nothing_is_left(small_disk / "case")


@pytest.mark.parametrize("limit", [400_000, 2_000_000])
def test_writing_that_fails_half_way(scan: Path, tmp_path: Path, limit: int) -> None:
    """No file may grow past a limit: every writer meets an error in the middle of its file."""

    def smaller() -> None:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))

    words = [sys.executable, "-m", "surgplan", "run", scan, *HOW, "-o", tmp_path / "case"]
    done = subprocess.run(words, capture_output=True, text=True, check=False, preexec_fn=smaller)
    assert done.returncode == 7, (done.returncode, done.stderr)
    assert all(path.stat().st_size < limit for path in (tmp_path / "case").rglob("*") if path.is_file())
    assert not list((tmp_path / "case").rglob("*.part*"))


def started(scan: Path, case: Path, until: Callable[[], bool]) -> subprocess.Popen[str]:
    words = [sys.executable, "-m", "surgplan", "run", scan, *HOW, "-o", case]
    process = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    while not until() and process.poll() is None:
        time.sleep(0.01)
    return process


@pytest.mark.parametrize("number", [signal.SIGINT, pytest.param(signal.SIGTERM, marks=SLOW)])
@pytest.mark.parametrize(
    "after",
    ["volume.nrrd", *(pytest.param(each, marks=pytest.mark.slow) for each in (".surgplan/lock", "labels.seg.nrrd"))],
)
def test_being_interrupted(scan: Path, tmp_path: Path, number: signal.Signals, after: str) -> None:
    case = tmp_path / "case"
    process = started(scan, case, (case / after).exists)
    process.send_signal(number)
    _, err = process.communicate(timeout=60)
    assert process.returncode in (130, 0), err
    if process.returncode == 130:
        assert "interrupted" in err
        assert "Traceback" not in err
    assert not list(case.rglob("*.part*"))
    assert run(scan, case).code == 0


@pytest.mark.slow  # by default, the campaign shows it
@pytest.mark.parametrize("delay", [0.1, 0.5, 1.0, 1.5, 2.0, 3.0])
def test_being_killed(scan: Path, example: Path, tmp_path: Path, delay: float) -> None:
    case, undisturbed = tmp_path / "case", tmp_path / "undisturbed"
    process = started(scan, case, (case / ".surgplan" / "lock").exists)
    time.sleep(delay)
    process.kill()
    process.communicate()
    assert surgplan("verify", case).code in (0, 5), "a file under its final name is not whole"
    assert run(scan, case, "--name", "case").code == 0
    assert run(scan, undisturbed, "--name", "case").code == 0
    one, two = files_below(case), files_below(undisturbed)
    assert {name for name in two if name not in one} == set()
    kept = [name for name in two if not name.startswith(".surgplan") and name != "manifest.json"]
    assert [name for name in kept if one[name] != two[name]] == []


def test_two_processes_on_one_case(scan: Path, tmp_path: Path) -> None:
    case = tmp_path / "case"
    first = started(scan, case, (case / ".surgplan" / "lock").exists)
    second = run(scan, case)
    _, err = first.communicate(timeout=120)
    assert first.returncode == 0, err
    assert second.code in (0, 9), second.err
    if second.code == 9:
        assert f"process {first.pid}" in second.error


@pytest.mark.parametrize(
    "name",
    [
        "volume.nrrd",
        *(pytest.param(each, marks=SLOW) for each in ("manifest.json", "labels.seg.nrrd", "surfaces/femur.ply")),
    ],
)
def test_a_damaged_case_is_mended_or_refused(scan: Path, tmp_path: Path, name: str) -> None:
    case = tmp_path / "case"
    assert run(scan, case).code == 0
    path = case / name
    path.write_bytes(path.read_bytes()[:100])
    ended = run(scan, case)
    assert ended.code == (3 if name == "manifest.json" else 0), ended.err
    if ended.code:
        assert "--overwrite" in ended.error
        assert run(scan, case, "--overwrite").code == 0
    assert surgplan("verify", case).code == 0
