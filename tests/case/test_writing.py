"""What a stage has made is written while the next one works: it is done when it is on the disk, not before."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest

from surgplan.case import steps, workshop
from surgplan.case.casefile import plan_case
from surgplan.case.manifest import read_manifest
from surgplan.case.runner import run_case
from surgplan.case.writing import at_once, together
from surgplan.errors import EmptyLabel, OutOfResources
from surgplan.formats.atomic import write_text
from tests.program import surgplan_here as surgplan

LONG = "a structure with a name of which the first eighty letters are those of another one too"


class Told:
    """Which stages were told to have ended, and whether the manifest had them then."""

    def __init__(self, case: Path) -> None:
        self.case, self.ended = case, list[tuple[str, bool]]()

    def begin(self, stage: str) -> None:
        pass

    def end(self, stage: str, seconds: float, skipped: bool) -> None:
        self.ended.append((stage, stage in done(self.case)))


def done(case: Path) -> list[str]:
    manifest = read_manifest(case)
    return list(manifest.stages) if manifest else []


def until_done(case: Path, stage: str) -> None:
    patience = time.monotonic() + 60
    while stage not in done(case) and time.monotonic() < patience:
        time.sleep(0.01)


@pytest.fixture(scope="module")
def scan(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("example") / "femur"
    assert surgplan("example", "femur", "--size", "small", "-o", folder).code == 0
    return folder / "dicom"


def test_a_stage_is_done_once_its_files_are_there_and_while_the_next_one_works(
    scan: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = Told(tmp_path / "case")

    def waiting(*_: object) -> None:
        until_done(tmp_path / "case", "ingest")
        assert told.ended == [("ingest", True)]
        raise EmptyLabel("structure `x`", "has no voxels")

    monkeypatch.setattr(workshop, "segment_step", waiting)
    with pytest.raises(EmptyLabel):
        run_case(plan_case(scan, "example-femur", "one", ()), tmp_path / "case", told)
    assert done(tmp_path / "case") == ["ingest"]
    assert (tmp_path / "case" / "volume.nrrd").is_file()


def test_a_volume_that_cannot_be_written_is_told_and_nothing_after_it_is_done(
    scan: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(path: Path, *_: object) -> None:
        raise OutOfResources(path, "cannot be written: no space left on device")

    def gone(*_: object) -> None:
        raise EmptyLabel("structure `x`", "has no voxels")

    monkeypatch.setattr("surgplan.formats.images.write_volume", full)
    for name, what in (("late", steps.segment_step), ("early", gone)):
        monkeypatch.setattr(workshop, "segment_step", what)
        told = Told(tmp_path / name)
        with pytest.raises(OutOfResources, match="no space left"):
            run_case(plan_case(scan, "example-femur", "one", ()), tmp_path / name, told)
        assert not done(tmp_path / name)
        assert not told.ended
        last = json.loads((tmp_path / name / "log.jsonl").read_text().splitlines()[-1])
        assert (last["action"], last["details"]["stage"]) == ("failed", "ingest")
        assert "Failed in the stage" in (tmp_path / name / "report" / "index.html").read_text()


def test_files_that_are_written_together_are_whole_and_told_in_order(tmp_path: Path) -> None:
    paths = [tmp_path / f"{LONG} {number}.txt" for number in range(20)]
    written = together([lambda path=path: write_text(path, path.name * 5000) for path in paths])  # type: ignore[misc]
    assert [file.path for file in written] == paths
    assert all(path.read_text() == path.name * 5000 for path in paths)
    assert sorted(tmp_path.iterdir()) == sorted(paths)


def test_at_once_raises_at_once() -> None:
    def fails() -> tuple[()]:
        raise OutOfResources("disk", "is full")

    with pytest.raises(OutOfResources):
        at_once(fails)
