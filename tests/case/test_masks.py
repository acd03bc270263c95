"""Masks on the command line and in a case: real processes, real files."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk

from surgplan.case.casefile import plan_case
from surgplan.case.masks import MaskFiles
from surgplan.case.steps import segment_step
from surgplan.cli.options import mask_files
from surgplan.errors import SurgplanError, WrongUsage
from surgplan.formats.images import read_volume
from surgplan.formats.segmentations import read_labels
from tests.program import surgplan


def image(path: Path, array: np.ndarray) -> Path:
    made = sitk.GetImageFromArray(array)
    made.SetSpacing((2.0, 2.0, 2.0))
    made.SetOrigin((-49.0, -49.0, 0.0))
    sitk.WriteImage(made, str(path))
    return path


@pytest.fixture
def scan(tmp_path: Path) -> Path:
    array = np.full((30, 50, 50), -1000, np.int16)
    array[:, 5:45, 5:45] = 40
    return image(tmp_path / "scan.nrrd", array)


@pytest.fixture
def masks(tmp_path: Path) -> Path:
    folder = tmp_path / "segmentations"
    folder.mkdir()
    for name, first in (("kidney_left", 32), ("kidney_right", 10)):
        array = np.zeros((30, 50, 50), np.uint8)
        array[10:20, 20:30, first : first + 8] = 1
        image(folder / f"{name}.nii.gz", array)
    return folder


def test_segment_takes_all_masks_of_a_folder(scan, masks, tmp_path):
    target = tmp_path / "labels.seg.nrrd"
    ended = surgplan("segment", scan, "-r", "masks", "--masks", masks, "-o", target)
    assert (ended.code, ended.out.strip()) == (0, str(target))
    labels = read_labels(target)
    assert [(label.name, str(label.side)) for label in labels.labels] == [
        ("kidney_left", "left"),
        ("kidney_right", "right"),
    ]
    assert labels.counts().tolist()[1:] == [800, 800]
    text = sitk.ReadImage(str(target)).GetMetaData("Segment0_Tags")
    assert "SCT^64033007^Kidney~SCT^7771000^Left" in text


def test_a_case_hashes_its_masks_and_runs_again_when_they_change(scan, masks, tmp_path):
    case = tmp_path / "case"
    words = ("run", scan, "-r", "masks", "--masks", masks, "-o", case, "--json")
    assert surgplan(*words).json["ran"][:2] == ["ingest", "segment"]
    manifest = json.loads((case / "manifest.json").read_text())
    assert len(manifest["stages"]["segment"]["inputs"]["masks"]) == 64
    for name in ("case.toml", "manifest.json", "report/index.html"):
        assert "segmentations" not in (case / name).read_text()  # paths may carry names of patients
    again = ("run", case / "case.toml", "-o", case, "--dry-run", "--json")
    assert set(surgplan(*again).json["stages"].values()) == {"up to date"}
    array = np.zeros((30, 50, 50), np.uint8)
    array[12:20, 20:30, 32:40] = 1
    image(masks / "kidney_left.nii.gz", array)
    ahead = surgplan(*again).json["stages"]
    assert (ahead["ingest"], ahead["segment"]) == ("up to date", "would run: its inputs changed")


def test_a_case_file_names_its_masks_and_changes_one_of_them(scan, masks, tmp_path):
    (tmp_path / "case.toml").write_text(
        'case = "demo"\nsource = "scan.nrrd"\nrecipe = "masks"\nmasks = "segmentations"\n'
        '[[structure]]\nname = "kidney_left"\nmethod = "mask"\ncolor = "#010203"\n'
    )
    plan = plan_case(tmp_path / "case.toml")
    made = segment_step(read_volume(scan), plan.recipe.segment, plan.given, tmp_path / "x.seg.nrrd", plan.masks)
    assert made.noun.label("kidney_left").color == (1, 2, 3)
    assert made.noun.label("kidney_right").color != (1, 2, 3)


@pytest.mark.parametrize(
    ("recipe", "given", "names", "code", "error"),
    [
        ("masks", None, None, 2, "takes all masks, and none are given"),
        ("masks", "nowhere", None, 5, "no such file or folder"),
        ("ct-bone", "segmentations", None, 2, "the recipe takes none"),
        ("masks", "segmentations", "nowhere.json", 5, "no such file"),
        ("masks", "scan.nrrd", None, 3, "holds values from -1000 to 40"),
    ],
)
def test_what_cannot_be_meant_is_told(scan, masks, tmp_path, recipe, given, names, code, error):
    files = MaskFiles(tmp_path / given, tmp_path / names if names else None) if given else None
    plan = plan_case(scan, recipe, "case", masks=files)
    with pytest.raises(SurgplanError) as caught:
        segment_step(read_volume(scan), plan.recipe.segment, plan.given, tmp_path / "x.seg.nrrd", plan.masks)
    assert caught.value.exit_code == code
    assert error in caught.value.message
    assert not (tmp_path / "x.seg.nrrd").exists()


def test_a_missing_folder_ends_the_command_with_exit_5(scan, tmp_path):
    words = ("segment", scan, "-r", "masks", "--masks", tmp_path / "nowhere", "-o", tmp_path / "x.seg.nrrd")
    ended = surgplan(*words)
    assert ended.code == 5
    assert "no such file or folder" in ended.error


def test_a_table_of_names_without_masks_is_wrong_usage(tmp_path):
    with pytest.raises(WrongUsage, match="given without --masks"):
        mask_files(None, tmp_path / "names.json")
    assert mask_files(None, None) is None
