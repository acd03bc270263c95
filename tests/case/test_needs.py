"""What a stage needs is told before it starts, with the figures; what is free is what the system says."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from surgplan.case.needs import STAGE_NEEDS, check_needs, free_memory, run_bytes, scan_bytes, surface_bytes
from surgplan.case.workshop import STAGES
from surgplan.errors import OutOfResources
from surgplan.formats.images import write_volume
from surgplan.formats.segmentations import read_labels, write_labels
from tests.program import program_words, surgplan, surgplan_here
from tests.segment.shapes import ball, grid, scan
from tests.surface.shapes import BONE, halves


def test_every_stage_has_its_needs() -> None:
    assert set(STAGE_NEEDS) == {stage.name for stage in STAGES}


def test_a_stage_that_does_not_fit_is_refused_with_both_figures(tmp_path: Path) -> None:
    check_needs("surface", 1_000_000, tmp_path / "not" / "yet" / "there")
    with pytest.raises(OutOfResources) as caught:
        check_needs("surface", 1 << 50, tmp_path)
    assert "stage surface: needs 2621440.2 GiB of memory" in caught.value.message
    assert "that are free" in caught.value.message


def test_a_disk_that_is_too_small_is_told_before_anything_is_written(tmp_path: Path) -> None:
    made = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=8m", "tmpfs", tmp_path], capture_output=True, check=False
    )
    if made.returncode:
        pytest.skip(f"cannot mount a small disk: {made.stderr.decode().strip()}")
    try:
        with pytest.raises(OutOfResources, match="of disk, expected at most"):
            check_needs("ingest", 1_000_000, tmp_path / "case")
    finally:
        subprocess.run(["umount", "-l", tmp_path], check=True)


def test_free_memory_is_less_than_all_and_more_than_this_program_takes() -> None:
    total = int(next(line for line in Path("/proc/meminfo").read_text().splitlines() if "MemTotal" in line).split()[1])
    assert 50_000_000 < free_memory() <= total * 1024


def test_packed_scans_count_for_more_than_their_bytes(tmp_path: Path) -> None:
    for name in ("a.dcm", "b.nii.gz"):
        (tmp_path / name).write_bytes(bytes(1000))
    assert scan_bytes([tmp_path / "a.dcm", tmp_path / "b.nii.gz", tmp_path]) == 4000
    assert run_bytes(tmp_path) > run_bytes(tmp_path / "a.dcm")


@pytest.mark.slow
def test_no_stage_takes_more_than_is_predicted(tmp_path: Path) -> None:
    """Each stage in a process of its own, on a scan of a size that the figures were not made from."""
    assert surgplan("example", "skull", "-o", tmp_path / "skull", "--size", "full").code == 0
    volume, labels, surfaces = tmp_path / "v.nrrd", tmp_path / "l.seg.nrrd", tmp_path / "surfaces"
    stages = {
        "ingest": ("ingest", tmp_path / "skull" / "dicom", "-o", volume),
        "segment": ("segment", volume, "-r", "example-skull", "-o", labels),
        "surface": ("surface", labels, "--volume", volume, "-o", surfaces),
        "print": ("print", surfaces / "skull.ply", "-o", tmp_path / "m.3mf", "--stl", tmp_path),
        "navigation": ("navigate", volume, "-o", tmp_path / "navigation"),
    }
    for name, words in stages.items():
        peak = _peak_bytes(program_words(*words))
        predicted = 200_000_000 + STAGE_NEEDS[name].memory * volume.stat().st_size
        predicted += surface_bytes(read_labels(labels)) if name == "surface" else 0
        assert peak < predicted, f"{name} took {peak / 1e6:.0f} MB of {predicted / 1e6:.0f} predicted"


@pytest.mark.slow
def test_joined_surfaces_take_no_more_than_is_predicted(tmp_path: Path) -> None:
    for number, spacing in enumerate([(0.8, 0.8, 1.2), (0.8, 0.8, 2.0)]):
        volume, labels = tmp_path / f"{number}.nrrd", tmp_path / f"{number}.seg.nrrd"
        scan, found = halves(spacing, BONE, 540.0, radius=30.0)
        write_volume(volume, scan)
        write_labels(labels, found)
        peak = _peak_bytes(
            program_words("surface", labels, "--volume", volume, "-o", tmp_path / f"{number}", "--joined")
        )
        predicted = 200_000_000 + STAGE_NEEDS["surface"].memory * volume.stat().st_size + surface_bytes(found, True)
        assert peak < predicted, f"{peak / 1e6:.0f} MB of {predicted / 1e6:.0f} predicted"


def test_joined_surfaces_are_all_made_at_once() -> None:
    _, found = halves((1.5, 1.5, 1.4), BONE, 540.0, radius=8.0)
    assert surface_bytes(found, joined=True) > 4 * surface_bytes(found)


def _peak_bytes(words: list[str]) -> int:
    code = "import resource, subprocess, sys; subprocess.run(sys.argv[1:], check=True, capture_output=True);"
    code += "print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)"
    done = subprocess.run([sys.executable, "-c", code, *words], check=True, capture_output=True, text=True)
    return int(done.stdout) * (1024 if sys.platform != "darwin" else 1)


def test_a_recipe_whose_methods_do_not_fit_is_refused_before_it_starts(tmp_path, monkeypatch) -> None:
    """`surgplan segment` alone: a threshold would fit, tubes would not."""
    where = grid((100, 100, 100))
    write_volume(tmp_path / "v.nrrd", scan(where, 1000 * ball(where, 30)))
    monkeypatch.setattr("surgplan.case.needs.free_memory", lambda: 230_000_000)
    words = ["segment", tmp_path / "v.nrrd", "--name", "it", "--threshold-hu", "250", "3071", "-o"]
    assert surgplan_here(*words, tmp_path / "a.seg.nrrd").code == 0
    refused = surgplan_here(*words, tmp_path / "b.seg.nrrd", "--method", "tubes")
    assert refused.code == 7
    assert "stage segment: needs 250.3 MiB of memory, expected at most the 219.3 MiB that are free" in refused.error
    assert not (tmp_path / "b.seg.nrrd").exists()
