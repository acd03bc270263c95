"""The whole road on the small example: what is there afterwards, what is skipped, what is made again."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from xml.etree import ElementTree

import pytest

from tests.program import files_below, surgplan

STAGES = ["ingest", "segment", "surface", "print", "navigation", "report"]


@pytest.fixture(scope="module")
def scan(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("example") / "skull"
    assert surgplan("example", "skull", "--size", "small", "-o", folder).code == 0
    return folder


@pytest.fixture(scope="module")
def finished(scan: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("finished") / "case"
    ended = surgplan("run", scan / "case.toml", "-o", folder)
    assert ended.code == 0, ended.err
    return folder


@pytest.fixture
def case(finished: Path, tmp_path: Path) -> Path:
    """A finished case of one's own, to be changed."""
    return Path(shutil.copytree(finished, tmp_path / "case"))


def rerun(scan: Path, case: Path, *words: str) -> list[str]:
    """The stages that a run does again."""
    ended = surgplan("run", scan / "case.toml", "-o", case, "--json", *words)
    assert ended.code == 0, ended.err
    return list(ended.json["ran"])


def test_the_case_holds_what_was_promised(finished: Path) -> None:
    names = set(files_below(finished))
    for expected in (
        *("case.toml", "manifest.json", "volume.nrrd", "labels.seg.nrrd", "surfaces/skull.ply", "print/skull.stl"),
        *("print/skull-example.3mf", "navigation/landmarks.mrk.json", "navigation/landmarks.fcsv"),
        *("navigation/plan.json", "navigation/lps_from_ras.tfm", "report/index.html"),
    ):
        assert expected in names or expected.endswith(".3mf"), f"{expected} is missing from {sorted(names)}"
    assert any(name.startswith("print/") and name.endswith(".3mf") for name in names)
    assert any(name.startswith("report/") and name.endswith(".png") for name in names)
    assert not [name for name in names if ".part" in name], "a temporary file was left behind"


def test_the_scene_opens_the_scan_the_labels_and_every_surface(finished: Path) -> None:
    root = ElementTree.parse(finished / "navigation" / "scene.mrml").getroot()
    files = [element.attrib["fileName"] for element in root if "fileName" in element.attrib]
    found = {(finished / "navigation" / name).resolve().relative_to(finished.resolve()).as_posix() for name in files}
    surfaces = {name for name in files_below(finished) if name.endswith(".ply")}
    assert {"volume.nrrd", "labels.seg.nrrd", *surfaces} <= found <= set(files_below(finished))
    assert "navigation/print_from_lps.tfm" in found


def test_stdout_holds_the_written_paths_only(scan: Path, tmp_path: Path) -> None:
    ended = surgplan("run", scan / "case.toml", "-o", tmp_path / "case", "-q", "--set", "report.pictures=false")
    paths = [Path(line) for line in ended.out.splitlines()]
    assert all(path.is_file() for path in paths)
    assert tmp_path / "case" / "report" / "index.html" in paths


def test_nothing_is_done_twice(scan: Path, case: Path) -> None:
    before = files_below(case)
    assert rerun(scan, case) == []
    assert files_below(case) == before


@pytest.mark.parametrize(
    ("setting", "stages"),
    [
        ("report.picture_width=500", ["report"]),
        ("print.scale=0.5", ["print", "navigation", "report"]),
        pytest.param("surface.tolerance_mm=0.3", ["surface", "print", "navigation", "report"], marks=pytest.mark.slow),
        ("navigation.fiducials=none", ["navigation", "report"]),
        ("structure.skull.close_mm=2", ["segment", "surface", "print", "navigation", "report"]),
    ],
)
def test_a_changed_parameter_runs_only_what_depends_on_it(
    scan: Path, case: Path, setting: str, stages: list[str]
) -> None:
    ran = rerun(scan, case, "--set", setting)
    assert ran == [stage for stage in STAGES if stage in ran], "stages ran out of order"
    assert set(ran) <= set(stages)
    assert ran[0] == stages[0]


def test_a_file_that_was_changed_or_lost_is_made_again_to_the_same_bytes(scan: Path, case: Path) -> None:
    before = files_below(case)
    (case / "labels.seg.nrrd").unlink()
    with (case / "surfaces" / "skull.ply").open("r+b") as file:
        file.seek(-1, 2)
        file.write(b"\x55")
    assert {"segment", "surface"} <= set(rerun(scan, case))
    after = files_below(case)
    assert {name: data for name, data in after.items() if name != "manifest.json"} == {
        name: data for name, data in before.items() if name != "manifest.json"
    }


@pytest.mark.slow  # by default, `reproduce` shows it, without pictures
def test_two_runs_give_the_same_bytes(scan: Path, finished: Path, tmp_path: Path) -> None:
    ended = surgplan("run", scan / "case.toml", "-o", tmp_path / "elsewhere")
    assert ended.code == 0
    one, two = files_below(finished), files_below(tmp_path / "elsewhere")
    for files in (one, two):
        told = json.loads(files["manifest.json"])
        del told["times"]
        files["manifest.json"] = json.dumps(told).encode()
    differing = [name for name in one if one[name] != two.get(name)]
    assert not differing
    assert one.keys() == two.keys()


def test_a_structure_that_left_the_recipe_leaves_no_model_behind(scan: Path, case: Path, tmp_path: Path) -> None:
    assert (case / "surfaces" / "tumour.ply").is_file()
    recipe = tmp_path / "only-skull.toml"
    recipe.write_text('description = "skull"\n[[structure]]\nname = "skull"\nthreshold_hu = [400, 3071]\n')
    (case / "surfaces" / "mine.ply").write_bytes(b"the user's own")
    ended = surgplan("run", scan / "dicom", "-r", recipe, "-o", case)
    assert ended.code == 0, ended.err
    assert not (case / "surfaces" / "tumour.ply").exists()
    assert (case / "surfaces" / "mine.ply").exists(), "a file that surgplan did not make was deleted"


def test_dry_run_says_why_and_writes_nothing(scan: Path, case: Path) -> None:
    before = files_below(case)
    words = ("run", scan / "case.toml", "-o", case, "--dry-run", "--json", "--set", "surface.tolerance_mm=0.31")
    told = surgplan(*words).json["stages"]
    assert told["ingest"] == told["segment"] == "up to date"
    assert told["surface"] == "would run: its parameters changed"
    assert told["report"].startswith("would run: surface would run")
    assert files_below(case) == before


def test_verify_finds_every_flipped_bit(case: Path) -> None:
    ended = surgplan("verify", case)
    assert ended.code == 0
    names = [name for name in files_below(case) if name.split("/")[0] in ("print", "navigation", "surfaces")]
    for name in names:
        path = case / name
        data = bytearray(path.read_bytes())
        data[len(data) // 2] ^= 1
        path.write_bytes(data)
    ended = surgplan("verify", case, "--json")
    assert ended.code == 4
    assert {finding["subject"] for finding in json.loads(ended.out)["findings"]} == set(names)


def test_the_report_can_be_made_again_without_the_scan(case: Path) -> None:
    page = case / "report" / "index.html"
    before = page.read_bytes()
    page.unlink()
    ended = surgplan("report", case)
    assert ended.code == 0, ended.err
    assert page.read_bytes() == before


def test_a_finished_case_passes_check(case: Path) -> None:
    ended = surgplan("check", case, "--json")
    assert ended.code == 0, ended.err
    assert len(ended.json["checked"]) >= 4


def test_the_cases_own_file_resumes_it(case: Path) -> None:
    ended = surgplan("run", case / "case.toml", "--json")
    assert ended.code == 0, ended.err
    assert ended.json["ran"] == []


def test_another_scan_does_not_take_the_cases_place(finished: Path, case: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    assert surgplan("example", "skull", "--size", "small", "--seed", "7", "-o", other).code == 0
    before = files_below(case)
    ended = surgplan("run", other / "case.toml", "-o", case)
    assert ended.code == 6
    assert "another scan" in ended.error
    after = files_below(case)
    assert after["volume.nrrd"] == before["volume.nrrd"]
